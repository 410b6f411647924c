//! The section of a connector with `type = "rabbitmq"`.
//!
//! In: settings as people write them, for one queue or for what clients need. Out: a connector, or which key is
//! impossible and why. It does not touch the network: whether the broker agrees is seen by `run`.

mod demand;
mod plan;
mod text_or_table;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use turted_core::mapping::{Envelope, Recipe};
use turted_core::{ConnectorConfig, SettingError};

pub use demand::{OnDemand, RuleConfig};

use crate::broker::Broker;
use crate::delivery::vocabulary;
use crate::demand::Demand;
use crate::{Consumer, RabbitmqConnector, Work};

/// Most queues on demand, unless a section says otherwise.
const QUEUES: usize = 1000;
/// More than one broker is asked to have.
const MOST: usize = 100_000;

/// The settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RabbitmqConfig {
    /// `amqp://user:password@host:port/vhost`, or `amqps://…` for TLS with the certificates of the system. Required.
    /// `?heartbeat=` (seconds, default 3) and `?connection_timeout=` (milliseconds, default 10000) may follow.
    url: String,
    /// The queue to consume: its name, or a table. Required, unless there is `on_demand`.
    #[serde(default, deserialize_with = "text_or_table::optional")]
    queue: Option<Queue>,
    /// The exchange that the queue is bound to: the name of one that exists, or a table that declares it. Default none.
    #[serde(default, deserialize_with = "text_or_table::optional")]
    exchange: Option<Exchange>,
    /// Which messages of the exchange to take: routing keys, or tables for a headers exchange. A fanout exchange needs
    /// none.
    #[serde(default)]
    bindings: Vec<Binding>,
    /// Most messages that the broker hands out before they are acknowledged, 1 to 65535. Default 100.
    #[serde(default = "prefetch")]
    prefetch: u16,
    /// How the broker calls this consumer. Default `turted-` and the name of the section.
    #[serde(default)]
    consumer_tag: Option<String>,
    /// How a message becomes a dispatch. Default `"turted"`: its body is a push.
    #[serde(default)]
    envelope: Option<Envelope>,
    /// Instead of a queue: rules that say what is heard while clients are in which channels, or `"rackhd"`, which
    /// stands for those of RackHD.
    #[serde(default)]
    on_demand: Option<OnDemand>,
    /// Most queues at once on demand, at most 100,000. Default 1000.
    #[serde(default)]
    queues: Option<usize>,
}

fn prefetch() -> u16 {
    100
}

/// A queue. It is declared durable, which changes nothing when it is there already with the same arguments.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Its name, 1 to 255 bytes. Required.
    name: String,
    /// Whether it must exist; it is not declared then, and no other key may stand here. Default false.
    #[serde(default)]
    passive: bool,
    /// `classic` or `quorum`. Default: as the broker decides, which is classic.
    #[serde(default, rename = "type")]
    kind: Option<QueueType>,
    /// How often a quorum queue delivers a message again before it gives it up. Default: as the broker decides.
    #[serde(default)]
    delivery_limit: Option<u32>,
    /// The exchange that gets what is rejected or expires. Default none: it is dropped.
    #[serde(default)]
    dead_letter_exchange: Option<String>,
    /// The routing key it gets there. Default: its own.
    #[serde(default)]
    dead_letter_routing_key: Option<String>,
    /// Further arguments, such as `x-max-length = 100000`: texts, numbers, booleans. Default none.
    #[serde(default)]
    arguments: BTreeMap<String, Value>,
}

impl From<String> for Queue {
    fn from(name: String) -> Self {
        Self {
            name,
            ..Default::default()
        }
    }
}

/// Kinds of queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueType {
    /// On one node.
    Classic,
    /// On several nodes that agree.
    Quorum,
}

/// An exchange.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Its name, 1 to 255 bytes.
    name: String,
    /// Declares it durable, of this type. Absent: it must exist.
    #[serde(default, rename = "type")]
    kind: Option<ExchangeType>,
}

impl From<String> for Exchange {
    fn from(name: String) -> Self {
        Self { name, kind: None }
    }
}

