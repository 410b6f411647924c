//! What the server tells those who watch it.
//!
//! In: moments in the life of dispatches and connections. Out: [`Note`]s to [`Observer`]s, which can
//! neither veto nor delay what they hear about.

use std::sync::Arc;

use crate::dispatch::{Dispatch, Receipt};
use crate::name::{ChannelName, UserName};

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
    /// A connection joined a channel.
    Joined {
        /// Its public id.
        connection: Arc<str>,
        /// The channel.
        channel: ChannelName,
    },
    /// A connection left a channel.
    Left {
        /// Its public id.
        connection: Arc<str>,
        /// The channel.
        channel: ChannelName,
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
