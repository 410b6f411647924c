//! What this node has read last, in case that the shared log forgets it.
//!
//! In: dispatches with their places, as they are read. Out: those behind the end of an epoch, to be written down again;
//! and for whatever is read, whether it was read before. Bounded by count: what is older has long been copied.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use turted_core::ledger::Origin;
use turted_core::{Dispatch, DispatchId, Epoch};

/// Dispatches that are kept in mind. A copy of the log that is further behind has lost more than can be written again.
const COUNT: usize = 10_000;
/// What is written down again into a log that does not know this node's past: so many, and of the last so long.
const LAST: (usize, Duration) = (1000, Duration::from_secs(60));
/// Dispatches of epochs that are over, and may come once more.
const TWICE: usize = 4 * COUNT;

/// A dispatch, its place, and when it was read.
struct Read {
    epoch: Epoch,
    sequence: u64,
    origin: Origin,
    dispatch: Arc<Dispatch>,
    at: Instant,
}

/// The newest of what was read, by rising places.
#[derive(Default)]
pub struct Recent {
    read: VecDeque<Read>,
    /// What was read in epochs that are over, the oldest first.
    order: VecDeque<Origin>,
    known: HashSet<Origin>,
}

impl Recent {
    /// Notes a dispatch that was read at its place. False when it was read before, in an epoch that is over.
    pub fn read(&mut self, id: DispatchId, origin: &Origin, dispatch: &Arc<Dispatch>) -> bool {
        if self.read.len() == COUNT {
            self.read.pop_front();
        }
        self.read.push_back(Read {
            epoch: id.epoch,
            sequence: id.sequence,
            origin: origin.clone(),
            dispatch: Arc::clone(dispatch),
            at: Instant::now(),
        });
        !self.known.contains(origin)
    }

    /// The epoch ended at this place. Gives what was read behind it.
    pub fn turn(&mut self, closed: u64) -> Vec<(Origin, Arc<Dispatch>)> {
        // A log that took over may lack more than its last epoch.
        let kept = self.read.partition_point(|read| read.sequence <= closed);
        let origins: Vec<_> = self.read.iter().map(|read| read.origin.clone()).collect();
        origins.iter().for_each(|origin| self.know(origin));
        let lost = self.read.drain(kept..);
        lost.map(|read| (read.origin, read.dispatch)).collect()
    }

    /// The log does not know this epoch, the newest: whatever was read in it is lost.
    pub fn go_astray(&mut self, epoch: &Epoch) {
        let strays = self.read.iter_mut().rev().take_while(|read| read.epoch == *epoch);
        strays.for_each(|read| read.sequence = u64::MAX);
    }

    /// A log that knows nothing of what was read here has taken over. Gives what was read last: the rest has long been
    /// read by everybody.
    pub fn newest(&mut self) -> Vec<(Origin, Arc<Dispatch>)> {
        // A node that reads nothing for a while has still read these last.
        let newest = self.read.back().map(|read| read.at);
        let since = self.read.iter().rev().take(LAST.0);
        let is_late = |read: &&Read| newest.is_some_and(|newest| newest - read.at < LAST.1);
        let since = since.take_while(is_late).count();
        let oldest = self.read.len() - since;
        let before = self.read.get(oldest).map_or(0, |read| read.sequence.saturating_sub(1));
        let lost = self.turn(before);
        self.read.clear();
        lost
    }

    /// Others may write down again what was read here, and not lost as far as this node knows.
    fn know(&mut self, origin: &Origin) {
        if !self.known.insert(origin.clone()) {
            return;
        }
        self.order.push_back(origin.clone());
        if self.order.len() > TWICE
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turted_core::ledger::NodeId;
    use turted_core::{EventName, Payload};

    fn origin(ticket: u64) -> Origin {
        Origin {
            node: NodeId::parse("a").unwrap(),
            epoch: Epoch::new("e"),
            ticket,
        }
    }

    fn id(sequence: u64) -> DispatchId {
        Epoch::new("e").id(sequence)
    }

    fn dispatch() -> Arc<Dispatch> {
        Arc::new(Dispatch::new(EventName::unnamed(), Vec::new(), Payload::null()))
    }

    #[test]
    fn what_lies_behind_the_end_is_lost_and_not_told_twice() {
        let mut recent = Recent::default();
        for place in 1..=5 {
            assert!(recent.read(id(place), &origin(place), &dispatch()));
        }
        let lost: Vec<u64> = recent.turn(3).iter().map(|(origin, _)| origin.ticket).collect();
        assert_eq!(lost, [4, 5]);
        assert!(!recent.read(id(5), &origin(4), &dispatch()), "it was told");
        assert!(recent.read(id(6), &origin(6), &dispatch()));
        // It gets lost once more.
        let lost: Vec<u64> = recent.turn(4).iter().map(|(origin, _)| origin.ticket).collect();
        assert_eq!(lost, [4, 6]);
        assert!(!recent.read(id(7), &origin(4), &dispatch()) && !recent.read(id(8), &origin(6), &dispatch()));
    }

    #[test]
    fn it_is_bounded() {
        let mut recent = Recent::default();
        for round in 0..6 {
            for number in 0..COUNT as u64 + 5 {
                recent.read(id(number + 1), &origin(round * 100_000 + number), &dispatch());
            }
            let lost = recent.turn(0);
            assert_eq!(lost.len(), COUNT);
            assert_eq!(lost[0].0.ticket, round * 100_000 + 5, "the newest");
        }
        assert_eq!((recent.order.len(), recent.known.len()), (TWICE, TWICE));
        assert!(recent.read(id(1), &origin(10), &dispatch()), "long forgotten");
    }
}
