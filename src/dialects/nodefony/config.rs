//! The protocol of nodefony as the configuration offers it.
//!
//! In: a section of the configuration. Out: an entrance, whose services are channels, or sockets of somebody else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use turted_core::units::duration;
use turted_core::{ChannelName, EventName, Responder, SettingError};

use super::door::RealtimeDoor;
use super::{Nodefony, Service, Terms};
use crate::carriers::{Bounds, OfferConfig};
use crate::responders::bridge::{Bridge, Remote};

/// `type = "nodefony"`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodefonyConfig {
    /// What clients may subscribe to, by name. Default none.
    #[serde(default)]
    services: BTreeMap<String, ServiceConfig>,
    /// The event of what clients say to a service that is a channel. Default `MESSAGE`.
    #[serde(default = "message")]
    event: String,
    /// The service on which a client hears what its user is told. Default `user`.
    #[serde(default = "user")]
    user: String,
    /// The service on which a client hears what everybody is told. Default `everybody`.
    #[serde(default = "everybody")]
    everybody: String,
}

/// One service.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum ServiceConfig {
    /// A socket, by host and port.
    Tcp {
        address: String,
        #[serde(default = "five_seconds", with = "duration")]
        timeout: Duration,
    },
    /// A socket in the file system.
    Unix {
        path: PathBuf,
        #[serde(default = "five_seconds", with = "duration")]
        timeout: Duration,
    },
    /// A channel.
    Channel { channel: String },
}

fn message() -> String {
    "MESSAGE".to_owned()
}

fn user() -> String {
    "user".to_owned()
}

fn everybody() -> String {
    "everybody".to_owned()
}

fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

impl OfferConfig for NodefonyConfig {
    const TYPE: &'static str = "nodefony";
    type Offer = RealtimeDoor;

    fn build(self, bounds: &Bounds) -> Result<RealtimeDoor, SettingError> {
        let event = EventName::parse(&self.event, &bounds.limits);
        let (mut services, mut bridges) = (BTreeMap::new(), Vec::new());
        for (name, service) in self.services {
            let key = |inner: &str| format!("services.{name}.{inner}");
            let bad = |character: char| !(character.is_ascii_alphanumeric() || "-_.".contains(character));
            if name.is_empty() || name.contains(bad) {
                let why = "a service is called by letters, digits, - _ and .";
                return Err(SettingError::new(format!("services.{name}"), why));
            }
            let mut bridge = |remote, timeout| {
                let bridge: Arc<dyn Responder> = Arc::new(Bridge { remote, timeout });
                bridges.push((name.as_str().into(), bridge));
            };
            let built = match service {
                ServiceConfig::Tcp { address, timeout } => {
                    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
                    let Some(port) = port else {
                        let why = "must be a host and a port, such as \"127.0.0.1:1315\"";
                        return Err(SettingError::new(key("address"), why));
                    };
                    bridge(Remote::Tcp(address), timeout);
                    // Clients look at what kind it is, and are not told where.
                    Service::Bridge(json!({"type": "tcp", "port": port}))
                }
                ServiceConfig::Unix { path, timeout } => {
                    bridge(Remote::Unix(path), timeout);
                    Service::Bridge(json!({"type": "unix"}))
                }
                ServiceConfig::Channel { channel } => {
                    let channel = ChannelName::parse(&channel, &bounds.limits);
                    Service::Channel(channel.map_err(|why| SettingError::new(key("channel"), why.to_string()))?)
                }
            };
            services.insert(name, built);
        }
        let protocol = Nodefony::new(Terms {
            services,
            event: event.map_err(|why| SettingError::new("event", why.to_string()))?,
            personal: (self.user, self.everybody),
            limits: bounds.limits,
            bad_messages: bounds.bad_messages,
        });
        Ok(RealtimeDoor {
            protocol: Arc::new(protocol),
            services: bridges.into_iter().collect(),
        })
    }
}
