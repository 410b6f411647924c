//! Makes queues for what is needed, and gives up those that nobody needs.
//!
//! In: what changed about who needs what. Out: consumers for those who listen, and word to those who wait that their
//! channel is heard. What the broker refuses (an exchange that is not there, or that this user may not read) is said in
//! the log and tried again; the others go on.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lapin::options::BasicQosOptions;
use lapin::{Channel, Connection, Consumer, Error};
use log::warn;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use turted_core::connector::say;
use turted_core::envelope::Refusal;
use turted_core::occupancy::{Changes, Watch};
use turted_core::{ChannelName, ConnectorContext, ConnectorError};

use super::queue::Queue;
use super::{Demand, Ended, Source, open};
use crate::failure;

/// How often a part of the queues is looked after.
const TICK: Duration = Duration::from_secs(1);
/// In how many parts all of them are.
const PARTS: usize = 20;

/// All queues.
pub struct Tending<'a> {
    connection: &'a Connection,
    demand: &'a Demand,
    cx: &'a ConnectorContext,
    /// For what the broker may refuse.
    setup: Channel,
    /// For consumers.
    intake: Channel,
    watch: Watch,
    queues: HashMap<ChannelName, Made>,
    /// Needed, but not heard.
    missing: HashSet<ChannelName>,
    /// Who is looked after next.
    order: VecDeque<ChannelName>,
    made: u64,
    sources: Sender<(Source, Consumer)>,
    gone: Receiver<Ended>,
}

struct Made {
    queue: Queue,
    number: u64,
    is_released: Arc<AtomicBool>,
}

impl<'a> Tending<'a> {
    pub async fn new(
        connection: &'a Connection,
        demand: &'a Demand,
        cx: &'a ConnectorContext,
        sources: Sender<(Source, Consumer)>,
        gone: Receiver<Ended>,
    ) -> Result<Self, ConnectorError> {
        let (setup, intake) = (open(connection).await?, open(connection).await?);
        let bounded = intake.basic_qos(demand.prefetch, BasicQosOptions::default()).await;
        bounded.map_err(|error| failure::of("cannot bound what is under way", &error))?;
        let rules = demand.rules.clone();
        Ok(Self {
            connection,
            demand,
            cx,
            setup,
            intake,
            watch: cx.occupancy.watch(move |name| rules.find(name).is_some()),
            queues: HashMap::new(),
            missing: HashSet::new(),
            order: VecDeque::new(),
            made: 0,
            sources,
            gone,
        })
    }

    /// Ends when the connection is lost.
    pub async fn work(mut self) -> ConnectorError {
        let mut tick = interval_at(Instant::now() + TICK, TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Err(error) = self.step(&mut tick).await {
                return error;
            }
        }
    }

    async fn step(&mut self, tick: &mut Interval) -> Result<(), ConnectorError> {
        tokio::select! {
            changes = self.watch.changes() => self.follow(changes).await,
            Some(ended) = self.gone.recv() => self.replace(ended).await,
            _ = tick.tick() => self.look_after().await,
        }
    }

    async fn follow(&mut self, changes: Changes) -> Result<(), ConnectorError> {
        for name in &changes.released {
            self.missing.remove(name);
            if let Some(made) = self.queues.remove(name) {
                made.is_released.store(true, Ordering::Relaxed);
                let given_up = made.queue.give_up(&self.intake).await;
                given_up.map_err(|error| failure::of("lost the broker", &error))?;
            }
        }
        for name in &changes.needed {
            self.hear(name).await?;
        }
        self.watch.settled(&changes);
        Ok(())
    }

    /// The broker has ended a consumer: the queue was deleted by somebody.
    async fn replace(&mut self, ended: Ended) -> Result<(), ConnectorError> {
        let Ended { channel, number } = ended;
        if self.queues.get(&channel).is_none_or(|made| made.number != number) {
            return Ok(());
        }
        self.queues.remove(&channel);
        warn!(
            "connector {}: the queue for {channel} was deleted, and is made again",
            self.cx.name
        );
        self.hear(&channel).await
    }

    /// Makes anew what leads to a queue, if it is gone: nobody says so when an exchange or a binding is deleted. What
    /// could not be heard is tried again.
    async fn look_after(&mut self) -> Result<(), ConnectorError> {
        if self.order.is_empty() {
            self.order = self.queues.keys().chain(&self.missing).cloned().collect();
        }
        let all = self.queues.len() + self.missing.len();
        for _ in 0..all.div_ceil(PARTS) {
            let Some(name) = self.order.pop_front() else {
                break;
            };
            if self.missing.contains(&name) {
                self.hear(&name).await?;
            } else if let Some(made) = self.queues.get(&name) {
                let queue = made.queue.clone();
                if let Err(error) = queue.bind(&self.setup).await {
                    self.refused(&name, &queue, &error).await?;
                }
            }
        }
        Ok(())
    }

    /// Makes a queue for this channel. It is missing when the broker does not want it.
    async fn hear(&mut self, name: &ChannelName) -> Result<(), ConnectorError> {
        self.missing.insert(name.clone());
        let Some((rule, wanted)) = self.demand.rules.find(name.as_str()) else {
            return Ok(());
        };
        if self.queues.len() >= self.demand.most {
            let why = format!(
                "{} queues are there already, which is what queues allows",
                self.demand.most
            );
            self.say(name, &why);
            return Ok(());
        }
        let kind = self.demand.rules.0.get(rule).and_then(|rule| rule.kind.clone());
        let queue = Queue::new(wanted, kind);
        if let Err(error) = queue.make(&self.setup).await {
            self.refused(name, &queue, &error).await?;
            let unmade = queue.unmake(&self.setup).await;
            return unmade.map_err(|error| failure::of("lost the broker", &error));
        }
        let consumer = queue.consume(&self.intake).await;
        let consumer =
            consumer.map_err(|error| failure::of(&format!("cannot consume queue {:?}", queue.name), &error))?;
        self.made += 1;
        let is_released = Arc::<AtomicBool>::default();
        let source = Source {
            channel: name.clone(),
            rule,
            number: self.made,
            is_released: Arc::clone(&is_released),
        };
        // Whoever listens is there as long as this is.
        let _ = self.sources.send((source, consumer)).await;
        let made = Made {
            queue,
            number: self.made,
            is_released,
        };
        self.queues.insert(name.clone(), made);
        self.missing.remove(name);
        Ok(())
    }

    /// The broker refuses, which has closed the channel; an error when the connection is lost.
    async fn refused(&mut self, name: &ChannelName, queue: &Queue, error: &Error) -> Result<(), ConnectorError> {
        let (exchange, key) = (&queue.wanted.exchange, &queue.wanted.key);
        let why = failure::of(&format!("cannot bind {key:?} to exchange {exchange:?}"), error);
        if !self.connection.status().connected() {
            return Err(why);
        }
        self.setup = open(self.connection).await.map_err(|_| why.clone())?;
        self.say(name, &why.to_string());
        Ok(())
    }

    fn say(&self, name: &ChannelName, why: &str) {
        let refusal = Refusal::new("not_heard", format!("{name}: {why}"));
        let key = format!("see connectors.{}.on_demand; it is tried again", self.cx.name);
        say(
            &self.cx.name,
            &self.cx.report,
            "does not hear a channel that somebody needs",
            &refusal,
            &key,
        );
    }
}
