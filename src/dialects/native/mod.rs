//! The native protocol, version 1: JSON objects, one per message.
//!
//! In: `IDENT JOIN LEAVE PUBLISH ECHO PING RESUME`. Out: `WELCOME OK ERROR ECHO PONG EVENT GAP LEFT EXPIRING BYE`.
//! `reply` writes, `conversation` decides; the wire facts are in `docs/protocol.md`.

use std::time::Duration;

use bytes::Bytes;
use turted_core::Limits;
use turted_core::encode::Delivery;

use turted_core::{Conversation, Protocol};

mod commands;
mod conversation;
mod forms;
mod polling;
pub mod polls;
pub mod reply;
pub mod socket;
pub mod stream;

use crate::client::requests::rules::Start;
use conversation::NativeConversation;
pub use reply::{SERVER, rejected};

/// The WebSocket subprotocol that a client may ask for.
pub const SUBPROTOCOL: &str = "turted.v1";

/// A client whose commands are requests of their own needs a connection for them first.
const SLOW_START: Start = Start::Grace(Duration::from_secs(5));

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

    fn encoding(&self) -> Option<&'static str> {
        Some("native")
    }

    fn open(&self) -> Box<dyn Conversation> {
        Box::new(NativeConversation::new(self.limits, self.bad_messages))
    }

    fn encode_event(&self, delivery: &Delivery<'_>) -> Bytes {
        reply::event(delivery)
    }
}
