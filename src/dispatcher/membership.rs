//! Who is here, as whom, and in which channels.
//!
//! In: seats taken and left, users and channels gained and lost. Out: for a dispatch the lanes it reaches, each once. A
//! plain struct without clock or runtime; the marks that a fan-out touches lie close together, everything else
//! elsewhere.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use indexmap::IndexSet;
use slab::Slab;
use turted_core::{ChannelName, Dispatch, Exclude, Subscription, Target, UserName};

use super::messages::{CourierId, EncoderId, LaneKey, SeatKey};
use super::patterns::Patterns;
use super::standing::Standing;

mod turned;

/// A connection with a wire.
#[derive(Debug)]
pub struct Seat {
    serial: u64,
    /// Where its frames go.
    pub lane: LaneKey,
    /// How its events are encoded.
    pub encoder: EncoderId,
    /// True until its first command: broadcasts wait for it in the log, since it may be about to resume.
    pub fresh: bool,
    /// Who it is.
    pub standing: Standing,
    /// Whether its last resumption missed nothing; true when there was none.
    pub is_complete: bool,
    /// The newest id that its client knows to have nothing missing before it, other than by an event.
    pub told: u64,
    /// The last poll that could not be given more than it got.
    pub poll: Option<Polled>,
    /// When to look at it again, since its identity ends.
    pub due: Option<Instant>,
    /// Whether its client can come back for it.
    pub returns: bool,
}

/// A poll that has had everything, or was told of a gap.
#[derive(Debug, PartialEq, Eq)]
pub struct Polled {
    /// The id that it named.
    pub last: Arc<str>,
    /// What had been meant for the connection by then.
    pub newest: u64,
    /// Whether it missed something.
    pub is_gap: bool,
}

/// The part of a seat that a fan-out reads and writes.
#[derive(Debug, Clone, Copy)]
struct Mark {
    sequence: u64,
    lane: u32,
    courier: u16,
    encoder: u16,
    fresh: bool,
    deaf: bool,
}

/// The lanes of one courier that get the same frame.
#[derive(Debug, PartialEq)]
pub struct Group {
    /// Who carries it.
    pub courier: CourierId,
    /// How it is encoded.
    pub encoder: EncoderId,
    /// The target that reached them, as an index.
    pub target: usize,
    /// To whom.
    pub lanes: Vec<u32>,
}

/// Whom a dispatch reaches.
#[derive(Debug, Default)]
pub struct Fanout {
    /// How many connections, those included that hear it as soon as they are ready.
    pub recipients: usize,
    /// Frames to encode and carry, in the order of the targets.
    pub groups: Vec<Group>,
}

/// Everybody with a wire, and the ways to find them.
#[derive(Debug, Default)]
pub struct Membership {
    seats: Slab<Seat>,
    marks: Vec<Mark>,
    users: HashMap<UserName, IndexSet<u32>>,
    channels: HashMap<ChannelName, IndexSet<u32>>,
    patterns: Patterns,
    /// Channels that somebody is in since the last look, or nobody any more; `None` when nobody looks.
    turned: Option<Vec<ChannelName>>,
    connections: HashMap<Arc<str>, u32>,
    tokens: HashMap<Arc<str>, u32>,
    next_serial: u64,
}

impl Membership {
    /// Seats a connection with the memberships it has.
    pub fn sit(&mut self, lane: LaneKey, encoder: EncoderId, fresh: bool, standing: Standing) -> SeatKey {
        let serial = self.next_serial;
        self.next_serial += 1;
        let slot = self.seats.insert(Seat {
            serial,
            lane,
            encoder,
            fresh,
            standing,
            is_complete: true,
            told: 0,
            poll: None,
            due: None,
            returns: true,
        });
        // 2^32 sockets do not fit into one machine.
        let key = SeatKey {
            index: u32::try_from(slot).unwrap_or(u32::MAX),
            serial,
        };
        let mark = Mark {
            sequence: 0,
            lane: lane.lane,
            courier: u16::try_from(lane.courier).unwrap_or(u16::MAX),
            encoder: u16::try_from(encoder).unwrap_or(u16::MAX),
            fresh,
            deaf: false,
        };
        if slot == self.marks.len() {
            self.marks.push(mark);
        } else {
            self.marks[slot] = mark;
        }
        self.index(key.index);
        key
    }

