//! What arrived where: the book-keeping of one run.
//!
//! In: every delivery a subscriber reads, and every subscriber that goes away. Out: how many deliveries were lost,
//! doubled or out of order, their latencies, and a wake-up when a dispatch has reached everybody. It knows neither
//! sockets nor servers. Everything lives on one thread, so plain cells are enough.

use std::cell::{Cell, RefCell};

use hdrhistogram::Histogram;
use tokio::sync::Notify;

use super::stamp::Mark;

/// The rank of a dispatch nobody has received yet.
const UNSEEN: u32 = u32::MAX;

/// Latencies above this (an hour, in nanoseconds) count as this.
const LONGEST_LATENCY: u64 = 3_600_000_000_000;

/// The book of one run, shared by publishers and subscribers.
#[derive(Debug)]
pub struct Tally {
    subscribers: usize,
    warmup: usize,
    dispatches: Vec<Dispatch>,
    next_rank: Cell<u32>,
    arrived: Cell<u64>,
    measured: Cell<u64>,
    doubled: Cell<u64>,
    misordered: Cell<u64>,
    disconnected: Cell<usize>,
    first_goodbye: RefCell<Option<String>>,
    latency: RefCell<Histogram<u64>>,
}

#[derive(Debug)]
struct Dispatch {
    waiting: Cell<usize>,
    rank: Cell<u32>,
    finished: Notify,
}

/// What one subscriber has received so far.
#[derive(Debug)]
pub struct Seen {
    received: Vec<u64>,
    last_rank: Option<u32>,
}

impl Tally {
    /// A book for `publishes` dispatches (of which the first `warmup` are not measured) to `subscribers` each.
    pub fn new(subscribers: usize, warmup: usize, publishes: usize) -> anyhow::Result<Self> {
        let dispatches = (0..publishes).map(|_| Dispatch {
            waiting: Cell::new(subscribers),
            rank: Cell::new(UNSEEN),
            finished: Notify::new(),
        });
        Ok(Self {
            subscribers,
            warmup,
            dispatches: dispatches.collect(),
            next_rank: Cell::new(0),
            arrived: Cell::new(0),
            measured: Cell::new(0),
            doubled: Cell::new(0),
            misordered: Cell::new(0),
            disconnected: Cell::new(0),
            first_goodbye: RefCell::new(None),
            latency: RefCell::new(Histogram::new_with_max(LONGEST_LATENCY, 3)?),
        })
    }

    /// The empty record of a new subscriber.
    pub fn seen(&self) -> Seen {
        Seen {
            received: vec![0; self.dispatches.len().div_ceil(64)],
            last_rank: None,
        }
    }

    /// Enters one delivery, read at `now` (nanoseconds since the run began).
    pub fn deliver(&self, seen: &mut Seen, mark: Mark, now: u64) {
        let Some(dispatch) = self.dispatches.get(mark.sequence) else {
            return;
        };
        if !seen.insert(mark.sequence) {
            bump(&self.doubled);
            return;
        }
        bump(&self.arrived);
        if seen.overtaken_by(self.rank(dispatch)) {
            bump(&self.misordered);
        }
        if mark.sequence >= self.warmup {
            bump(&self.measured);
            self.latency
                .borrow_mut()
                .saturating_record(now.saturating_sub(mark.sent));
        }
        dispatch.settle_one();
    }

    /// Enters that a subscriber's connection ended before the run did. What it has not received is lost; nobody waits
    /// for it.
    pub fn leave(&self, seen: &Seen, reason: String) {
        self.disconnected.set(self.disconnected.get() + 1);
        self.first_goodbye.borrow_mut().get_or_insert(reason);
        for (sequence, dispatch) in self.dispatches.iter().enumerate() {
            if !seen.contains(sequence) {
                dispatch.settle_one();
            }
        }
    }

    /// Waits until dispatch `sequence` has reached every subscriber that is still there. One waiter per dispatch.
    pub async fn finished(&self, sequence: usize) {
        if let Some(dispatch) = self.dispatches.get(sequence) {
            while dispatch.waiting.get() > 0 {
                dispatch.finished.notified().await;
            }
        }
    }

