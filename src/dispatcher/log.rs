//! The log of recent dispatches, in their total order.
//!
//! In: every dispatch. Out: those that a standing may hear after a given sequence number, or the word that the log does
//! not reach back so far. It is bounded by age, count and bytes, and holds no per-connection state.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use turted_core::{Dispatch, DispatchId, Epoch, EventName, Exclude, Payload, Sender, Target, UserName};

use super::ids::Ids;
use super::places::Index;
use super::standing::Standing;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct LogBounds {
    /// Longest age. Default 120 s; it is also the window for RESUME.
    pub age: Duration,
    /// Most bytes of memory: payloads, names, keys, what is around them, and the lists by which they are found (16
    /// bytes for each target of a dispatch, and about 100 with its name for each user and channel in it). Default 64
    /// MiB.
    pub bytes: usize,
    /// Most dispatches. Default 100,000; 0 switches the log off.
    pub count: usize,
}

/// One dispatch with its place.
#[derive(Debug, Clone)]
pub struct Logged {
    /// Its place in the total order.
    pub sequence: u64,
    /// What was dispatched.
    pub dispatch: Arc<Dispatch>,
    at: Instant,
}

/// Recent dispatches without gaps: sequence numbers rise by one. They are the places of this log; ids are for others.
#[derive(Debug)]
pub struct Log {
    bounds: LogBounds,
    entries: VecDeque<Logged>,
    index: Index,
    ids: Ids,
    bytes: usize,
    newest: u64,
}

impl Log {
    /// An empty log, which begins in this epoch.
    #[must_use]
    pub fn new(bounds: LogBounds, epoch: Epoch) -> Self {
        Self {
            bounds,
            entries: VecDeque::new(),
            index: Index::default(),
            ids: Ids::new(epoch),
            bytes: 0,
            newest: 0,
        }
    }

    /// The sequence number of the newest dispatch, 0 before the first.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// The id of a place.
    #[must_use]
    pub fn id(&self, sequence: u64) -> DispatchId {
        self.ids.id(sequence)
    }

    /// The id that the next dispatch will have.
    #[must_use]
    pub fn next_id(&self) -> DispatchId {
        self.ids.id(self.newest + 1)
    }

    /// The place that an id means, which may be forgotten or yet to come; `None` when it is none of this log.
    #[must_use]
    pub fn place(&self, id: &str) -> Option<u64> {
        self.ids.place(id)
    }

    /// What is appended from here on has ids after this one.
    pub fn begin(&mut self, after: DispatchId) {
        self.ids.begin(self.newest, after);
    }

    /// Something is missing here, and what is appended from here on has ids after this one: nobody comes back from
    /// before.
    pub fn interrupt(&mut self, after: DispatchId) {
        while !self.entries.is_empty() {
            self.forget_oldest();
        }
        self.newest += 1;
        self.ids.interrupt(self.newest, after);
    }

    /// Keeps the next place free, for something that is for nobody.
    pub fn skip(&mut self, now: Instant) {
        let nothing = Dispatch::new(EventName::unnamed(), Vec::new(), Payload::empty_object());
        self.append(Arc::new(nothing), now);
    }

    /// Appends the next dispatch.
    pub fn append(&mut self, dispatch: Arc<Dispatch>, now: Instant) {
        let sequence = self.newest + 1;
        self.newest = sequence;
        self.bytes += weight(&dispatch);
        self.index.add(sequence, &dispatch.targets);
        self.entries.push_back(Logged {
            sequence,
            dispatch,
            at: now,
        });
        while self.entries.len() > self.bounds.count || self.bytes() > self.bounds.bytes {
            self.forget_oldest();
        }
    }

    /// Forgets what is older than the bound.
    pub fn expire(&mut self, now: Instant) {
        while let Some(oldest) = self.entries.front() {
            if now.saturating_duration_since(oldest.at) <= self.bounds.age {
                break;
            }
            self.forget_oldest();
        }
    }

