//! Why a connection ends: one list of named reasons.
//!
//! In: a decision of some room. Out: a close code, a reason in a few words, and whether the client should come back.
//! How that is written to a wire is a protocol's business.

/// Why a connection ended. `ALL` lists every reason of the server's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// The client said goodbye.
    Normal,
    /// The client's page went away (it closed with 1001).
    Left,
    /// The server is going down.
    GoingAway,
    /// The client broke the rules of its transport (RFC 6455 section 7.4.1).
    BrokenFraming,
    /// A text of the client's was not UTF-8 (RFC 6455 section 8.1).
    NotUtf8,
    /// A policy refuses the client.
    Refused,
    /// A message was larger than allowed.
    TooBig,
    /// The server failed.
    Internal,
    /// Too many bad messages in a row.
    BadMessages,
    /// The client read too slowly and its outbox was full.
    Slow,
    /// Nothing was heard of the client for two ping intervals.
    Lifeless,
    /// A backend threw the client out.
    Kicked,
    /// Another wire took the connection over.
    Replaced,
    /// Its identity has ended, and the client brought no new one.
    Expired,
    /// The wire broke without a goodbye. Nobody can be told.
    Vanished,
    /// A protocol ends it with a code and a reason (at most 123 bytes) of its own.
    Custom(u16, &'static str),
}

impl Ending {
    /// Every reason of ours, for tests, metrics and documentation.
    pub const ALL: [Self; 15] = [
        Self::Normal,
        Self::Left,
        Self::GoingAway,
        Self::BrokenFraming,
        Self::NotUtf8,
        Self::Refused,
        Self::TooBig,
        Self::Internal,
        Self::BadMessages,
        Self::Slow,
        Self::Lifeless,
        Self::Kicked,
        Self::Replaced,
        Self::Expired,
        Self::Vanished,
    ];

    /// The close code: RFC 6455 section 7.4 below 4000, ours from there.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::Left | Self::GoingAway => 1001,
            Self::BrokenFraming => 1002,
            Self::Vanished => 1006,
            Self::NotUtf8 => 1007,
            Self::Refused => 1008,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::BadMessages => 4000,
            Self::Slow => 4008,
            Self::Lifeless => 4009,
            Self::Kicked => 4010,
            Self::Replaced => 4011,
            Self::Expired => 4012,
            Self::Custom(code, _) => code,
        }
    }

    /// A few words; also the label of metrics.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Left => "left",
            Self::GoingAway => "going away",
            Self::BrokenFraming => "protocol error",
            Self::NotUtf8 => "not UTF-8",
            Self::Refused => "refused",
            Self::TooBig => "message too big",
            Self::Internal => "internal error",
            Self::BadMessages => "too many bad messages",
            Self::Slow => "slow",
            Self::Lifeless => "no sign of life",
            Self::Kicked => "kicked",
            Self::Replaced => "replaced by a newer wire",
            Self::Expired => "expired",
            Self::Vanished => "vanished",
            Self::Custom(_, reason) => reason,
        }
    }

    /// Whether a client should connect again.
    #[must_use]
    pub fn reconnect(self) -> bool {
        matches!(
            self,
            Self::GoingAway | Self::Internal | Self::Slow | Self::Lifeless | Self::Expired | Self::Vanished
        )
    }

    /// Whether the connection may continue on a new wire: it lost its wire rather than its right to be here.
    #[must_use]
    pub fn resumable(self) -> bool {
        matches!(self, Self::Slow | Self::Lifeless | Self::Vanished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_ending_has_its_own_words_and_a_sendable_reason() {
        let reasons: HashSet<_> = Ending::ALL.iter().map(|ending| ending.reason()).collect();
        assert_eq!(reasons.len(), Ending::ALL.len());
        for ending in Ending::ALL {
            assert!(ending.reason().len() <= 123, "RFC 6455 section 5.5 bounds it");
            assert!(!ending.resumable() || ending.reconnect(), "{ending:?}");
        }
    }
}
