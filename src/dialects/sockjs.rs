//! What is spoken over SockJS: the dialect of TURTED 1 and 2, or the native protocol.
//!
//! In: a section of the configuration. Out: an offer; everything else is the carrier's and the dialect's.

use std::sync::Arc;

use serde::Deserialize;
use turted_core::{Protocol, SettingError};

use super::classic::Classic;
use super::native::Native;
use crate::carriers::sockjs::{SockJs, SockJsOptions};
use crate::carriers::{Bounds, OfferConfig};

/// `type = "sockjs"`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SockJsConfig {
    /// What is spoken. Default `native`.
    #[serde(default)]
    dialect: Dialect,
    /// Where iframes find the browser client, the same version as in the page. Default `/sockjs.min.js`.
    client: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Dialect {
    Classic,
    #[default]
    Native,
}

impl OfferConfig for SockJsConfig {
    const TYPE: &'static str = "sockjs";
    type Offer = SockJs;

    fn build(self, bounds: &Bounds) -> Result<SockJs, SettingError> {
        let protocol: Arc<dyn Protocol> = match self.dialect {
            Dialect::Classic => Arc::new(Classic::new(bounds.limits, bounds.bad_messages)),
            Dialect::Native => Arc::new(Native::new(bounds.limits, bounds.bad_messages)),
        };
        let mut options = SockJsOptions {
            heartbeat: bounds.ping,
            ..SockJsOptions::default()
        };
        if let Some(client) = self.client {
            // It stands in a page of ours (CWE-79).
            if !client.starts_with(['/', 'h']) || client.contains(['"', '<', '>', '\\']) {
                let why = "must be a URL: https://… or a path that begins with a slash";
                return Err(SettingError::new("client", why));
            }
            options.client = client;
        }
        Ok(SockJs(protocol, options))
    }
}
