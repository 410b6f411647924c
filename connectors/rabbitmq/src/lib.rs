//! Way in: events from RabbitMQ (AMQP 0-9-1) queues.
//!
//! In: the section `[connectors.<name>]` with `type = "rabbitmq"`, and the messages of one queue. Out: dispatches, in
//! the order of the queue, and for each message an acknowledgement after its receipt, or a rejection for good. With
//! `on_demand` instead of a queue: at most once what is published while a client is in a channel that stands for it.
//! Refuses to know: reconnecting. It fails when the broker is gone, and the server runs it again.
//!
//! ```toml
//! [connectors.orders]
//! type = "rabbitmq"
//! url = "amqp://turted:${RABBITMQ_PASSWORD}@localhost:5672/%2f"
//! queue = { name = "orders", type = "quorum", dead_letter_exchange = "dead" }   # or just its name
//! exchange = { name = "shop", type = "topic" }                                  # or its name, if it exists
//! bindings = ["order.*"]
//! prefetch = 100
//! envelope = { event = "ORDER:{routing_key.1}", users = "{header.x-user}" }
//! ```
//!
//! * A message that can never be dispatched is rejected without requeue: the dead-letter exchange of the queue gets it,
//!   if there is one. A broker that dies at that moment may lose it, but for a quorum queue with `arguments = {
//!   x-dead-letter-strategy = "at-least-once", x-overflow = "reject-publish" }`.
//! * `message_id` is the idempotency key: a redelivered message is not dispatched twice.
//! * A mapping may use `{routing_key}` and its words (`{routing_key.0}`), `{exchange}`, `{header.…}`, `{message_id}`,
//!   `{correlation_id}`, `{app_id}`, `{user_id}`, `{type}`, `{content_type}`, `{content_encoding}`, `{reply_to}`,
//!   `{timestamp}` (seconds since 1970), `{expiration}`, `{priority}`, `{redelivered}`.

mod broker;
mod config;
mod consumption;
mod delivery;
mod demand;
mod failure;
mod link;
mod topology;

use std::time::Duration;

use futures_util::future::BoxFuture;
use log::info;
use turted_core::mapping::Recipe;
use turted_core::{Claim, ConnectorContext, ConnectorError, ConnectorState, PushConnector};

use crate::broker::Broker;
pub use crate::config::{
    Binding, Exchange, ExchangeType, Match, OnDemand, Queue, QueueType, RabbitmqConfig, RuleConfig,
};
use crate::consumption::Consumption;
use crate::demand::Demand;
use crate::link::Link;
use crate::topology::Topology;

/// How long each word of an orderly goodbye to the broker may take, which are the last acknowledgement and the goodbye
/// itself; what it does not hear of, it delivers again.
const GOODBYE: Duration = Duration::from_secs(1);

/// Hears from one broker. Built by [`RabbitmqConfig`].
pub struct RabbitmqConnector {
    broker: Broker,
    work: Work,
}

/// What it hears.
enum Work {
    /// What comes through one queue.
    Queue(Box<Consumer>),
    /// What clients need.
    Demand(Demand),
}

/// Consumes one queue.
struct Consumer {
    topology: Topology,
    prefetch: u16,
    consumer_tag: Option<String>,
    recipe: Recipe,
}

impl PushConnector for RabbitmqConnector {
    fn claims(&self) -> Vec<Claim> {
        let Work::Queue(consumer) = &self.work else {
            return Vec::new();
        };
        // Two consumers of a queue share its messages, and no order is left.
        let (queue, broker) = (consumer.topology.queue(), &self.broker);
        let what = format!("queue {queue:?} of {:?} at {}", broker.uri.vhost, broker.place);
        vec![Claim { key: "queue", what }]
    }

    fn watches(&self) -> bool {
        matches!(self.work, Work::Demand(_))
    }

    fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move {
            match &self.work {
                Work::Queue(consumer) => consumer.run(&self.broker, &cx).await,
                Work::Demand(demand) => demand.run(&self.broker, &cx).await,
            }
        })
    }
}

impl Consumer {
    async fn run(&self, broker: &Broker, cx: &ConnectorContext) -> Result<(), ConnectorError> {
        let tag = match &self.consumer_tag {
            Some(tag) => tag.clone(),
            None => format!("turted-{}", cx.name),
        };
        let link = Link::new(broker);
        let mut consumption = tokio::select! {
            begun = tokio::time::timeout(broker.patience, self.begin(broker, &link, cx, &tag)) => match begun {
                Ok(begun) => begun?,
                Err(_) => return Err(broker.silent()),
            },
            () = cx.shutdown.wait() => return Ok(()),
        };
        info!(
            "connector {} consumes queue {:?} at {}",
            cx.name,
            self.topology.queue(),
            broker.place
        );
        cx.report.state(ConnectorState::Running);
        consumption.work(cx, &self.recipe, &self.topology).await?;
        // Whatever goes wrong from here on, the broker keeps what was not acknowledged.
        let _ = tokio::time::timeout(GOODBYE, consumption.end()).await;
        Ok(())
    }

    /// Connects, declares what the section names, and begins to consume.
    async fn begin(
        &self,
        broker: &Broker,
        link: &Link,
        cx: &ConnectorContext,
        tag: &str,
    ) -> Result<Consumption, ConnectorError> {
        let connection = link.connect(broker, &cx.name).await?;
        let failed = |error| failure::of("cannot open a channel", &error);
        let channel = connection.create_channel().await.map_err(failed)?;
        let upkeep = connection.create_channel().await.map_err(failed)?;
        self.topology.declare(&channel).await?;
        Consumption::begin(connection, (channel, upkeep), self.topology.queue(), tag, self.prefetch).await
    }
}
