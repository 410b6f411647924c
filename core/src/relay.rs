//! Ways out to what connectors hear, for other connectors.
//!
//! In: a channel and a payload that a backend brought. Out: the same at the source of another connector, whose
//! subscribers hear it, this server among them. Nothing is dispatched by it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::connector::ConnectorError;
use crate::json::Payload;
use crate::name::ChannelName;

/// Publishes at a source.
pub trait Relay: Send + Sync {
    /// Resolves when the source has taken it.
    ///
    /// # Errors
    /// A sentence for the operator, without a credential.
    fn publish<'a>(
        &'a self,
        channel: &'a ChannelName,
        payload: &'a Payload,
    ) -> BoxFuture<'a, Result<(), ConnectorError>>;
}

/// What can be published through, by the names of connectors. Cheap to clone.
#[derive(Clone, Default)]
pub struct Relays(Arc<HashMap<Arc<str>, Arc<dyn Relay>>>);

impl Relays {
    /// Those of these connectors.
    pub fn new(relays: impl IntoIterator<Item = (Arc<str>, Arc<dyn Relay>)>) -> Self {
        Self(Arc::new(relays.into_iter().collect()))
    }

    /// That of the connector with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Relay>> {
        self.0.get(name)
    }
}

impl fmt::Debug for Relays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