/// Kinds of exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExchangeType {
    /// Routing keys are patterns: `order.*`, `order.#`.
    Topic,
    /// Routing keys match as they are.
    Direct,
    /// Every queue gets every message.
    Fanout,
    /// Headers decide.
    Headers,
}

/// Which messages of an exchange to take.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a routing key, or a table { headers = { … }, match = \"all\" }"
)]
pub enum Binding {
    /// Those with this routing key, or one that it matches.
    Key(String),
    /// Those with these headers.
    Headers(HeadersBinding),
}

/// A binding to a headers exchange.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadersBinding {
    /// Names and values: texts, numbers, booleans.
    headers: BTreeMap<String, Value>,
    /// Whether all of them must be there, or any. Default `all`.
    #[serde(default, rename = "match")]
    which: Match,
}

/// How many headers must match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Match {
    /// Each.
    #[default]
    All,
    /// At least one.
    Any,
}

impl ConnectorConfig for RabbitmqConfig {
    const TYPE: &'static str = "rabbitmq";
    type Connector = RabbitmqConnector;

    fn build(self) -> Result<RabbitmqConnector, SettingError> {
        let mut wrong = Vec::new();
        if self.prefetch == 0 {
            wrong.push(SettingError::new("prefetch", "must be between 1 and 65535"));
        }
        if let Some(Err(error)) = self.consumer_tag.as_ref().map(|tag| plan::name("consumer_tag", tag)) {
            wrong.push(error);
        }
        let broker = Broker::parse(&self.url).map_err(|error| wrong.push(error));
        let work = self.work().map_err(|errors| wrong.extend(errors));
        match (broker, work) {
            (Ok(broker), Ok(work)) if wrong.is_empty() => Ok(RabbitmqConnector { broker, work }),
            _ => Err(SettingError::several(wrong)),
        }
    }
}

impl RabbitmqConfig {
    fn work(self) -> Result<Work, Vec<SettingError>> {
        match (self.queue, self.on_demand) {
            (Some(queue), None) => {
                let mut wrong = Vec::new();
                if self.queues.is_some() {
                    wrong.push(SettingError::new(
                        "queues",
                        "is for on_demand, and this section has a queue",
                    ));
                }
                let topology = plan::topology(queue, self.exchange, self.bindings).map_err(|error| wrong.push(error));
                let envelope = self.envelope.unwrap_or_default();
                let recipe = Recipe::new(envelope, &vocabulary(), &json!("{json}"));
                let recipe = recipe.map_err(|error| wrong.extend(error.all()));
                match (topology, recipe) {
                    (Ok(topology), Ok(recipe)) if wrong.is_empty() => Ok(Work::Queue(Box::new(Consumer {
                        topology,
                        prefetch: self.prefetch,
                        consumer_tag: self.consumer_tag,
                        recipe,
                    }))),
                    _ => Err(wrong),
                }
            }
            (None, Some(on_demand)) => {
                let foreign = [
                    ("exchange", self.exchange.is_some()),
                    ("bindings", !self.bindings.is_empty()),
                    ("consumer_tag", self.consumer_tag.is_some()),
                    ("envelope", self.envelope.is_some()),
                ];
                let foreign = foreign.into_iter().filter(|(_, is_there)| *is_there);
                let why = "is for a queue; with on_demand the rules say it";
                let mut wrong: Vec<SettingError> = foreign.map(|(key, _)| SettingError::new(key, why)).collect();
                let most = self.queues.unwrap_or(QUEUES);
                if !(1..=MOST).contains(&most) {
                    wrong.push(SettingError::new("queues", format!("must be from 1 to {MOST}")));
                }
                match demand::rules(on_demand) {
                    Ok(rules) if wrong.is_empty() => Ok(Work::Demand(Demand {
                        rules,
                        prefetch: self.prefetch,
                        most,
                    })),
                    Ok(_) => Err(wrong),
                    Err(error) => {
                        wrong.extend(error.all());
                        Err(wrong)
                    }
                }
            }
            (Some(_), Some(_)) => {
                let why = "stands beside queue; a section has one of them";
                Err(vec![SettingError::new("on_demand", why)])
            }
            (None, None) => Err(vec![SettingError::new("", "needs queue or on_demand: what to hear")]),
        }
    }
}