    /// Takes a connection out of everything. `None` when it has already gone.
    pub fn rise(&mut self, key: SeatKey) -> Option<Seat> {
        self.get(key)?;
        self.unindex(key.index);
        Some(self.seats.remove(key.index as usize))
    }

    /// The connection that sits here, unless it has gone.
    #[must_use]
    pub fn get(&self, key: SeatKey) -> Option<&Seat> {
        self.seats
            .get(key.index as usize)
            .filter(|seat| seat.serial == key.serial)
    }

    /// Who may be continued with this secret.
    #[must_use]
    pub fn by_token(&self, token: &str) -> Option<SeatKey> {
        self.key(*self.tokens.get(token)?)
    }

    /// Gives a seated connection another standing: what it was is forgotten, except by the caller.
    pub fn replace(&mut self, key: SeatKey, standing: Standing) {
        if self.get(key).is_some() {
            self.unindex(key.index);
            self.seats[key.index as usize].standing = standing;
            self.index(key.index);
        }
    }

    /// Gives a seated connection another lane.
    pub fn relocate(&mut self, key: SeatKey, lane: LaneKey) {
        if self.get(key).is_some() {
            self.seats[key.index as usize].lane = lane;
            let mark = &mut self.marks[key.index as usize];
            mark.lane = lane.lane;
            mark.courier = u16::try_from(lane.courier).unwrap_or(u16::MAX);
        }
    }

    /// The number of the last dispatch that was meant for this connection, 0 when none was.
    #[must_use]
    pub fn newest(&self, key: SeatKey) -> u64 {
        match self.get(key) {
            Some(_) => self.marks[key.index as usize].sequence,
            None => 0,
        }
    }

    /// Notes that a dispatch was meant for this connection.
    pub fn mark(&mut self, key: SeatKey, sequence: u64) {
        if self.get(key).is_some() {
            let mark = &mut self.marks[key.index as usize];
            mark.sequence = mark.sequence.max(sequence);
        }
    }

    /// The connection that sits here, to note something about it.
    pub fn get_mut(&mut self, key: SeatKey) -> Option<&mut Seat> {
        self.seats
            .get_mut(key.index as usize)
            .filter(|seat| seat.serial == key.serial)
    }

    /// Lets broadcasts through from now on.
    pub fn ready(&mut self, key: SeatKey) {
        if self.get(key).is_some() {
            self.seats[key.index as usize].fresh = false;
            self.marks[key.index as usize].fresh = false;
        }
    }

    /// Makes it this user, and nobody else.
    pub fn identify(&mut self, key: SeatKey, user: UserName, since: u64) {
        if self.get(key).is_none() {
            return;
        }
        self.marks[key.index as usize].deaf = false;
        let standing = &mut self.seats[key.index as usize].standing;
        if std::mem::take(&mut standing.is_deaf) {
            // What everybody was told before it had a name was not for it.
            standing.opened = standing.opened.max(since);
        }
        if let Some((former, _)) = standing.user.replace((user.clone(), since)) {
            drop_from(&mut self.users, &former, key.index);
        }
        self.users.entry(user).or_default().insert(key.index);
    }

    /// Makes it nobody in particular.
    pub fn forget_user(&mut self, key: SeatKey, is_deaf: bool) {
        if self.get(key).is_none() {
            return;
        }
        self.marks[key.index as usize].deaf = is_deaf;
        let standing = &mut self.seats[key.index as usize].standing;
        standing.is_deaf = is_deaf;
        if let Some((former, _)) = standing.user.take() {
            drop_from(&mut self.users, &former, key.index);
        }
    }

    /// Forgets all secrets that continue it but the newest, which only the client of its wire knows.
    pub fn keep_newest_token(&mut self, key: SeatKey) {
        if self.get(key).is_none() {
            return;
        }
        let tokens = &mut self.seats[key.index as usize].standing.tokens;
        let newest = tokens.pop();
        for token in std::mem::replace(tokens, newest.into_iter().collect()) {
            self.tokens.remove(&token);
        }
    }

