//! The contract of a way in.
//!
//! In: a [`ConnectorContext`] with everything the server gives. Out: dispatches through its inbox, and a
//! state for those who watch. A connector knows its own driver and this crate, nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::auth::Authenticator;
use crate::endpoint::Endpoint;
use crate::inbox::Inbox;
use crate::limits::Limits;
use crate::shutdown::Shutdown;

/// A way in. It runs inside a supervised actor, which calls `run` again, with backoff, when it fails or panics.
pub trait PushConnector: Send + 'static {
    /// A door on the server's own port, asked for once at start.
    fn endpoint(&self, _cx: &ConnectorContext) -> Option<Endpoint> {
        None
    }

    /// Works until [`ConnectorContext::shutdown`] is ready, then returns `Ok`. Everything that a new attempt
    /// must not inherit is created in here.
    ///
    /// # Errors
    /// A reason that a person can act on; the supervisor logs it and tries again.
    fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>>;
}

/// The section `[connectors.<name>]` of one type of connector.
pub trait ConnectorConfig: DeserializeOwned {
    /// The value of `type` in the section.
    const TYPE: &'static str;
    /// What it builds.
    type Connector: PushConnector;

    /// Checks what types alone cannot say, and builds the connector. Must not touch the network.
    ///
    /// # Errors
    /// Which value is impossible, and what is allowed.
    fn build(self) -> Result<Self::Connector, ConnectorError>;
}

/// All powers of a connector in one value.
#[derive(Clone)]
pub struct ConnectorContext {
    /// The name of its section; labels logs and metrics.
    pub name: Arc<str>,
    /// Where events go.
    pub inbox: Inbox,
    /// Who may push.
    pub backends: Arc<dyn Authenticator>,
    /// Bounds for names and payloads.
    pub limits: Limits,
    /// When to stop.
    pub shutdown: Shutdown,
    /// What the connector tells about itself.
    pub report: Report,
}

/// A sentence that says what failed: lower case, fits "connector x failed: …", no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConnectorError(pub String);

/// What a connector is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectorState {
    /// Built, not ready yet.
    Starting,
    /// Taking events in.
    Running,
    /// Failed, and waiting for the next attempt.
    Retrying {
        /// Why the last attempt ended.
        error: String,
        /// Failures in a row.
        attempts: u32,
    },
    /// Ended and not coming back before the next start.
    Stopped,
}

impl ConnectorState {
    /// One lower-case word for logs, health and metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Retrying { .. } => "retrying",
            Self::Stopped => "stopped",
        }
    }
}

/// The visible side of a connector: state and counters. Clones share them.
#[derive(Debug, Clone)]
pub struct Report {
    state: watch::Sender<ConnectorState>,
    accepted: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            state: watch::Sender::new(ConnectorState::Starting),
            accepted: Arc::default(),
            refused: Arc::default(),
        }
    }
}

impl Report {
    /// Changes the visible state.
    pub fn state(&self, state: ConnectorState) {
        self.state.send_replace(state);
    }

    /// The state now.
    #[must_use]
    pub fn current(&self) -> ConnectorState {
        self.state.borrow().clone()
    }

    /// Counts one event that got its receipt.
    pub fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one input that could not become a dispatch.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Events accepted and inputs refused since the start.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (
            self.accepted.load(Ordering::Relaxed),
            self.refused.load(Ordering::Relaxed),
        )
    }
}