    /// Deliveries of the measured phase.
    pub fn measured(&self) -> u64 {
        self.measured.get()
    }

    /// Deliveries that never came, when the first `published` dispatches were pushed (warm-up included).
    pub fn lost(&self, published: usize) -> u64 {
        let expected = self.subscribers as u64 * published as u64;
        expected.saturating_sub(self.arrived.get())
    }

    /// Deliveries that came to a subscriber more than once.
    pub fn doubled(&self) -> u64 {
        self.doubled.get()
    }

    /// Deliveries that reached a subscriber in another order than the one in which the dispatches first appeared
    /// anywhere.
    ///
    /// Publishers push concurrently, so the server chooses the order; but it must choose the same for all.
    pub fn misordered(&self) -> u64 {
        self.misordered.get()
    }

    /// How many subscribers were disconnected, and why the first one was.
    pub fn disconnected(&self) -> (usize, Option<String>) {
        (self.disconnected.get(), self.first_goodbye.borrow().clone())
    }

    /// The latency (nanoseconds) at `quantile` (0.0 to 1.0) of the measured phase.
    pub fn latency(&self, quantile: f64) -> u64 {
        let latency = self.latency.borrow();
        latency.value_at_quantile(quantile).min(latency.max())
    }

    fn rank(&self, dispatch: &Dispatch) -> u32 {
        if dispatch.rank.get() == UNSEEN {
            dispatch.rank.set(self.next_rank.get());
            self.next_rank.set(self.next_rank.get() + 1);
        }
        dispatch.rank.get()
    }
}

impl Dispatch {
    fn settle_one(&self) {
        let left = self.waiting.get().saturating_sub(1);
        self.waiting.set(left);
        if left == 0 {
            self.finished.notify_one();
        }
    }
}

impl Seen {
    fn insert(&mut self, sequence: usize) -> bool {
        let (word, bit) = (sequence / 64, 1 << (sequence % 64));
        let fresh = self.received[word] & bit == 0;
        self.received[word] |= bit;
        fresh
    }

    fn contains(&self, sequence: usize) -> bool {
        self.received[sequence / 64] & (1 << (sequence % 64)) != 0
    }

    /// Notes `rank` and says whether a later one had come before it.
    fn overtaken_by(&mut self, rank: u32) -> bool {
        let late = self.last_rank.is_some_and(|last| rank < last);
        self.last_rank = Some(self.last_rank.map_or(rank, |last| last.max(rank)));
        late
    }
}

fn bump(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(sequence: usize) -> Mark {
        Mark { sequence, sent: 10 }
    }

    #[test]
    fn lost_doubled_and_misordered_deliveries_are_told_apart() {
        let tally = Tally::new(2, 1, 3).unwrap();
        let (mut anna, mut ben) = (tally.seen(), tally.seen());
        for sequence in [0, 2, 1] {
            tally.deliver(&mut anna, mark(sequence), 30);
        }
        assert_eq!(tally.misordered(), 0, "the server may reorder concurrent pushes");
        for sequence in [1, 2, 2] {
            tally.deliver(&mut ben, mark(sequence), 30);
        }
        assert_eq!(tally.misordered(), 1, "but alike for everybody");
        assert_eq!((tally.lost(3), tally.doubled(), tally.measured()), (1, 1, 4));
        assert_eq!(tally.latency(0.5), 20);
    }

    #[test]
    fn nobody_waits_for_a_subscriber_that_left() {
        let tally = Tally::new(2, 0, 2).unwrap();
        let (mut anna, ben) = (tally.seen(), tally.seen());
        tally.deliver(&mut anna, mark(0), 30);
        tally.leave(&ben, "reset".to_owned());
        assert_eq!(tally.dispatches[0].waiting.get(), 0);
        assert_eq!(tally.dispatches[1].waiting.get(), 1);
        assert_eq!(tally.lost(1), 1);
        assert_eq!(tally.disconnected(), (1, Some("reset".to_owned())));
    }
}
