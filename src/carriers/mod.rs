//! How bytes travel.
//!
//! In: accepted HTTP requests. Out: a running [`Connection`](crate::client::Connection) and, where the carrier keeps a
//! response open, the body that is its wire. One file or folder per carrier; each frames what any dialect says, and
//! knows none.

use futures_util::{Stream, stream};

use crate::client::Inbound;

pub mod body;
pub mod engineio;
pub mod event_stream;
pub mod form;
pub mod mount;
pub mod sockjs;
pub mod websocket;

pub use mount::{Bounds, Mount, Mounts, Offer, OfferConfig, Routes};

/// What a client says that has no wire of its own: nothing, for as long as its connection lives; `held` lives as long.
pub fn nothing(held: impl Sized + 'static) -> impl Stream<Item = Inbound> {
    stream::once(async move {
        let _held = held;
        std::future::pending().await
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use bytes::Bytes;
    use turted_core::{Delivery, EncodeEvent, Epoch, EventName, Limits, Payload, Target};

    /// The bytes of an event that reaches everybody; an empty name is none.
    pub fn encoded(encoder: &dyn EncodeEvent, name: &str, payload: &'static str) -> Bytes {
        let limits = Limits::default();
        let (id, via) = (Epoch::new("e").id(7), Target::Everybody);
        let event = EventName::parse(name, &limits).unwrap_or_else(|_| EventName::unnamed());
        let payload = Payload::parse(Bytes::from_static(payload.as_bytes()), &limits).unwrap();
        encoder.encode(&Delivery {
            id: &id,
            event: &event,
            payload: &payload,
            via: &via,
            from: None,
        })
    }
}
