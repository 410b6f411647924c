//! The response body that is one client's wire.
//!
//! In: chunks from the lane. Out: bytes to the socket. It wraps the body of `actix-ws` rather than replace it: while that
//! lives, the inbound half lives.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;

use crate::connection::Lane;

/// What is written to one socket.
pub struct Wire<H> {
    lane: Rc<Lane>,
    _inbound: BoxBody,
    _held: H,
}

impl<H> Wire<H> {
    /// A wire that ends with its lane; `held` is dropped with the socket.
    pub fn new(inbound: BoxBody, lane: Rc<Lane>, held: H) -> Self {
        Self {
            lane,
            _inbound: inbound,
            _held: held,
        }
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