    /// Lets it hear a channel, or all that a pattern matches; joining twice changes nothing.
    pub fn join(&mut self, key: SeatKey, subscription: Subscription, since: u64) {
        if self.get(key).is_some() && self.subscribe(key.index, &subscription) {
            let standing = &mut self.seats[key.index as usize].standing;
            standing.subscriptions.push((subscription, since));
        }
    }

    /// Takes a subscription from it. False when it does not have it.
    pub fn leave(&mut self, key: SeatKey, subscription: &Subscription) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        let standing = &mut self.seats[key.index as usize].standing;
        let Some(at) = standing.subscriptions.iter().position(|(one, _)| one == subscription) else {
            return false;
        };
        standing.subscriptions.swap_remove(at);
        if let Some(rest) = standing.rest.any() {
            rest.asked.retain(|asked| asked != subscription);
        }
        self.unsubscribe(key.index, subscription);
        true
    }

    /// Resolves the targets of a dispatch. Each connection appears once, under the first target that matches it;
    /// nothing is collected in sets: a connection remembers the number of the last dispatch that reached it.
    pub fn fan_out(&mut self, sequence: u64, dispatch: &Dispatch) -> Fanout {
        let excluded = self.mark_excluded(sequence, &dispatch.exclude);
        let mut fanout = Fanout::default();
        for (target, whom) in dispatch.targets.iter().enumerate() {
            let mut reach = Reach::new(sequence, target, &mut fanout);
            let marks = &mut self.marks;
            match whom {
                Target::User(name) => reach.each(marks, self.users.get(name).into_iter().flatten().copied()),
                Target::Channel(name) => {
                    reach.each(marks, self.channels.get(name).into_iter().flatten().copied());
                    for members in self.patterns.matching(name.as_str()) {
                        reach.each(marks, members.iter().copied());
                    }
                }
                // A slot is below 2^32, see `sit`.
                #[allow(clippy::cast_possible_truncation)]
                Target::Everybody => reach.everybody(marks, self.seats.iter().map(|(slot, _)| slot as u32)),
            }
        }
        // Nothing was meant for them. Backwards, since one may be there twice.
        for (index, earlier) in excluded.into_iter().rev() {
            self.marks[index as usize].sequence = earlier;
        }
        fanout
    }

    /// Who has this encoder, hears everything as it comes, and knows no place as new as this one: it is told now.
    pub fn untold(&mut self, encoder: EncoderId, place: u64, newest: u64) -> Vec<LaneKey> {
        let marks = &self.marks;
        let is_untold = |(slot, seat): &(usize, &mut Seat)| {
            seat.encoder == encoder && !seat.fresh && marks[*slot].sequence.max(seat.told) < place
        };
        let tell = |(_, seat): (usize, &mut Seat)| {
            seat.told = newest;
            seat.lane
        };
        self.seats.iter_mut().filter(is_untold).map(tell).collect()
    }

    /// Every connection of a user.
    #[must_use]
    pub fn of_user(&self, user: &str) -> Vec<SeatKey> {
        let indexes = self.users.get(user).into_iter().flatten();
        indexes.filter_map(|index| self.key(*index)).collect()
    }

    /// The connection with this public id.
    #[must_use]
    pub fn by_connection(&self, connection: &str) -> Option<SeatKey> {
        self.key(*self.connections.get(connection)?)
    }

    fn key(&self, index: u32) -> Option<SeatKey> {
        let serial = self.seats.get(index as usize)?.serial;
        Some(SeatKey { index, serial })
    }

    /// Every connection.
    pub fn all(&self) -> impl Iterator<Item = (SeatKey, &Standing)> + '_ {
        let seats = self.seats.iter();
        seats.filter_map(|(index, seat)| Some((self.key(u32::try_from(index).ok()?)?, &seat.standing)))
    }

    /// Every lane, for words to everybody that are not events.
    pub fn lanes(&self) -> impl Iterator<Item = LaneKey> + '_ {
        self.seats.iter().map(|(_, seat)| seat.lane)
    }

    /// Connections, users and channels.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.seats.len(), self.users.len(), self.channels.len())
    }

    /// Whoever is excluded counts as reached already, for as long as this dispatch takes. Gives back what was there
    /// before.
    fn mark_excluded(&mut self, sequence: u64, exclude: &Exclude) -> Vec<(u32, u64)> {
        let connections = exclude.connections.iter().filter_map(|name| self.connections.get(name));
        let users = exclude.users.iter().filter_map(|name| self.users.get(name)).flatten();
        let excluded: Vec<u32> = connections.chain(users).copied().collect();
        let marks = &mut self.marks;
        let mark = |index: u32| (index, std::mem::replace(&mut marks[index as usize].sequence, sequence));
        excluded.into_iter().map(mark).collect()
    }

    fn index(&mut self, index: u32) {
        let standing = &self.seats[index as usize].standing;
        self.marks[index as usize].deaf = standing.is_deaf;
        self.connections.insert(Arc::clone(&standing.connection), index);
        for token in &standing.tokens {
            self.tokens.insert(Arc::clone(token), index);
        }
        if let Some((user, _)) = &standing.user {
            self.users.entry(user.clone()).or_default().insert(index);
        }
        for (subscription, _) in standing.subscriptions.clone() {
            self.subscribe(index, &subscription);
        }
    }

    /// True when it was not there before.
    fn subscribe(&mut self, index: u32, subscription: &Subscription) -> bool {
        match subscription {
            Subscription::Channel(name) => {
                let members = self.channels.entry(name.clone()).or_default();
                let (was_empty, is_new) = (members.is_empty(), members.insert(index));
                self.has_turned(was_empty, name);
                is_new
            }
            Subscription::Pattern(pattern) => self.patterns.insert(pattern, index),
        }
    }

    fn unsubscribe(&mut self, index: u32, subscription: &Subscription) {
        match subscription {
            Subscription::Channel(name) => {
                drop_from(&mut self.channels, name, index);
                self.has_turned(!self.channels.contains_key(name), name);
            }
            Subscription::Pattern(pattern) => self.patterns.remove(pattern, index),
        }
    }

    fn unindex(&mut self, index: u32) {
        let standing = &self.seats[index as usize].standing;
        self.connections.remove(&standing.connection);
        for token in &standing.tokens {
            self.tokens.remove(token);
        }
        if let Some((user, _)) = &standing.user {
            drop_from(&mut self.users, user, index);
        }
        for (subscription, _) in standing.subscriptions.clone() {
            self.unsubscribe(index, &subscription);
        }
    }
}

