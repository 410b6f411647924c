//! WebSocket, RFC 6455.
//!
//! In: an upgrade request whose client may come in. Out: the 101 response, with a connection behind it. The handshake
//! and the words of the inbound half are `actix-ws`; everything outbound comes from the voice, so that answers and
//! events keep their order.

use std::io::ErrorKind;
use std::rc::Rc;
use std::str::Utf8Error;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, CloseCode, ProtocolError};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use turted_core::{Delivery, EncodeEvent, Ending, Protocol};

use super::body::Wire;
use super::{Mount, Mounts};
use crate::client::{Framing, Inbound, Newcomer, Rules, Worker};

pub mod frame;
mod guard;
mod messages;

pub use guard::Guard;
pub use messages::Messages;

/// Encodes events of a protocol into WebSocket text frames.
pub struct WebSocketEncoder(pub Arc<dyn Protocol>);

impl EncodeEvent for WebSocketEncoder {
    fn encode(&self, delivery: &Delivery<'_>) -> Bytes {
        frame::text(&self.0.encode_event(delivery))
    }
}

/// Text frames, pings and close frames.
pub struct WebSocketFraming;

impl Framing for WebSocketFraming {
    fn message(&self, text: &[u8]) -> Bytes {
        frame::text(text)
    }

    fn ping(&self) -> Option<Bytes> {
        Some(frame::ping())
    }

    fn inside<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        frame::texts(frame).next()
    }

    fn close(&self, ending: Ending) -> Option<Bytes> {
        // 1006 must not be sent (RFC 6455 section 7.4.1); whoever closed with a code of its own gets the plain answer.
        Some(match ending {
            Ending::Vanished => frame::close(Ending::Normal.code(), ""),
            _ => frame::close(ending.code(), ending.reason()),
        })
    }
}

/// A mount for a protocol whose messages are those of the socket.
pub fn mount(protocol: Arc<dyn Protocol>, mounts: &mut Mounts) -> Mount {
    let rules = Rules::socket(mounts.ping());
    mounts.mount(protocol, &WebSocketFraming, WebSocketEncoder, rules)
}

/// What a client sends, after the handshake.
pub type Incoming = Messages<Guard<web::Payload>>;

/// Answers the handshake and starts the connection, which hears what `inbound` makes of the client's messages. `held`
/// lives as long as the socket.
///
/// # Errors
/// The handshake's own refusals (RFC 6455 section 4.2.2).
pub async fn accept<S: Stream<Item = Inbound> + 'static>(
    handshake: Handshake<'_>,
    mount: &Mount,
    worker: &Rc<Worker>,
    newcomer: Newcomer,
    inbound: impl FnOnce(Incoming) -> S,
    held: impl Sized + 'static,
) -> Result<HttpResponse, Error> {
    let (response, incoming) = handshake.answer(mount.message_bytes).await?;
    let (voice, _) = mount.connect(worker, newcomer, inbound(incoming));
    Ok(response.map_body(|_, _| BoxBody::new(Wire::new(voice, held).with_all())))
}

/// A request that may become a WebSocket.
pub struct Handshake<'a> {
    /// The request.
    pub request: &'a HttpRequest,
    /// What comes after its head.
    pub payload: web::Payload,
    /// Subprotocols that are accepted when the client offers them.
    pub subprotocols: &'a [&'a str],
}

impl Handshake<'_> {
    /// The response, still without a body, and what the client sends then: messages of up to `max` bytes.
    ///
    /// # Errors
    /// The handshake's own refusals (RFC 6455 section 4.2.2).
    pub async fn answer(self, max: usize) -> Result<(HttpResponse, Incoming), Error> {
        // Only the handshake is taken from here: what it gives for messages is not used, so it gets no bytes.
        let nothing = web::Payload::from_request(self.request, &mut actix_web::dev::Payload::None).await?;
        let (response, ..) = actix_ws::handle_with_protocols(self.request, nothing, self.subprotocols)?;
        Ok((response, Messages::new(Guard::new(self.payload, max), max)))
    }
}

/// Whether a request asks for a WebSocket (RFC 6455 section 4.2.1).
#[must_use]
pub fn is_upgrade(request: &HttpRequest) -> bool {
    asks_for_upgrade(request.headers())
}

/// As [`is_upgrade`], for whoever has only the headers.
#[must_use]
pub fn asks_for_upgrade(headers: &header::HeaderMap) -> bool {
    let has = |name: header::HeaderName, word: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    has(header::UPGRADE, "websocket") && has(header::CONNECTION, "upgrade")
}

/// Each message as it is.
pub fn plain(incoming: Incoming) -> impl Stream<Item = Inbound> {
    incoming.map(translate)
}

/// From the wire's words to the connection's.
pub fn translate(message: Result<AggregatedMessage, ProtocolError>) -> Inbound {
    match message {
        Ok(AggregatedMessage::Text(text)) => Inbound::Text(text.into()),
        Ok(AggregatedMessage::Binary(data)) => Inbound::Binary(data),
        Ok(AggregatedMessage::Ping(data)) => Inbound::Ping(frame::pong(&data)),
        Ok(AggregatedMessage::Pong(_)) => Inbound::Pong,
        Ok(AggregatedMessage::Close(reason)) => Inbound::Close(match reason.map(|reason| reason.code) {
            Some(CloseCode::Normal) => Ending::Normal,
            Some(CloseCode::Away) => Ending::Left,
            // A watchdog or a proxy gave the wire up; the client did not say goodbye.
            _ => Ending::Vanished,
        }),
        Err(ProtocolError::Overflow) => Inbound::Broken(Ending::TooBig),
        Err(ProtocolError::Io(error)) => Inbound::Broken(broken(&error)),
        Err(_) => Inbound::Broken(Ending::BrokenFraming),
    }
}

/// What a failure means for which the codec has no word: a text that is not UTF-8, reserved bits, what the guard has
/// found, or a socket that is gone.
fn broken(error: &std::io::Error) -> Ending {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<PayloadError>()) {
        Some(PayloadError::Overflow) => return Ending::TooBig,
        Some(PayloadError::EncodingCorrupted) => return Ending::BrokenFraming,
        _ => {}
    }
    match error.kind() {
        ErrorKind::InvalidData if inner.is_some_and(|inner| inner.is::<Utf8Error>()) => Ending::NotUtf8,
        ErrorKind::InvalidData => Ending::BrokenFraming,
        _ => Ending::Vanished,
    }
}
