//! Answers that hold for a while.
//!
//! In: questions, of which only a digest is kept, and their answers. Out: the answers, until their time is over.
//! Bounded: when it is full, what comes new is asked each time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use sha2::{Digest as _, Sha256};

/// Most answers that are kept.
const MOST: usize = 10_000;

/// Of a question.
pub type Key = [u8; 32];

/// What is known.
pub struct Cache<T>(Mutex<HashMap<Key, (Instant, T)>>);

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// The digest of a question: no credential is kept.
pub fn key(question: &[u8]) -> Key {
    Sha256::digest(question).into()
}

impl<T: Clone> Cache<T> {
    /// The answer, if it still holds.
    pub fn get(&self, key: &Key, now: Instant) -> Option<T> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(key)
            .filter(|(until, _)| *until > now)
            .map(|(_, answer)| answer.clone())
    }

    /// Keeps an answer until then.
    pub fn put(&self, key: Key, answer: T, until: Instant, now: Instant) {
        if until <= now {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (until, _)| *until > now);
        }
        if known.len() < MOST || known.contains_key(&key) {
            known.insert(key, (until, answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_answer_holds_for_its_time_and_there_are_not_too_many() {
        let (cache, now) = (Cache::default(), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        cache.put(key(b"a"), 1, later(10), now);
        assert_eq!(cache.get(&key(b"a"), later(9)), Some(1));
        assert_eq!(cache.get(&key(b"a"), later(10)), None);
        assert_eq!(cache.get(&key(b"b"), now), None);
        for number in 0..2 * MOST {
            cache.put(key(&number.to_le_bytes()), 2, later(20), now);
        }
        assert_eq!(cache.0.lock().unwrap().len(), MOST);
        cache.put(key(b"c"), 3, later(50), later(30));
        assert_eq!(cache.0.lock().unwrap().len(), 1, "what is over makes room");
    }
}
