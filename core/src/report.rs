//! What a connector tells about itself.
//!
//! In: its state, and each input once: taken or refused. Out: the same, for logs, health and metrics. It holds no text
//! of a message and no credential.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

/// How long nothing more is said of one reason after a line in the log.
pub const SPARING: Duration = Duration::from_secs(10);

/// What a connector is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectorState {
    /// Built, not ready yet.
    Starting,
    /// Taking events in.
    Running,
    /// Failed, and waiting for the next attempt.
    Retrying {
        /// Why the last attempt ended.
        error: String,
        /// Failures in a row.
        attempts: u32,
    },
    /// Failed in a way that no further attempt can mend.
    Failed {
        /// Why.
        error: String,
    },
    /// Ended: its source has no more to say, or the server goes down.
    Stopped,
}

impl ConnectorState {
    /// Every word that [`word`](Self::word) may give.
    pub const WORDS: [&'static str; 5] = ["starting", "running", "retrying", "failed", "stopped"];

    /// One lower-case word for logs, health and metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Retrying { .. } => "retrying",
            Self::Failed { .. } => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// The state of a connector and what led to it.
#[derive(Debug, Clone)]
pub struct Status {
    /// What it is doing.
    pub state: ConnectorState,
    /// Since when; failures in a row count from the first.
    pub since: SystemTime,
    /// The last error, also after it recovered.
    pub last_error: Option<String>,
}

/// The visible side of a connector. Clones share it.
#[derive(Debug, Clone)]
pub struct Report(Arc<Board>);

#[derive(Debug)]
struct Board {
    status: watch::Sender<Status>,
    accepted: AtomicU64,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    doubted: Mutex<BTreeMap<&'static str, u64>>,
    said: Mutex<BTreeMap<&'static str, Said>>,
}

/// When a line was written for a reason, and how many were not since.
#[derive(Debug)]
struct Said {
    at: Instant,
    kept_back: u64,
}

impl Default for Report {
    fn default() -> Self {
        let status = Status {
            state: ConnectorState::Starting,
            since: SystemTime::now(),
            last_error: None,
        };
        Self(Arc::new(Board {
            status: watch::Sender::new(status),
            accepted: AtomicU64::new(0),
            refused: Mutex::default(),
            doubted: Mutex::default(),
            said: Mutex::default(),
        }))
    }
}

impl Report {
    /// Changes the visible state.
    pub fn state(&self, state: ConnectorState) {
        self.0.status.send_modify(|status| {
            if status.state.word() != state.word() {
                status.since = SystemTime::now();
            }
            if let ConnectorState::Retrying { error, .. } | ConnectorState::Failed { error } = &state {
                status.last_error = Some(error.clone());
            }
            status.state = state;
        });
    }

    /// The state now.
    #[must_use]
    pub fn current(&self) -> ConnectorState {
        self.0.status.borrow().state.clone()
    }

    /// The state now, since when, and the last error.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status.borrow().clone()
    }

    /// Waits for a state that `is_wanted`.
    pub async fn until(&self, mut is_wanted: impl FnMut(&ConnectorState) -> bool) -> Status {
        let mut receiver = self.0.status.subscribe();
        match receiver.wait_for(|status| is_wanted(&status.state)).await {
            Ok(status) => status.clone(),
            // The sender lives in `self`, so it cannot be gone.
            Err(_) => self.status(),
        }
    }

    /// Counts one input that became an event and got its receipt.
    pub fn accepted(&self) {
        self.0.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one input that could not become an event, under the code of a [`Refusal`](crate::envelope::Refusal).
    pub fn refused(&self, code: &'static str) {
        *lock(&self.0.refused).entry(code).or_default() += 1;
    }

    /// Counts one input that was taken although its sender probably meant something else, under the code of the doubt.
    pub fn doubted(&self, code: &'static str) {
        *lock(&self.0.doubted).entry(code).or_default() += 1;
    }

    /// Whether it is time for a line in the log about this reason: how many were kept back since the last one, `None`
    /// to keep this one back as well. Whoever sends nonsense must not fill the log.
    #[must_use]
    pub fn may_say(&self, code: &'static str) -> Option<u64> {
        self.may_say_at(code, Instant::now())
    }

    fn may_say_at(&self, code: &'static str, now: Instant) -> Option<u64> {
        let mut said = lock(&self.0.said);
        match said.get_mut(code) {
            Some(said) if now.saturating_duration_since(said.at) < SPARING => {
                said.kept_back += 1;
                None
            }
            Some(said) => {
                said.at = now;
                Some(std::mem::take(&mut said.kept_back))
            }
            None => {
                let first = Said { at: now, kept_back: 0 };
                said.insert(code, first);
                Some(0)
            }
        }
    }

    /// Inputs accepted and refused since the start.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let refused = self.refusals().values().sum();
        (self.0.accepted.load(Ordering::Relaxed), refused)
    }

    /// Refused inputs by code.
    #[must_use]
    pub fn refusals(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.0.refused).clone()
    }

    /// Doubtful inputs that were taken, by code.
    #[must_use]
    pub fn doubts(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.0.doubted).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_count_from_the_first_and_the_last_error_stays() {
        let report = Report::default();
        let retrying = |error: &str, attempts| ConnectorState::Retrying {
            error: error.into(),
            attempts,
        };
        report.state(retrying("one", 1));
        let first = report.status().since;
        report.state(retrying("two", 2));
        assert_eq!(report.status().since, first);
        report.state(ConnectorState::Running);
        assert_eq!(report.status().last_error.as_deref(), Some("two"));
        assert!(ConnectorState::WORDS.contains(&report.current().word()));
    }

    #[test]
    fn a_reason_is_said_at_once_and_then_now_and_again_with_how_many_there_were() {
        let (report, now) = (Report::default(), Instant::now());
        assert_eq!(report.may_say_at("not_json", now), Some(0));
        assert_eq!(report.may_say_at("denied", now), Some(0), "another reason");
        for _ in 0..7 {
            assert_eq!(report.may_say_at("not_json", now + SPARING / 2), None);
        }
        assert_eq!(report.may_say_at("not_json", now + SPARING), Some(7));
        assert_eq!(report.may_say_at("not_json", now + SPARING * 3), Some(0));
    }

    #[test]
    fn refusals_are_counted_by_reason() {
        let report = Report::default();
        report.accepted();
        report.refused("not_json");
        report.refused("not_json");
        report.refused("no_target");
        assert_eq!(report.counts(), (1, 3));
        assert_eq!(report.refusals()["not_json"], 2);
    }
}
