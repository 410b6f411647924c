//! What the server tells those who watch it.
//!
//! In: moments in the life of dispatches and connections. Out: [`Note`]s to [`Observer`]s, which can
//! neither veto nor delay what they hear about.

use std::net::IpAddr;
use std::sync::Arc;

use crate::dispatch::{Dispatch, Receipt};
use crate::name::UserName;
use crate::subscription::Subscription;

/// One thing that happened. Cheap to clone.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Note {
    /// An event was dispatched, whether or not anybody was there.
    Dispatched {
        /// The event, its targets and its payload.
        dispatch: Arc<Dispatch>,
        /// Its id and how many connections it reached.
        receipt: Receipt,
        /// Whether it was pushed to this node; where several nodes share one order, each of them hears of it.
        here: bool,
    },
    /// A connection opened.
    Opened {
        /// Its public id.
        connection: Arc<str>,
    },
    /// A connection has a user now.
    Identified {
        /// Its public id.
        connection: Arc<str>,
        /// The user.
        user: UserName,
    },
    /// A connection joined a channel, or all that a pattern matches.
    Joined {
        /// Its public id.
        connection: Arc<str>,
        /// Which.
        channel: Subscription,
    },
    /// A connection left it.
    Left {
        /// Its public id.
        connection: Arc<str>,
        /// Which.
        channel: Subscription,
    },
    /// A connection came back on a new wire.
    Resumed {
        /// Its public id.
        connection: Arc<str>,
        /// How many missed events it got.
        replayed: usize,
    },
    /// A connection ended.
    Ended {
        /// Its public id.
        connection: Arc<str>,
        /// Close code, see the list of endings in `ARCHITECTURE.md`.
        code: u16,
        /// The reason in a few words.
        reason: &'static str,
    },
}

/// Hears every note. It runs outside of the dispatch: slow or panicking observers harm only themselves.
pub trait Observer: Send + Sync {
    /// Hears one note.
    fn note(&self, note: &Note);
}

/// Hears of every refusal, so that none is in silence: counts it, and tells the operator now and again.
pub trait Refusals: Send + Sync {
    /// Something was refused: what was asked for, why not, from where; `tell` says what was compared and which key
    /// changes it, without any credential.
    fn refused(&self, what: &'static str, why: &'static str, from: Option<IpAddr>, tell: &dyn Fn() -> String);
}

/// Nobody is told. For tests.
impl Refusals for () {
    fn refused(&self, _: &'static str, _: &'static str, _: Option<IpAddr>, _: &dyn Fn() -> String) {}
}
