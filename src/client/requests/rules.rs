//! How the clients of a transport behave, and what is made of it.
//!
//! In: what a transport's specification says. Out: plain values that a connection looks up. They know no transport by
//! name.

use std::time::Duration;

use turted_core::Responders;

use crate::client::heartbeat::Heartbeat;

/// The rules of one transport.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What is spoken, as it is told to whoever asks who somebody is.
    pub dialect: &'static str,
    /// Signs of life.
    pub heartbeat: Heartbeat,
    /// When events begin.
    pub start: Start,
    /// What a request for events means while another one waits.
    pub second: Second,
    /// Whether the connection ends with a request for events that breaks off.
    pub ends_with_reader: bool,
    /// Whether everybody who asks is told how it ended, as long as it lingers; otherwise only the first.
    pub repeats_goodbye: bool,
    /// Whether requests that only say something are signs of life too.
    pub hears_requests: bool,
    /// How long the last words wait for whoever asks for them.
    pub linger: Duration,
    /// Who answers the calls of these clients only.
    pub responders: Responders,
    /// How long the connection waits for its next wire when it has none, a request for events or a socket; `None`, the
    /// default: it ends with its socket.
    pub outlives: Option<Duration>,
}

/// When events begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the first command, and after this time in any case: until then the client may continue an earlier
    /// connection.
    Grace(Duration),
    /// When the conversation says so; a client that takes longer than this is ended.
    WhenSaid(Duration),
}

/// What a second reader means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// It takes the place of the first.
    Replaces,
    /// It is turned away.
    IsRefused,
    /// The connection ends.
    Ends,
}

impl Rules {
    /// The rules of a socket that the client holds open: asked every `ping`, gone when it does not answer for as long.
    #[must_use]
    pub fn socket(ping: Duration) -> Self {
        Self {
            dialect: "",
            heartbeat: Heartbeat {
                every: Some(ping),
                patience: Some(ping),
            },
            start: Start::Grace(Duration::from_secs(1)),
            second: Second::IsRefused,
            ends_with_reader: true,
            repeats_goodbye: false,
            hears_requests: true,
            linger: Duration::from_secs(2),
            responders: Responders::default(),
            outlives: None,
        }
    }

    /// Signs of life while a socket is there, or while none is.
    #[must_use]
    pub fn pulse(&self, has_socket: bool) -> Heartbeat {
        match self.outlives {
            Some(patience) if !has_socket => Heartbeat {
                every: None,
                patience: Some(patience),
            },
            _ => self.heartbeat,
        }
    }

    /// The rules of a stream that only the server writes: it says something every `ping`, and nobody can answer that,
    /// nor a goodbye, which is the end.
    #[must_use]
    pub fn stream(ping: Duration) -> Self {
        Self {
            heartbeat: Heartbeat {
                every: Some(ping),
                patience: None,
            },
            linger: Duration::ZERO,
            ..Self::socket(ping)
        }
    }
}