    /// Whether everything after `sequence` is here: nothing of it is forgotten, and it does not lie in the future.
    #[must_use]
    pub fn reaches(&self, sequence: u64) -> bool {
        (self.floor()..=self.newest).contains(&sequence)
    }

    /// What this standing may hear after `sequence`, the oldest first.
    pub fn rising<'a>(&'a self, standing: &'a Standing, sequence: u64) -> impl Iterator<Item = &'a Logged> {
        let places = self.index.rising(standing, sequence);
        places.filter_map(|place| self.get(place))
    }

    /// The same, the newest first.
    pub fn falling<'a>(&'a self, standing: &'a Standing, sequence: u64) -> impl Iterator<Item = &'a Logged> {
        let places = self.index.falling(standing, sequence);
        places.filter_map(|place| self.get(place))
    }

    /// The dispatch at this place.
    #[must_use]
    pub fn get(&self, sequence: u64) -> Option<&Logged> {
        let place = sequence.checked_sub(self.floor() + 1)?;
        self.entries.get(usize::try_from(place).ok()?)
    }

    /// The place in the middle of what is there, by age or by number, whichever is newer: whoever knows an older one
    /// may find a moment later that the log does not reach back to it.
    #[must_use]
    pub fn middle(&self, now: Instant) -> u64 {
        let half = self.bounds.age / 2;
        let old = self
            .entries
            .partition_point(|logged| now.saturating_duration_since(logged.at) > half);
        let most = self.entries.len().saturating_sub(self.bounds.count / 2);
        self.floor() + old.max(most) as u64
    }

    /// The newest place of this time or earlier; what is forgotten counts as earlier.
    #[must_use]
    pub fn at(&self, time: Instant) -> u64 {
        self.floor() + self.entries.partition_point(|logged| logged.at <= time) as u64
    }

    /// The sequence number after which everything is there.
    #[must_use]
    pub fn floor(&self) -> u64 {
        self.newest - self.entries.len() as u64
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes + self.index.bytes()
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= weight(&oldest.dispatch);
            self.index.forget(oldest.sequence, &oldest.dispatch.targets);
        }
    }
}

/// What an entry costs in memory: every text that a push may bring, and the structures around them.
fn weight(dispatch: &Dispatch) -> usize {
    let Dispatch {
        event,
        payload,
        targets,
        exclude: Exclude { connections, users },
        key,
        from,
    } = dispatch;
    let name = |target: &Target| match target {
        Target::User(name) => shared(name.as_str()),
        Target::Channel(name) => shared(name.as_str()),
        Target::Everybody => 0,
    };
    let lists = [
        targets.capacity() * size_of::<Target>(),
        connections.capacity() * size_of::<Arc<str>>(),
        users.capacity() * size_of::<UserName>(),
    ];
    let names = targets.iter().map(name).sum::<usize>()
        + connections.iter().map(|id| shared(id)).sum::<usize>()
        + users.iter().map(|user| shared(user.as_str())).sum::<usize>();
    size_of::<Logged>()
        + allocated(2 * size_of::<usize>() + size_of::<Dispatch>())
        + lists.into_iter().map(allocated).sum::<usize>()
        + names
        + shared(event.as_str())
        + key.as_deref().map_or(0, shared)
        // Its texts belong to its connection, for as long as that is there.
        + from.as_ref().map_or(0, |from| {
            allocated(2 * size_of::<usize>() + size_of::<Sender>())
                + shared(&from.connection)
                + from.user.as_ref().map_or(0, |user| shared(user.as_str()))
        })
        // Its bytes, and the counter of those who share them.
        + allocated(payload.as_bytes().len())
        + allocated(3 * size_of::<usize>())
}

/// A text with its two counters.
fn shared(text: &str) -> usize {
    allocated(2 * size_of::<usize>() + text.len())
}

