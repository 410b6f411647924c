//! How bytes travel.
//!
//! In: accepted HTTP requests. Out: a running [`Connection`] and, where the transport keeps a response open, the body that is its wire. One
//! file or folder per transport; each frames what any protocol says.

use std::rc::Rc;
use std::sync::Arc;

use actix::Addr;
use bytes::Bytes;
use futures_util::{Stream, stream};
use turted_core::Welcome;

use crate::connection::lane::WhenFull;
use crate::connection::register::Listing;
use crate::connection::{Connection, Framing, Inbound, Lane, OutboxBounds, Rules};
use crate::connection::{Newcomer, Surroundings};
use crate::dispatcher::{LaneKey, Request};
use crate::protocol::{Conversation, Protocol};

pub mod body;
pub mod engineio;
pub mod event_stream;
pub mod form;
pub mod php_events;
pub mod polling;
pub mod sockjs;
pub mod websocket;

/// One protocol over one transport, as the server offers it at a path.
pub struct Mount {
    /// What is spoken.
    pub protocol: Arc<dyn Protocol>,
    /// How it is framed.
    pub framing: &'static dyn Framing,
    /// The index of its encoder with the Dispatcher.
    pub encoder: usize,
    /// Bounds of each outbox.
    pub outbox: OutboxBounds,
    /// What a full outbox means.
    pub when_full: WhenFull,
    /// Largest inbound message in bytes.
    pub message_bytes: usize,
    /// How its clients behave.
    pub rules: Arc<Rules>,
}

/// A client that was let in.
pub struct Guest {
    /// Its first words.
    pub welcome: Welcome,
    /// `Authorization: Bearer …` of its request.
    pub bearer: Option<Box<str>>,
    /// What it asks for before anybody speaks.
    pub first: Option<Request>,
    /// Where requests find it.
    pub listing: Option<Listing>,
    /// What is written before the protocol's first words.
    pub opening: Option<Bytes>,
}

/// What a client says that has no wire of its own: nothing, for as long as its connection lives; `held` lives as long.
pub fn nothing(held: impl Sized + 'static) -> impl Stream<Item = Inbound> {
    stream::once(async move {
        let _held = held;
        std::future::pending().await
    })
}

impl Mount {
    /// A lane for this conversation.
    fn lane(&self, conversation: Box<dyn Conversation>) -> Rc<Lane> {
        Rc::new(Lane::new(conversation, self.framing, self.outbox, self.when_full))
    }

    /// Starts the connection of a guest whose messages come from `inbound`; gives its lane and its actor.
    pub fn connect(
        &self,
        surroundings: &Rc<Surroundings>,
        guest: Guest,
        inbound: impl Stream<Item = Inbound> + 'static,
    ) -> (Rc<Lane>, Addr<Connection>) {
        let lane = self.lane(self.protocol.open());
        if let Some(opening) = guest.opening {
            lane.control(opening);
        }
        let newcomer = Newcomer {
            lane: Rc::clone(&lane),
            key: LaneKey {
                courier: surroundings.courier,
                lane: surroundings.lanes.insert(Rc::clone(&lane)),
            },
            encoder: self.encoder,
            welcome: guest.welcome,
            bearer: guest.bearer,
            rules: Arc::clone(&self.rules),
            // A dialect without resumption has nothing to wait for.
            first: guest
                .first
                .or_else(|| (!self.protocol.resumes()).then_some(Request::Ready)),
            listing: guest.listing,
        };
        let connection = Connection::open(Rc::clone(surroundings), newcomer, inbound);
        (lane, connection)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
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
        })
    }
}
