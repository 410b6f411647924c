//! The log of recent dispatches, in their total order.
//!
//! In: every dispatch. Out: those after a given sequence number, or the word that the log does not reach back so far.
//! It is bounded by age, count and bytes, and holds no per-connection state.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use turted_core::Dispatch;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct LogBounds {
    /// Longest age. Default 120 s; it is also the window for RESUME.
    pub age: Duration,
    /// Most bytes of payload and names. Default 64 MiB.
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

/// Recent dispatches without gaps: sequence numbers rise by one.
#[derive(Debug)]
pub struct Log {
    bounds: LogBounds,
    entries: VecDeque<Logged>,
    bytes: usize,
    newest: u64,
}

impl Log {
    /// An empty log.
    #[must_use]
    pub fn new(bounds: LogBounds) -> Self {
        Self {
            bounds,
            entries: VecDeque::new(),
            bytes: 0,
            newest: 0,
        }
    }

    /// The sequence number of the newest dispatch, 0 before the first.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Appends the next dispatch; `sequence` is `newest() + 1`.
    pub fn append(&mut self, sequence: u64, dispatch: Arc<Dispatch>, now: Instant) {
        self.newest = sequence;
        self.bytes += weight(&dispatch);
        self.entries.push_back(Logged {
            sequence,
            dispatch,
            at: now,
        });
        while self.entries.len() > self.bounds.count || self.bytes > self.bounds.bytes {
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

    /// Everything after `sequence`, oldest first; `None` when a part of it is forgotten or it lies in the future.
    #[must_use]
    pub fn after(&self, sequence: u64) -> Option<impl Iterator<Item = &Logged>> {
        let missing = usize::try_from(self.newest.checked_sub(sequence)?).ok()?;
        let skip = self.entries.len().checked_sub(missing)?;
        Some(self.entries.iter().skip(skip))
    }

    /// What there is after `sequence`, newest first.
    pub fn back_to(&self, sequence: u64) -> impl Iterator<Item = &Logged> {
        self.entries
            .iter()
            .rev()
            .take_while(move |logged| logged.sequence > sequence)
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

    /// The sequence number after which everything is there.
    #[must_use]
    pub fn floor(&self) -> u64 {
        self.newest - self.entries.len() as u64
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= weight(&oldest.dispatch);
        }
    }
}

/// What an entry costs, with a flat estimate for the structures around the text.
fn weight(dispatch: &Dispatch) -> usize {
    let names = dispatch.targets.len() + dispatch.exclude.users.len() + dispatch.exclude.connections.len();
    200 + dispatch.payload.as_bytes().len() + dispatch.event.as_str().len() + names * 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use turted_core::{EventName, Payload};

    fn log(count: usize) -> (Log, Instant) {
        let bounds = LogBounds {
            age: Duration::from_secs(10),
            bytes: 1_000_000,
            count,
        };
        (Log::new(bounds), Instant::now())
    }

    fn dispatch() -> Arc<Dispatch> {
        let dispatch = Dispatch::new(EventName::unnamed(), Vec::new(), Payload::empty_object());
        Arc::new(dispatch)
    }

    fn after(log: &Log, sequence: u64) -> Option<Vec<u64>> {
        log.after(sequence)
            .map(|logged| logged.map(|one| one.sequence).collect())
    }

    #[test]
    fn it_reaches_back_exactly_as_far_as_it_remembers() {
        let (mut log, now) = log(3);
        assert_eq!(after(&log, 0), Some(vec![]));
        for sequence in 1..=5 {
            log.append(sequence, dispatch(), now);
        }
        assert_eq!(after(&log, 5), Some(vec![]));
        assert_eq!(after(&log, 2), Some(vec![3, 4, 5]));
        assert_eq!(after(&log, 1), None, "2 is forgotten");
        assert_eq!(after(&log, 6), None, "6 has not happened");
    }

    #[test]
    fn age_and_bytes_bound_it_too() {
        let (mut log, now) = log(100);
        log.append(1, dispatch(), now);
        log.append(2, dispatch(), now + Duration::from_secs(5));
        log.expire(now + Duration::from_secs(11));
        assert_eq!(after(&log, 1), Some(vec![2]));
        assert_eq!(after(&log, 0), None);
        log.expire(now + Duration::from_secs(16));
        assert_eq!(log.bytes(), 0);
        assert_eq!(after(&log, 2), Some(vec![]));
        assert_eq!(after(&log, 1), None);
    }
}
