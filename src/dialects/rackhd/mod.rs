//! RackHD, whose WebSocket server is on-wss of MonoRail: resources that are asked for, and watched.
//!
//! In: JSON objects that name a `handler`, and a resource; the last part of the path is the resource of messages that
//! name none. Out: the same. A question is a call of the resource's name; a watch is a channel, whose events
//! `created`, `updated` and `destroyed` are items and removals. `conversation` decides, `watches` counts, `messages`
//! writes, `door` is where clients come in.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use turted_core::encode::Delivery;
use turted_core::{ChannelName, Conversation, Limits, NameError, Protocol, Target};

pub mod config;
mod conversation;
mod door;
mod messages;
mod watches;

use conversation::Messenger;

/// The resource that is what somebody publishes to RabbitMQ, and no collection.
pub const MQ: &str = "mq";

/// The resources of RackHD.
pub const RESOURCES: [&str; 12] = [
    "catalogs",
    "files",
    "graphDefs",
    "graphObjs",
    "logs",
    "lookups",
    "nodes",
    "pollers",
    "profiles",
    "skus",
    "taskDefs",
    "templates",
];

/// The exchanges of RackHD.
pub const EXCHANGES: [&str; 13] = [
    "on.configuration",
    "on.dhcp",
    "on.events",
    "on.http",
    "on.logging",
    "on.task-graph-runner",
    "on.scheduler",
    "on.task",
    "on.tftp",
    "on.waterline",
    "on.test",
    "on.ssdp",
    "on.heartbeat",
];

/// What one entrance makes of it.
#[derive(Debug)]
pub struct Terms {
    /// What may be asked for and watched, besides `mq`.
    pub resources: BTreeSet<String>,
    /// What stands before and behind a resource in the name of its channel.
    pub around: (String, String),
    /// The exchanges that may be watched as `mq`.
    pub exchanges: BTreeSet<String>,
    /// The resources by which clients hear what their user, and what everybody is told.
    pub personal: (String, String),
    /// Bounds for names and nesting.
    pub limits: Limits,
    /// How many bad messages in a row end a client.
    pub bad_messages: u32,
}

impl Terms {
    /// The channel of a resource.
    fn channel(&self, resource: &str) -> Result<ChannelName, NameError> {
        let (before, behind) = &self.around;
        ChannelName::parse(&format!("{before}{resource}{behind}"), &self.limits)
    }

    /// The resource of a channel: `mq` for everything that is behind it, and the channel itself when it is none.
    fn resource<'a>(&self, channel: &'a str) -> &'a str {
        let (before, behind) = &self.around;
        let inner = channel.strip_prefix(before.as_str());
        let resource = inner.and_then(|inner| inner.strip_suffix(behind.as_str()));
        match resource.unwrap_or(channel) {
            topic if topic.strip_prefix(MQ).is_some_and(|rest| rest.starts_with(':')) => MQ,
            resource => resource,
        }
    }
}

/// The dialect with its terms.
#[derive(Debug, Clone)]
pub struct RackHd {
    terms: Arc<Terms>,
    /// The resource of messages that name none.
    at: Option<Arc<str>>,
}

impl RackHd {
    /// The dialect on these terms.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        let terms = Arc::new(terms);
        Self { terms, at: None }
    }

    /// The same for clients whose path ends with this.
    #[must_use]
    pub fn at(&self, part: &str) -> Self {
        Self {
            terms: Arc::clone(&self.terms),
            at: (!part.is_empty()).then(|| part.into()),
        }
    }
}

impl Protocol for RackHd {
    fn name(&self) -> &'static str {
        "rackhd"
    }

    fn open(&self) -> Box<dyn Conversation> {
        Box::new(Messenger::new(Arc::clone(&self.terms), self.at.clone()))
    }

    fn resumes(&self) -> bool {
        false
    }

    fn encode_event(&self, delivery: &Delivery<'_>) -> Bytes {
        let Delivery {
            event, payload, via, ..
        } = delivery;
        let resource = match via {
            Target::Channel(name) => match self.terms.resource(name.as_str()) {
                MQ => return messages::letter(via, event.as_str(), payload),
                resource => resource,
            },
            // A program that knows the protocol says a message as it is.
            _ if messages::is_whole(payload) => return Bytes::copy_from_slice(payload.as_bytes()),
            Target::User(_) => &self.terms.personal.0,
            Target::Everybody => &self.terms.personal.1,
        };
        messages::change(resource, via, event.as_str(), payload)
    }
}
