//! A dialect for clients that only listen.
//!
//! In: nothing. Out: nothing but events, whose form is the transport's.

use bytes::Bytes;
use turted_core::encode::Delivery;
use turted_core::{Conversation, Ending, Notice, Protocol, Reaction, Rejection, Tag, Welcome};

/// Who listens is not spoken with.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Protocol for Quiet {
    fn name(&self) -> &'static str {
        "quiet"
    }

    fn encoding(&self) -> Option<&'static str> {
        Some("quiet")
    }

    fn open(&self) -> Box<dyn Conversation> {
        Box::new(Quiet)
    }

    fn encode_event(&self, delivery: &Delivery<'_>) -> Bytes {
        Bytes::copy_from_slice(delivery.payload.as_bytes())
    }
}

impl Conversation for Quiet {
    fn welcome(&mut self, _: &Welcome, _: &mut Vec<Reaction>) {}

    fn receive(&mut self, _: &str, _: &mut Vec<Reaction>) {}

    fn refuse(&mut self, _: &str, _: &Rejection, _: &mut Vec<Reaction>) {}

    fn notify(&mut self, _: &Notice, _: &Tag, _: &mut Vec<Reaction>) {}

    fn farewell(&mut self, _: Ending, _: &mut Vec<Reaction>) {}
}
