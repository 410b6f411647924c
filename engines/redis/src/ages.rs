//! When which place was the newest, so that what is too old can be trimmed.
//!
//! In: the newest place, now and then. Out: the place up to which everything is older than it may be. It keeps a
//! bounded number of them, so the age is met within a sixty-fourth.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const STEPS: u32 = 64;

/// Places and when they were the newest.
pub struct Ages {
    age: Duration,
    seen: VecDeque<(Instant, u64)>,
}

impl Ages {
    /// For entries that are kept so long.
    pub fn new(age: Duration) -> Self {
        let seen = VecDeque::new();
        Self { age, seen }
    }

    /// Notes the newest place; a place up to which all is too old, once.
    pub fn note(&mut self, newest: u64, now: Instant) -> Option<u64> {
        if self.seen.back().is_some_and(|(_, place)| *place > newest) {
            // It was turned after a loss.
            self.seen.clear();
        }
        if self
            .seen
            .back()
            .is_none_or(|(at, _)| now.duration_since(*at) >= self.age / STEPS)
        {
            self.seen.push_back((now, newest));
        }
        let mut old = None;
        let is_old = |(at, _): &&(Instant, u64)| now.duration_since(*at) >= self.age;
        while let Some((_, place)) = self.seen.front().filter(is_old) {
            old = Some(*place);
            self.seen.pop_front();
        }
        old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_the_newest_long_ago_is_old_with_all_before_it() {
        let (begin, second) = (Instant::now(), Duration::from_secs(1));
        let mut ages = Ages::new(64 * second);
        for step in 0..64 {
            assert_eq!(ages.note(u64::from(step), begin + step * second), None);
        }
        assert_eq!(ages.note(100, begin + 64 * second), Some(0));
        assert_eq!(ages.note(100, begin + 74 * second), Some(10));
        assert_eq!(ages.note(100, begin + 74 * second), None);
        assert_eq!(ages.note(100, begin + 600 * second), Some(100));
        assert!(ages.seen.len() < 70);
    }
}
