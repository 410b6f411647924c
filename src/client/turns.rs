//! What waits for its turn with one client: its messages, and what they want.
//!
//! In: messages as they come, and the wishes in each of them. Out: one at a time, in order. While a wish is in work
//! nothing comes out; the wishes of a message come before the message behind it. A plain queue: it knows no actor, and
//! not how a wish is granted.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use turted_core::{Intent, Presented, Tag};

use super::newcomer::Inbound;
use super::requests::moving::Move;

/// Most turns that may wait because of requests; a socket is not read while one waits.
const MOST: usize = 64;

/// What has its turn.
pub enum Turn {
    /// The client said something.
    Hear(Inbound, Reply),
    /// The client wants something.
    Grant(Intent, Tag),
    /// Whoever vouched for the client wants to see this again.
    Renew(Option<Presented>),
    /// A request wants to hear again what came after this id; it is told when that has come.
    Since(Arc<str>, oneshot::Sender<()>),
    /// Somebody wants to know when everything before is done.
    Settle(oneshot::Sender<()>),
    /// A socket takes over.
    Move(Move),
}

/// Where the answer to a message goes.
pub enum Reply {
    /// The usual way, to the wire.
    Usual,
    /// The usual way; a request is told what became of the message.
    Taken(oneshot::Sender<Taken>),
    /// The conversation's first word is the answer to a request: empty when it has none.
    Word(oneshot::Sender<Bytes>),
}

/// What became of a message that a request brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The conversation has heard it.
    Heard,
    /// The connection had ended before.
    Ended,
    /// A socket carries everything now: it was not taken.
    Moved,
}

/// The queue.
#[derive(Default)]
pub struct Turns {
    waiting: VecDeque<Turn>,
    is_busy: bool,
}

impl Turns {
    /// Behind everything that waits.
    pub fn push(&mut self, turn: Turn) {
        self.waiting.push_back(turn);
    }

    /// The wishes of the message that had its turn, in their order, before everything that waits.
    pub fn insert(&mut self, wishes: Vec<(Intent, Tag)>) {
        for (intent, tag) in wishes.into_iter().rev() {
            self.waiting.push_front(Turn::Grant(intent, tag));
        }
    }

    /// What had its turn and must wait for another: it comes before everything else.
    pub fn put_back(&mut self, turn: Turn) {
        self.waiting.push_front(turn);
    }

    /// What has its turn now: nothing while a wish is in work.
    pub fn next(&mut self) -> Option<Turn> {
        if self.is_busy {
            return None;
        }
        let turn = self.waiting.pop_front();
        if self.waiting.is_empty() {
            // Most clients have nothing waiting for most of their lives.
            self.waiting = VecDeque::new();
        }
        turn
    }

    /// A wish is in work.
    pub fn begin(&mut self) {
        self.is_busy = true;
    }

    /// It is no more.
    pub fn done(&mut self) {
        self.is_busy = false;
    }

    /// Whether a wish is in work.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Whether the next turn still belongs to the message that had the last one.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        matches!(self.waiting.front(), Some(Turn::Grant(..)))
    }

    /// Whether something waits, so that the client's socket is left unread.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether requests have brought as much as may wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= MOST
    }

    /// Forgets what waits; whoever waits for an answer learns that there will be none.
    pub fn clear(&mut self) {
        self.waiting = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) -> Turn {
        Turn::Hear(Inbound::Text(text.to_owned()), Reply::Usual)
    }

    fn shown(turn: Option<Turn>) -> String {
        match turn {
            Some(Turn::Hear(Inbound::Text(text), _)) => text,
            Some(Turn::Grant(_, tag)) => tag.unwrap_or_default().to_string(),
            Some(_) => "another".to_owned(),
            None => String::new(),
        }
    }

    fn wishes(tags: &[&str]) -> Vec<(Intent, Tag)> {
        tags.iter().map(|tag| (Intent::Ready, Some((*tag).into()))).collect()
    }

    #[test]
    fn the_wishes_of_a_message_come_in_order_and_before_the_next_message() {
        let mut turns = Turns::default();
        turns.push(say("a"));
        turns.push(say("b"));
        assert_eq!(shown(turns.next()), "a");
        turns.insert(wishes(&["1", "2"]));
        assert!(turns.goes_on());
        assert_eq!(shown(turns.next()), "1");
        turns.begin();
        assert_eq!(shown(turns.next()), "", "one is in work");
        assert!(turns.is_busy() && turns.holds_back() && turns.goes_on());
        turns.done();
        assert_eq!(shown(turns.next()), "2");
        assert!(!turns.is_busy() && !turns.goes_on());
        assert_eq!(shown(turns.next()), "b");
        assert_eq!(shown(turns.next()), "");
        assert!(!turns.holds_back());
    }

    #[test]
    fn requests_fill_it_up_to_a_bound_and_whoever_waits_learns_of_its_end() {
        let mut turns = Turns::default();
        let (answer, mut answered) = oneshot::channel();
        turns.push(Turn::Settle(answer));
        for _ in 1..MOST {
            assert!(!turns.is_full());
            turns.push(say("x"));
        }
        assert!(turns.is_full());
        turns.clear();
        assert!(
            answered
                .try_recv()
                .is_err_and(|why| why == oneshot::error::TryRecvError::Closed)
        );
        assert!(!turns.is_full() && !turns.holds_back());
    }
}
