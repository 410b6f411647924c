//! Signs of life: when to ask for one, and when there was none for too long.
//!
//! In: the moments at which something was heard. Out: what to do next, and when to look again. It has no clock and no
//! wire.

use std::time::{Duration, Instant};

/// The rules of one transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// How often the server says something by itself; `None` when the client is the one that does.
    pub every: Option<Duration>,
    /// How long the client may be silent: after the server's question, or since its last word when the server asks
    /// nothing. `None` when it need not answer: then only its socket tells that it is gone.
    pub patience: Option<Duration>,
}

/// What is due, and when to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// Say something.
    Ask(Instant),
    /// Nothing yet.
    Wait(Instant),
    /// The client is gone.
    Lifeless,
}

/// One client's heart. It counts from when it should have beaten: timers are late, and the delays would add up.
#[derive(Debug, Clone, Copy)]
pub struct Heart {
    due: Instant,
    asked: Option<Instant>,
}

impl Heart {
    /// A heart that beats for the first time at [`due`](Self::due).
    #[must_use]
    pub fn new(rules: Heartbeat, now: Instant) -> Self {
        Self {
            due: now + rules.every.or(rules.patience).unwrap_or(FOREVER),
            asked: None,
        }
    }

    /// When to look next.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.due
    }

    /// What is due at the time that was named, or a little later; `heard` is when the client was heard last. A look
    /// that is much too late judges nobody: where nothing was read for a while, as in a machine that stood still, an
    /// answer may be there and unread, and the question may never have been asked.
    pub fn beat(&mut self, rules: Heartbeat, heard: Instant, now: Instant) -> Beat {
        if now.saturating_duration_since(self.due) > STANDSTILL {
            return self.begin_anew(rules, now);
        }
        let now = self.due;
        let Some(every) = rules.every else {
            let end = heard + rules.patience.unwrap_or(FOREVER);
            if end <= now + LATENESS {
                return Beat::Lifeless;
            }
            self.due = end;
            return Beat::Wait(end);
        };
        if let (Some(asked), Some(patience)) = (self.asked, rules.patience) {
            let (end, next) = (asked + patience, asked + every);
            let is_silent = heard < asked;
            if is_silent && end <= now {
                return Beat::Lifeless;
            }
            // A late answer is seen at the next interval.
            let again = if is_silent { end.min(now + every) } else { next };
            if is_silent || next > now {
                self.due = again;
                return Beat::Wait(again);
            }
        }
        self.ask(every, rules.patience, now)
    }

    /// Patience counts from here on.
    fn begin_anew(&mut self, rules: Heartbeat, now: Instant) -> Beat {
        if let Some(every) = rules.every {
            return self.ask(every, rules.patience, now);
        }
        self.due = now + rules.patience.unwrap_or(FOREVER);
        Beat::Wait(self.due)
    }

    fn ask(&mut self, every: Duration, patience: Option<Duration>, now: Instant) -> Beat {
        self.asked = Some(now);
        self.due = now + patience.map_or(every, |patience| patience.min(every));
        Beat::Ask(self.due)
    }
}

/// A timer is this late only when everything stood still.
const STANDSTILL: Duration = Duration::from_secs(1);

/// A timer is this late anyhow: another one for less would only add its own lateness.
const LATENESS: Duration = Duration::from_millis(5);

/// Nothing is ever due.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Plays a client that answers every question after `delay`, or never; gives the seconds of the questions, and of
    /// its end.
    fn play(rules: Heartbeat, delay: Option<Duration>) -> (Vec<u64>, Option<u64>) {
        let start = Instant::now();
        let (mut heart, mut heard) = (Heart::new(rules, start), start);
        let mut questions = Vec::new();
        while heart.due() < start + SECOND * 200 {
            let now = heart.due();
            match heart.beat(rules, heard, now) {
                Beat::Ask(_) => {
                    questions.push((now - start).as_secs());
                    if let Some(delay) = delay {
                        heard = now + delay;
                    }
                }
                Beat::Wait(_) => {}
                Beat::Lifeless => return (questions, Some((now - start).as_secs())),
            }
        }
        (questions, None)
    }

    #[test]
    fn a_client_that_answers_is_asked_at_the_interval_and_one_that_does_not_is_gone_after_its_patience() {
        let rules = |every, patience| Heartbeat {
            every: Some(SECOND * every),
            patience: Some(SECOND * patience),
        };
        for (every, patience) in [(25, 20), (25, 25)] {
            let (questions, end) = play(rules(every, patience), Some(SECOND));
            assert_eq!(questions[..3], [25, 50, 75]);
            assert_eq!(end, None);
            assert_eq!(
                play(rules(every, patience), None),
                (vec![25], Some(25 + u64::from(patience)))
            );
        }
        // More patience than an interval: the questions come at the interval all the same.
        assert_eq!(play(rules(10, 25), Some(SECOND)).0[..3], [10, 20, 30]);
        assert_eq!(play(rules(10, 25), None), (vec![10], Some(35)));
    }

    #[test]
    fn whoever_need_not_answer_never_ends_and_whoever_is_not_asked_must_speak_by_itself() {
        let one_way = Heartbeat {
            every: Some(SECOND * 25),
            patience: None,
        };
        assert_eq!(play(one_way, None), ((1..8).map(|n| n * 25).collect(), None));
        let listening = Heartbeat {
            every: None,
            patience: Some(SECOND * 45),
        };
        assert_eq!(play(listening, None), (vec![], Some(45)));
    }

    /// Its first request is heard a moment after the connection began, and each timer more comes later than it should.
    #[test]
    fn whoever_must_speak_by_itself_is_not_given_another_timer_for_the_moment_in_which_it_came() {
        let rules = Heartbeat {
            every: None,
            patience: Some(SECOND),
        };
        let start = Instant::now();
        let mut heart = Heart::new(rules, start);
        let heard = start + Duration::from_micros(700);
        assert_eq!(heart.beat(rules, heard, start + SECOND), Beat::Lifeless);
        let mut heart = Heart::new(rules, start);
        let heard = start + Duration::from_millis(6);
        assert_eq!(heart.beat(rules, heard, start + SECOND), Beat::Wait(heard + SECOND));
    }

    #[test]
    fn nobody_is_judged_by_a_time_in_which_everything_stood_still() {
        let asked = Heartbeat {
            every: Some(SECOND * 25),
            patience: Some(SECOND * 25),
        };
        let listening = Heartbeat {
            every: None,
            patience: Some(SECOND * 45),
        };
        let start = Instant::now();
        // It stood still before the first question, and again before the answer was read.
        let mut heart = Heart::new(asked, start);
        let late = start + SECOND * 85;
        assert_eq!(heart.beat(asked, start, late), Beat::Ask(late + SECOND * 25));
        let later = late + SECOND * 60;
        assert_eq!(heart.beat(asked, start, later), Beat::Ask(later + SECOND * 25));
        let end = later + SECOND * 25;
        assert_eq!(
            heart.beat(asked, start, end),
            Beat::Lifeless,
            "it was asked, and had its time"
        );
        let mut heart = Heart::new(listening, start);
        assert_eq!(heart.beat(listening, start, late), Beat::Wait(late + SECOND * 45));
        assert_eq!(heart.beat(listening, start, late + SECOND * 45), Beat::Lifeless);
        // A timer is a little late now and then.
        let mut heart = Heart::new(listening, start);
        assert_eq!(heart.beat(listening, start, start + SECOND * 46), Beat::Lifeless);
    }
}
