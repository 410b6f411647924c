//! Hands on what comes through queues that are there on demand.
//!
//! In: consumers, as queues are made, and their messages. Out: dispatches, in the order of each queue; and which
//! consumers have ended. While the server is overloaded nothing is taken, and the broker stops at `prefetch`.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::stream::{BoxStream, SelectAll, StreamExt, once};
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use lapin::{Connection, Consumer, Event};
use tokio::sync::mpsc::{Receiver, Sender};
use turted_core::{ConnectorContext, ConnectorError, Outcome};

use super::heard::Heard;
use super::rules::Rules;
use super::{Demand, Ended, Source};
use crate::consumption::heed;
use crate::failure;

/// What comes from one consumer; at last that it has ended.
type Piece = (Arc<Source>, Option<Result<Delivery, lapin::Error>>);

/// All consumers.
pub struct Listening {
    rules: Rules,
    events: BoxStream<'static, Event>,
    new: Receiver<(Source, Consumer)>,
    ended: Sender<Ended>,
    all: SelectAll<BoxStream<'static, Piece>>,
}

impl Listening {
    pub fn new(
        connection: &Connection,
        demand: &Demand,
        new: Receiver<(Source, Consumer)>,
        ended: Sender<Ended>,
    ) -> Self {
        Self {
            rules: demand.rules.clone(),
            events: connection.events_listener().boxed(),
            new,
            ended,
            all: SelectAll::new(),
        }
    }

    /// Until the server stops, or the connection is lost.
    pub async fn work(mut self, cx: &ConnectorContext) -> Result<(), ConnectorError> {
        let mut stop = pin!(cx.shutdown.wait());
        loop {
            let (source, piece) = tokio::select! {
                () = &mut stop => return Ok(()),
                Some((source, consumer)) = self.new.recv() => {
                    self.add(source, consumer);
                    continue;
                }
                Some(event) = self.events.next() => {
                    heed(event, cx);
                    continue;
                }
                Some(piece) = self.all.next() => piece,
            };
            match piece {
                Some(Ok(delivery)) => {
                    if let Outcome::Left = take(&self.rules, &source, &delivery, cx).await {
                        return Ok(());
                    }
                }
                Some(Err(error)) => return Err(failure::of("lost the broker", &error)),
                None => {
                    let (channel, number) = (source.channel.clone(), source.number);
                    // To wait for whoever makes queues, who may wait for this, would be for ever.
                    if self.ended.try_send(Ended { channel, number }).is_err() {
                        return Err(ConnectorError::new("more queues end than are made"));
                    }
                }
            }
        }
    }

    fn add(&mut self, source: Source, consumer: Consumer) {
        let source = Arc::new(source);
        let last = (Arc::clone(&source), None);
        let deliveries = consumer.map(move |delivery| (Arc::clone(&source), Some(delivery)));
        self.all.push(deliveries.chain(once(async { last })).boxed());
    }
}

async fn take(rules: &Rules, source: &Source, delivery: &Delivery, cx: &ConnectorContext) -> Outcome {
    let mut outcome = Outcome::Dispatched;
    if !source.is_released.load(Ordering::Relaxed)
        && let Some(rule) = rules.0.get(source.rule)
    {
        let heard = Heard {
            delivery,
            channel: &source.channel,
            limits: &cx.limits,
        };
        outcome = cx.take(&rule.recipe, &heard).await;
    }
    if outcome != Outcome::Left {
        // When it fails, the connection is gone, and the consumers hear of that as well.
        let _ = delivery.ack(BasicAckOptions::default()).await;
    }
    outcome
}
