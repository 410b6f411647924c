//! How an event becomes bytes for one kind of wire.
//!
//! In: a [`Delivery`]. Out: bytes that are shared by all connections of that kind, made once for each
//! (encoder, via). The Dispatcher calls it without knowing what a protocol or a transport is.

use bytes::Bytes;

use crate::dispatch::{DispatchId, Sender};
use crate::json::Payload;
use crate::name::EventName;
use crate::target::Target;

/// A dispatch as one group of connections sees it.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Its place in the total order.
    pub id: &'a DispatchId,
    /// What happened.
    pub event: &'a EventName,
    /// What goes with it.
    pub payload: &'a Payload,
    /// The target that reached these connections.
    pub via: &'a Target,
    /// The client that said it, if they are told.
    pub from: Option<&'a Sender>,
}

/// Protocol and transport framing in one: turns a delivery into what is written to the wire.
pub trait EncodeEvent: Send + Sync {
    /// The bytes for every connection of this kind.
    fn encode(&self, delivery: &Delivery<'_>) -> Bytes;

    /// Bytes that tell a client no event but a place: it has missed nothing before. `None`, the default, where the wire
    /// has no word for it.
    fn place(&self, _id: &DispatchId) -> Option<Bytes> {
        None
    }
}
