//! Idempotency keys: a repeated push gets the first receipt and dispatches nothing.
//!
//! In: keys with receipts. Out: the receipt of a key seen within the window. Bounded by age and count; when it is full
//! the oldest key is forgotten first.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use turted_core::Receipt;

/// How long a key is remembered.
pub const WINDOW: Duration = Duration::from_secs(300);
/// How many keys are remembered at most.
pub const COUNT: usize = 200_000;

/// Keys of recent pushes.
#[derive(Debug, Default)]
pub struct Keys {
    receipts: HashMap<Arc<str>, Receipt>,
    order: VecDeque<(Instant, Arc<str>)>,
}

impl Keys {
    /// The receipt that this key got within the window.
    pub fn find(&mut self, key: &str, now: Instant) -> Option<&Receipt> {
        self.expire(now);
        self.receipts.get(key)
    }

    /// Remembers a key; one that is known keeps its receipt.
    pub fn insert(&mut self, key: Arc<str>, receipt: Receipt, now: Instant) {
        if self.receipts.contains_key(&key) {
            return;
        }
        if self.order.len() >= COUNT {
            self.forget_oldest();
        }
        self.order.push_back((now, Arc::clone(&key)));
        self.receipts.insert(key, receipt);
    }

    /// Forgets keys older than the window.
    pub fn expire(&mut self, now: Instant) {
        while let Some((at, _)) = self.order.front() {
            if now.saturating_duration_since(*at) <= WINDOW {
                break;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.receipts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turted_core::Epoch;

    #[test]
    fn a_key_is_known_for_five_minutes() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        let receipt = Receipt::new(Epoch::new("e").id(1), 3);
        assert_eq!(keys.find("k", now), None);
        keys.insert("k".into(), receipt.clone(), now);
        assert_eq!(keys.find("k", now + WINDOW), Some(&receipt));
        assert_eq!(keys.find("k", now + WINDOW + Duration::from_secs(1)), None);
    }
}
