//! How many messages a client may send.
//!
//! In: the moments at which messages come. Out: yes or no. A token bucket without a clock of its own.

use std::time::Instant;

/// A bucket that holds `burst` messages and is refilled with `rate` per second.
#[derive(Debug)]
pub struct Pace {
    rate: f64,
    burst: f64,
    left: f64,
    at: Instant,
}

impl Pace {
    /// A full bucket.
    #[must_use]
    pub fn new(rate: u32, burst: u32, now: Instant) -> Self {
        Self {
            rate: rate.into(),
            burst: burst.into(),
            left: burst.into(),
            at: now,
        }
    }

    /// Takes one message out. False when the bucket is empty.
    pub fn allows(&mut self, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.rate;
        self.left = (self.left + gained).min(self.burst);
        self.at = now;
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut pace = Pace::new(10, 20, start);
        assert_eq!((0..30).filter(|_| pace.allows(start)).count(), 20);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..30).filter(|_| pace.allows(later)).count(), 5);
    }
}
