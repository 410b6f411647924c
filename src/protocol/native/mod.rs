//! The native protocol, version 1: JSON objects, one per message.
//!
//! In: `IDENT JOIN LEAVE ECHO PING RESUME`. Out: `WELCOME OK ERROR ECHO PONG EVENT GAP BYE`. `reply`
//! writes, `conversation` decides; the wire facts are in `docs/protocol.md`.

use bytes::Bytes;
use turted_core::Limits;
use turted_core::encode::Delivery;

use super::{Conversation, Protocol};

mod conversation;
mod reply;

use conversation::NativeConversation;
pub use reply::SERVER;

/// The WebSocket subprotocol that a client may ask for.
pub const SUBPROTOCOL: &str = "turted.v1";

/// The native dialect with its bounds.
#[derive(Debug, Clone, Copy)]
pub struct Native {
    limits: Limits,
    bad_messages: u32,
}

impl Native {
    /// A dialect that ends a client after `bad_messages` bad messages in a row.
    #[must_use]
    pub fn new(limits: Limits, bad_messages: u32) -> Self {
        Self { limits, bad_messages }
    }
}

impl Protocol for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn open(&self) -> Box<dyn Conversation> {
        Box::new(NativeConversation::new(self.limits, self.bad_messages))
    }

    fn encode_event(&self, delivery: &Delivery<'_>) -> Bytes {
        reply::event(delivery)
    }
}
