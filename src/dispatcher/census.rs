//! How many there are, for metrics and health.
//!
//! In: the Dispatcher's counts after each turn. Out: the same, readable from any thread without asking it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Live counts.
#[derive(Debug, Default)]
pub struct Census {
    connections: AtomicU64,
    users: AtomicU64,
    channels: AtomicU64,
    parked: AtomicU64,
    revoked: AtomicU64,
    log_bytes: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Open connections.
    pub connections: usize,
    /// Users with at least one connection.
    pub users: usize,
    /// Channels with at least one connection.
    pub channels: usize,
    /// Connections without a wire that may still come back.
    pub parked: usize,
    /// Bans, and tokens that were revoked.
    pub revoked: usize,
    /// Bytes held in the log.
    pub log_bytes: usize,
}

impl Census {
    /// Publishes new counts.
    pub fn publish(&self, counts: Counts) {
        let store = |to: &AtomicU64, value: usize| to.store(value as u64, Ordering::Relaxed);
        store(&self.connections, counts.connections);
        store(&self.users, counts.users);
        store(&self.channels, counts.channels);
        store(&self.parked, counts.parked);
        store(&self.revoked, counts.revoked);
        store(&self.log_bytes, counts.log_bytes);
    }

    /// The newest counts.
    #[must_use]
    pub fn read(&self) -> Counts {
        let load = |from: &AtomicU64| usize::try_from(from.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        Counts {
            connections: load(&self.connections),
            users: load(&self.users),
            channels: load(&self.channels),
            parked: load(&self.parked),
            revoked: load(&self.revoked),
            log_bytes: load(&self.log_bytes),
        }
    }
}
