//! What is offered at a path, and what it takes to let a client in there.
//!
//! In: protocols, framings, rules, and the bounds of the configuration. Out: [`Mount`]s, on which connections start;
//! [`Routes`] for the HTTP side; and for the Dispatcher the encoders that mounts name by their number. It knows no
//! dialect and no carrier by name.

use std::any::TypeId;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_web::web::ServiceConfig;
use futures_util::Stream;
use log::debug;
use serde::de::DeserializeOwned;
use turted_core::{Conversation, EncodeEvent, Intent, Limits, Protocol, SettingError};

use crate::client::outbox::WhenFull;
use crate::client::{Connection, Framing, Inbound, Newcomer, OutboxBounds, Rules, Voice, Worker};
use crate::dispatcher::life::LIFE;

/// Puts routes into place. Called once per worker.
pub type Routes = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

/// Something for clients that a server can offer at a path.
pub trait Offer {
    /// Makes what it needs, and gives its routes at and below `path`.
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes;

    /// Whether it leaves requests at its path to others that are not for it. Default false. It is asked before them.
    fn shares(&self) -> bool {
        false
    }
}

/// A section `[clients.<name>]` of one type.
pub trait OfferConfig: DeserializeOwned {
    /// The value of `type` in the section.
    const TYPE: &'static str;
    /// What it builds.
    type Offer: Offer;

    /// Checks what types alone cannot say, and builds the offer.
    ///
    /// # Errors
    /// Which value is impossible, and what is allowed.
    fn build(self, bounds: &Bounds) -> Result<Self::Offer, SettingError>;
}

/// What holds for every client, wherever it comes in.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bounds for names and nesting.
    pub limits: Limits,
    /// How many bad messages in a row end a client. Default 20.
    pub bad_messages: u32,
    /// Largest inbound message in bytes. Default 64 KiB.
    pub message_bytes: usize,
    /// Between two signs of life. Default 25 s.
    pub ping: Duration,
    /// Bounds of each outbox. Default 1 MiB and 4,096 frames.
    pub outbox: OutboxBounds,
    /// What a full outbox means. Default `Close`.
    pub when_full: WhenFull,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            bad_messages: 20,
            message_bytes: 64 * 1024,
            ping: Duration::from_secs(25),
            outbox: OutboxBounds {
                bytes: 1024 * 1024,
                frames: 4096,
            },
            when_full: WhenFull::Close,
        }
    }
}

/// Makes mounts, and collects the encoders that they name. Whoever writes the same bytes shares one.
pub struct Mounts {
    bounds: Bounds,
    encoders: Vec<(Writes, Arc<dyn EncodeEvent>)>,
}

/// What an encoder writes: in whose framing, and what is framed.
type Writes = (TypeId, Spoken);

#[derive(PartialEq)]
enum Spoken {
    /// See [`Protocol::encoding`].
    Shared(&'static str),
    /// Nobody else writes what the protocol at this address does.
    Own(*const ()),
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
        self.encoders.into_iter().map(|(_, encoder)| encoder).collect()
    }

    /// Between two signs of life.
    #[must_use]
    pub fn ping(&self) -> Duration {
        self.bounds.ping
    }

    /// A mount for a protocol in this framing, whose events are written by the encoder that `wrap` makes of the
    /// protocol.
    pub fn mount<E: EncodeEvent + 'static>(
        &mut self,
        protocol: Arc<dyn Protocol>,
        framing: &'static dyn Framing,
        wrap: fn(Arc<dyn Protocol>) -> E,
        rules: Rules,
    ) -> Mount {
        let rules = Rules {
            dialect: protocol.name(),
            ..rules
        };
        Mount {
            encoder: self.encoder(&protocol, wrap),
            protocol,
            framing,
            outbox: self.bounds.outbox,
            when_full: self.bounds.when_full,
            message_bytes: self.bounds.message_bytes,
            rules: Arc::new(rules),
        }
    }

    fn encoder<E: EncodeEvent + 'static>(
        &mut self,
        protocol: &Arc<dyn Protocol>,
        wrap: fn(Arc<dyn Protocol>) -> E,
    ) -> usize {
        // An address is nobody else's: the encoder keeps the protocol there.
        let own = || Spoken::Own(Arc::as_ptr(protocol).cast());
        let writes = (TypeId::of::<E>(), protocol.encoding().map_or_else(own, Spoken::Shared));
        let known = self.encoders.iter().position(|(written, _)| *written == writes);
        known.unwrap_or_else(|| {
            self.encoders.push((writes, Arc::new(wrap(Arc::clone(protocol)))));
            self.encoders.len() - 1
        })
    }
}

/// One protocol over one carrier, as the server offers it at a path.
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
    /// The same for one client, to which the protocol says something that is only for it. What it makes of events is
    /// not asked.
    #[must_use]
    pub fn speaking(&self, protocol: Arc<dyn Protocol>) -> Mount {
        let rules = Arc::clone(&self.rules);
        Mount {
            protocol,
            rules,
            ..*self
        }
    }

    /// A voice for this conversation.
    pub(crate) fn voice(&self, worker: &Worker, conversation: Box<dyn Conversation>) -> Rc<Voice> {
        let queued = &worker.relief.queued;
        let voice = Voice::new(conversation, self.framing, self.outbox, self.when_full, queued);
        Rc::new(voice)
    }

    /// Starts the connection of a newcomer whose messages come from `inbound`; gives its voice and its actor.
    pub fn connect(
        &self,
        worker: &Rc<Worker>,
        mut newcomer: Newcomer,
        inbound: impl Stream<Item = Inbound> + 'static,
    ) -> (Rc<Voice>, Addr<Connection>) {
        if let Some(came) = newcomer.came.take() {
            let (id, dialect) = (&newcomer.welcome.connection, self.protocol.name());
            debug!(target: LIFE, "{id} opened: {dialect} over {} {came}", newcomer.transport);
        }
        let conversation = newcomer.conversation.take();
        let voice = self.voice(worker, conversation.unwrap_or_else(|| self.protocol.open()));
        if !self.protocol.resumes() {
            // A dialect without resumption has nothing to wait for.
            match &mut newcomer.first {
                Some(Intent::Arrive(arrival)) => arrival.waits = false,
                first => drop(first.get_or_insert(Intent::Ready)),
            }
            newcomer.returns = false;
        }
        let connection = Connection::open(worker, &voice, &self.rules, self.encoder, newcomer, inbound);
        (voice, connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::dialects::kinds;

    #[test]
    fn whoever_writes_the_same_bytes_shares_an_encoder() {
        let bounds = Bounds::default();
        let mut mounts = Mounts::new(bounds);
        for (name, client) in Config::default().clients {
            let offer = kinds::build(&client, &bounds).unwrap_or_else(|wrong| panic!("{name}: {wrong:?}"));
            drop(offer.open(&client.path.unwrap_or_default(), &mut mounts));
        }
        // The native protocol on sockets, in both forms of a stream, and in SockJS frames; the classic one on sockets
        // and in frames; the two of Socket.IO in packets; the events of the PHP server; Primus; nodefony; those of
        // Bayeux, with the names that the specification has, and with more; realizehit; RackHD.
        assert_eq!(mounts.encoders().len(), 15);
    }
}
