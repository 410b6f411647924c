//! How this node stands with the shared log, for whoever asks.
//!
//! In: what link and follower find out. Out: the same for health, metrics and the first lines. Nothing here waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a node may be without the shared log before no new clients should come to it.
const TOLERANCE: Duration = Duration::from_secs(5);

/// Whether a node reaches the shared log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It reads and writes.
    Joined,
    /// It does not reach the log: since when, and why.
    Away(Instant, Arc<str>),
}

/// What is known of the shared log. Cheap to read.
pub struct LinkState {
    /// Where the log is.
    pub what: String,
    reach: Mutex<Reach>,
    is_away: AtomicBool,
    nodes: Mutex<Vec<String>>,
    /// The newest place that anybody has written.
    pub top: AtomicU64,
    /// The newest place that this node has read.
    pub applied: AtomicU64,
    /// Entries that could not be read.
    pub unreadable: AtomicU64,
    /// Epochs that ended while this node was there.
    pub turns: AtomicU64,
    /// Dispatches that this node wrote down again.
    pub salvaged: AtomicU64,
    /// How often this node fell behind what is kept.
    pub lost: AtomicU64,
}

impl LinkState {
    /// A node that has not joined yet.
    #[must_use]
    pub fn new(what: String) -> Self {
        Self {
            what,
            reach: Mutex::new(Reach::Away(Instant::now(), "it was not reached yet".into())),
            is_away: AtomicBool::new(true),
            nodes: Mutex::default(),
            top: AtomicU64::new(0),
            applied: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            salvaged: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }

    /// Whether the log is reached.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// How the node stands.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.reach.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether new clients had better go to another node.
    #[must_use]
    pub fn is_ready(&self, now: Instant) -> bool {
        match self.reach() {
            Reach::Joined => true,
            Reach::Away(since, _) => now.saturating_duration_since(since) < TOLERANCE,
        }
    }

    /// Who else is there, this node among them.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The log is reached. True when it was not before.
    pub(super) fn joined(&self) -> bool {
        *self.reach.lock().unwrap_or_else(PoisonError::into_inner) = Reach::Joined;
        self.is_away.swap(false, Ordering::Relaxed)
    }

    /// The log is not reached. True when it was before.
    pub(super) fn away(&self, why: &str) -> bool {
        let mut reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match &*reach {
            Reach::Joined => Instant::now(),
            Reach::Away(since, _) => *since,
        };
        *reach = Reach::Away(since, why.into());
        !self.is_away.swap(true, Ordering::Relaxed)
    }

    /// How far the log goes, and who works with it.
    pub(super) fn seen(&self, top: u64, nodes: Vec<String>) {
        self.top.store(top, Ordering::Relaxed);
        *self.nodes.lock().unwrap_or_else(PoisonError::into_inner) = nodes;
    }
}
