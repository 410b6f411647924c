//! Nonces that have opened something, until they are over by themselves.
//!
//! In: nonces of this server. Out: whether one opens for the first time. Their number is bounded (CWE-770): only
//! whoever knows a password adds one, and when there is no room for another, nobody else gets in for a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Most that are kept.
const MOST: usize = 16_384;

/// Each with the second at which it ends.
#[derive(Default)]
pub struct Spent(Mutex<HashMap<Box<str>, u64>>);

impl Spent {
    /// Whether this one was not used yet; from now on it is.
    pub fn take(&self, nonce: &str, ends: u64, now: u64) -> bool {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.contains_key(nonce) {
            return false;
        }
        if spent.len() >= MOST {
            spent.retain(|_, ends| *ends > now);
        }
        let is_room = spent.len() < MOST;
        if is_room {
            spent.insert(nonce.into(), ends);
        }
        is_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_opens_once_and_they_are_bounded() {
        let spent = Spent::default();
        assert!(spent.take("a", 10, 0));
        assert!(!spent.take("a", 10, 0));
        for number in 1..MOST {
            assert!(spent.take(&number.to_string(), 20, 0));
        }
        assert!(!spent.take("b", 20, 9), "there is no room");
        assert!(spent.take("b", 20, 10), "one is over");
        assert!(!spent.take("c", 20, 10));
        assert!(spent.take("c", 40, 20));
        assert_eq!(spent.0.lock().unwrap().len(), 1);
    }
}
