//! All that a connector sees of the server.
//!
//! In: dispatches. Out: receipts, or a reason why there is none. What stands behind it is an [`Intake`];
//! the server's is the Dispatcher's mailbox, a test's may be a list.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::dispatch::{Dispatch, Receipt};
use crate::json::Payload;
use crate::name::{ChannelName, EventName, UserName};
use crate::target::Target;

/// Why a dispatch has no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The queues are full. Nothing was dispatched; try again in a moment.
    #[error("the server is overloaded, try again")]
    Overloaded,
    /// It can never be dispatched; trying again is useless.
    #[error("the push was refused: {0}")]
    Refused(String),
    /// The server is going down; try another, or later.
    #[error("the server is shutting down")]
    ShuttingDown,
}

/// Takes dispatches in.
pub trait Intake: Send + Sync {
    /// Puts one dispatch into the total order and resolves when it is queued to every connection it reaches.
    fn accept(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<Receipt, PushError>>;
}

/// The door of the Dispatcher, as connectors hold it. Cheap to clone.
#[derive(Clone)]
pub struct Inbox(Arc<dyn Intake>);

impl Inbox {
    /// An inbox in front of `intake`.
    #[must_use]
    pub fn new(intake: Arc<dyn Intake>) -> Self {
        Self(intake)
    }

    /// Tells every connection of one user.
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn notify_user(&self, user: UserName, event: EventName, payload: Payload) -> Result<Receipt, PushError> {
        self.notify(Dispatch::new(event, vec![Target::User(user)], payload))
            .await
    }

    /// Tells every connection in one channel.
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn notify_channel(
        &self,
        channel: ChannelName,
        event: EventName,
        payload: Payload,
    ) -> Result<Receipt, PushError> {
        self.notify(Dispatch::new(event, vec![Target::Channel(channel)], payload))
            .await
    }

    /// Tells any mix of targets; a connection that several of them match is told once.
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn notify(&self, dispatch: Dispatch) -> Result<Receipt, PushError> {
        self.0.accept(dispatch).await
    }
}
