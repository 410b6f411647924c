//! How often somebody may try (CWE-307).
//!
//! In: attempts, by the network that they come from. Out: whether one more is judged. The networks that are told apart
//! are bounded: while there are too many, those that are new wait as well.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::gate::admission::network;

/// Attempts of one network that may fail, within so many seconds.
const MOST: u32 = 10;
const WITHIN: u64 = 60;
/// Networks that are told apart at a time.
const KNOWN: usize = 16_384;

/// Since when, and how many.
type Tries = HashMap<IpAddr, (u64, u32)>;

/// Attempts that failed, or are judged now.
#[derive(Default)]
pub struct Attempts(Mutex<Tries>);

impl Attempts {
    /// Counts an attempt; false when it is one too many, right or wrong.
    pub fn begin(&self, from: IpAddr, now: u64) -> bool {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |since: u64| since.saturating_add(WITHIN) <= now;
        if tries.len() >= KNOWN {
            tries.retain(|_, (since, _)| !is_over(*since));
        }
        let (network, is_full) = (network(from), tries.len() >= KNOWN);
        match tries.get_mut(&network) {
            None if is_full => return false,
            None => {
                tries.insert(network, (now, 1));
            }
            Some(tried) if is_over(tried.0) => *tried = (now, 1),
            Some((_, count)) if *count >= MOST => return false,
            Some((_, count)) => *count += 1,
        }
        true
    }

    /// Takes back one that was right.
    pub fn forgive(&self, from: IpAddr) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = tries.get_mut(&network(from)) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_attempts_of_a_network_may_fail_within_a_minute() {
        let (attempts, one) = (Attempts::default(), IpAddr::from([192, 0, 2, 1]));
        for _ in 0..100 {
            assert!(attempts.begin(one, 0));
            attempts.forgive(one);
        }
        for _ in 0..MOST {
            assert!(attempts.begin(one, 1));
        }
        assert!(!attempts.begin(one, WITHIN - 1));
        assert!(attempts.begin(IpAddr::from([192, 0, 2, 2]), 1), "somebody else");
        assert!(attempts.begin(one, WITHIN), "a minute later");
        let near = |host: &str| attempts.begin(host.parse().unwrap(), 1);
        assert_eq!((0..=MOST).filter(|host| near(&format!("2001:db8::{host}"))).count(), 10);
    }

    #[test]
    fn many_networks_fill_no_memory() {
        let attempts = Attempts::default();
        let begun = (0..100_000_u32).filter(|number| attempts.begin(IpAddr::from(number.to_be_bytes()), 0));
        assert_eq!(begun.count(), KNOWN);
        assert!(attempts.begin(IpAddr::from([0, 0, 0, 1]), 0), "one that is known");
        assert!(attempts.begin(IpAddr::from([255, 0, 0, 1]), WITHIN));
        assert_eq!(attempts.0.lock().unwrap().len(), 1);
    }
}
