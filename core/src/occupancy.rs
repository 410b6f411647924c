//! Which channels somebody needs, for sources that hear only what is needed.
//!
//! In: from the Dispatcher, at the end of a turn, channels that are needed from now on, or no more. Out: for each
//! [`Watch`] what changed since it looked last, all that is needed at first. A channel is needed as long as a
//! connection is in it, or one that was in it may come back; patterns of clients need nothing. What a watch has not
//! looked at is kept once for each channel, and forgotten when it changes back: neither side waits for the other.
//!
//! A source says with [`Watch::settled`] how far it has come; until then whoever joins may be told to wait, so that it
//! hears what is published after its answer. It knows no connection, and not how a source hears a channel.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::name::ChannelName;

/// What is needed, shared by the Dispatcher and its sources. Cheap to clone.
#[derive(Clone, Default)]
pub struct Occupancy(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Something changed; or a source has come further, or gone.
    moved: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// Since which change.
    needed: HashMap<ChannelName, u64>,
    /// The number of the last change.
    newest: u64,
    next: u64,
    watches: Vec<Watching>,
}

/// The Dispatcher's side of a watch.
struct Watching {
    id: u64,
    wants: Box<Wants>,
    /// What it has not looked at: needed, or no more.
    pending: HashMap<ChannelName, bool>,
    /// Up to which change its source has looked, and how far it has come; `None` before it has done anything.
    looked: u64,
    settled: Option<u64>,
}

type Wants = dyn Fn(&str) -> bool + Send;

impl Default for Shared {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            moved: watch::Sender::new(()),
        }
    }
}

impl Occupancy {
    /// Watches the channels that `wants` names. It is asked with a lock held, so it must be quick.
    #[must_use]
    pub fn watch(&self, wants: impl Fn(&str) -> bool + Send + 'static) -> Watch {
        let moved = self.0.moved.subscribe();
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        let needed = state.needed.keys().filter(|name| wants(name.as_str()));
        let pending = needed.map(|name| (name.clone(), true)).collect();
        state.watches.push(Watching {
            id,
            wants: Box::new(wants),
            pending,
            looked: 0,
            settled: None,
        });
        drop(state);
        Watch {
            occupancy: self.clone(),
            id,
            moved,
        }
    }

    /// Notes which channels are needed from now on, or no more. For the Dispatcher.
    pub fn change(&self, changes: impl IntoIterator<Item = (ChannelName, bool)>) {
        let mut state = self.state();
        let mut has_changed = false;
        for (name, is_needed) in changes {
            if state.needed.contains_key(&name) == is_needed {
                continue;
            }
            has_changed = true;
            state.newest += 1;
            let newest = state.newest;
            for watching in state.watches.iter_mut().filter(|one| (one.wants)(name.as_str())) {
                // What changed back before anybody looked has not changed.
                if watching.pending.remove(&name).is_none() {
                    watching.pending.insert(name.clone(), is_needed);
                }
            }
            if is_needed {
                state.needed.insert(name, newest);
            } else {
                state.needed.remove(&name);
            }
        }
        drop(state);
        if has_changed {
            self.0.moved.send_replace(());
        }
    }

    /// What there is to wait for until every source hears this channel; `None` when they do, or none wants it.
    #[must_use]
    pub fn unsettled(&self, name: &ChannelName) -> Option<Settling> {
        let moved = self.0.moved.subscribe();
        self.is_unsettled(name).then(|| Settling {
            occupancy: self.clone(),
            name: name.clone(),
            moved,
        })
    }

