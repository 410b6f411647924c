//! The words of TURTED 3 and 4 over Socket.IO, as the configuration offers them.
//!
//! In: a section of the configuration. Out: an Engine.IO service for clients of both protocols, and the browser client
//! beside it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use turted_core::SettingError;

use super::client_script::WithClient;
use super::turted::Turted;
use super::{SocketIo, Terms, Version};
use crate::carriers::engineio::{EngineIo, EngineIoOptions};
use crate::carriers::{Bounds, OfferConfig};

/// How long a client may take to join; the default of the reference server.
const CONNECT: Duration = Duration::from_secs(45);

/// `type = "socketio"`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketIoConfig {
    /// Whether clients that come back are told what they missed ("connection state recovery"). Default true.
    #[serde(default = "yes")]
    recovery: bool,
    /// The folder whose `socket.io.js` and variants are served below its path: `dist` of the npm package
    /// socket.io-client. Default none.
    client: Option<PathBuf>,
}

fn yes() -> bool {
    true
}

impl OfferConfig for SocketIoConfig {
    const TYPE: &'static str = "socketio";
    type Offer = WithClient;

    fn build(self, bounds: &Bounds) -> Result<WithClient, SettingError> {
        if let Some(folder) = self.client.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(SettingError::new(
                "client",
                format!("there is no folder {}", folder.display()),
            ));
        }
        let spoken = |version| {
            let terms = Terms {
                version,
                recovery: self.recovery,
                limits: bounds.limits,
                message_bytes: bounds.message_bytes,
                bad_messages: bounds.bad_messages,
            };
            Arc::new(SocketIo::new(terms, Turted::new))
        };
        Ok(WithClient {
            service: EngineIo {
                v4: spoken(Version::V5),
                v3: Some(spoken(Version::V4)),
                options: EngineIoOptions {
                    ping_interval: bounds.ping,
                    max_payload: bounds.message_bytes,
                    connect_timeout: Some(CONNECT),
                    ..EngineIoOptions::default()
                },
            },
            folder: self.client,
        })
    }
}
