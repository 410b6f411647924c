//! The real-time protocol of nodefony: stage 0.0.2 to 0.1.9 (2015 to 2018) and nodefony-client 4 to 6.
//!
//! In: messages shaped as Bayeux has them, but each a bare object, and a connection that is one WebSocket. Out: the
//! same. A client subscribes to services: a channel, or a socket of somebody else that is bridged. `conversation`
//! decides, `answers` writes, `door` is where clients come in, and `login` how they say who they are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde_json::{Value, json};
use turted_core::encode::Delivery;
use turted_core::{ChannelName, Conversation, EventName, Limits, Protocol, Target};

mod address;
mod answers;
pub mod config;
mod conversation;
mod door;
pub mod login;

use conversation::Realtime;

/// What a service is.
#[derive(Debug, Clone, PartialEq)]
pub enum Service {
    /// A socket, by the call of the same name.
    Bridge(Value),
    /// A channel.
    Channel(ChannelName),
}

/// What one entrance makes of it.
#[derive(Debug)]
pub struct Terms {
    /// By name.
    pub services: BTreeMap<String, Service>,
    /// The event of what clients say to a channel.
    pub event: EventName,
    /// The services on which clients hear what their user, and everybody, is told.
    pub personal: (String, String),
    /// Whether clients that lose their wire are to come back.
    pub reconnect: bool,
    /// Bounds for names and nesting.
    pub limits: Limits,
    /// How many bad messages in a row end a client.
    pub bad_messages: u32,
    /// What clients are told that the time is.
    pub now: fn() -> SystemTime,
}

/// The dialect with its terms.
#[derive(Debug, Clone)]
pub struct Nodefony {
    terms: Arc<Terms>,
    /// From where a client comes, as JSON.
    address: Arc<str>,
}

impl Nodefony {
    /// The dialect on these terms.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self {
            terms: Arc::new(terms),
            address: "{}".into(),
        }
    }

    fn advice(&self) -> Value {
        self.terms.advice()
    }

    /// The same for a client that comes from there.
    #[must_use]
    pub fn to(&self, address: &Value) -> Self {
        Self {
            terms: Arc::clone(&self.terms),
            address: address.to_string().into(),
        }
    }
}

impl Terms {
    /// What clients are to do when they lose their wire.
    fn advice(&self) -> Value {
        json!({"reconnect": if self.reconnect { "retry" } else { "none" }})
    }

    /// The services as a client is told them.
    fn listed(&self) -> Value {
        let shown = |service: &Service| match service {
            Service::Bridge(shown) => shown.clone(),
            Service::Channel(_) => json!({"type": "channel"}),
        };
        let named = self
            .services
            .iter()
            .map(|(name, service)| (name.clone(), shown(service)));
        Value::Object(named.collect())
    }
}

impl Protocol for Nodefony {
    fn name(&self) -> &'static str {
        "nodefony"
    }

    fn open(&self) -> Box<dyn Conversation> {
        Box::new(Realtime::new(Arc::clone(&self.terms), Arc::clone(&self.address)))
    }

    fn resumes(&self) -> bool {
        false
    }

    fn encode_event(&self, delivery: &Delivery<'_>) -> Bytes {
        let terms = &self.terms;
        let service = match delivery.via {
            Target::Channel(name) => {
                let is_it = |(_, service): &(&String, &Service)| matches!(service, Service::Channel(of) if of == name);
                terms
                    .services
                    .iter()
                    .find(is_it)
                    .map_or(name.as_str(), |(service, _)| service)
            }
            Target::User(_) => &terms.personal.0,
            Target::Everybody => &terms.personal.1,
        };
        answers::service(service, delivery.payload)
    }
}

/// As stories and fuzzing have it: with a service that is a channel, one that nobody may hear, and one that is somebody
/// else's. The clock stands still.
#[cfg(any(test, fuzzing))]
pub fn sample() -> Nodefony {
    let limits = Limits::default();
    let channel = |name| ChannelName::parse(name, &limits).map(Service::Channel).ok();
    let services = [
        ("chat", channel("chat")),
        ("shut", channel("closed.room")),
        ("orders", Some(Service::Bridge(json!({"type": "tcp", "port": 1315})))),
    ];
    let services = services
        .into_iter()
        .filter_map(|(name, service)| Some((name.to_owned(), service?)));
    let terms = Terms {
        services: services.collect(),
        event: EventName::parse("MESSAGE", &limits).unwrap_or_else(|_| EventName::unnamed()),
        personal: ("user".to_owned(), "everybody".to_owned()),
        reconnect: true,
        limits,
        bad_messages: 20,
        now: || SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_795_233_069_600),
    };
    Nodefony::new(terms).to(&json!({"remoteAddress": "127.0.0.1"}))
}
