//! Bayeux as the configuration offers it.
//!
//! In: a section of the configuration. Out: an offer with its terms.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use turted_core::units::duration;
use turted_core::{EventName, SettingError};

use super::Terms;
use super::channel::{Names, is_service};
use super::door::BayeuxDoor;
use crate::carriers::{Bounds, OfferConfig};

/// What a channel is called here, where the path of a client's stands in the template.
const PATH: &str = "{path}";

/// `type = "bayeux"`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BayeuxConfig {
    /// What the channel `/chat/room1` is called here: `{path}` is `chat/room1`. Default `{path}`.
    #[serde(default = "path")]
    channel: String,
    /// The event that clients publish. Default `MESSAGE`.
    #[serde(default = "event")]
    event: String,
    /// Where clients hear what is for their user. Default `/service/user`.
    #[serde(default = "user")]
    user: String,
    /// Where they hear what is for everybody. Default `/service/everybody`.
    #[serde(default = "everybody")]
    everybody: String,
    /// Where they hear what came by a channel that has no name of its own in Bayeux. Default `/service/channel`.
    #[serde(default = "other")]
    other: String,
    /// How long a connect is held. Default 30 s.
    #[serde(default = "half_a_minute", with = "duration")]
    timeout: Duration,
    /// How long a session waits for its client to come back. Default 30 s.
    #[serde(default = "half_a_minute", with = "duration")]
    expiry: Duration,
    /// Whether clients may acknowledge events. Default true.
    #[serde(default = "yes")]
    ack: bool,
}

fn path() -> String {
    PATH.to_owned()
}

fn event() -> String {
    "MESSAGE".to_owned()
}

fn user() -> String {
    "/service/user".to_owned()
}

fn everybody() -> String {
    "/service/everybody".to_owned()
}

fn other() -> String {
    "/service/channel".to_owned()
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

fn yes() -> bool {
    true
}

/// The time, in milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl OfferConfig for BayeuxConfig {
    const TYPE: &'static str = "bayeux";
    type Offer = BayeuxDoor;

    fn build(self, bounds: &Bounds) -> Result<BayeuxDoor, SettingError> {
        let prefix = self
            .channel
            .strip_suffix(PATH)
            .filter(|prefix| !prefix.contains(['{', '}']));
        let prefix =
            prefix.ok_or_else(|| SettingError::new("channel", "must end with {path}, and have no other braces"))?;
        let event = EventName::parse(&self.event, &bounds.limits);
        let event = event.map_err(|why| SettingError::new("event", format!("the event name {why}")))?;
        for (key, channel) in [
            ("user", &self.user),
            ("everybody", &self.everybody),
            ("other", &self.other),
        ] {
            if !is_service(channel) {
                return Err(SettingError::new(
                    key,
                    "must be a service channel, such as \"/service/user\"",
                ));
            }
        }
        for (key, time, least) in [("timeout", self.timeout, 1), ("expiry", self.expiry, 1)] {
            if time < Duration::from_secs(least) {
                return Err(SettingError::new(key, format!("must be at least {least}s")));
            }
        }
        Ok(BayeuxDoor(Arc::new(Terms {
            names: Names {
                prefix: prefix.to_owned(),
                user: self.user,
                everybody: self.everybody,
                channel: self.other,
                is_strict: false,
            },
            event,
            timeout: self.timeout,
            expiry: self.expiry,
            ack: self.ack,
            limits: bounds.limits,
            bad_messages: bounds.bad_messages,
            now,
        })))
    }
}
