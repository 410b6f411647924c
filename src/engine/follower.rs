//! Reads what all nodes have written down, and has the Dispatcher do it, in order.
//!
//! In: pages of the shared log. Out: steps for the Dispatcher, a few at a time so that clients are answered between
//! them; and for the link, what was read of this node, and what the log has lost. A node that is slow slows only
//! itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::Addr;
use log::{trace, warn};
use tokio::sync::mpsc;
use turted_core::ledger::{Entry, Ledger, LedgerError, Origin, Page, What};
use turted_core::{Backoff, Dispatch, DispatchId, Receipt, Seldom};

use super::recent::Recent;
use super::state::LinkState;
use crate::dispatcher::{Applied, Apply, Dispatcher, Step};

/// Steps in one turn of the Dispatcher.
const TURN: usize = 64;
/// How long one reading waits for something new.
const WAIT: Duration = Duration::from_secs(1);
/// How soon a log that was not reached is asked again, at first and in the end.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Epochs before this one that are kept in mind.
const EPOCHS: usize = 32;
/// How soon a Dispatcher is asked again whose couriers are behind.
const BEHIND: Duration = Duration::from_millis(5);

/// What the link hears of the follower.
#[derive(Debug)]
pub enum Heard {
    /// Everything up to this place was read, and these dispatches of this node.
    Read(DispatchId, Vec<(Origin, Receipt)>),
    /// An epoch began behind this place. These were read, and the log has lost them.
    Turned(DispatchId, Vec<(Origin, Arc<Dispatch>)>),
    /// The log has trimmed what this node did not read yet. It goes on behind this place.
    Trimmed(DispatchId),
    /// The log was not read.
    Failed(LedgerError),
}

/// Reads the shared log.
pub struct Follower {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) dispatcher: Addr<Dispatcher>,
    /// What the names of all lives of this node begin with.
    pub(super) process: Arc<str>,
    pub(super) at: DispatchId,
    /// How far it read in the epochs before.
    pub(super) ends: Vec<DispatchId>,
    /// Whether the log does not know what it read last.
    pub(super) is_astray: bool,
    pub(super) recent: Recent,
    pub(super) state: Arc<LinkState>,
    pub(super) unreadable: Seldom,
}

impl Follower {
    /// Reads until nobody listens any more.
    pub async fn run(mut self, link: mpsc::Sender<Heard>) {
        let mut backoff = Backoff::new(AGAIN.0, AGAIN.1);
        loop {
            let heard = match self.step().await {
                Ok(heard) => {
                    backoff = Backoff::new(AGAIN.0, AGAIN.1);
                    heard
                }
                Err(Gone::Log(error)) => {
                    tokio::time::sleep(backoff.pause()).await;
                    Heard::Failed(error)
                }
                Err(Gone::Dispatcher) => return,
            };
            if link.send(heard).await.is_err() {
                return;
            }
        }
    }

