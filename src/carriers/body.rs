//! The response body that is one client's wire.
//!
//! In: chunks from the voice. Out: bytes to the socket.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::ConnectionType;
use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::Version;
use bytes::Bytes;

use crate::client::Voice;
use crate::client::voice::Plug;
use crate::gate::socket;

/// What is written to one socket.
pub struct Wire<H> {
    voice: Rc<Voice>,
    plug: Option<Rc<Plug>>,
    is_all: bool,
    _held: H,
}

impl<H> Wire<H> {
    /// A wire that ends with its voice; `held` is dropped with the socket.
    pub fn new(voice: Rc<Voice>, held: H) -> Self {
        Self {
            voice,
            plug: None,
            is_all: false,
            _held: held,
        }
    }

    /// The same, and its end is the end of the socket, whatever the client may still send: after the closing handshake
    /// of a WebSocket the server closes at once (RFC 6455, section 7.1.1).
    #[must_use]
    pub fn with_all(mut self) -> Self {
        self.is_all = true;
        self
    }

    /// As [`with_all`](Self::with_all), for one of several sockets that a voice may have one after the other.
    #[must_use]
    pub fn plugged(mut self) -> Self {
        self.plug = Some(self.voice.plug());
        self.with_all()
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

impl<H> Drop for Wire<H> {
    /// A socket that is lost carries nothing in either direction any more, whatever of its messages still waits.
    fn drop(&mut self) {
        match &self.plug {
            Some(plug) => self.voice.unplugged(plug),
            None if self.is_all => self.voice.lose(),
            None => {}
        }
    }
}

impl<H> MessageBody for Wire<H> {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let chunk = match self.plug.as_ref().map_or(Poll::Pending, |plug| plug.poll_end(cx)) {
            Poll::Pending => self.voice.poll_chunk(cx),
            last => last,
        };
        if self.is_all && matches!(chunk, Poll::Ready(None)) {
            socket::hang_up();
        }
        chunk.map(|chunk| chunk.map(Ok))
    }
}
