//! The contracts of a dialect: what a client and the server say to each other, as a pure state machine.
//!
//! In: text that a carrier has received, and notices of the server. Out: [`Reaction`]s. A dialect knows no actor, no
//! clock, no socket, and not who else is connected.

use std::time::Duration;

use bytes::Bytes;

use crate::client::{Intent, Notice, Rejection, Tag, Welcome};
use crate::encode::Delivery;
use crate::ending::Ending;

/// One dialect.
pub trait Protocol: Send + Sync {
    /// Its name in logs.
    fn name(&self) -> &'static str;
    /// A name that all protocols share whose [`encode_event`](Self::encode_event) writes the same bytes, so that an
    /// event is encoded once for all of them. `None`, the default: nobody else writes what this one does.
    fn encoding(&self) -> Option<&'static str> {
        None
    }
    /// The state machine for a new client.
    fn open(&self) -> Box<dyn Conversation>;
    /// Whether a client may continue an earlier connection, so that events wait until it had time to say so.
    fn resumes(&self) -> bool {
        true
    }
    /// The message that carries an event, shared by all clients that `via` reached.
    fn encode_event(&self, delivery: &Delivery<'_>) -> Bytes;
}

/// One client's side of a protocol. Each method appends what is to be done, in order.
pub trait Conversation: Send {
    /// The first words to the client.
    fn welcome(&mut self, welcome: &Welcome, out: &mut Vec<Reaction>);
    /// A text message came in.
    fn receive(&mut self, text: &str, out: &mut Vec<Reaction>);
    /// A message came in that is not text.
    fn receive_binary(&mut self, _data: Bytes, out: &mut Vec<Reaction>) {
        let rejection = Rejection::BadMessage("messages must be text, not binary".into());
        self.refuse("", &rejection, out);
    }
    /// A text message came in that is not to be acted upon, only answered with this rejection.
    fn refuse(&mut self, text: &str, rejection: &Rejection, out: &mut Vec<Reaction>);
    /// The server answers an intent, or has something to tell.
    fn notify(&mut self, notice: &Notice, tag: &Tag, out: &mut Vec<Reaction>);
    /// The time is over for which [`Reaction::Wake`] asked.
    fn wake(&mut self, _out: &mut Vec<Reaction>) {}
    /// Whether its client hears some events more often than once, or not at all: then each is asked about by
    /// [`times`](Self::times). Looked at after whatever it is given.
    fn repeats(&self) -> bool {
        false
    }
    /// How often its client hears this event, which [`Protocol::encode_event`] has written.
    fn times(&self, _event: &[u8]) -> usize {
        1
    }
    /// The last words to the client.
    fn farewell(&mut self, ending: Ending, out: &mut Vec<Reaction>);
}

/// What a conversation asks its connection to do.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reaction {
    /// The client wants something. Several wishes are granted in order, each after the answer to the one before.
    Want(Intent, Tag),
    /// Send this message.
    Send(Bytes),
    /// Send this message, which is not text.
    SendBinary(Bytes),
    /// End the connection.
    Close(Ending),
    /// Call [`Conversation::wake`] after this time. A later one takes the place of an earlier one.
    Wake(Duration),
}
