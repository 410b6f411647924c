//! The protocol of nodefony as the configuration offers it.
//!
//! In: a section of the configuration. Out: an entrance, whose services are channels, or sockets of somebody else.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::json;
use turted_core::units::duration;
use turted_core::{ChannelName, EventName, Responder, SettingError};

use super::door::RealtimeDoor;
use super::login::config::LoginConfig;
use super::{Nodefony, Service, Terms};
use crate::carriers::{Bounds, OfferConfig};
use crate::responders::bridge::{Bridge, Remote, Times};

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
    /// Whether clients that lose their wire are to come back, which they do after a minute. Default true.
    #[serde(default = "yes")]
    reconnect: bool,
    /// Who may log in by the SASL digest; nobody else comes in then. Default none: `[auth.clients]` says who it is.
    login: Option<LoginConfig>,
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
        #[serde(default = "an_hour", with = "duration")]
        idle: Duration,
    },
    /// A socket in the file system.
    Unix {
        path: PathBuf,
        #[serde(default = "five_seconds", with = "duration")]
        timeout: Duration,
        #[serde(default = "an_hour", with = "duration")]
        idle: Duration,
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

fn yes() -> bool {
    true
}

fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

fn an_hour() -> Duration {
    Duration::from_secs(60 * 60)
}

impl OfferConfig for NodefonyConfig {
    const TYPE: &'static str = "nodefony";
    type Offer = RealtimeDoor;

    fn build(self, bounds: &Bounds) -> Result<RealtimeDoor, SettingError> {
        let mut wrong = Vec::new();
        let event = EventName::parse(&self.event, &bounds.limits);
        let event = event.map_err(|why| wrong.push(SettingError::new("event", why.to_string())));
        if !is_name(&self.user) {
            wrong.push(SettingError::new("user", NAMES));
        }
        if !is_name(&self.everybody) || self.everybody == self.user {
            let why = format!("must differ from the setting \"user\"; {NAMES}");
            wrong.push(SettingError::new("everybody", why));
        }
        let (mut services, mut bridges) = (BTreeMap::new(), Vec::new());
        let mut channels: HashMap<ChannelName, String> = HashMap::new();
        for (name, service) in self.services {
            let key = format!("services.{name}");
            let taken = [
                (&self.user, "user", "their user is"),
                (&self.everybody, "everybody", "everybody is"),
            ];
            if let Some((_, setting, who)) = taken.into_iter().find(|(taken, ..)| **taken == name) {
                let why =
                    format!("is where clients hear what {who} told; call it, or the setting {setting:?}, otherwise");
                wrong.push(SettingError::new(&key, why));
            }
            if !is_name(&name) {
                wrong.push(SettingError::new(&key, NAMES));
            }
            let (service, bridge) = match service.build(bounds) {
                Ok(built) => built,
                Err((inner, why)) => {
                    wrong.push(SettingError::new(format!("{key}.{inner}"), why));
                    continue;
                }
            };
            if let Service::Channel(channel) = &service
                && let Some(first) = channels.insert(channel.clone(), name.clone())
            {
                let why = format!("is the channel of the service {first:?} already; a channel is one service");
                wrong.push(SettingError::new(format!("{key}.channel"), why));
            }
            bridges.extend(bridge.map(|bridge| (name.as_str().into(), Arc::new(bridge) as Arc<dyn Responder>)));
            services.insert(name, service);
        }
        let login = self.login.map(|login| login.build(bounds)).transpose();
        let login = login.map_err(|problems| wrong.extend(problems));
        let (Ok(event), Ok(login), true) = (event, login, wrong.is_empty()) else {
            return Err(SettingError::several(wrong));
        };
        let protocol = Nodefony::new(Terms {
            services,
            event,
            personal: (self.user, self.everybody),
            reconnect: self.reconnect,
            limits: bounds.limits,
            bad_messages: bounds.bad_messages,
            now: SystemTime::now,
        });
        Ok(RealtimeDoor {
            protocol,
            services: bridges.into_iter().collect(),
            login,
        })
    }
}

/// What a service may be called.
const NAMES: &str = "a service is called by letters, digits, - _ and .";

fn is_name(name: &str) -> bool {
    let is_good = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    !name.is_empty() && name.chars().all(is_good)
}

impl ServiceConfig {
    /// The service, and who answers it if that is a socket; or which key is wrong, and why.
    fn build(self, bounds: &Bounds) -> Result<(Service, Option<Bridge>), (&'static str, String)> {
        let (remote, shown, limit, idle) = match self {
            Self::Channel { channel } => {
                let channel = ChannelName::parse(&channel, &bounds.limits);
                let channel = channel.map_err(|why| ("channel", why.to_string()))?;
                return Ok((Service::Channel(channel), None));
            }
            Self::Tcp { address, timeout, idle } => {
                let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
                let why = || {
                    (
                        "address",
                        "must be a host and a port, such as \"127.0.0.1:1315\"".to_owned(),
                    )
                };
                let port = port.ok_or_else(why)?;
                // Clients look at what kind it is, and are not told where.
                let shown = json!({"type": "tcp", "port": port});
                (Remote::Tcp(address), shown, timeout, idle)
            }
            Self::Unix { path, timeout, idle } => (Remote::Unix(path), json!({"type": "unix"}), timeout, idle),
        };
        if limit.is_zero() {
            return Err(("timeout", "must be more than 0s".to_owned()));
        }
        let times = Times { limit, idle };
        Ok((Service::Bridge(shown), Some(Bridge { remote, times })))
    }
}

#[cfg(test)]
mod tests {
    use crate::Server;
    use crate::config::Sources;

    fn wrong(lines: &[&str]) -> Vec<String> {
        let sets = lines.iter().map(|line| format!("clients.nodefony.{line}"));
        let sources = Sources {
            sets: sets.collect(),
            ..Sources::default()
        };
        let error = Server::load(&sources).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        error.lines().map(str::to_owned).collect()
    }

    fn channel(service: &str, channel: &str) -> [String; 2] {
        [
            format!("services.{service}.type=\"channel\""),
            format!("services.{service}.channel=\"{channel}\""),
        ]
    }

    /// An event came on the first of the two only, whichever a client had subscribed to.
    #[test]
    fn a_channel_belongs_to_one_service() {
        let lines = [channel("a", "news"), channel("b", "other"), channel("c", "news")].concat();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(
            wrong(&lines),
            [
                "--set clients.nodefony.services.c.channel: is the channel of the service \"a\" already; a channel is one service"
            ]
        );
        assert!(wrong(&lines[..4]).is_empty());
    }

    /// What a client's user is told would come as if that service said it.
    #[test]
    fn a_service_is_called_otherwise_than_what_everybody_hears() {
        let services = [channel("user", "a"), channel("all", "b")].concat();
        let mut lines: Vec<&str> = services.iter().map(String::as_str).collect();
        lines.push("everybody=\"all\"");
        let mut wrong_lines = wrong(&lines);
        wrong_lines.sort();
        assert_eq!(
            wrong_lines,
            [
                "--set clients.nodefony.services.all.type: clients.nodefony.services.all: is where clients hear what everybody is told; call it, or the setting \"everybody\", otherwise",
                "--set clients.nodefony.services.user.type: clients.nodefony.services.user: is where clients hear what their user is told; call it, or the setting \"user\", otherwise",
            ]
        );
        lines.extend(["everybody=\"everybody\"", "user=\"me\""]);
        assert!(wrong(&lines).is_empty());
        for line in [
            "user=\"everybody\"",
            "user=\"\"",
            "everybody=\"a/b\"",
            "everybody=\"a b\"",
        ] {
            assert_eq!(wrong(&[line]).len(), 1, "{line}");
        }
    }

    #[test]
    fn a_bridge_waits_for_some_time() {
        let bridge = ["services.a.type=\"tcp\"", "services.a.address=\"127.0.0.1:1\""];
        assert!(wrong(&[bridge[0], bridge[1], "services.a.idle=\"0s\""]).is_empty());
        assert_eq!(
            wrong(&[bridge[0], bridge[1], "services.a.timeout=\"0s\""]),
            ["--set clients.nodefony.services.a.timeout: must be more than 0s"]
        );
    }
}
