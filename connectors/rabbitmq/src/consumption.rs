//! From the queue to the Dispatcher, one message after the other.
//!
//! In: deliveries. Out: an acknowledgement for each that has its receipt, a rejection for each that can never have one,
//! in the order of the queue. While the server is overloaded nothing is taken, and the broker stops at `prefetch`.
//! Refuses to know what a message says.

use std::pin::pin;
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Channel, Connection, Consumer, Event};
use log::{info, warn};
use tokio::time::{Instant, sleep, sleep_until};
use turted_core::mapping::Recipe;
use turted_core::{ConnectorContext, ConnectorError, ConnectorState, Outcome};

use crate::GOODBYE;
use crate::delivery::Letter;
use crate::failure;
use crate::topology::Topology;

/// Most messages that one acknowledgement stands for. It is sent earlier when the queue runs dry.
const TOGETHER: u16 = 64;

/// How often what leads to the queue is declared again.
const UPKEEP: Duration = Duration::from_secs(20);

/// A consumer at work.
pub struct Consumption {
    connection: Connection,
    // Dropping it would close it.
    _channel: Channel,
    consumer: Consumer,
    events: BoxStream<'static, Event>,
    queue: String,
    /// For what has to be there; a refusal closes a channel, and acknowledgements must not go with it.
    upkeep: Channel,
    next_upkeep: Instant,
    /// The latest message whose receipt the broker does not know of, and how many there are.
    receipts: Option<Acker>,
    count: u16,
    together: u16,
}

impl Consumption {
    /// Asks for messages, at most `prefetch` at a time.
    pub async fn begin(
        connection: Connection,
        (channel, upkeep): (Channel, Channel),
        queue: &str,
        tag: &str,
        prefetch: u16,
    ) -> Result<Self, ConnectorError> {
        let failed = |error| failure::of(&format!("cannot consume queue {queue:?}"), &error);
        let events = connection.events_listener().boxed();
        channel
            .basic_qos(prefetch, BasicQosOptions::default())
            .await
            .map_err(failed)?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consumer = channel
            .basic_consume(queue.into(), tag.into(), options, arguments)
            .await
            .map_err(failed)?;
        Ok(Self {
            connection,
            _channel: channel,
            consumer,
            events,
            queue: queue.to_owned(),
            upkeep,
            next_upkeep: Instant::now() + UPKEEP,
            receipts: None,
            count: 0,
            together: TOGETHER.min(prefetch / 2).max(1),
        })
    }

    /// Takes messages until the server stops. The one in hand is finished; what came after it stays with the broker.
    pub async fn work(
        &mut self,
        cx: &ConnectorContext,
        recipe: &Recipe,
        topology: &Topology,
    ) -> Result<(), ConnectorError> {
        while let Some(delivery) = self.next(cx, topology).await? {
            // The channel is gone, and the broker has it back: it comes again.
            if !delivery.acker.usable() {
                continue;
            }
            match cx.take(recipe, &Letter(&delivery)).await {
                Outcome::Dispatched => {
                    self.receipts = Some(delivery.acker);
                    self.count += 1;
                    if self.count >= self.together {
                        self.acknowledge(cx).await;
                    }
                }
                Outcome::Refused(_) => {
                    let rejected = delivery.reject(BasicRejectOptions { requeue: false });
                    // When it fails, the channel is gone, as in `acknowledge`.
                    let _ = tell(rejected, &mut self.events, cx).await;
                }
                Outcome::Left => break,
            }
        }
        self.acknowledge(cx).await;
        Ok(())
    }

    /// Says goodbye; the broker gives what is not acknowledged to somebody else.
    pub async fn end(self) {
        // It is about to be cut off in any case.
        let _ = self.connection.close(200, "the server stops".into()).await;
    }

    /// The next message; `None` when the server stops.
    async fn next(&mut self, cx: &ConnectorContext, topology: &Topology) -> Result<Option<Delivery>, ConnectorError> {
        if cx.shutdown.is_wanted() {
            return Ok(None);
        }
        // Also while messages keep coming: one of several bindings may be gone.
        if self.next_upkeep <= Instant::now() {
            self.uphold(cx, topology).await?;
        }
        let mut ready = self.consumer.next().now_or_never();
        if ready.is_none() {
            self.acknowledge(cx).await;
        }
        let delivery = loop {
            if let Some(delivery) = ready.take() {
                break delivery;
            }
            tokio::select! {
                () = cx.shutdown.wait() => return Ok(None),
                Some(event) = self.events.next() => heed(event, cx),
                () = sleep_until(self.next_upkeep) => self.uphold(cx, topology).await?,
                delivery = self.consumer.next() => ready = Some(delivery),
            }
        };
        match delivery {
            Some(Ok(delivery)) => Ok(Some(delivery)),
            Some(Err(error)) => Err(failure::of(&format!("lost queue {:?}", self.queue), &error)),
            None => {
                // The channel may live on, and know what has been done.
                self.acknowledge(cx).await;
                Err(ConnectorError::new(format!(
                    "lost queue {:?}: the broker cancelled the consumer; the queue was deleted, or moves to another node",
                    self.queue
                )))
            }
        }
    }

    /// Makes what leads to the queue anew, if it is gone: nobody says so when an exchange or a binding is deleted, and
    /// no message would come any more.
    async fn uphold(&mut self, cx: &ConnectorContext, topology: &Topology) -> Result<(), ConnectorError> {
        self.next_upkeep = Instant::now() + UPKEEP;
        let upheld = tell(topology.declare(&self.upkeep), &mut self.events, cx).await;
        let Some(Err(error)) = upheld else {
            return Ok(());
        };
        // The channel of the messages is well and knows what has been done.
        self.acknowledge(cx).await;
        Err(error)
    }

    /// Tells the broker of every receipt that it does not know of.
    async fn acknowledge(&mut self, cx: &ConnectorContext) {
        self.count = 0;
        let Some(latest) = self.receipts.take() else {
            return;
        };
        // When it fails, the channel is gone; the consumer hears of that as well, with the reason.
        let told = latest.ack(BasicAckOptions { multiple: true });
        let _ = tell(told, &mut self.events, cx).await;
    }
}

/// Waits until the broker was told; `None` when the server stops and the broker does not listen. A goodbye does not go
/// behind what was asked for before, so what it must not overtake is waited for.
async fn tell<T>(
    told: impl Future<Output = T>,
    events: &mut BoxStream<'static, Event>,
    cx: &ConnectorContext,
) -> Option<T> {
    let mut told = pin!(told);
    let mut too_late = pin!(async {
        cx.shutdown.wait().await;
        sleep(GOODBYE).await;
    });
    loop {
        tokio::select! {
            answer = &mut told => return Some(answer),
            // The driver says nothing to a broker that blocks the connection, for as long as it does.
            Some(event) = events.next() => heed(event, cx),
            () = &mut too_late => return None,
        }
    }
}

/// Says what the broker says about the connection.
pub fn heed(event: Event, cx: &ConnectorContext) {
    match event {
        Event::ConnectionBlocked(reason) => {
            let error = format!("the broker blocks the connection: {reason}");
            warn!("connector {}: {error}", cx.name);
            cx.report.state(ConnectorState::Retrying { error, attempts: 0 });
        }
        Event::ConnectionUnblocked => {
            info!("connector {}: the broker no longer blocks the connection", cx.name);
            cx.report.state(ConnectorState::Running);
        }
        // The consumer hears of errors as well, in their place among the messages.
        _ => {}
    }
}
