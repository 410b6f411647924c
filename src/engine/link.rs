//! Writes down what this node takes in, and mends what breaks between it and the shared log.
//!
//! In: dispatches of connectors and clients, and what the [`Follower`](super::follower::Follower) hears. Out: batches
//! to the log, several on their way at once, and receipts. Whatever goes wrong, what was taken in is sent again with
//! the same tickets until it is read back; nothing is dispatched outside of the one order.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use futures_util::{FutureExt, StreamExt};
use log::{info, warn};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};
use turted_core::ledger::{Ledger, LedgerError, NodeId, Top};
use turted_core::{Backoff, Dispatch, DispatchId, Epoch, PushError, Receipt, Shutdown};

use super::follower::Heard;
use super::queue::{Queue, Repeating, Reply};
use super::state::LinkState;
use crate::dispatcher::{Dispatcher, Recall};

/// Batches on their way. Over a network of a millisecond four of them carry a quarter of what sixteen do.
const BATCHES: usize = 16;
/// How often a node says that it lives; the others give it up after three times as long.
const RENEWAL: Duration = Duration::from_secs(3);
/// How soon a log that was not reached is tried again, at first and in the end.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// How long a node that goes waits for the last receipts.
const FAREWELL: Duration = Duration::from_secs(2);

/// A dispatch that waits to be taken in.
pub(super) struct Push {
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) reply: Reply,
}

/// What the link is at.
enum Mode {
    /// It sends.
    Sending,
    /// It connects anew, or waits until somebody has turned the log.
    Mending,
    /// It waits until everything up to this place was read: under its next name nothing must be written twice.
    Reborn(DispatchId),
    /// It waits for the follower to hear of the next epoch.
    Turning,
}

type Appended = (u64, Result<Vec<Option<DispatchId>>, LedgerError>);
type Mended = Result<Top, LedgerError>;

/// The writing side of a node.
pub struct Link {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) dispatcher: Addr<Dispatcher>,
    pub(super) queue: Queue,
    pub(super) process: Arc<str>,
    /// How many lives this node has had, and the next one once it was given up.
    pub(super) lives: (u32, Option<NodeId>),
    /// Whether the log missed a ticket, and has taken none since.
    pub(super) is_missing: bool,
    /// The newest place that was read.
    pub(super) at: DispatchId,
    pub(super) state: Arc<LinkState>,
    pub(super) is_read: bool,
}

impl Link {
    /// Works until the server goes down.
    pub(super) async fn run(
        mut self,
        mut pushes: mpsc::Receiver<Push>,
        mut follower: mpsc::Receiver<Heard>,
        shutdown: Shutdown,
    ) {
        let mut mode = Mode::Sending;
        let mut batches: FuturesOrdered<BoxFuture<'static, Appended>> = FuturesOrdered::new();
        let mut mending: FuturesUnordered<BoxFuture<'static, Mended>> = FuturesUnordered::new();
        let mut renewing: FuturesUnordered<BoxFuture<'static, Result<Top, LedgerError>>> = FuturesUnordered::new();
        let mut backoff = Backoff::new(AGAIN.0, AGAIN.1);
        let mut ticks = interval(RENEWAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let farewell = async {
            shutdown.wait().await;
            sleep(FAREWELL).await;
        };
        tokio::pin!(farewell);
        loop {
            while matches!(mode, Mode::Sending) && batches.len() < BATCHES && self.queue.has_more() {
                batches.push_back(self.append());
            }
            let broken = tokio::select! {
                Some(push) = pushes.recv() => {
                    self.take(push);
                    None
                }
                Some((first, answer)) = batches.next() => match answer {
                    Ok(answers) => {
                        backoff = Backoff::new(AGAIN.0, AGAIN.1);
                        self.is_missing = false;
                        self.queue.taken(first, answers);
                        self.repeat();
                        None
                    }
                    Err(error) => Some(error),
                },
                Some(mended) = mending.next() => match mended {
                    Ok(top) => {
                        mode = self.mended(&top);
                        None
                    }
                    Err(error) => {
                        mode = Mode::Sending;
                        Some(error)
                    }
                },
                Some(heard) = follower.recv() => self.hear(heard, &mut mode),
                Some(renewed) = renewing.next() => match renewed {
                    Ok(top) => {
                        self.see(&top);
                        None
                    }
                    Err(error) => Some(error),
                },
                _ = ticks.tick() => {
                    if renewing.is_empty() && matches!(mode, Mode::Sending) {
                        let (ledger, me) = (Arc::clone(&self.ledger), self.queue.me().clone());
                        renewing.push(async move { ledger.renew(&me).await }.boxed());
                    }
                    None
                }
                () = &mut farewell => break,
                () = shutdown.wait(), if self.queue.len() == 0 => break,
            };
            // While it mends, everything fails.
            if let Some(error) = broken.filter(|_| !matches!(mode, Mode::Mending)) {
                batches = FuturesOrdered::new();
                renewing = FuturesUnordered::new();
                self.queue.again();
                mode = Mode::Mending;
                mending.push(self.mend(error, &mut backoff));
            }
        }
        let _ = self.ledger.leave(self.queue.me()).await;
    }

    fn take(&mut self, push: Push) {
        if let Err(reply) = self.queue.push(push.dispatch, push.reply) {
            // Whoever does not wait any more has no use for it.
            let _ = reply.send(Err(PushError::Overloaded));
        }
    }

    fn append(&mut self) -> BoxFuture<'static, Appended> {
        let ledger = Arc::clone(&self.ledger);
        let (me, epoch) = (self.queue.me().clone(), self.queue.epoch().clone());
        let batch = self.queue.batch();
        let first = batch.first().map_or(0, |one| one.ticket);
        async move { (first, ledger.append(&me, &epoch, &batch).await) }.boxed()
    }

