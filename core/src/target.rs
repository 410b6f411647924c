//! Whom a dispatch is for, and why a connection was reached.
//!
//! In: checked names. Out: a [`Target`]; written as JSON it is the `via` of an event.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::name::{ChannelName, UserName};

/// A user, a channel, or everybody. Also the `via` of a delivery: the target that reached the connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// Every connection of this user.
    User(UserName),
    /// Every connection in this channel.
    Channel(ChannelName),
    /// Every connection.
    Everybody,
}

/// `{"user":"adam"}`, `{"channel":"chat"}` or `{"broadcast":true}`.
impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::User(name) => map.serialize_entry("user", name)?,
            Self::Channel(name) => map.serialize_entry("channel", name)?,
            Self::Everybody => map.serialize_entry("broadcast", &true)?,
        }
        map.end()
    }
}
