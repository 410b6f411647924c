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

/// What is written to one socket.
pub struct Wire<H> {
    voice: Rc<Voice>,
    _held: H,
}

impl<H> Wire<H> {
    /// A wire that ends with its voice; `held` is dropped with the socket.
    pub fn new(voice: Rc<Voice>, held: H) -> Self {
        Self { voice, _held: held }
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
        self.voice.poll_chunk(cx).map(|chunk| chunk.map(Ok))
    }
}