/// A user or a channel exists while somebody is in it.
fn drop_from<K: std::hash::Hash + Eq>(sets: &mut HashMap<K, IndexSet<u32>>, key: &K, index: u32) {
    if let Some(set) = sets.get_mut(key) {
        set.swap_remove(&index);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}

/// Collects the lanes that one target reaches, by courier and encoder.
struct Reach<'a> {
    sequence: u64,
    target: usize,
    first: usize,
    fanout: &'a mut Fanout,
}

impl<'a> Reach<'a> {
    fn new(sequence: u64, target: usize, fanout: &'a mut Fanout) -> Self {
        let first = fanout.groups.len();
        Self {
            sequence,
            target,
            first,
            fanout,
        }
    }

    fn each(&mut self, marks: &mut [Mark], members: impl Iterator<Item = u32>) {
        for index in members {
            let mark = &mut marks[index as usize];
            if mark.sequence == self.sequence {
                continue;
            }
            mark.sequence = self.sequence;
            self.fanout.recipients += 1;
            // Only a broadcast can reach a fresh connection; it finds it in the log when it is ready.
            if !mark.fresh {
                self.add(*mark);
            }
        }
    }

    /// As [`each`](Self::each), without those who do not hear what everybody is told.
    fn everybody(&mut self, marks: &mut [Mark], seats: impl Iterator<Item = u32>) {
        for index in seats {
            if !marks[index as usize].deaf {
                self.each(marks, std::iter::once(index));
            }
        }
    }

    fn add(&mut self, mark: Mark) {
        let (courier, encoder) = (usize::from(mark.courier), usize::from(mark.encoder));
        // A handful of groups at most: couriers times encoders.
        let groups = &mut self.fanout.groups[self.first..];
        if let Some(group) = groups
            .iter_mut()
            .find(|group| group.courier == courier && group.encoder == encoder)
        {
            group.lanes.push(mark.lane);
            return;
        }
        self.fanout.groups.push(Group {
            courier,
            encoder,
            target: self.target,
            lanes: vec![mark.lane],
        });
    }
}
