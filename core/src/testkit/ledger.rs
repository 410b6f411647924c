//! A shared log in memory, with everything that can go wrong with a real one.
//!
//! In: what nodes ask of a [`Ledger`], and faults: a server that takes over and lacks the newest entries, one that
//! comes back empty, answers that get lost, a log that is trimmed, a node that is given up. Out: what a real one would
//! say.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use crate::dispatch::{DispatchId, Epoch};
use crate::ledger::{Entry, Ledger, LedgerError, NodeId, Origin, Page, Submission, Top, What};

/// Entries in one page.
const PAGE: usize = 64;

/// What all nodes share. Cheap to clone.
#[derive(Clone, Default)]
pub struct FakeRealm(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    server: u64,
    meta: Option<Meta>,
    /// What it was before, up to which place.
    before: Vec<(u64, Option<Meta>)>,
    entries: VecDeque<Kept>,
    /// The place before the oldest.
    floor: u64,
    nodes: BTreeSet<NodeId>,
    /// The newest ticket of each in this epoch.
    tickets: HashMap<NodeId, u64>,
    keys: HashMap<Arc<str>, DispatchId>,
    origins: HashMap<Origin, u64>,
}

#[derive(Clone)]
struct Meta {
    server: u64,
    epoch: Epoch,
    /// Earlier epochs: how far each went, and behind which place the next one goes on.
    closed: Vec<(Epoch, u64, DispatchId)>,
}

#[derive(Clone)]
struct Kept {
    entry: Entry,
    epoch: Epoch,
}

impl State {
    fn newest(&self) -> u64 {
        self.floor + self.entries.len() as u64
    }

    fn top(&self) -> Result<Top, LedgerError> {
        let meta = self.meta()?;
        Ok(Top {
            newest: meta.epoch.id(self.newest()),
            floor: self.id_of(self.floor, meta),
            nodes: self.nodes.iter().cloned().collect(),
        })
    }

    /// Whose server it is that answers now.
    fn meta(&self) -> Result<&Meta, LedgerError> {
        let meta = self.meta.as_ref().filter(|meta| meta.server == self.server);
        meta.ok_or(LedgerError::Turned)
    }

    fn id_of(&self, sequence: u64, meta: &Meta) -> DispatchId {
        let oldest = self.entries.front().map_or(&meta.epoch, |kept| &kept.epoch);
        match meta.closed.iter().find(|(.., next)| next.sequence == sequence) {
            Some((.., next)) if next.epoch == *oldest => next.clone(),
            _ => oldest.id(sequence),
        }
    }

    fn write(&mut self, epoch: &Epoch, what: What) -> DispatchId {
        let sequence = self.newest() + 1;
        let (entry, epoch) = (Entry { sequence, what }, epoch.clone());
        let id = epoch.id(sequence);
        self.entries.push_back(Kept { entry, epoch });
        id
    }
}

impl FakeRealm {
    /// The door of one node, with faults of its own.
    #[must_use]
    pub fn ledger(&self) -> FakeLedger {
        FakeLedger {
            realm: self.clone(),
            faults: Arc::default(),
        }
    }

