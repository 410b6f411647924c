//! Services without a vocabulary: one says back what it hears, one says goodbye at once.
//!
//! In: messages. Out: the same, or an ending. They know no users and no channels.

use bytes::Bytes;
use turted_core::{Conversation, Delivery, Ending, Notice, Protocol, Reaction, Rejection, Tag, Welcome};

/// Says back what it hears.
pub struct Echo;

/// Says `3000 "Go away!"`.
pub struct Close;

impl Protocol for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn open(&self) -> Box<dyn Conversation> {
        Box::new(Plain { ending: None })
    }

    fn encode_event(&self, delivery: &Delivery<'_>) -> Bytes {
        Bytes::copy_from_slice(delivery.payload.as_bytes())
    }
}

impl Protocol for Close {
    fn name(&self) -> &'static str {
        "close"
    }

    fn open(&self) -> Box<dyn Conversation> {
        let ending = Some(Ending::Custom(3000, "Go away!"));
        Box::new(Plain { ending })
    }

    fn encode_event(&self, delivery: &Delivery<'_>) -> Bytes {
        Echo.encode_event(delivery)
    }
}

struct Plain {
    ending: Option<Ending>,
}

impl Conversation for Plain {
    fn welcome(&mut self, _: &Welcome, out: &mut Vec<Reaction>) {
        out.extend(self.ending.map(Reaction::Close));
    }

    fn receive(&mut self, text: &str, out: &mut Vec<Reaction>) {
        out.push(Reaction::Send(Bytes::copy_from_slice(text.as_bytes())));
    }

    fn receive_binary(&mut self, data: Bytes, out: &mut Vec<Reaction>) {
        out.push(Reaction::SendBinary(data));
    }

    fn refuse(&mut self, _: &str, _: &Rejection, _: &mut Vec<Reaction>) {}

    fn notify(&mut self, _: &Notice, _: &Tag, _: &mut Vec<Reaction>) {}

    fn farewell(&mut self, _: Ending, _: &mut Vec<Reaction>) {}
}
