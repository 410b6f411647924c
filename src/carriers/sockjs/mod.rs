//! SockJS, protocol 0.3.3 as of its suite: sessions over WebSocket, streaming and polling.
//!
//! In: requests whose clients may come in. Out: connections, and responses that carry their frames. Messages wait in
//! the outbox as WebSocket frames that hold SockJS frames; a response takes them out of these and wraps them in its own
//! way. It knows no dialect.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use turted_core::{Delivery, EncodeEvent, Ending};

use super::Mount;
use super::websocket::{Incoming, frame as socket_frame, translate};
use crate::client::heartbeat::Heartbeat;
use crate::client::requests::rules::Second;
use crate::client::{Framing, Inbound, Rules};
use turted_core::Protocol;

mod door;
pub mod frame;
pub mod incoming;
pub mod pages;
pub mod path;
pub mod receive;

pub use door::SockJs;

/// What an operator may say about one service.
#[derive(Debug, Clone)]
pub struct SockJsOptions {
    /// Whether there is a WebSocket transport. Default true.
    pub websocket: bool,
    /// Whether a load balancer needs the cookie `JSESSIONID`. Default false.
    pub cookie: bool,
    /// Bytes after which a streaming response ends. Default 128 KiB.
    pub response_bytes: usize,
    /// How long a session waits for its next receiving request. Default 5 s.
    pub disconnect_delay: Duration,
    /// How often a waiting response shows that the server is there. Default 25 s.
    pub heartbeat: Duration,
    /// Where iframes find the browser client.
    pub client: String,
    /// Whether the first request says who its client is, by its query, cookies or headers. Default false: the client
    /// says it later.
    pub is_told: bool,
}

impl Default for SockJsOptions {
    fn default() -> Self {
        Self {
            websocket: true,
            cookie: false,
            response_bytes: 128 * 1024,
            disconnect_delay: Duration::from_secs(5),
            heartbeat: Duration::from_secs(25),
            client: "/sockjs.min.js".to_owned(),
            is_told: false,
        }
    }
}

/// One protocol over SockJS at one path.
pub struct Service {
    /// What the operator wants.
    pub options: SockJsOptions,
    /// What distinguishes its sessions from those of other services.
    pub name: String,
    /// The body of the page for iframes.
    pub iframe: Bytes,
    /// The tag by which caches know it.
    pub etag: String,
    /// Over a WebSocket, with frames.
    pub socket: Mount,
    /// Over a WebSocket, without.
    pub raw: Mount,
    /// Over requests.
    pub session: Mount,
}

impl SockJsOptions {
    /// The rules of a session over requests.
    #[must_use]
    pub fn rules(&self, socket: Rules) -> Rules {
        Rules {
            heartbeat: Heartbeat {
                every: None,
                patience: Some(self.disconnect_delay),
            },
            second: Second::IsRefused,
            ends_with_reader: true,
            repeats_goodbye: true,
            hears_requests: false,
            linger: self.disconnect_delay,
            ..socket
        }
    }
}

/// Messages as SockJS frames.
pub struct SockJsFraming;

impl Framing for SockJsFraming {
    fn message(&self, text: &[u8]) -> Bytes {
        // A protocol's text is UTF-8.
        socket_frame::text(frame::message(&String::from_utf8_lossy(text)).as_bytes())
    }

    fn ping(&self) -> Option<Bytes> {
        Some(socket_frame::ping())
    }

    fn close(&self, ending: Ending) -> Option<Bytes> {
        // Whoever does not speak in frames is not answered with one.
        match ending {
            Ending::BrokenFraming => return Some(socket_frame::close(ending.code(), "Broken framing.")),
            Ending::NotUtf8 => return Some(socket_frame::close(ending.code(), ending.reason())),
            _ => {}
        }
        let last = socket_frame::text(goodbye(ending).as_bytes());
        Some([last, socket_frame::close(Ending::Normal.code(), "")].concat().into())
    }
}

/// The frame that says why a session ends.
#[must_use]
pub fn goodbye(ending: Ending) -> String {
    match ending {
        Ending::Vanished => frame::close(1002, "Connection interrupted"),
        _ => frame::close(ending.code(), ending.reason()),
    }
}

/// Encodes events for [`SockJsFraming`].
pub struct SockJsEncoder(pub Arc<dyn Protocol>);

impl EncodeEvent for SockJsEncoder {
    fn encode(&self, delivery: &Delivery<'_>) -> Bytes {
        SockJsFraming.message(&self.0.encode_event(delivery))
    }
}

/// The first words on a framed WebSocket.
#[must_use]
pub fn opening() -> Bytes {
    socket_frame::text(frame::OPEN.as_bytes())
}

/// What a framed WebSocket brings: several messages in each frame, perhaps.
pub fn framed(incoming: Incoming) -> impl Stream<Item = Inbound> {
    incoming.flat_map(|message| {
        let inbound = match translate(message) {
            Inbound::Text(text) => match incoming::frame(&text) {
                Ok(messages) => messages.into_iter().map(Inbound::Text).collect(),
                Err(_) => vec![Inbound::Broken(Ending::BrokenFraming)],
            },
            other => vec![other],
        };
        stream::iter(inbound)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carriers::tests::encoded;
    use crate::dialects::classic::Classic;
    use turted_core::Limits;

    #[test]
    fn messages_are_frames_in_frames_of_the_socket() {
        assert_eq!(&opening()[..], b"\x81\x01o");
        assert_eq!(&SockJsFraming.ping().unwrap()[..], b"\x89\x00");
        assert_eq!(
            &SockJsFraming.message(b"{\"a\":1}")[..],
            b"\x81\x0ea[\"{\\\"a\\\":1}\"]"
        );
        assert_eq!(SockJsFraming.binary(b"x"), None);
        let encoder = SockJsEncoder(Arc::new(Classic::new(Limits::default(), 20)));
        assert_eq!(
            encoded(&encoder, "A", r#"["\u2028"]"#),
            socket_frame::text(br#"a["{\"type\":\"A\",\"data\":[\"\\u2028\"],\"via\":{\"broadcast\":true}}"]"#)
        );
    }

    #[test]
    fn the_last_frame_says_why_and_the_socket_closes_normally() {
        for (ending, expected) in [
            (Ending::Normal, &b"\x81\x10c[1000,\"normal\"]\x88\x02\x03\xe8"[..]),
            (Ending::GoingAway, b"\x81\x14c[1001,\"going away\"]\x88\x02\x03\xe8"),
            (Ending::Slow, b"\x81\x0ec[4008,\"slow\"]\x88\x02\x03\xe8"),
            (
                Ending::Custom(3000, "Go away!"),
                b"\x81\x12c[3000,\"Go away!\"]\x88\x02\x03\xe8",
            ),
            (
                Ending::Vanished,
                b"\x81\x20c[1002,\"Connection interrupted\"]\x88\x02\x03\xe8",
            ),
            (Ending::BrokenFraming, b"\x88\x11\x03\xeaBroken framing."),
            (Ending::NotUtf8, b"\x88\x0b\x03\xefnot UTF-8"),
        ] {
            assert_eq!(&SockJsFraming.close(ending).unwrap()[..], expected, "{ending:?}");
        }
    }
}
