//! How a node joins the others.
//!
//! In: a shared log, and the Dispatcher of this node. Out: a node that has read all that there is, an [`Intake`] for
//! its connectors and clients, and two tasks that go on until the server goes down. A node that does not reach the log
//! does not start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Addr;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use turted_core::ledger::{Ledger, LedgerError};
use turted_core::{Backoff, Dispatch, Intake, PushError, Receipt, Seldom, Shutdown};

use super::follower::{Follower, Heard};
use super::link::{Link, Push, fresh, life, open};
use super::queue::{Queue, ROOM};
use super::recent::Recent;
use super::state::LinkState;
use crate::dispatcher::{Apply, Dispatcher, Recall, Step};

/// How soon a log that was not reached is tried again, at first and in the end.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Pages that were read and not looked at by the link.
const HEARD: usize = 16;

/// A node that has joined, and does not work yet.
pub struct Joined {
    link: Link,
    follower: Follower,
}

/// Reads all that the log has, for up to so long.
///
/// # Errors
/// Why the log was not reached.
pub async fn join(
    ledger: Arc<dyn Ledger>,
    dispatcher: Addr<Dispatcher>,
    state: Arc<LinkState>,
    most: Duration,
) -> Result<Joined, LedgerError> {
    let process: Arc<str> = format!("{:016x}", fastrand::u64(..)).into();
    let me = life(&process, 1);
    let until = Instant::now() + most;
    let mut backoff = Backoff::new(AGAIN.0, AGAIN.1);
    let top = loop {
        match open(&*ledger, &me, &fresh().id(0)).await {
            Ok(top) => break top,
            Err(LedgerError::Away(why)) if Instant::now() >= until => return Err(LedgerError::Away(why)),
            Err(LedgerError::Fatal(why)) => return Err(LedgerError::Fatal(why)),
            // Also when others are about to turn it.
            Err(_) => sleep(backoff.pause()).await,
        }
    };
    let steps = vec![Step::Lost(top.floor.clone())];
    let gone = |_| LedgerError::Fatal("the server goes down".to_owned());
    dispatcher.send(Apply { steps }).await.map_err(gone)?;
    let mut follower = Follower {
        ledger: Arc::clone(&ledger),
        dispatcher: dispatcher.clone(),
        process: Arc::clone(&process),
        at: top.floor.clone(),
        ends: Vec::new(),
        is_astray: false,
        recent: Recent::default(),
        state: Arc::clone(&state),
        unreadable: Seldom::new(),
    };
    follower.catch_up(&top.newest).await?;
    state.seen(top.newest.sequence, top.nodes.iter().map(ToString::to_string).collect());
    state.joined();
    let at = follower.at.clone();
    let link = Link {
        ledger,
        dispatcher,
        queue: Queue::new(me, at.epoch.clone()),
        process,
        lives: (1, None),
        is_missing: false,
        at,
        state,
        is_read: true,
    };
    Ok(Joined { link, follower })
}

impl Joined {
    /// Begins to work, on the arbiter of the caller. What connectors and clients say goes through the intake.
    #[must_use]
    pub fn work(self, shutdown: Shutdown) -> LinkInbox {
        let (pushes, taken) = mpsc::channel(ROOM.0);
        let (heard, hears) = mpsc::channel::<Heard>(HEARD);
        let inbox = LinkInbox {
            dispatcher: self.link.dispatcher.clone(),
            state: Arc::clone(&self.link.state),
            pushes,
            shutdown: shutdown.clone(),
        };
        actix::spawn(self.follower.run(heard));
        actix::spawn(self.link.run(taken, hears, shutdown));
        inbox
    }
}

/// The door of the shared order for connectors and clients.
pub struct LinkInbox {
    dispatcher: Addr<Dispatcher>,
    state: Arc<LinkState>,
    pushes: mpsc::Sender<Push>,
    shutdown: Shutdown,
}

impl LinkInbox {
    async fn put(&self, dispatch: Dispatch) -> Result<Receipt, PushError> {
        if self.shutdown.is_wanted() {
            return Err(PushError::ShuttingDown);
        }
        // A repetition needs nobody else, even while the log is away.
        if let Some(key) = dispatch.key.clone()
            && let Ok(Some(receipt)) = self.dispatcher.send(Recall(key)).await
        {
            return Ok(receipt);
        }
        if self.state.is_away() {
            return Err(PushError::Away);
        }
        let (reply, receipt) = oneshot::channel();
        let dispatch = Arc::new(dispatch);
        match self.pushes.try_send(Push { dispatch, reply }) {
            Ok(()) => receipt.await.unwrap_or(Err(PushError::ShuttingDown)),
            Err(mpsc::error::TrySendError::Full(_)) => Err(PushError::Overloaded),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(PushError::ShuttingDown),
        }
    }
}

impl Intake for LinkInbox {
    fn accept(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<Receipt, PushError>> {
        Box::pin(self.put(dispatch))
    }

    fn may_wait(&self) -> bool {
        true
    }
}
