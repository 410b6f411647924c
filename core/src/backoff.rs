//! How long to wait before the next attempt.
//!
//! In: attempts that failed. Out: pauses that double up to a bound, with half of each left to chance, so that many who
//! wait for the same thing do not knock together. Refuses to know what is attempted, and has no clock.

use std::time::Duration;

/// What lasted this long has worked: whoever fails again and again at once waits longer each time, and whoever was well
/// in between does not pay for what was long ago.
const STEADY: Duration = Duration::from_secs(2);

/// The pauses of one row of attempts.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses of up to `first` in the beginning and up to `longest` in the end.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// The next pause: half to all of `first`, then of its double, and so on.
    pub fn pause(&mut self) -> Duration {
        let whole = self.first.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        whole.min(self.longest).mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Attempts that failed in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// What was reached has lasted for this long; from two seconds on it counts as a recovery, and the pauses begin
    /// anew.
    pub fn lasted(&mut self, time: Duration) {
        if time >= STEADY {
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(15));
        for whole in [500, 1000, 2000, 4000, 8000, 15_000, 15_000] {
            let pause = backoff.pause().as_millis();
            assert!((whole / 2..=whole).contains(&pause), "{pause} of {whole}");
        }
        backoff.failures = u32::MAX;
        assert!(backoff.pause() <= backoff.longest);
        backoff.lasted(Duration::from_secs(1));
        assert!(backoff.pause() > backoff.first);
        backoff.lasted(STEADY);
        assert!(backoff.pause() <= backoff.first);
    }
}