    /// Another server takes over, which has only the oldest so many places.
    pub fn fail_over(&self, kept: u64) {
        let mut state = self.lock();
        state.server += 1;
        while state.newest() > kept && state.entries.pop_back().is_some() {}
        let newest = state.newest();
        // A copy that lacks the beginning of an epoch knows nothing of it.
        while let Some((_, before)) = state.before.pop_if(|(end, _)| *end >= newest) {
            state.meta = before;
        }
        state.keys.retain(|_, id| id.sequence <= newest);
        state.origins.retain(|_, sequence| *sequence <= newest);
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// The server comes back empty.
    pub fn empty(&self) {
        let mut state = self.lock();
        let server = state.server + 1;
        *state = State {
            server,
            ..State::default()
        };
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// Only the newest so many entries are kept.
    pub fn trim(&self, kept: usize) {
        let mut state = self.lock();
        while state.entries.len() > kept {
            state.entries.pop_front();
            state.floor += 1;
        }
    }

    /// The others give up a node.
    pub fn bury(&self, node: &NodeId) {
        self.lock().nodes.remove(node);
    }

    /// Writes down something that no node understands, where nobody has to turn the log first.
    pub fn scribble(&self) {
        let mut state = self.lock();
        if let Ok(epoch) = state.meta().map(|meta| meta.epoch.clone()) {
            state.write(&epoch, What::Unreadable("scribble".to_owned()));
        }
        drop(state);
        self.0.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What goes wrong between a node and the shared log.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Nothing is reached.
    pub is_away: bool,
    /// So many times something is done, but the answer gets lost.
    pub lost_answers: usize,
    /// So many batches do not arrive, though later ones do.
    pub lost_batches: usize,
}

/// A [`Ledger`] in memory. Clones share their faults.
#[derive(Clone)]
pub struct FakeLedger {
    realm: FakeRealm,
    faults: Arc<Mutex<Faults>>,
}

impl FakeLedger {
    /// Changes what goes wrong.
    pub fn faults<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        change(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn reach(&self) -> Result<MutexGuard<'_, State>, LedgerError> {
        match self.faults(|faults| faults.is_away) {
            true => Err(away()),
            false => Ok(self.realm.lock()),
        }
    }

    fn answer<T>(&self, answer: T) -> Result<T, LedgerError> {
        self.faults(|faults| match faults.lost_answers {
            0 => Ok(answer),
            _ => {
                faults.lost_answers -= 1;
                Err(away())
            }
        })
    }

    fn take(&self, me: &NodeId, epoch: &Epoch, batch: &[Submission]) -> Result<Vec<Option<DispatchId>>, LedgerError> {
        let lost = self.faults(|faults| {
            let lost = faults.lost_batches;
            faults.lost_batches = lost.saturating_sub(1);
            lost
        });
        if lost > 0 {
            return Err(away());
        }
        let mut state = self.reach()?;
        if !state.nodes.contains(me) {
            state.meta()?;
            return Err(LedgerError::Buried);
        }
        if state.meta()?.epoch != *epoch {
            return Err(LedgerError::Turned);
        }
        let last = state.tickets.get(me).copied().unwrap_or_default();
        if batch.first().is_some_and(|first| first.ticket > last + 1) {
            return Err(LedgerError::Hole);
        }
        let mut answers = Vec::new();
        for one in batch {
            let key = one.dispatch.key.clone();
            let earlier = key.as_ref().and_then(|key| state.keys.get(key).cloned());
            let (node, ticket) = (me.clone(), one.ticket);
            let own = Origin {
                node: node.clone(),
                epoch: epoch.clone(),
                ticket,
            };
            let origin = one.origin.clone().unwrap_or(own);
            let is_there = state.origins.contains_key(&origin);
            answers.push(earlier.clone().filter(|_| !is_there));
            if ticket <= last {
                continue;
            }
            // A ticket counts whether or not its dispatch gets a place.
            state.tickets.insert(node, ticket);
            if earlier.is_some() || is_there {
                continue;
            }
            let id = state.write(epoch, What::Dispatch(origin.clone(), Arc::clone(&one.dispatch)));
            state.origins.insert(origin, id.sequence);
            if let Some(key) = key {
                state.keys.insert(key, id);
            }
        }
        drop(state);
        self.realm.0.changed.notify_waiters();
        self.answer(answers)
    }

    fn look(&self, after: &DispatchId) -> Result<Option<Page>, LedgerError> {
        let state = self.reach()?;
        let meta = state.meta()?;
        let end = match meta.closed.iter().find(|(epoch, ..)| *epoch == after.epoch) {
            Some((_, closed, next)) if after.sequence >= *closed => {
                let (closed, next) = (*closed, next.clone());
                return Ok(Some(Page::Turned { closed, next }));
            }
            Some((_, closed, _)) => *closed,
            None if after.epoch == meta.epoch => state.newest(),
            None => return Ok(Some(Page::Unknown(state.id_of(state.floor, meta)))),
        };
        if after.sequence < state.floor {
            return Ok(Some(Page::Trimmed(state.id_of(state.floor, meta))));
        }
        let skip = usize::try_from(after.sequence - state.floor).unwrap_or(usize::MAX);
        let entries = state.entries.iter().skip(skip).map(|kept| kept.entry.clone());
        let entries: Vec<_> = entries.take_while(|entry| entry.sequence <= end).take(PAGE).collect();
        Ok(Some(Page::Entries(entries)).filter(|page| !matches!(page, Page::Entries(none) if none.is_empty())))
    }

    async fn wait_for(&self, after: &DispatchId, wait: Duration) -> Result<Page, LedgerError> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            let changed = self.realm.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(page) = self.look(after)? {
                return Ok(page);
            }
            if tokio::time::timeout_at(until, changed).await.is_err() {
                return Ok(Page::Entries(Vec::new()));
            }
        }
    }
}

fn away() -> LedgerError {
    LedgerError::Away("the fake is away".to_owned())
}

impl Ledger for FakeLedger {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn open<'a>(&'a self, me: &'a NodeId) -> BoxFuture<'a, Result<Top, LedgerError>> {
        Box::pin(async move {
            let mut state = self.reach()?;
            state.meta()?;
            state.nodes.insert(me.clone());
            let top = state.top();
            drop(state);
            self.answer(top?)
        })
    }

