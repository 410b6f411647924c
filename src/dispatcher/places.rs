//! Where the log has something for whom: the places of its dispatches by user, by channel, and for everybody.
//!
//! In: the targets of a dispatch when it gets its place, and again when it is forgotten. Out: for a standing, the
//! places of all that may be meant for it, rising or falling, each once. So whoever comes back walks through what it
//! was told, not through what others were. It knows no dispatch, and not whether one is heard: that is for the standing
//! to say.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap, VecDeque, vec_deque};
use std::hash::Hash;
use std::iter::Copied;
use std::ops::Bound;

use itertools::Itertools;
use turted_core::{ChannelName, ChannelPattern, Subscription, Target, UserName};

use super::standing::Standing;

/// Rising.
type Places = VecDeque<u64>;

/// What one place takes in bytes: a list has at most twice the room that it needs.
const PLACE: usize = 2 * size_of::<u64>();
/// What a list takes in bytes beside its places and its name: its row in a table that may be half empty, its first
/// room, and the counters of the name.
const LIST: usize = 2 * (size_of::<ChannelName>() + size_of::<Places>()) + 6 * size_of::<u64>();
/// What the name of a channel takes in order.
const ORDERED: usize = 2 * size_of::<ChannelName>();

/// The places of all that is in the log.
#[derive(Debug, Default)]
pub struct Index {
    users: Lists<UserName>,
    channels: Lists<ChannelName>,
    /// The same channels in order, for those who hear by pattern.
    names: BTreeSet<ChannelName>,
    everybody: Places,
}

impl Index {
    /// Notes a dispatch at its place, which is newer than all before.
    pub fn add(&mut self, place: u64, targets: &[Target]) {
        for target in targets {
            match target {
                Target::User(name) => _ = self.users.add(name, place),
                Target::Channel(name) => {
                    if self.channels.add(name, place) {
                        self.names.insert(name.clone());
                    }
                }
                Target::Everybody => append(&mut self.everybody, place),
            }
        }
    }

    /// Forgets the oldest dispatch.
    pub fn forget(&mut self, place: u64, targets: &[Target]) {
        for target in targets {
            match target {
                Target::User(name) => _ = self.users.forget(name, place),
                Target::Channel(name) => {
                    if self.channels.forget(name, place) {
                        self.names.remove(name);
                    }
                }
                Target::Everybody => drop_first(&mut self.everybody, place),
            }
        }
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.users.bytes + self.channels.bytes + self.names.len() * ORDERED + self.everybody.len() * PLACE
    }

    /// The places after this one of all that this standing may hear, the oldest first.
    pub fn rising<'a>(&'a self, standing: &'a Standing, after: u64) -> impl Iterator<Item = u64> + use<'a> {
        self.tails(standing, after).kmerge().dedup()
    }

    /// The same, the newest first.
    pub fn falling<'a>(&'a self, standing: &'a Standing, after: u64) -> impl Iterator<Item = u64> + use<'a> {
        let tails = self.tails(standing, after).map(Iterator::rev);
        tails.kmerge_by(|one, other| one > other).dedup()
    }

    /// The places after this one in each list that this standing hears, from where it began to hear it.
    fn tails<'a>(
        &'a self,
        standing: &'a Standing,
        after: u64,
    ) -> impl Iterator<Item = Copied<vec_deque::Iter<'a, u64>>> + use<'a> {
        let user = standing.user.iter();
        let user = user.filter_map(|(name, since)| Some((self.users.of(name.as_str())?, *since)));
        let channels = standing.subscriptions.iter().flat_map(|(subscription, since)| {
            let (one, many) = match subscription {
                Subscription::Channel(name) => (self.channels.of(name.as_str()), None),
                Subscription::Pattern(pattern) => (None, Some(self.below(pattern))),
            };
            let lists = one.into_iter().chain(many.into_iter().flatten());
            lists.map(|places| (places, *since))
        });
        let everybody = (!standing.is_deaf).then_some((&self.everybody, standing.opened));
        let lists = user.chain(channels).chain(everybody);
        lists.filter_map(move |(places, since)| {
            let after = after.max(since);
            // Most lists of those who come back together have nothing new.
            if places.back().is_none_or(|newest| *newest <= after) {
                return None;
            }
            let first = places.partition_point(|place| *place <= after);
            Some(places.range(first..).copied())
        })
    }

    /// The lists of the channels that a pattern matches.
    fn below<'a>(&'a self, pattern: &'a ChannelPattern) -> impl Iterator<Item = &'a Places> {
        let prefix = pattern.prefix();
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let names = self.names.range::<str, _>(from);
        let names = names.take_while(move |name| name.as_str().starts_with(prefix));
        let names = names.filter(|name| pattern.matches(name.as_str()));
        names.filter_map(|name| self.channels.of(name.as_str()))
    }
}

/// Lists of places by name. None of them is empty.
#[derive(Debug)]
struct Lists<K> {
    table: HashMap<K, Places>,
    bytes: usize,
}

impl<K> Default for Lists<K> {
    fn default() -> Self {
        Self {
            table: HashMap::new(),
            bytes: 0,
        }
    }
}

impl<K: Clone + Eq + Hash + Borrow<str>> Lists<K> {
    fn of(&self, name: &str) -> Option<&Places> {
        self.table.get(name)
    }

    /// True when it is the first place of this name.
    fn add(&mut self, name: &K, place: u64) -> bool {
        let Some(places) = self.table.get_mut(name.borrow()) else {
            self.table.insert(name.clone(), VecDeque::from([place]));
            self.bytes += LIST + name.borrow().len() + PLACE;
            return true;
        };
        let before = places.len();
        append(places, place);
        self.bytes += (places.len() - before) * PLACE;
        false
    }

    /// True when it was the last place of this name.
    fn forget(&mut self, name: &K, place: u64) -> bool {
        let Some(places) = self.table.get_mut(name.borrow()) else {
            return false;
        };
        let before = places.len();
        drop_first(places, place);
        self.bytes -= (before - places.len()) * PLACE;
        let is_last = places.is_empty();
        if is_last {
            self.table.remove(name.borrow());
            self.bytes -= LIST + name.borrow().len();
        }
        is_last
    }
}

/// Once, though a dispatch may name somebody twice.
fn append(places: &mut Places, place: u64) {
    if places.back() != Some(&place) {
        places.push_back(place);
    }
}

/// A list keeps no more room than it needs for long.
fn drop_first(places: &mut Places, place: u64) {
    if places.front() == Some(&place) {
        places.pop_front();
        if places.capacity() > 4 * places.len() {
            places.shrink_to(2 * places.len());
        }
    }
}

#[cfg(test)]
mod tests;
