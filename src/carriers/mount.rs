//! What is offered at a path, and what it takes to let a client in there.
//!
//! In: protocols, framings, rules, and the bounds of the configuration. Out: [`Mount`]s, on which connections start; [`Routes`] for the HTTP
//! side; and for the Dispatcher the encoders that mounts name by their number. It knows no dialect and no carrier by name.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_web::web::ServiceConfig;
use futures_util::Stream;
use turted_core::{Conversation, EncodeEvent, Intent, Protocol};

use crate::client::voice::WhenFull;
use crate::client::{Connection, Framing, Inbound, Newcomer, OutboxBounds, Rules, Voice, Worker};

/// Puts routes into place. Called once per worker.
pub type Routes = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

/// Something for clients that a server can offer at a path.
pub trait Offer {
    /// Makes what it needs, and gives its routes at and below `path`.
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes;
}

/// What holds for every client, wherever it comes in.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bounds of each outbox.
    pub outbox: OutboxBounds,
    /// What a full outbox means.
    pub when_full: WhenFull,
    /// Largest inbound message in bytes.
    pub message_bytes: usize,
    /// Between two signs of life.
    pub ping: Duration,
}

/// Makes mounts, and collects the encoders that they name.
pub struct Mounts {
    bounds: Bounds,
    encoders: Vec<Arc<dyn EncodeEvent>>,
}

impl Mounts {
    /// Mounts within these bounds.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let encoders = Vec::new();
        Self { bounds, encoders }
    }

    /// The encoders, in the order of their numbers.
    #[must_use]
    pub fn encoders(self) -> Vec<Arc<dyn EncodeEvent>> {
        self.encoders
    }

    /// Between two signs of life.
    #[must_use]
    pub fn ping(&self) -> Duration {
        self.bounds.ping
    }

    /// A mount for a protocol in this framing, whose events `encoder` writes.
    pub fn mount(
        &mut self,
        protocol: Arc<dyn Protocol>,
        framing: &'static dyn Framing,
        encoder: impl EncodeEvent + 'static,
        rules: Rules,
    ) -> Mount {
        self.encoders.push(Arc::new(encoder));
        Mount {
            protocol,
            framing,
            encoder: self.encoders.len() - 1,
            outbox: self.bounds.outbox,
            when_full: self.bounds.when_full,
            message_bytes: self.bounds.message_bytes,
            rules: Arc::new(rules),
        }
    }
}

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

impl Mount {
    /// A voice for this conversation.
    pub(super) fn voice(&self, conversation: Box<dyn Conversation>) -> Rc<Voice> {
        Rc::new(Voice::new(conversation, self.framing, self.outbox, self.when_full))
    }

    /// Starts the connection of a newcomer whose messages come from `inbound`; gives its voice and its actor.
    pub fn connect(
        &self,
        worker: &Rc<Worker>,
        mut newcomer: Newcomer,
        inbound: impl Stream<Item = Inbound> + 'static,
    ) -> (Rc<Voice>, Addr<Connection>) {
        let voice = self.voice(self.protocol.open());
        if !self.protocol.resumes() {
            // A dialect without resumption has nothing to wait for.
            newcomer.first.get_or_insert(Intent::Ready);
        }
        let connection = Connection::open(worker, &voice, &self.rules, self.encoder, newcomer, inbound);
        (voice, connection)
    }
}
