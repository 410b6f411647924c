//! Bayeux 1.0, as the clients of Faye and CometD speak it.
//!
//! A session is one `Connection` that outlives its sockets (`Rules::outlives`), found in the register under its
//! clientId, which is the secret of the connection. What it is to hear waits in its outbox, as everywhere; nothing is
//! kept twice.
//! * [`session`] is the conversation: it answers batches, in order. It knows neither sockets nor requests, only
//!   whether a batch came by the socket that carries it or by a request, which a mark before the text says ([`Way`]).
//! * [`exchange`] takes a batch apart, opens sessions for handshakes, and asks sessions for the answers to the rest. A
//!   connect is held there, by a *reader* of the connection like a poll of SockJS; what it gets becomes events, and
//!   the answer last.
//! * [`door`] does that for every kind of HTTP request, [`socket`] for a WebSocket that has no session yet.
//! * A connect on a socket makes the session `Move` to it: from then on events are shared frames, and its own
//!   conversation holds connects, with a timer. When the socket is gone, the session waits for its next wire,
//!   whichever that is.
//! * A session with the ack extension never moves: every connect is a reader, also on a socket. The connection keeps
//!   what such a reader was given until the next one says that it has come (`Wanted::seen`), so nothing is lost.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use turted_core::encode::Delivery;
use turted_core::{Conversation, Ending, EventName, Limits, Protocol, json};

use crate::carriers::websocket::WebSocketFraming;
use crate::client::Framing;

pub mod channel;
pub mod config;
mod door;
mod exchange;
#[cfg(fuzzing)]
#[allow(clippy::unwrap_used, reason = "a promise that is broken is a panic")]
pub mod fuzz;
pub mod jsonp;
pub mod message;
pub mod reply;
pub mod session;
#[cfg(test)]
mod session_tests;
mod socket;

use channel::Names;
use session::Session;

/// How batches may travel.
pub const TYPES: [&str; 4] = [
    "websocket",
    "long-polling",
    "callback-polling",
    "cross-origin-long-polling",
];
/// What events begin with.
const EVENT: &[u8] = br#"[{"data":"#;
/// What the word of a service begins with that does not answer.
const FAILURE: &[u8] = br#"[{"error":"#;

/// Whether this is for the client on whatever wire; answers never begin so.
fn is_event(text: &[u8]) -> bool {
    text.starts_with(EVENT) || text.starts_with(FAILURE)
}

/// What is offered, and its bounds.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How channels are called.
    pub names: Names,
    /// What clients say is an event of this name.
    pub event: EventName,
    /// How long a connect is held. Default 30 s.
    pub timeout: Duration,
    /// How long a session waits for its next wire. Default 30 s.
    pub expiry: Duration,
    /// Whether clients may acknowledge events. Default true.
    pub ack: bool,
    /// Bounds for names and nesting.
    pub limits: Limits,
    /// How many bad messages in a row end a client.
    pub bad_messages: u32,
    /// The time, in milliseconds since 1970.
    pub now: fn() -> i64,
}

impl Terms {
    /// What clients are advised.
    #[must_use]
    pub fn advice(&self) -> String {
        let timeout = self.timeout.as_millis();
        format!(r#"{{"reconnect":"retry","interval":0,"timeout":{timeout}}}"#)
    }
}

/// How a batch came to a session: the mark before its text says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By the socket that carries the session.
    Socket,
    /// By a socket that carries it from now on.
    NewSocket,
    /// By a request, whose answer goes there.
    Request,
}

impl Way {
    /// The text of a batch with its mark. No batch begins so by itself.
    #[must_use]
    pub fn mark(self, batch: &str) -> String {
        match self {
            Self::Socket => batch.to_owned(),
            Self::NewSocket => format!("\u{2}{batch}"),
            Self::Request => format!("\u{1}{batch}"),
        }
    }

    /// What a client says on its socket, which cannot be marked by it.
    #[must_use]
    pub fn unmarked(text: String) -> String {
        match Self::of(&text) {
            (Self::Socket, _) => text,
            _ => String::new(),
        }
    }

    fn of(text: &str) -> (Self, &str) {
        for (way, mark) in [(Self::Request, '\u{1}'), (Self::NewSocket, '\u{2}')] {
            if let Some(batch) = text.strip_prefix(mark) {
                return (way, batch);
            }
        }
        (Self::Socket, text)
    }
}

/// The dialect.
pub struct Bayeux(pub Arc<Terms>);

impl Protocol for Bayeux {
    fn name(&self) -> &'static str {
        "bayeux"
    }

    fn open(&self) -> Box<dyn Conversation> {
        Box::new(Session::new(Arc::clone(&self.0)))
    }

    fn resumes(&self) -> bool {
        false
    }

    /// Never with the id of whoever said it: clients would take it for the answer to a message of theirs.
    fn encode_event(&self, delivery: &Delivery<'_>) -> Bytes {
        let mut out = BytesMut::with_capacity(delivery.payload.as_bytes().len() + 200);
        out.put_slice(EVENT);
        out.put_slice(delivery.payload.as_bytes());
        out.put_slice(br#","channel":"#);
        json::write(&mut out, &self.0.names.of(delivery.via));
        out.put_slice(br#","ext":{"turted":{"event":"#);
        json::write(&mut out, delivery.event);
        out.put_slice(br#","via":"#);
        json::write(&mut out, delivery.via);
        if let Some(from) = delivery.from {
            out.put_slice(br#","from":"#);
            json::write(&mut out, from);
        }
        out.put_slice(br#","id":"#);
        json::write(&mut out, delivery.id);
        out.put_slice(b"}}}]");
        out.freeze()
    }
}

/// Frames of a WebSocket; an answer is for the wire by which its question came.
struct BayeuxFraming;

impl Framing for BayeuxFraming {
    fn message(&self, text: &[u8]) -> Bytes {
        WebSocketFraming.message(text)
    }

    fn ping(&self) -> Option<Bytes> {
        WebSocketFraming.ping()
    }

    fn close(&self, ending: Ending) -> Option<Bytes> {
        WebSocketFraming.close(ending)
    }

    fn keeps(&self, frame: &[u8]) -> bool {
        use crate::carriers::websocket::frame::texts;
        texts(frame).any(is_event)
    }
}

/// What is offered when nobody says anything, at a moment that stands still.
#[cfg(any(test, fuzzing))]
pub(crate) fn terms() -> Terms {
    let limits = Limits::default();
    Terms {
        names: Names {
            prefix: String::new(),
            user: "/service/user".to_owned(),
            everybody: "/service/everybody".to_owned(),
            channel: "/service/channel".to_owned(),
            is_strict: false,
        },
        event: EventName::parse("MESSAGE", &limits).unwrap_or_else(|_| EventName::unnamed()),
        timeout: Duration::from_secs(30),
        expiry: Duration::from_secs(30),
        ack: true,
        limits,
        bad_messages: 20,
        now: || 1_700_000_000_000,
    }
}
