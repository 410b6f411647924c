//! What requests say about the socket that they came over.
//!
//! In: that nothing more is wanted of a client, or that a request is being answered. Out: the same, to whoever reads
//! the socket. It goes down there within one poll of the connection, so that a connection holds nothing for it but a
//! few bits. It knows no bytes.

use std::cell::Cell;

thread_local! {
    /// About the connection whose future is being polled on this thread; between two polls each keeps its own.
    static SAID: Cell<Said> = const { Cell::new(Said::NOTHING) };
}

/// What was said about one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    is_over: bool,
    is_answering: bool,
    is_held_back: bool,
    is_in_use: bool,
}

impl Said {
    /// Of a connection that has just begun.
    pub const NOTHING: Self = Self {
        is_over: false,
        is_answering: false,
        is_held_back: false,
        is_in_use: false,
    };

    /// Polls the connection. Says also whether an end that was held back is due now: then it is to be polled again.
    pub fn about<T>(&mut self, poll: impl FnOnce() -> T) -> (T, bool) {
        SAID.set(*self);
        let polled = poll();
        *self = SAID.replace(Self::NOTHING);
        let is_due = self.is_held_back && !self.is_answering;
        self.is_held_back &= !is_due;
        (polled, is_due)
    }

    /// Whether the socket was read or written since this was asked the last time.
    pub fn take_use(&mut self) -> bool {
        std::mem::take(&mut self.is_in_use)
    }

    fn change(change: impl FnOnce(&mut Self)) {
        let mut said = SAID.get();
        change(&mut said);
        SAID.set(said);
    }
}

/// The socket of the connection that is being polled is read or written.
pub fn used() {
    Said::change(|said| said.is_in_use = true);
}

/// Nothing more is wanted of the client of the connection that is being polled.
pub fn hang_up() {
    Said::change(|said| said.is_over = true);
}

/// Whether that was said of the connection that is being polled.
#[must_use]
pub fn is_over() -> bool {
    SAID.get().is_over
}

/// Whether the end of what the client sends has to wait for an answer; if so, it is due afterwards.
#[must_use]
pub fn holds_back() -> bool {
    Said::change(|said| said.is_held_back |= said.is_answering);
    SAID.get().is_held_back
}

/// A request that has come whole, as long as it is answered. Its client may close its half of the socket, and gets the
/// answer. HTTP/1 answers one request at a time; for HTTP/2, where each has a stream, this says nothing.
#[derive(Debug)]
pub struct Answering(());

impl Answering {
    /// On the connection that is being polled.
    #[must_use]
    pub fn begin() -> Self {
        Said::change(|said| said.is_answering = true);
        Self(())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        Said::change(|said| said.is_answering = false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_keeps_what_was_said_about_it() {
        let (mut one, mut two) = (Said::NOTHING, Said::NOTHING);
        one.about(hang_up);
        assert_eq!(two.about(is_over), (false, false));
        assert_eq!(one.about(is_over), (true, false));
        assert!(!is_over(), "nothing is said between two polls");
    }

    #[test]
    fn an_end_is_held_back_as_long_as_an_answer_is_due() {
        let mut said = Said::NOTHING;
        assert_eq!(said.about(holds_back), (false, false), "nobody is answered");
        let (answering, _) = said.about(Answering::begin);
        assert_eq!(said.about(holds_back), (true, false));
        assert_eq!(said.about(|| ()), ((), false));
        assert_eq!(said.about(|| drop(answering)), ((), true));
        assert_eq!(said.about(holds_back), (false, false));
        // Without an end there is nothing to be polled for.
        assert_eq!(said.about(|| drop(Answering::begin())), ((), false));
    }
}
