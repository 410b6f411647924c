//! How many messages a client may send.
//!
//! In: the moments at which messages come. Out: yes or no. A token bucket without a clock of its own.

use std::time::Instant;

/// A bucket of messages. Its size and how fast it is refilled are the same for all clients, so that each of them
/// carries only what is left.
#[derive(Debug)]
pub struct Pace {
    left: f64,
    at: Instant,
}

impl Pace {
    /// A bucket that holds `burst` messages.
    #[must_use]
    pub fn new(burst: u32, now: Instant) -> Self {
        Self {
            left: burst.into(),
            at: now,
        }
    }

    /// Takes one message out of a bucket that gains `rate` per second and holds `burst`. False when it is empty.
    pub fn allows(&mut self, rate: u32, burst: u32, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * f64::from(rate);
        self.left = (self.left + gained).min(burst.into());
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
        let mut pace = Pace::new(20, start);
        assert_eq!((0..30).filter(|_| pace.allows(10, 20, start)).count(), 20);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..30).filter(|_| pace.allows(10, 20, later)).count(), 5);
    }
}
