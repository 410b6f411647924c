//! Primus as the configuration offers it.
//!
//! In: a section of the configuration. Out: the dialect over the carrier of its transformer, and what stands beside it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use turted_core::units::duration;
use turted_core::{ChannelName, EventName, Protocol, SettingError};

use super::beside::WithLibrary;
use super::door::Sparks;
use super::{Primus, Terms};
use crate::carriers::engineio::{EngineIo, EngineIoOptions};
use crate::carriers::sockjs::{SockJs, SockJsOptions};
use crate::carriers::{Bounds, Offer, OfferConfig};

/// Clients that ping by themselves have done so by then; a ping that comes before is data to them.
const SOONEST: Duration = Duration::from_secs(26);
/// Clients that wait for a ping give up after 45 s.
const LATEST: Duration = Duration::from_secs(40);

/// `type = "primus"`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrimusConfig {
    /// What carries it, as the client library was made. Default `websockets`.
    #[serde(default)]
    transformer: Transformer,
    /// The event of what clients write that is no command. Default `MESSAGE`.
    #[serde(default = "message")]
    event: String,
    /// The channel to which that is said. Default none: then it is refused.
    channel: Option<String>,
    /// Whether events go out as nothing but their payloads. Default false.
    #[serde(default)]
    bare: bool,
    /// Between two pings of the server, for clients that do not ping by themselves; those of Primus 7 and 8 wait for 45
    /// s. Default 30 s.
    #[serde(default = "thirty_seconds", with = "duration")]
    ping: Duration,
    /// The client library, served as `primus.js`. Default none.
    client: Option<PathBuf>,
}

/// What carries it.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub enum Transformer {
    /// Plain WebSockets.
    #[default]
    #[serde(rename = "websockets")]
    WebSockets,
    /// Engine.IO, protocols 3 and 4.
    #[serde(rename = "engine.io")]
    EngineIo,
    /// SockJS.
    #[serde(rename = "sockjs")]
    SockJs,
}

impl Transformer {
    /// As Primus calls it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::WebSockets => "websockets",
            Self::EngineIo => "engine.io",
            Self::SockJs => "sockjs",
        }
    }
}

fn message() -> String {
    "MESSAGE".to_owned()
}

fn thirty_seconds() -> Duration {
    Duration::from_secs(30)
}

impl OfferConfig for PrimusConfig {
    const TYPE: &'static str = "primus";
    type Offer = WithLibrary;

    fn build(self, bounds: &Bounds) -> Result<WithLibrary, SettingError> {
        let event = EventName::parse(&self.event, &bounds.limits);
        let channel = self.channel.map(|name| ChannelName::parse(&name, &bounds.limits));
        if !(SOONEST..=LATEST).contains(&self.ping) {
            let why = "must be between 26s and 40s: clients up to Primus 6 ping within 25 s and take an earlier one for data, \
                       those of 7 and 8 wait for 45 s";
            return Err(SettingError::new("ping", why));
        }
        if let Some(file) = self.client.as_ref().filter(|file| !file.is_file()) {
            return Err(SettingError::new(
                "client",
                format!("there is no file {}", file.display()),
            ));
        }
        let protocol: Arc<dyn Protocol> = Arc::new(Primus::new(Terms {
            event: event.map_err(|why| SettingError::new("event", why.to_string()))?,
            channel: channel
                .transpose()
                .map_err(|why| SettingError::new("channel", why.to_string()))?,
            bare: self.bare,
            ping: self.ping,
            limits: bounds.limits,
            bad_messages: bounds.bad_messages,
        }));
        let service: Box<dyn Offer> = match self.transformer {
            Transformer::WebSockets => Box::new(Sparks(protocol)),
            Transformer::EngineIo => Box::new(EngineIo {
                v4: Arc::clone(&protocol),
                v3: Some(protocol),
                options: EngineIoOptions {
                    ping_interval: bounds.ping,
                    max_payload: bounds.message_bytes,
                    is_told: true,
                    ..EngineIoOptions::default()
                },
            }),
            Transformer::SockJs => {
                let options = SockJsOptions {
                    heartbeat: bounds.ping,
                    is_told: true,
                    ..SockJsOptions::default()
                };
                Box::new(SockJs(protocol, options))
            }
        };
        Ok(WithLibrary {
            service,
            library: self.client,
            transformer: self.transformer,
            ping: self.ping.as_millis(),
        })
    }
}
