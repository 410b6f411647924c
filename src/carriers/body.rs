//! The response body that is one client's wire.
//!
//! In: chunks from the voice. Out: bytes to the socket.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::ConnectionType;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::Version;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use crate::client::Voice;

/// The word that nothing more is wanted of the client of a socket. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Hangup(Rc<Cell<bool>>);

impl Hangup {
    /// Says so.
    pub fn want(&self) {
        self.0.set(true);
    }

    /// Whether it was said.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.0.get()
    }
}

/// What is written to one socket.
pub struct Wire<H> {
    voice: Rc<Voice>,
    hangup: Option<Hangup>,
    _held: H,
}

impl<H> Wire<H> {
    /// A wire that ends with its voice; `held` is dropped with the socket.
    pub fn new(voice: Rc<Voice>, held: H) -> Self {
        Self {
            voice,
            hangup: None,
            _held: held,
        }
    }

    /// The same, and its end is the end of the socket, whatever the client may still send: after the closing handshake
    /// of a WebSocket the server closes at once (RFC 6455, section 7.1.1).
    #[must_use]
    pub fn with_all(mut self, request: &HttpRequest) -> Self {
        self.hangup = request.conn_data::<Hangup>().cloned();
        self
    }
}

/// Streams a response also to a client of HTTP/1.0, which knows no chunks: the end of the connection is the end of the
/// stream.
pub fn suit(version: Version, response: &mut HttpResponse) {
    if version < Version::HTTP_11 {
        let head = response.head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
}

impl<H> MessageBody for Wire<H> {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let chunk = self.voice.poll_chunk(cx);
        if let (Poll::Ready(None), Some(hangup)) = (&chunk, &self.hangup) {
            hangup.want();
        }
        chunk.map(|chunk| chunk.map(Ok))
    }
}
