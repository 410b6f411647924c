//! The contract of a shared order: where several nodes write down what they dispatch, and read what all of them did.
//!
//! In: dispatches with the tickets of the node that took them in. Out: every dispatch of every node at its place, the
//! same for each reader; what changed hands meanwhile; or the word that nothing can be said now. It knows no connection
//! and no socket of a client. Whoever implements it keeps the order and the tickets; what that means for clients is
//! said in `engine`.
//!
//! An *epoch* is a time in which the ledger forgot nothing. When it may have forgotten (another server took over, or
//! its memory was emptied) a node *turns* it: the old epoch is closed at the newest place that is left, and a new one
//! goes on with other ids, so that no id is ever given twice.

pub mod entry;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use thiserror::Error;

use crate::dispatch::{Dispatch, DispatchId, Epoch};

/// One life of one process, as ASCII letters and digits. A node that was given up by the others begins a new one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// A node of this name.
    ///
    /// # Errors
    /// When it is empty, longer than 32 bytes, or not of ASCII letters and digits.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match is_plain && !text.is_empty() && text.len() <= 32 {
            true => Ok(Self(text.into())),
            false => Err("a node is named by 1 to 32 letters and digits".to_owned()),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who took a dispatch in first, and as its how manieth in which epoch. It stays the same however often the dispatch
/// has to be written down.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The node.
    pub node: NodeId,
    /// The epoch.
    pub epoch: Epoch,
    /// Counts from 1.
    pub ticket: u64,
}

/// A dispatch that is to get its place.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Counts from 1 in each epoch, without gaps.
    pub ticket: u64,
    /// What.
    pub dispatch: Arc<Dispatch>,
    /// It had a place in an earlier epoch, or may have had one: it is written down once, however many nodes try.
    pub origin: Option<Origin>,
}

/// Something at its place.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The number of its place in its epoch: without gaps, and rising over all epochs.
    pub sequence: u64,
    /// What it is.
    pub what: What,
}

/// What is at a place.
#[derive(Debug, Clone)]
pub enum What {
    /// A dispatch.
    Dispatch(Origin, Arc<Dispatch>),
    /// An epoch began.
    Turn,
    /// Nothing that this node understands, and why. It keeps its place and reaches nobody.
    Unreadable(String),
}

/// What came after a place.
#[derive(Debug, Clone)]
pub enum Page {
    /// These, without gaps; none when the time was over before anything came.
    Entries(Vec<Entry>),
    /// The epoch is closed, and all that is left of it was read.
    Turned {
        /// Its last place, which may be before the one that was asked for.
        closed: u64,
        /// Reading goes on behind this place, in the next epoch.
        next: DispatchId,
    },
    /// Some of what came is forgotten. What is left begins behind this place.
    Trimmed(DispatchId),
    /// The epoch is none that the log knows: it may have lost its beginning. What is left begins behind this place.
    Unknown(DispatchId),
}

/// How a ledger stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Top {
    /// The newest place; 0 in its sequence number before the first.
    pub newest: DispatchId,
    /// The place before the oldest that is kept.
    pub floor: DispatchId,
    /// Who else works with it, and this node itself.
    pub nodes: Vec<NodeId>,
}

/// Why a ledger did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LedgerError {
    /// It does not answer, or not in time: whether it did what it was asked for is not known. Asking again with the
    /// same tickets does nothing twice.
    #[error("{0}")]
    Away(String),
    /// Another server answers, or it was emptied: somebody must [turn](Ledger::turn) it first.
    #[error("the shared log may have lost something")]
    Turned,
    /// A ticket before these is missing: all that have no place yet must be sent again, in order.
    #[error("a batch before this one is missing")]
    Hole,
    /// The others have given this node up: it needs a new [`NodeId`].
    #[error("the other nodes have given this one up")]
    Buried,
    /// It will never work this way.
    #[error("{0}")]
    Fatal(String),
}

/// A shared order. Every call may be repeated, and has an end: one that takes longer than it should is `Away`.
pub trait Ledger: Send + Sync + 'static {
    /// Where it is, without a credential: `redis at 10.0.0.5:6379, realm shop`.
    fn describe(&self) -> String;

    /// Connects anew, and registers this node with a lease.
    ///
    /// # Errors
    /// All of them; `Turned` when somebody must turn it before it takes anything.
    fn open<'a>(&'a self, me: &'a NodeId) -> BoxFuture<'a, Result<Top, LedgerError>>;

    /// Gives each dispatch its place, in this order, unless it has one. In the answer, for each: the place of another
    /// dispatch with its key, which was repeated by it; `None` when it has a place of its own, which reading tells.
    ///
    /// # Errors
    /// All of them. After `Away` it is not known which of them have a place.
    fn append<'a>(
        &'a self,
        me: &'a NodeId,
        epoch: &'a Epoch,
        batch: &'a [Submission],
    ) -> BoxFuture<'a, Result<Vec<Option<DispatchId>>, LedgerError>>;

    /// What came after this place; waits so long for the first.
    ///
    /// # Errors
    /// `Away`, `Turned` and `Fatal`.
    fn read<'a>(&'a self, after: &'a DispatchId, wait: Duration) -> BoxFuture<'a, Result<Page, LedgerError>>;

    /// Closes the epoch at the newest place that is left, and begins `next`, unless somebody else did. `known` is the
    /// newest place that this node has read, or 0 in an epoch of its own: where the log knows of no epoch, that one is
    /// closed there, and numbers go on above it.
    ///
    /// # Errors
    /// `Away` and `Fatal`.
    fn turn<'a>(&'a self, next: &'a Epoch, known: &'a DispatchId) -> BoxFuture<'a, Result<(), LedgerError>>;

    /// Says that this node lives, and asks how things stand.
    ///
    /// # Errors
    /// All of them but `Hole`.
    fn renew<'a>(&'a self, me: &'a NodeId) -> BoxFuture<'a, Result<Top, LedgerError>>;

    /// Says that this node goes.
    ///
    /// # Errors
    /// `Away` and `Fatal`.
    fn leave<'a>(&'a self, me: &'a NodeId) -> BoxFuture<'a, Result<(), LedgerError>>;
}
