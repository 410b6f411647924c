//! The response body that is one client's wire.
//!
//! In: chunks from the lane. Out: bytes to the socket.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use crate::connection::Lane;

/// What is written to one socket.
pub struct Wire<H> {
    lane: Rc<Lane>,
    _held: H,
}

impl<H> Wire<H> {
    /// A wire that ends with its lane; `held` is dropped with the socket.
    pub fn new(lane: Rc<Lane>, held: H) -> Self {
        Self { lane, _held: held }
    }
}

impl<H> MessageBody for Wire<H> {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.lane.poll_chunk(cx).map(|chunk| chunk.map(Ok))
    }
}
