//! How long to wait before the next attempt.
//!
//! In: attempts that failed. Out: pauses that double, with half of each left to chance, so that the clients of a server that
//! restarts do not all come back in the same moment. Refuses to know what is attempted, and has no clock.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15);

/// The pauses of one row of attempts.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next pause: 0.25 to 0.5 s at first, 7.5 to 15 s in the end.
    pub fn pause(&mut self) -> Duration {
        let whole = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        whole.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// What was reached has lasted for this long; if that is long enough, the pauses begin anew.
    pub fn lasted(&mut self, time: Duration) {
        if time >= LONGEST {
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        for whole in [500, 1000, 2000, 4000, 8000, 15_000, 15_000] {
            let pause = backoff.pause().as_millis();
            assert!((whole / 2..=whole).contains(&pause), "{pause} of {whole}");
        }
        backoff.failures = u32::MAX;
        assert!(backoff.pause() <= LONGEST);
        backoff.lasted(Duration::from_secs(1));
        assert!(backoff.pause() > FIRST);
        backoff.lasted(Duration::from_secs(60));
        assert!(backoff.pause() <= FIRST);
    }
}