    /// How many channels are needed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.state().needed.len()
    }

    fn is_unsettled(&self, name: &ChannelName) -> bool {
        let state = self.state();
        let Some(since) = state.needed.get(name) else {
            return false;
        };
        let mut watches = state.watches.iter();
        watches.any(|one| one.settled.is_none_or(|settled| settled < *since) && (one.wants)(name.as_str()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Occupancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let (needed, watches) = (state.needed.len(), state.watches.len());
        write!(f, "Occupancy({needed} needed, {watches} watches)")
    }
}

/// A source's view of what is needed. Nobody waits for a source whose watch is gone.
pub struct Watch {
    occupancy: Occupancy,
    id: u64,
    moved: watch::Receiver<()>,
}

/// What changed since the last look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Needed from now on.
    pub needed: Vec<ChannelName>,
    /// No more.
    pub released: Vec<ChannelName>,
    upto: u64,
}

impl Watch {
    /// What changed since the last look, as soon as something has; at first, and without waiting, all that is needed.
    /// Nothing is lost when it is dropped before it is ready.
    pub async fn changes(&mut self) -> Changes {
        loop {
            self.moved.mark_unchanged();
            if let Some(changes) = self.look() {
                return changes;
            }
            // An error means that the sender is gone, which `occupancy` keeps.
            let _ = self.moved.changed().await;
        }
    }

    /// All of these changes are done: what was needed is heard.
    pub fn settled(&self, changes: &Changes) {
        self.update(|one, _| one.settled = Some(changes.upto));
        self.occupancy.0.moved.send_replace(());
    }

    /// `None` when there is nothing to do.
    fn look(&self) -> Option<Changes> {
        let (changes, has_come_further) = self.update(|one, newest| {
            if one.pending.is_empty() && one.settled.is_some() {
                // What changed and changed back needs nothing from its source, but others may wait for it.
                let has_all = one.settled == Some(one.looked) && one.looked < newest;
                if has_all {
                    (one.looked, one.settled) = (newest, Some(newest));
                }
                return (None, has_all);
            }
            one.looked = newest;
            let (needed, released): (Vec<_>, Vec<_>) = std::mem::take(&mut one.pending)
                .into_iter()
                .partition(|(_, is_needed)| *is_needed);
            let names = |list: Vec<(ChannelName, bool)>| list.into_iter().map(|(name, _)| name).collect();
            let changes = Changes {
                needed: names(needed),
                released: names(released),
                upto: newest,
            };
            (Some(changes), false)
        })?;
        if has_come_further {
            self.occupancy.0.moved.send_replace(());
        }
        changes
    }

    fn update<T>(&self, update: impl FnOnce(&mut Watching, u64) -> T) -> Option<T> {
        let mut state = self.occupancy.state();
        let newest = state.newest;
        let one = state.watches.iter_mut().find(|one| one.id == self.id)?;
        Some(update(one, newest))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.occupancy.state().watches.retain(|one| one.id != self.id);
        self.occupancy.0.moved.send_replace(());
    }
}

/// Waits until every source hears a channel.
#[derive(Debug)]
pub struct Settling {
    occupancy: Occupancy,
    name: ChannelName,
    moved: watch::Receiver<()>,
}