/// What an allocator gives for so many bytes: with its own mark, in steps, and never less than two of them.
fn allocated(bytes: usize) -> usize {
    const STEP: usize = 2 * size_of::<usize>();
    match bytes {
        0 => 0,
        _ => (bytes + size_of::<usize>()).next_multiple_of(STEP).max(2 * STEP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(count: usize) -> (Log, Instant) {
        let bounds = LogBounds {
            age: Duration::from_secs(10),
            bytes: 1_000_000,
            count,
        };
        (Log::new(bounds, Epoch::new("e")), Instant::now())
    }

    fn dispatch() -> Arc<Dispatch> {
        let dispatch = Dispatch::new(EventName::unnamed(), Vec::new(), Payload::empty_object());
        Arc::new(dispatch)
    }

    fn after(log: &Log, sequence: u64) -> Option<Vec<u64>> {
        let places = sequence + 1..=log.newest();
        log.reaches(sequence)
            .then(|| places.map(|place| log.get(place).unwrap().sequence).collect())
    }

    #[test]
    fn it_reaches_back_exactly_as_far_as_it_remembers() {
        let (mut log, now) = log(3);
        assert_eq!(after(&log, 0), Some(vec![]));
        for _ in 1..=5 {
            log.append(dispatch(), now);
        }
        assert_eq!(after(&log, 5), Some(vec![]));
        assert_eq!(after(&log, 2), Some(vec![3, 4, 5]));
        assert_eq!(after(&log, 1), None, "2 is forgotten");
        assert_eq!(after(&log, 6), None, "6 has not happened");
    }

    #[test]
    fn age_and_bytes_bound_it_too() {
        let (mut log, now) = log(100);
        log.append(dispatch(), now);
        log.append(dispatch(), now + Duration::from_secs(5));
        log.expire(now + Duration::from_secs(11));
        assert_eq!(after(&log, 1), Some(vec![2]));
        assert_eq!(after(&log, 0), None);
        log.expire(now + Duration::from_secs(16));
        assert_eq!(log.bytes(), 0);
        assert_eq!(after(&log, 2), Some(vec![]));
        assert_eq!(after(&log, 1), None);
    }

    /// 10,000 excluded names of 200 bytes counted 64 each: a log of 64 MiB took 200.
    #[test]
    fn every_member_of_a_push_weighs_what_it_takes() {
        let empty = weight(&dispatch());
        let user = |length: usize| UserName::parse(&"x".repeat(length), &turted_core::Limits::default()).unwrap();
        let with = |change: &dyn Fn(&mut Dispatch)| {
            let mut dispatch = Dispatch::new(EventName::unnamed(), Vec::new(), Payload::empty_object());
            change(&mut dispatch);
            weight(&dispatch) - empty
        };
        assert!(with(&|dispatch| dispatch.exclude.users = vec![user(200); 10]) >= 10 * 200);
        assert!(with(&|dispatch| dispatch.exclude.connections = vec!["x".repeat(200).into(); 10]) >= 10 * 200);
        assert!(with(&|dispatch| dispatch.targets = vec![Target::User(user(200)); 10]) >= 10 * 200);
        assert!(with(&|dispatch| dispatch.targets = vec![Target::Everybody; 1000]) >= 1000 * size_of::<Target>());
        assert!(with(&|dispatch| dispatch.exclude.users = Vec::with_capacity(1000)) >= 1000 * size_of::<UserName>());
        assert!(with(&|dispatch| dispatch.key = Some("x".repeat(128).into())) >= 128);
        let payload = "1".repeat(5000);
        let parsed = || Payload::parse(payload.clone().into(), &turted_core::Limits::default()).unwrap();
        assert!(with(&|dispatch| dispatch.payload = parsed()) >= 4900);
    }

    #[test]
    fn names_fill_the_log_as_payloads_do() {
        let (mut log, now) = log(100_000);
        for _ in 1..=200 {
            let mut dispatch = Dispatch::new(EventName::unnamed(), Vec::new(), Payload::empty_object());
            dispatch.exclude.connections = vec!["x".repeat(200).into(); 100];
            log.append(Arc::new(dispatch), now);
        }
        let kept = log.entries.len();
        assert!(
            (30..50).contains(&kept),
            "{kept} entries of 23 KiB fit into a million bytes"
        );
    }
}
