//! An event on its way, and what its sender gets back.
//!
//! In: what a connector was told. Out: a [`Dispatch`], which the Dispatcher numbers, and a [`Receipt`].

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::json::Payload;
use crate::name::{EventName, UserName};
use crate::target::Target;

/// An event on its way to its targets. Not numbered yet: the Dispatcher gives it its place.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// What happened.
    pub event: EventName,
    /// What goes with it, byte for byte.
    pub payload: Payload,
    /// Whom to tell, in the order of precedence for `via`: users, channels (as listed), everybody.
    pub targets: Vec<Target>,
    /// Whom to leave out although a target matches.
    pub exclude: Exclude,
    /// Idempotency key, 1 to 128 bytes: a repetition within five minutes dispatches nothing.
    pub key: Option<Arc<str>>,
    /// The client that said it, where those who hear it are told. `None`: a backend said it, or nobody is told.
    pub from: Option<Arc<Sender>>,
}

/// The client that said something: `{"user":"adam","connection":"c7Jt…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sender {
    /// Its user, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    /// Its public id.
    pub connection: Arc<str>,
}

impl Dispatch {
    /// A dispatch without exclusions and without an idempotency key.
    #[must_use]
    pub fn new(event: EventName, targets: Vec<Target>, payload: Payload) -> Self {
        Self {
            event,
            payload,
            targets,
            exclude: Exclude::default(),
            key: None,
            from: None,
        }
    }
}

/// Connections that a dispatch passes over, usually the one that caused it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclude {
    /// Public connection ids, as sent in WELCOME.
    pub connections: Vec<Arc<str>>,
    /// Every connection of these users.
    pub users: Vec<UserName>,
}

impl Exclude {
    /// True when nobody is left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.users.is_empty()
    }
}

/// The life of one Dispatcher memory: ids of different epochs cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// An epoch named by `text`, which must be ASCII letters and digits.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// An epoch that somebody else named.
    ///
    /// # Errors
    /// When it is empty, longer than 32 bytes, or not of ASCII letters and digits.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match is_plain && !text.is_empty() && text.len() <= 32 {
            true => Ok(Self::new(text)),
            false => Err("an epoch is named by 1 to 32 letters and digits".to_owned()),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the dispatch with this sequence number.
    #[must_use]
    pub fn id(&self, sequence: u64) -> DispatchId {
        DispatchId {
            epoch: self.clone(),
            sequence,
        }
    }

    /// The sequence number in `id` if it is one of this epoch.
    #[must_use]
    pub fn sequence_of(&self, id: &str) -> Option<u64> {
        let (epoch, sequence) = id.rsplit_once('-')?;
        if epoch != &*self.0 || !sequence.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        sequence.parse().ok()
    }
}

/// `<epoch>-<sequence>`: the place of a dispatch in the one total order, the same for every receiver.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DispatchId {
    /// The Dispatcher's memory that numbered it.
    pub epoch: Epoch,
    /// Counts from 1, without gaps.
    pub sequence: u64,
}

impl fmt::Display for DispatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch.0, self.sequence)
    }
}

impl Serialize for DispatchId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a backend gets back for a dispatch: `{"id":"k3f9-42","recipients":17}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The id that the receivers see.
    pub id: DispatchId,
    /// How many connections the event was queued to.
    pub recipients: usize,
    /// Who was counted: `"scope":"node"` where only the connections of the node that took it in were.
    #[serde(skip_serializing_if = "Scope::is_all")]
    pub scope: Scope,
}

/// Whose connections a receipt counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All that there are.
    #[default]
    All,
    /// Those of one node of several.
    Node,
}

impl Scope {
    fn is_all(&self) -> bool {
        *self == Self::All
    }
}

impl Receipt {
    /// A receipt that counts all connections.
    #[must_use]
    pub fn new(id: DispatchId, recipients: usize) -> Self {
        let scope = Scope::All;
        Self { id, recipients, scope }
    }

    /// The same, which counts those of one node.
    #[must_use]
    pub fn of_node(self) -> Self {
        Self {
            scope: Scope::Node,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_of_the_same_epoch_can_be_read_back() {
        let epoch = Epoch::new("k3f9");
        assert_eq!(epoch.id(42).to_string(), "k3f9-42");
        assert_eq!(epoch.sequence_of("k3f9-42"), Some(42));
        for foreign in ["other-42", "k3f9", "k3f9-", "k3f9-+1", "k3f9--1", "", "42"] {
            assert_eq!(epoch.sequence_of(foreign), None, "{foreign}");
        }
    }
}
