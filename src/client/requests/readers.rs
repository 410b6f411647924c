//! Who takes what waits for a client that has no socket for it.
//!
//! In: readers that come and go, sockets that are tried out. Out: who may read now. A plain value; it knows neither
//! frames nor requests.
//!
//! ```text
//!            come                 offer                 probe
//!   Nobody ──────▶ One(reader) ────────▶ Offered(reader) ────▶ Probing(reader)
//!     ▲  ◀──────     │    ▲                │                      │   │
//!     │    leave     └────┘ another,       │                      │   │ take over
//!     │                     if it may      │                      │   ▼
//!     └────────────────────────────────────┴──────────────────────┘  Moved
//!                 abandon: as before the offer
//! ```
//!
//! Readers come and leave while a socket is there, too, only that none of them waits for long while it is probed. From
//! every state a socket may take over. A connection that outlives its sockets goes on as `Plugged` with the socket
//! that it moved to, and back to `Nobody` when that is gone, or to the reader that comes after it.

use super::rules::Second;

/// The readers of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Readers {
    /// What comes waits.
    #[default]
    Nobody,
    /// This reader gets what comes.
    One(u64),
    /// The same, or nobody; and a socket would like to take over. There is one at a time.
    Offered(Option<u64>),
    /// The same, and it is tried out: it may have taken over a moment later.
    Probing(Option<u64>),
    /// A socket carries everything, as long as it lasts.
    Plugged,
    /// A socket carries everything: no reader is let in any more.
    Moved,
}

/// Why a reader does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A socket carries everything.
    Moved,
    /// Another one is here, and stays.
    Busy,
    /// Another one is here, and both are against the rules.
    Ends,
}

impl Readers {
    /// Lets a reader in, or in again.
    ///
    /// # Errors
    /// Why not, as `second` says it of a reader that is not the first.
    pub fn come(&mut self, reader: u64, second: Second) -> Result<(), Refusal> {
        let is_second = self.current().is_some_and(|current| current != reader);
        match (*self, second) {
            (Self::Moved, _) => return Err(Refusal::Moved),
            (_, Second::IsRefused) if is_second => return Err(Refusal::Busy),
            (_, Second::Ends) if is_second => return Err(Refusal::Ends),
            (Self::Probing(_), _) => *self = Self::Probing(Some(reader)),
            (Self::Offered(_), _) => *self = Self::Offered(Some(reader)),
            _ => *self = Self::One(reader),
        }
        Ok(())
    }

    /// A reader leaves. False when it was not here any more.
    pub fn leave(&mut self, reader: u64) -> bool {
        if self.current() != Some(reader) {
            return false;
        }
        *self = match self {
            Self::Probing(_) => Self::Probing(None),
            Self::Offered(_) => Self::Offered(None),
            _ => Self::Nobody,
        };
        true
    }

    /// A socket would like to take over. False when it may not: there is one already.
    pub fn offer(&mut self) -> bool {
        let is_free = matches!(self, Self::Nobody | Self::One(_));
        if is_free {
            *self = Self::Offered(self.current());
        }
        is_free
    }

    /// It is tried out.
    pub fn probe(&mut self) {
        if let Self::Offered(reader) = *self {
            *self = Self::Probing(reader);
        }
    }

    /// It will not be used.
    pub fn abandon(&mut self) {
        if let Self::Offered(reader) | Self::Probing(reader) = *self {
            *self = reader.map_or(Self::Nobody, Self::One);
        }
    }

    /// Who reads.
    #[must_use]
    pub fn current(self) -> Option<u64> {
        match self {
            Self::One(reader) => Some(reader),
            Self::Offered(reader) | Self::Probing(reader) => reader,
            Self::Nobody | Self::Plugged | Self::Moved => None,
        }
    }

    /// Whether somebody reads.
    #[must_use]
    pub fn is_attached(self) -> bool {
        self.current().is_some()
    }

    /// Whether a socket is tried out.
    #[must_use]
    pub fn is_probed(self) -> bool {
        matches!(self, Self::Probing(_))
    }

    /// Whether a socket carries everything that a reader may take the place of.
    #[must_use]
    pub fn is_plugged(self) -> bool {
        self == Self::Plugged
    }

    /// Whether a socket carries everything, for good.
    #[must_use]
    pub fn is_moved(self) -> bool {
        self == Self::Moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_reader_is_treated_as_the_rules_say_and_the_same_one_may_ask_again() {
        for (second, answer, then) in [
            (Second::Replaces, Ok(()), Readers::One(2)),
            (Second::IsRefused, Err(Refusal::Busy), Readers::One(1)),
            (Second::Ends, Err(Refusal::Ends), Readers::One(1)),
        ] {
            let mut readers = Readers::Nobody;
            assert_eq!(readers.come(1, second), Ok(()));
            assert_eq!(readers.come(1, second), Ok(()), "the same one");
            assert_eq!(readers.come(2, second), answer);
            assert_eq!(readers, then);
        }
    }

    #[test]
    fn a_probe_keeps_the_reader_and_ends_as_it_began() {
        let mut readers = Readers::One(1);
        readers.probe();
        assert_eq!(readers, Readers::One(1), "nobody has offered");
        assert!(readers.offer() && !readers.offer(), "one socket at a time");
        assert_eq!(readers, Readers::Offered(Some(1)));
        assert!(!readers.is_probed() && readers.is_attached());
        assert_eq!(readers.come(1, Second::Ends), Ok(()));
        assert!(readers.leave(1) && readers == Readers::Offered(None));
        assert_eq!(readers.come(1, Second::Ends), Ok(()));
        readers.probe();
        assert!(!readers.offer());
        assert_eq!(readers, Readers::Probing(Some(1)));
        assert!(readers.is_probed() && readers.is_attached());
        assert!(!readers.leave(2), "who is not here cannot leave");
        assert!(readers.leave(1));
        assert!(readers.is_probed() && !readers.is_attached());
        assert_eq!(readers.come(3, Second::Ends), Ok(()));
        assert_eq!(readers, Readers::Probing(Some(3)));
        readers.abandon();
        assert_eq!(readers, Readers::One(3));
        assert!(readers.offer());
        readers.abandon();
        assert_eq!(readers, Readers::One(3));
        assert!(readers.leave(3));
        assert_eq!(readers, Readers::Nobody);
        readers.abandon();
        assert_eq!(readers, Readers::Nobody);
    }

    #[test]
    fn a_reader_comes_after_a_socket_that_does_not_last() {
        let mut readers = Readers::Plugged;
        assert!(readers.is_plugged() && !readers.is_attached() && !readers.is_moved());
        assert!(!readers.leave(1) && !readers.offer());
        assert_eq!(readers.come(1, Second::IsRefused), Ok(()));
        assert_eq!(readers, Readers::One(1));
    }

    #[test]
    fn nobody_reads_what_a_socket_carries() {
        let mut readers = Readers::Moved;
        assert!(readers.is_moved() && !readers.is_attached() && !readers.is_probed());
        for second in [Second::Replaces, Second::IsRefused, Second::Ends] {
            assert_eq!(readers.come(1, second), Err(Refusal::Moved));
        }
        assert!(!readers.leave(1) && !readers.offer());
        readers.probe();
        readers.abandon();
        assert_eq!(readers, Readers::Moved);
    }
}
