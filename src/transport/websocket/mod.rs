//! WebSocket, RFC 6455.
//!
//! In: an upgrade request whose client may come in. Out: the 101 response, with a connection behind it. The handshake and
//! the words of the inbound half are `actix-ws`; everything outbound comes from the lane, so that answers and events keep
//! their order.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::error::PayloadError;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, CloseCode, ProtocolError};
use bytes::Bytes;
use futures_util::StreamExt;
use turted_core::{Delivery, EncodeEvent, Ending, Welcome};

use crate::connection::actor::{Newcomer, Surroundings};
use crate::connection::lane::WhenFull;
use crate::connection::{Connection, Framing, Inbound, Lane, OutboxBounds};
use crate::dispatcher::LaneKey;
use crate::protocol::Protocol;

mod body;
pub mod frame;
mod guard;
mod messages;

use body::Wire;
use guard::Guard;
use messages::Messages;

/// One protocol over WebSocket, as the server offers it at a path.
pub struct Mount {
    /// What is spoken.
    pub protocol: Arc<dyn Protocol>,
    /// Subprotocols that are accepted when a client offers them.
    pub subprotocols: &'static [&'static str],
    /// The index of its [`WebSocketEncoder`] with the Dispatcher.
    pub encoder: usize,
    /// Bounds of each outbox.
    pub outbox: OutboxBounds,
    /// What a full outbox means.
    pub when_full: WhenFull,
    /// Largest inbound message in bytes.
    pub message_bytes: usize,
}

/// Encodes events of a protocol into WebSocket text frames.
pub struct WebSocketEncoder(pub Arc<dyn Protocol>);

impl EncodeEvent for WebSocketEncoder {
    fn encode(&self, delivery: &Delivery<'_>) -> Bytes {
        frame::text(&self.0.encode_event(delivery))
    }
}

struct WebSocketFraming;

impl Framing for WebSocketFraming {
    fn message(&self, text: &[u8]) -> Bytes {
        frame::text(text)
    }

    fn ping(&self) -> Bytes {
        frame::ping()
    }

    fn close(&self, ending: Ending) -> Option<Bytes> {
        // 1006 must not be sent (RFC 6455 section 7.4.1); whoever closed with a code of its own gets the plain answer.
        Some(match ending {
            Ending::Vanished => frame::close(Ending::Normal.code(), ""),
            _ => frame::close(ending.code(), ending.reason()),
        })
    }
}

/// Answers the handshake and starts the connection. `held` lives as long as the socket.
///
/// # Errors
/// The handshake's own refusals (RFC 6455 section 4.2.2).
pub async fn accept(
    request: &HttpRequest,
    payload: web::Payload,
    mount: &Mount,
    surroundings: Rc<Surroundings>,
    welcome: Welcome,
    bearer: Option<Box<str>>,
    held: impl Sized + 'static,
) -> Result<HttpResponse, Error> {
    // Only the handshake is taken from here: what it gives for messages is not used, so it gets no bytes.
    let nothing = web::Payload::from_request(request, &mut actix_web::dev::Payload::None).await?;
    let (response, ..) = actix_ws::handle_with_protocols(request, nothing, mount.subprotocols)?;
    let messages = Messages::new(Guard::new(payload, mount.message_bytes), mount.message_bytes);

    let lane = Rc::new(Lane::new(
        mount.protocol.open(),
        &WebSocketFraming,
        mount.outbox,
        mount.when_full,
    ));
    let key = LaneKey {
        courier: surroundings.courier,
        lane: surroundings.lanes.insert(Rc::clone(&lane)),
    };
    let newcomer = Newcomer {
        lane: Rc::clone(&lane),
        key,
        encoder: mount.encoder,
        welcome,
        bearer,
    };
    Connection::open(surroundings, newcomer, messages.map(translate));
    Ok(response.map_body(|_, _| BoxBody::new(Wire::new(lane, held))))
}

/// From the wire's words to the connection's.
fn translate(message: Result<AggregatedMessage, ProtocolError>) -> Inbound {
    match message {
        Ok(AggregatedMessage::Text(text)) => Inbound::Text(text.into()),
        Ok(AggregatedMessage::Binary(_)) => Inbound::Unreadable("messages must be text, not binary"),
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

/// What a failure below the frames means: too large, not UTF-8, or a socket that is gone.
fn broken(error: &std::io::Error) -> Ending {
    let overflow = error.get_ref().and_then(|inner| inner.downcast_ref::<PayloadError>());
    match overflow {
        Some(PayloadError::Overflow) => Ending::TooBig,
        _ if error.kind() == std::io::ErrorKind::InvalidData => Ending::BrokenFraming,
        _ => Ending::Vanished,
    }
}