    /// What the follower has heard. Gives what it could not do.
    fn hear(&mut self, heard: Heard, mode: &mut Mode) -> Option<LedgerError> {
        let was_read = std::mem::replace(&mut self.is_read, !matches!(heard, Heard::Failed(_)));
        match heard {
            Heard::Read(at, own) => {
                self.at = at;
                for (origin, receipt) in own {
                    self.queue.read(&origin, &receipt);
                }
                self.repeat();
            }
            Heard::Turned(at, lost) => {
                let me = self.queue.me().clone();
                self.queue.turn(me, at.epoch.clone(), lost);
                self.at = at;
            }
            Heard::Trimmed(at) => {
                self.queue.lose(&at.epoch);
                if at.epoch != *self.queue.epoch() {
                    let me = self.queue.me().clone();
                    self.queue.turn(me, at.epoch.clone(), Vec::new());
                }
                self.at = at;
            }
            Heard::Failed(error) => return Some(error),
        }
        self.reborn(mode);
        if matches!(mode, Mode::Turning) && *self.queue.epoch() == self.at.epoch {
            *mode = Mode::Sending;
        }
        if !was_read && matches!(mode, Mode::Sending) {
            self.joined();
        }
        None
    }

    /// Under its next name a node writes only what is not there under the last.
    fn reborn(&mut self, mode: &mut Mode) {
        if let Mode::Reborn(newest) = mode
            && (self.at.epoch != newest.epoch || self.at.sequence >= newest.sequence)
            && let Some(me) = self.lives.1.take()
        {
            let epoch = self.queue.epoch().clone();
            self.queue.turn(me, epoch, Vec::new());
            *mode = Mode::Sending;
        }
    }

    /// Those whose pushes repeat something that was read by now.
    fn repeat(&mut self) {
        for Repeating { reply, key, id } in self.queue.repeating(&self.at) {
            let dispatcher = self.dispatcher.clone();
            actix::spawn(async move {
                let known = dispatcher.send(Recall(key)).await.ok().flatten();
                let receipt = known.filter(|known| known.id == id);
                // What was said before this node began has nobody here.
                let receipt = receipt.unwrap_or(Receipt::new(id, 0)).of_node();
                let _ = reply.send(Ok(receipt));
            });
        }
    }

    /// Connects anew after an error, and turns the log where it has to be.
    fn mend(&mut self, error: LedgerError, backoff: &mut Backoff) -> BoxFuture<'static, Mended> {
        let pause = match &error {
            LedgerError::Away(why) | LedgerError::Fatal(why) => {
                if self.state.away(why) {
                    warn!(
                        "the shared log is away, and pushes are refused until it is back: {why} ({})",
                        self.state.what
                    );
                }
                backoff.pause()
            }
            // Somebody else may have done it already, and the follower has not heard of it.
            LedgerError::Turned => Duration::from_millis(20),
            LedgerError::Hole | LedgerError::Buried => Duration::ZERO,
        };
        // A log that still misses a ticket after all were sent again does not know this node any more.
        let is_missing = std::mem::replace(&mut self.is_missing, matches!(error, LedgerError::Hole));
        if matches!(error, LedgerError::Buried) || (is_missing && self.is_missing) {
            warn!("the other nodes have given this one up; it goes on under another name");
            self.lives.0 += 1;
            self.lives.1 = Some(life(&self.process, self.lives.0));
            self.is_missing = false;
        }
        let ledger = Arc::clone(&self.ledger);
        let me = self.lives.1.as_ref().unwrap_or(self.queue.me()).clone();
        let at = self.at.clone();
        async move {
            sleep(pause).await;
            open(&*ledger, &me, &at).await
        }
        .boxed()
    }

    fn mended(&mut self, top: &Top) -> Mode {
        self.see(top);
        let mut mode = match self.lives.1 {
            Some(_) => Mode::Reborn(top.newest.clone()),
            None if top.newest.epoch != *self.queue.epoch() => Mode::Turning,
            None => Mode::Sending,
        };
        self.reborn(&mut mode);
        if self.is_read {
            self.joined();
        }
        mode
    }

    fn joined(&self) {
        if self.state.joined() {
            info!("the shared log is reached: {}", self.state.what);
        }
    }

    fn see(&self, top: &Top) {
        let nodes = top.nodes.iter().map(ToString::to_string).collect();
        self.state.seen(top.newest.sequence, nodes);
    }
}

/// The name of one life of a process.
pub(super) fn life(process: &str, number: u32) -> NodeId {
    // A process is named by letters and digits.
    NodeId::parse(&format!("{process}x{number}")).unwrap_or_else(|why| unreachable!("{why}"))
}

/// Opens the log, and turns it first where somebody has to.
pub(super) async fn open(ledger: &dyn Ledger, me: &NodeId, known: &DispatchId) -> Result<Top, LedgerError> {
    match ledger.open(me).await {
        Err(LedgerError::Turned) => {
            let next = fresh();
            ledger.turn(&next, known).await?;
            ledger.open(me).await
        }
        answer => answer,
    }
}

/// A name for an epoch that nobody else gives.
pub(super) fn fresh() -> Epoch {
    Epoch::new(&format!("{:016x}", fastrand::u64(..)))
}
