//! Wakes the thread that reads.
//!
//! In: what changed, from the watcher; room, from whoever takes the lines; the wish to stop. Out: one [`Wake`] with all
//! of it. Bounded: what is too much to name is "everything".

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many changed files are told apart.
const NAMED: usize = 256;

/// Why it rang.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wake {
    /// It is over.
    pub stop: bool,
    /// Files came, went or were renamed.
    pub names: bool,
    /// Something was written, nobody knows to which file.
    pub any: bool,
    /// Something was written to these.
    pub written: BTreeSet<PathBuf>,
    /// Lines were taken.
    pub room: bool,
}

/// Shared by the thread that waits and those who ring.
#[derive(Debug, Default)]
pub struct Bell {
    state: Mutex<Wake>,
    rung: Condvar,
}

impl Bell {
    /// Ends the thread.
    pub fn stop(&self) {
        self.ring(|wake| wake.stop = true);
    }

    /// Lines were taken.
    pub fn room(&self) {
        self.ring(|wake| wake.room = true);
    }

    /// Files came, went or were renamed.
    pub fn names(&self) {
        self.ring(|wake| wake.names = true);
    }

    /// Something was written to this file.
    pub fn written(&self, path: PathBuf) {
        self.ring(|wake| {
            if wake.written.len() < NAMED {
                wake.written.insert(path);
            } else {
                wake.any = true;
            }
        });
    }

    /// Waits until it rings, or for this long.
    pub fn wait(&self, longest: Duration) -> Wake {
        let deadline = Instant::now() + longest;
        let mut state = self.state();
        while *state == Wake::default() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.rung.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let stop = state.stop;
        let wake = std::mem::take(&mut *state);
        // Nobody comes back from the end.
        state.stop = stop;
        wake
    }

    fn ring(&self, note: impl FnOnce(&mut Wake)) {
        note(&mut self.state());
        self.rung.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, Wake> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_rang_before_is_told_once_and_the_end_stays() {
        let bell = Bell::default();
        assert_eq!(bell.wait(Duration::ZERO), Wake::default());
        bell.names();
        (0..1000).for_each(|number| bell.written(format!("/{number}").into()));
        let wake = bell.wait(Duration::from_secs(60));
        assert!(wake.names && wake.any && wake.written.len() == NAMED && !wake.room);
        assert_eq!(bell.wait(Duration::ZERO), Wake::default());
        bell.stop();
        assert!(bell.wait(Duration::from_secs(60)).stop && bell.wait(Duration::from_secs(60)).stop);
    }
}
