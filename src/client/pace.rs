//! How many messages a client may send.
//!
//! In: the moments at which messages come. Out: now, or how long to wait. A token bucket without a clock of its own.

use std::time::{Duration, Instant};

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

    /// Takes one message out of a bucket that gains `rate` per second and holds `burst`.
    ///
    /// # Errors
    /// How long it takes until there is one in it.
    pub fn take(&mut self, rate: u32, burst: u32, now: Instant) -> Result<(), Duration> {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * f64::from(rate);
        self.left = (self.left + gained).min(burst.into());
        self.at = now;
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / f64::from(rate.max(1))));
        }
        self.left -= 1.0;
        Ok(())
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
        assert_eq!((0..30).filter(|_| pace.take(10, 20, start).is_ok()).count(), 20);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..30).filter(|_| pace.take(10, 20, later).is_ok()).count(), 5);
    }

    #[test]
    fn an_empty_bucket_tells_when_it_is_not_empty_any_more() {
        let start = Instant::now();
        let mut pace = Pace::new(1, start);
        assert_eq!(pace.take(4, 1, start), Ok(()));
        assert_eq!(pace.take(4, 1, start), Err(Duration::from_millis(250)));
        let later = start + Duration::from_millis(100);
        assert_eq!(pace.take(4, 1, later), Err(Duration::from_millis(150)));
        assert_eq!(pace.take(4, 1, start + Duration::from_millis(251)), Ok(()));
    }
}
