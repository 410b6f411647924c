//! What may happen a thousand times a second is told once in a while.
//!
//! In: occasions. Out: few of them, with how many there were in between (CWE-779).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(10);

/// When the last line was written, and how many there would have been since.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Option<(Instant, u64)>>);

impl Seldom {
    /// Nothing is told yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Lets `write` write a line, if it is time for one; its end is the text given.
    pub fn tell(&self, now: Instant, write: impl FnOnce(&str)) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let untold = match last.as_mut() {
            Some((at, untold)) if now.saturating_duration_since(*at) < PAUSE => {
                *untold += 1;
                return;
            }
            Some((_, untold)) => *untold,
            None => 0,
        };
        *last = Some((now, 0));
        drop(last);
        match untold {
            0 => write(""),
            untold => write(&format!(" ({untold} more like it since this was last told)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_a_while_says_how_many_were_left_out() {
        let (seldom, now) = (Seldom::default(), Instant::now());
        let said = |at| {
            let mut said = None;
            seldom.tell(at, |more| said = Some(more.to_owned()));
            said
        };
        assert_eq!(said(now), Some(String::new()));
        assert_eq!((said(now), said(now)), (None, None));
        let more = " (2 more like it since this was last told)";
        assert_eq!(said(now + PAUSE).as_deref(), Some(more));
        assert_eq!(said(now + 2 * PAUSE), Some(String::new()));
    }
}
