//! Those who come back, a few at a time: between them goes on what everybody else waits for.
//!
//! In: what connections ask that has to look into the past. Out: the same, in order, when there is time. One of them
//! takes microseconds, but the death of another server brings ten thousand at once. It knows no past; it only counts
//! time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::messages::{Ask, Pending, Request};

/// How long those who come back hold everybody else, and how long they wait at most before the next of them have it.
const PORTION: Duration = Duration::from_millis(1);

/// Who waits for an answer.
pub type Reply = oneshot::Sender<Option<Pending>>;

/// Those who come back.
#[derive(Debug, Default)]
pub struct Portions {
    waiting: VecDeque<(Ask, Reply)>,
    spent: Duration,
    /// When the last portion was over.
    since: Option<Instant>,
}

/// Whether a request looks into the past.
pub fn looks_back(request: &Request) -> bool {
    matches!(
        request,
        Request::Resume { .. } | Request::Arrive(..) | Request::Since(_)
    )
}

impl Portions {
    /// Whether one more may have its turn at once.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.waiting.is_empty() && self.spent < PORTION
    }

    /// Notes what one has taken. True when it was the first of a portion: somebody has to begin the next one.
    pub fn spend(&mut self, time: Duration) -> bool {
        let is_first = self.spent.is_zero();
        self.spent += time.max(Duration::from_nanos(1));
        is_first
    }

    /// One that waits for a later portion.
    pub fn wait(&mut self, ask: Ask, reply: Reply) {
        self.waiting.push_back((ask, reply));
    }

    /// Whether the next portion is due, though others keep coming. Without anybody who waits it costs nothing.
    #[must_use]
    pub fn is_due(&self, now: impl FnOnce() -> Instant) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let now = now();
        let is_over = |since: Instant| now.saturating_duration_since(since) >= PORTION;
        self.since.is_none_or(is_over)
    }

    /// Begins a portion.
    pub fn begin(&mut self) {
        self.spent = Duration::ZERO;
    }

    /// The next of this portion.
    pub fn next(&mut self) -> Option<(Ask, Reply)> {
        match self.spent < PORTION {
            true => self.waiting.pop_front(),
            false => None,
        }
    }

    /// Ends a portion. True when there are more.
    pub fn end(&mut self, now: Instant) -> bool {
        self.since = Some(now);
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatcher::messages::SeatKey;

    fn ask(index: u32) -> (Ask, Reply) {
        let seat = SeatKey { index, serial: 1 };
        let request = Request::Since("".into());
        let tag = None;
        (Ask { seat, tag, request }, oneshot::channel().0)
    }

    fn taken(portions: &mut Portions) -> Vec<u32> {
        let mut taken = Vec::new();
        portions.begin();
        while let Some((ask, _)) = portions.next() {
            taken.push(ask.seat.index);
            portions.spend(PORTION / 2);
        }
        taken
    }

    #[test]
    fn they_have_their_turn_in_order_a_few_at_a_time() {
        let (mut portions, now) = (Portions::default(), Instant::now());
        assert!(portions.has_room());
        assert!(portions.spend(PORTION / 2), "the first");
        assert!(portions.has_room() && !portions.spend(PORTION / 2));
        assert!(!portions.has_room());
        for index in 0..5 {
            let (ask, reply) = ask(index);
            portions.wait(ask, reply);
        }
        assert!(portions.is_due(|| now));
        assert_eq!(taken(&mut portions), [0, 1]);
        assert!(portions.end(now));
        assert!(!portions.has_room(), "there are some before it");
        assert!(!portions.is_due(|| now) && portions.is_due(|| now + PORTION));
        assert_eq!(taken(&mut portions), [2, 3]);
        assert_eq!(taken(&mut portions), [4]);
        assert!(!portions.end(now) && !portions.is_due(|| now + PORTION));
        portions.begin();
        assert!(portions.has_room());
    }

    #[test]
    fn whoever_takes_no_time_at_all_is_counted_too() {
        let mut portions = Portions::default();
        assert!(portions.spend(Duration::ZERO) && !portions.spend(Duration::ZERO));
    }
}