    /// Reads up to this place, or what is newest then.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn catch_up(&mut self, newest: &DispatchId) -> Result<(), LedgerError> {
        while self.at.sequence < newest.sequence || self.at.epoch != newest.epoch {
            match self.step().await {
                Ok(_) | Err(Gone::Dispatcher) => {}
                Err(Gone::Log(error)) => return Err(error),
            }
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<Heard, Gone> {
        let page = self.ledger.read(&self.at, WAIT).await.map_err(Gone::Log)?;
        trace!("{} behind {}: {page:?}", self.process, self.at);
        match page {
            Page::Entries(entries) => {
                let mut own = Vec::new();
                for part in entries.chunks(TURN) {
                    own.extend(self.apply(part).await?);
                }
                Ok(Heard::Read(self.at.clone(), own))
            }
            Page::Turned { closed, next } => {
                let lost = self.recent.turn(closed);
                self.salvage(&lost);
                self.is_astray = false;
                self.end();
                self.begin(Step::Begin(next.clone()), next.clone()).await?;
                Ok(Heard::Turned(next, lost))
            }
            // It may know the one before, and have lost the end of that too.
            Page::Unknown(_) if !self.ends.is_empty() => {
                self.recent.go_astray(&self.at.epoch);
                let end = self.ends.pop();
                self.at = end.unwrap_or_else(|| self.at.clone());
                self.is_astray = true;
                Ok(Heard::Read(self.at.clone(), Vec::new()))
            }
            Page::Trimmed(floor) if !self.is_astray => {
                // What others lose may come again.
                self.recent.turn(0);
                self.lose(&floor).await?;
                Ok(Heard::Trimmed(floor))
            }
            Page::Trimmed(floor) => {
                let lost = self.recent.turn(self.at.sequence);
                self.start_again(floor, lost).await
            }
            Page::Unknown(floor) => {
                let lost = self.recent.newest();
                self.start_again(floor, lost).await
            }
        }
    }

    /// The log knows nothing of the last that was read here, and goes on elsewhere.
    async fn start_again(&mut self, floor: DispatchId, lost: Vec<(Origin, Arc<Dispatch>)>) -> Result<Heard, Gone> {
        self.salvage(&lost);
        self.lose(&floor).await?;
        Ok(Heard::Turned(floor, lost))
    }

    fn salvage(&self, lost: &[(Origin, Arc<Dispatch>)]) {
        let count = lost.len();
        warn!("the shared log began a new epoch; {count} dispatches that were read here are written down again");
        self.state.turns.fetch_add(1, Ordering::Relaxed);
        self.state.salvaged.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn end(&mut self) {
        if self.ends.len() == EPOCHS {
            self.ends.remove(0);
        }
        self.ends.push(self.at.clone());
    }

    async fn lose(&mut self, floor: &DispatchId) -> Result<(), Gone> {
        self.is_astray = false;
        self.end();
        self.state.lost.fetch_add(1, Ordering::Relaxed);
        self.begin(Step::Lost(floor.clone()), floor.clone()).await
    }

    async fn begin(&mut self, step: Step, at: DispatchId) -> Result<(), Gone> {
        self.at = at;
        self.do_all(vec![step]).await?;
        Ok(())
    }

    async fn apply(&mut self, entries: &[Entry]) -> Result<Vec<(Origin, Receipt)>, Gone> {
        let (mut steps, mut own) = (Vec::with_capacity(entries.len()), Vec::new());
        for (at, entry) in entries.iter().enumerate() {
            steps.push(match &entry.what {
                What::Dispatch(origin, dispatch) => {
                    let here = origin.node.as_str().starts_with(&*self.process);
                    if here {
                        own.push((at, origin.clone()));
                    }
                    match self.recent.read(self.at.epoch.id(entry.sequence), origin, dispatch) {
                        true => Step::Dispatch {
                            dispatch: Arc::clone(dispatch),
                            here,
                        },
                        false => Step::Skip,
                    }
                }
                What::Turn => Step::Skip,
                What::Unreadable(why) => {
                    self.unreadable(entry.sequence, why);
                    Step::Skip
                }
            });
        }
        let recipients = self.do_all(steps).await?;
        if let Some(newest) = entries.last() {
            self.at.sequence = newest.sequence;
            self.state.applied.store(newest.sequence, Ordering::Relaxed);
        }
        let receipt = |(at, origin): (usize, Origin)| {
            let receipt = Receipt::new(
                self.at.epoch.id(entries[at].sequence),
                recipients.get(at).copied().unwrap_or_default(),
            )
            .of_node();
            (origin, receipt)
        };
        Ok(own.into_iter().map(receipt).collect())
    }

    async fn do_all(&self, steps: Vec<Step>) -> Result<Vec<usize>, Gone> {
        let mut applied = self.send(steps).await?;
        let recipients = std::mem::take(&mut applied.recipients);
        while applied.is_behind {
            tokio::time::sleep(BEHIND).await;
            applied = self.send(Vec::new()).await?;
        }
        Ok(recipients)
    }

    async fn send(&self, steps: Vec<Step>) -> Result<Applied, Gone> {
        self.dispatcher
            .send(Apply { steps })
            .await
            .map_err(|_| Gone::Dispatcher)
    }

    fn unreadable(&mut self, sequence: u64, why: &str) {
        let total = self.state.unreadable.fetch_add(1, Ordering::Relaxed) + 1;
        self.unreadable.tell(Instant::now(), |more| {
            warn!(
                "what stands at place {sequence} of the shared log cannot be read and reaches nobody: {why}; it is number \
                 {total}{more}"
            );
        });
    }
}

/// Why nothing was done.
enum Gone {
    Log(LedgerError),
    Dispatcher,
}