impl Settling {
    /// Ready when every source that wants the channel hears it, or is gone, or nobody needs it any more.
    pub async fn wait(mut self) {
        loop {
            self.moved.mark_unchanged();
            if !self.occupancy.is_unsettled(&self.name) {
                return;
            }
            let _ = self.moved.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::limits::Limits;

    fn name(text: &str) -> ChannelName {
        ChannelName::parse(text, &Limits::default()).unwrap()
    }

    fn shown(changes: &Changes) -> String {
        let text = |names: &[ChannelName]| {
            let mut names: Vec<&str> = names.iter().map(ChannelName::as_str).collect();
            names.sort_unstable();
            names.join(",")
        };
        format!("+{} -{}", text(&changes.needed), text(&changes.released))
    }

    fn next(watch: &mut Watch) -> Option<Changes> {
        watch.changes().now_or_never()
    }

    #[test]
    fn a_watch_gets_all_at_first_and_then_what_changed() {
        let occupancy = Occupancy::default();
        occupancy.change([(name("a"), true), (name("b"), true), (name("n/1"), true)]);
        let mut watch = occupancy.watch(|name| !name.contains('/'));
        assert_eq!(shown(&next(&mut watch).unwrap()), "+a,b -");
        let mut all = occupancy.watch(|_| true);
        assert_eq!(shown(&next(&mut all).unwrap()), "+a,b,n/1 -");
        occupancy.change([(name("a"), false), (name("c"), true), (name("n/2"), true)]);
        let changes = next(&mut watch).unwrap();
        assert_eq!(shown(&changes), "+c -a");
        watch.settled(&changes);
        assert!(next(&mut watch).is_none());
        assert_eq!(occupancy.count(), 4);
    }

    #[test]
    fn where_nothing_is_needed_the_first_look_says_so() {
        let occupancy = Occupancy::default();
        let mut watch = occupancy.watch(|_| true);
        let changes = next(&mut watch).unwrap();
        assert_eq!(shown(&changes), "+ -");
        watch.settled(&changes);
        assert!(next(&mut watch).is_none());
    }

    #[test]
    fn what_changes_back_before_anybody_looks_has_not_changed() {
        let occupancy = Occupancy::default();
        let mut watch = occupancy.watch(|_| true);
        let changes = next(&mut watch).unwrap();
        watch.settled(&changes);
        for _ in 0..1000 {
            occupancy.change([(name("a"), true)]);
            occupancy.change([(name("a"), false)]);
        }
        assert!(next(&mut watch).is_none());
        occupancy.change([(name("a"), true), (name("a"), true)]);
        assert_eq!(shown(&next(&mut watch).unwrap()), "+a -");
    }

    #[test]
    fn whoever_joins_waits_for_the_sources_that_want_the_channel_and_for_no_others() {
        let occupancy = Occupancy::default();
        occupancy.change([(name("a"), true)]);
        assert!(occupancy.unsettled(&name("a")).is_none(), "nobody watches");
        let mut watch = occupancy.watch(|name| name == "a" || name == "b");
        let waits = occupancy.unsettled(&name("a")).unwrap();
        assert!(waits.wait().now_or_never().is_none());
        let changes = next(&mut watch).unwrap();
        occupancy.change([(name("b"), true), (name("c"), true)]);
        watch.settled(&changes);
        assert!(occupancy.unsettled(&name("a")).is_none());
        assert!(occupancy.unsettled(&name("c")).is_none(), "no source of its");
        let waits = occupancy.unsettled(&name("b")).unwrap();
        drop(watch);
        assert!(waits.wait().now_or_never().is_some(), "its source is gone");
    }

    // Whoever joined after the channel had been left and was needed again would have waited for a source that had
    // nothing to do.
    #[test]
    fn what_a_source_hears_already_is_settled_without_it() {
        let occupancy = Occupancy::default();
        occupancy.change([(name("a"), true)]);
        let mut watch = occupancy.watch(|_| true);
        let changes = next(&mut watch).unwrap();
        watch.settled(&changes);
        occupancy.change([(name("a"), false), (name("a"), true)]);
        let waits = occupancy.unsettled(&name("a")).unwrap();
        assert!(next(&mut watch).is_none());
        assert!(waits.wait().now_or_never().is_some());
    }

    #[tokio::test]
    async fn both_sides_are_woken() {
        let occupancy = Occupancy::default();
        let mut watch = occupancy.watch(|_| true);
        let first = watch.changes().await;
        watch.settled(&first);
        let source = tokio::spawn(async move {
            let changes = watch.changes().await;
            tokio::task::yield_now().await;
            watch.settled(&changes);
            (shown(&changes), watch)
        });
        tokio::task::yield_now().await;
        occupancy.change([(name("a"), true)]);
        if let Some(waits) = occupancy.unsettled(&name("a")) {
            waits.wait().await;
        }
        assert_eq!(source.await.unwrap().0, "+a -");
        assert!(occupancy.unsettled(&name("a")).is_none());
    }
}
