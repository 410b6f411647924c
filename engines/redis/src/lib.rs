//! A shared order of several turted nodes, in one stream of a Redis server.
//!
//! In: what a node asks of a [`Ledger`]. Out: what one Redis server, or the master that Sentinels name, has to say to
//! it. It knows nothing of clients and of what an epoch means to them; what it keeps in Redis and how is in its README.

mod ages;
mod append;
mod calls;
mod epochs;
mod form;
mod keys;
mod lease;
mod read;
mod reply;
mod scripts;
mod seal;
mod server;
mod settings;
mod trouble;
mod wire;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use turted_core::connector::SettingError;
use turted_core::dispatch::{DispatchId, Epoch};
use turted_core::ledger::{Ledger, LedgerError, NodeId, Page, Submission, Top};

pub use settings::Settings;

use ages::Ages;
use keys::Keys;
use seal::Seal;
use server::Server;
use wire::Slot;

/// A shared order in Redis.
///
/// Three connections: for batches, for reading, which blocks its connection, and for everything else. Each is made when
/// it is needed, and again after anything went wrong with it; the fence of the server is read anew with each.
pub struct RedisLedger {
    settings: Settings,
    server: Server,
    keys: Keys,
    seal: Option<Seal>,
    control: Slot,
    batches: Slot,
    reading: Slot,
    /// Entries in the next page.
    pace: AtomicUsize,
    ages: Mutex<Ages>,
    /// Nodes without a lease, and since when this was seen.
    missing: Mutex<HashMap<String, Instant>>,
    /// That nobody may ask how the server evicts was said.
    is_told: AtomicBool,
}

impl RedisLedger {
    /// A shared order, not yet connected.
    ///
    /// # Errors
    /// Those of [`Settings::check`].
    pub fn new(settings: Settings) -> Result<Self, SettingError> {
        settings.check()?;
        Ok(Self {
            server: Server::new(&settings)?,
            keys: Keys::new(&settings.realm),
            seal: settings.secret.as_deref().map(Seal::new),
            control: Slot::default(),
            batches: Slot::default(),
            reading: Slot::default(),
            pace: AtomicUsize::new(read::LEAST),
            ages: Mutex::new(Ages::new(settings.age)),
            missing: Mutex::default(),
            is_told: AtomicBool::new(false),
            settings,
        })
    }

    /// The next call of any kind connects anew.
    fn hang_up(&self) {
        for slot in [&self.control, &self.batches, &self.reading] {
            slot.clear();
        }
        locked(&self.missing).clear();
    }
}

impl Ledger for RedisLedger {
    fn describe(&self) -> String {
        format!("{}, realm {}", self.server.place(), self.settings.realm)
    }

    fn open<'a>(&'a self, me: &'a NodeId) -> BoxFuture<'a, Result<Top, LedgerError>> {
        Box::pin(async move {
            self.hang_up();
            self.enter(me).await
        })
    }

    fn append<'a>(
        &'a self,
        me: &'a NodeId,
        epoch: &'a Epoch,
        batch: &'a [Submission],
    ) -> BoxFuture<'a, Result<Vec<Option<DispatchId>>, LedgerError>> {
        Box::pin(self.write(me, epoch, batch))
    }

    fn read<'a>(&'a self, after: &'a DispatchId, wait: Duration) -> BoxFuture<'a, Result<Page, LedgerError>> {
        Box::pin(self.wait_for(after, wait))
    }

    fn turn<'a>(&'a self, next: &'a Epoch, known: &'a DispatchId) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            // Whether it has to be turned is asked of the server that is there now.
            self.hang_up();
            self.close(next, known).await
        })
    }

    fn renew<'a>(&'a self, me: &'a NodeId) -> BoxFuture<'a, Result<Top, LedgerError>> {
        Box::pin(self.stay(me))
    }

    fn leave<'a>(&'a self, me: &'a NodeId) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(self.go(me))
    }
}

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