    fn append<'a>(
        &'a self,
        me: &'a NodeId,
        epoch: &'a Epoch,
        batch: &'a [Submission],
    ) -> BoxFuture<'a, Result<Vec<Option<DispatchId>>, LedgerError>> {
        Box::pin(async move { self.take(me, epoch, batch) })
    }

    fn read<'a>(&'a self, after: &'a DispatchId, wait: Duration) -> BoxFuture<'a, Result<Page, LedgerError>> {
        Box::pin(self.wait_for(after, wait))
    }

    fn turn<'a>(&'a self, next: &'a Epoch, known: &'a DispatchId) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            let mut state = self.reach()?;
            if state.meta().is_ok() {
                return self.answer(());
            }
            let before = state.meta.take();
            if state.newest() < known.sequence && before.is_none() {
                state.entries.clear();
                state.floor = known.sequence;
            }
            let newest = state.newest();
            let (last, end, mut closed) = match &before {
                Some(meta) => (meta.epoch.clone(), newest, meta.closed.clone()),
                None => (known.epoch.clone(), known.sequence, Vec::new()),
            };
            state.before.push((newest, before));
            closed.push((last, end, next.id(newest)));
            state.meta = Some(Meta {
                server: state.server,
                epoch: next.clone(),
                closed,
            });
            state.tickets.clear();
            state.write(next, What::Turn);
            drop(state);
            self.realm.0.changed.notify_waiters();
            self.answer(())
        })
    }

    fn renew<'a>(&'a self, me: &'a NodeId) -> BoxFuture<'a, Result<Top, LedgerError>> {
        Box::pin(async move {
            let state = self.reach()?;
            let top = state.top()?;
            match state.nodes.contains(me) {
                true => Ok(top),
                false => Err(LedgerError::Buried),
            }
        })
    }

    fn leave<'a>(&'a self, me: &'a NodeId) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            self.reach()?.nodes.remove(me);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{Realm, every_ledger};

    impl Realm for FakeRealm {
        async fn ledger(&mut self) -> impl Ledger {
            FakeRealm::ledger(self)
        }

        async fn fail_over(&mut self, kept: u64) {
            FakeRealm::fail_over(self, kept);
        }

        async fn empty(&mut self) {
            FakeRealm::empty(self);
        }

        async fn trim(&mut self, kept: u64) {
            FakeRealm::trim(self, kept.try_into().expect("a small number"));
        }

        async fn scribble(&mut self) {
            FakeRealm::scribble(self);
        }

        async fn bury(&mut self, node: &NodeId) {
            FakeRealm::bury(self, node);
        }
    }

    #[tokio::test]
    async fn it_keeps_what_every_shared_log_promises() {
        every_ledger(async || FakeRealm::default()).await;
    }
}
