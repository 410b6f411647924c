//! Whom a dispatch is for, and why a connection was reached.
//!
//! In: checked names. Out: a [`Target`]; written as JSON it is the `via` of an event.

use std::fmt;

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

/// As sentences name it: `the user "adam"`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "the user {:?}", name.as_str()),
            Self::Channel(name) => write!(f, "the channel {:?}", name.as_str()),
            Self::Everybody => f.write_str("everybody"),
        }
    }
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
