//! All that a connector sees of the server.
//!
//! In: dispatches. Out: receipts, or a reason why there is none. What stands behind it is an [`Intake`];
//! the server's is the Dispatcher's mailbox, a test's may be a list. Here, and nowhere else, stands what keeps a
//! dispatch within the [`Scope`] of whoever sends it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};

use crate::dispatch::{Dispatch, Receipt};
use crate::json::Payload;
use crate::mapping::own_key;
use crate::name::{ChannelName, EventName, UserName};
use crate::scope::Scope;
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
    /// One of its targets is none that its sender may tell. Nothing was dispatched; trying again is useless.
    #[error("{who} may not tell {target}")]
    Forbidden {
        /// Whose bounds they are, as [`Scope::name`] says it.
        who: Arc<str>,
        /// The first target beyond them.
        target: Target,
    },
    /// Where several nodes share one order: it cannot be reached now. Nothing was dispatched; try again in a moment.
    #[error("the shared log is away, try again")]
    Away,
    /// Whether it was or will be dispatched is not known: try again with the same key.
    #[error("the outcome is not known, try again with the same id")]
    Unknown,
    /// The server is going down; try another, or later.
    #[error("the server is shutting down")]
    ShuttingDown,
}

/// Takes dispatches in.
pub trait Intake: Send + Sync {
    /// Puts one dispatch into the total order and resolves when it is queued to every connection it reaches.
    fn accept(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<Receipt, PushError>>;

    /// Whether it would take a dispatch with these targets, as far as that depends on who sends it.
    ///
    /// # Errors
    /// [`PushError::Forbidden`].
    fn permits(&self, _targets: &[Target]) -> Result<(), PushError> {
        Ok(())
    }

    /// Whether a receipt may take long, since others are asked for it.
    fn may_wait(&self) -> bool {
        false
    }
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

    /// The same inbox for a sender with these bounds; none for one that may tell everybody. Bounds add up: what is
    /// within one scope and beyond another is refused.
    #[must_use]
    pub fn within(&self, scope: Option<&Arc<Scope>>) -> Self {
        let Some(scope) = scope else {
            return self.clone();
        };
        Self(Arc::new(Within {
            scope: Arc::clone(scope),
            intake: Arc::clone(&self.0),
        }))
    }

    /// The same inbox for a sender that does not wait longer than this for a receipt: then it is told
    /// [`PushError::Unknown`].
    #[must_use]
    pub fn patient(&self, most: Duration) -> Self {
        match self.0.may_wait() {
            true => Self(Arc::new(Patient {
                most,
                intake: Arc::clone(&self.0),
            })),
            false => self.clone(),
        }
    }

    /// Whether a dispatch with these targets would be refused because of who sends it. For those who send several
    /// together: all of them are looked at before the first is on its way.
    ///
    /// # Errors
    /// [`PushError::Forbidden`].
    pub fn permits(&self, targets: &[Target]) -> Result<(), PushError> {
        self.0.permits(targets)
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

/// What stands before an intake for a sender with bounds.
struct Within {
    scope: Arc<Scope>,
    intake: Arc<dyn Intake>,
}

impl Intake for Within {
    fn accept(&self, mut dispatch: Dispatch) -> BoxFuture<'_, Result<Receipt, PushError>> {
        if let Err(error) = self.permits(&dispatch.targets) {
            return Box::pin(ready(Err(error)));
        }
        // A key that another sender has used would return the other's receipt, and dispatch nothing.
        dispatch.key = dispatch.key.map(|key| own_key(&self.scope.name, &key));
        self.intake.accept(dispatch)
    }

    fn permits(&self, targets: &[Target]) -> Result<(), PushError> {
        match self.scope.breach(targets) {
            Some(target) => Err(PushError::Forbidden {
                who: Arc::clone(&self.scope.name),
                target: target.clone(),
            }),
            None => self.intake.permits(targets),
        }
    }

    fn may_wait(&self) -> bool {
        self.intake.may_wait()
    }
}

/// What stands before an intake for a sender that does not wait for ever.
struct Patient {
    most: Duration,
    intake: Arc<dyn Intake>,
}

impl Intake for Patient {
    fn accept(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<Receipt, PushError>> {
        let accepted = tokio::time::timeout(self.most, self.intake.accept(dispatch));
        Box::pin(async { accepted.await.unwrap_or(Err(PushError::Unknown)) })
    }

    fn permits(&self, targets: &[Target]) -> Result<(), PushError> {
        self.intake.permits(targets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::Epoch;
    use crate::limits::Limits;
    use crate::may::Pattern;
    use futures_util::FutureExt;
    use std::sync::Mutex;

    #[derive(Default)]
    struct List(Mutex<Vec<Dispatch>>);

    impl Intake for List {
        fn accept(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<Receipt, PushError>> {
            self.0.lock().unwrap().push(dispatch);
            let id = Epoch::new("k3f9").id(1);
            Box::pin(ready(Ok(Receipt::new(id, 0))))
        }
    }

    fn channel(name: &str) -> Target {
        Target::Channel(ChannelName::parse(name, &Limits::default()).unwrap())
    }

    fn scope(name: &str, channels: &str) -> Arc<Scope> {
        Arc::new(Scope {
            name: name.into(),
            channels: vec![Pattern::parse(channels).unwrap()],
            ..Scope::default()
        })
    }

    fn push(inbox: &Inbox, targets: &[Target], key: &str) -> Result<Receipt, PushError> {
        let event = EventName::parse("E", &Limits::default()).unwrap();
        let mut dispatch = Dispatch::new(event, targets.to_vec(), Payload::empty_object());
        dispatch.key = Some(key.into());
        inbox.notify(dispatch).now_or_never().unwrap()
    }

    #[test]
    fn one_target_out_of_bounds_and_nothing_is_dispatched() {
        let list = Arc::new(List::default());
        let whole = Inbox::new(Arc::clone(&list) as Arc<dyn Intake>);
        let inbox = whole.within(Some(&scope("the backend shop", "shop.**")));
        let error = push(&inbox, &[channel("shop.a"), channel("news"), channel("x")], "k").unwrap_err();
        assert_eq!(error.to_string(), "the backend shop may not tell the channel \"news\"");
        assert_eq!(
            inbox.permits(&[channel("news")]).unwrap_err().to_string(),
            error.to_string()
        );
        assert!(push(&inbox, &[Target::Everybody], "k").is_err());
        assert!(list.0.lock().unwrap().is_empty());
        push(&inbox, &[channel("shop.a")], "k").unwrap();
        push(&whole.within(None), &[channel("news"), Target::Everybody], "k").unwrap();
        let keys: Vec<_> = list
            .0
            .lock()
            .unwrap()
            .iter()
            .filter_map(|one| one.key.clone())
            .collect();
        assert_eq!(keys, ["the backend shop:k".into(), Arc::<str>::from("k")]);
    }

    #[test]
    fn bounds_add_up() {
        let list = Arc::new(List::default());
        let inbox = Inbox::new(Arc::clone(&list) as Arc<dyn Intake>);
        let (queue, shop) = (
            scope("the connector queue", "shop.**"),
            scope("the backend shop", "*.news"),
        );
        let both = inbox.within(Some(&queue)).within(Some(&shop));
        for (name, who) in [("a.news", "the connector queue"), ("shop.a", "the backend shop")] {
            let refused = both.permits(&[channel(name)]).unwrap_err();
            assert!(refused.to_string().starts_with(who), "{refused}");
            assert_eq!(push(&both, &[channel(name)], "k"), Err(refused));
        }
        assert!(push(&both, &[channel("shop.news")], "k").is_ok());
        assert_eq!(list.0.lock().unwrap().len(), 1);
    }
}
