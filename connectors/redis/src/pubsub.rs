//! Pub/Sub: at most once.
//!
//! In: what is published while there is a subscription. Out: dispatches, in the order of the connection. What comes
//! while the server is overloaded waits in a bounded buffer, and what does not fit is dropped and counted: the driver
//! reads on by itself, so that holding back would only move the queue into the driver, which has no bound. It
//! acknowledges nothing, as Pub/Sub has no acknowledgements.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Fuse, FutureExt};
use futures_util::stream::StreamExt;
use log::warn;
use redis::Msg;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::task::unconstrained;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use turted_core::envelope::Refusal;
use turted_core::occupancy::{Changes, Watch};
use turted_core::{ConnectorContext, ConnectorError, Message, Occupancy, Outcome, Recipe};

use crate::demand::{Wanted, follow};
use crate::server::{ANSWER, Server};

/// How often a quiet connection is asked whether it is still there.
const PING: Duration = Duration::from_secs(3);
/// How long it may take to answer that.
const PONG: Duration = Duration::from_secs(5);
/// How often it is said that messages are dropped.
const WARN: Duration = Duration::from_secs(60);
/// What a waiting message costs besides its bytes, about.
const OVERHEAD: usize = 256;

/// What to subscribe to.
pub struct Subscriptions {
    pub channels: Vec<String>,
    pub patterns: Vec<String>,
    /// What to subscribe to while somebody needs it.
    pub wanted: Option<Wanted>,
    /// How many bytes may wait.
    pub buffer: usize,
}

/// A connection on which all subscriptions are confirmed.
pub struct Listener<'a> {
    server: &'a Server,
    sink: PubSubSink,
    stream: PubSubStream,
    waiting: Waiting,
    watch: Option<Watch>,
}

impl Subscriptions {
    /// Connects and subscribes, to what is needed by now as well.
    pub async fn open<'a>(&self, server: &'a Server, occupancy: &Occupancy) -> Result<Listener<'a>, ConnectorError> {
        let (mut sink, stream) = server.listen().await?.split();
        let subscribe = async {
            if !self.channels.is_empty() {
                sink.subscribe(&self.channels).await?;
            }
            if !self.patterns.is_empty() {
                sink.psubscribe(&self.patterns).await?;
            }
            Ok(())
        };
        match timeout(ANSWER, subscribe).await {
            Ok(subscribed) => subscribed.map_err(|error| server.error("SUBSCRIBE", &error))?,
            Err(_) => return Err(silent(server, ANSWER)),
        }
        let mut watch = self.wanted.as_ref().map(|wanted| wanted.watch(occupancy));
        if let Some(watch) = &mut watch {
            let changes = watch.changes().await;
            follow(watch, changes, &mut sink, server).await?;
        }
        Ok(Listener {
            server,
            sink,
            stream,
            watch,
            waiting: Waiting::new(self.buffer),
        })
    }
}

impl Listener<'_> {
    /// Hands on what is heard, until the server stops or the connection is lost.
    pub async fn work(self, cx: &ConnectorContext, recipe: &Recipe) -> Result<(), ConnectorError> {
        let (mut stream, mut waiting) = (self.stream, self.waiting);
        let mut stop = pin!(cx.shutdown.wait());
        let mut alive = pin!(tend(self.sink, self.server, self.watch));
        let mut taking = pin!(Fuse::terminated());
        let mut is_taking = false;
        loop {
            if !is_taking && let Some(heard) = waiting.pop() {
                taking.set(async move { cx.take(recipe, &heard).await }.fuse());
                is_taking = true;
            }
            tokio::select! {
                () = &mut stop => return Ok(()),
                error = &mut alive => return Err(error),
                outcome = &mut taking => match outcome {
                    Outcome::Left => return Ok(()),
                    Outcome::Dispatched | Outcome::Refused(_) => is_taking = false,
                },
                // Unconstrained: the driver's queue must be empty whenever this task rests.
                heard = unconstrained(stream.next()) => match heard {
                    Some(message) => waiting.push(Heard(message), cx),
                    None => return Err(ConnectorError::new(self.server.lost())),
                },
            }
        }
    }
}

/// Sees to a connection: that the other side answers, and that what is needed is heard. Ends when it cannot.
async fn tend(mut sink: PubSubSink, server: &Server, mut watch: Option<Watch>) -> ConnectorError {
    let mut ping = interval_at(Instant::now() + PING, PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let done = tokio::select! {
            _ = ping.tick() => match timeout(PONG, sink.ping::<redis::Value>()).await {
                Ok(answered) => answered.map(drop).map_err(|error| server.error("PING", &error)),
                Err(_) => Err(silent(server, PONG)),
            },
            (watch, changes) = next(&mut watch) => follow(watch, changes, &mut sink, server).await,
        };
        if let Err(error) = done {
            return error;
        }
    }
}

async fn next(watch: &mut Option<Watch>) -> (&Watch, Changes) {
    match watch {
        Some(watch) => {
            let changes = watch.changes().await;
            (watch, changes)
        }
        None => pending().await,
    }
}

pub fn silent(server: &Server, time: Duration) -> ConnectorError {
    ConnectorError::new(format!("{} did not answer within {time:?}", server.place()))
}

/// What waits for its turn, up to a number of bytes.
struct Waiting {
    queue: VecDeque<Heard>,
    bytes: usize,
    most: usize,
    warned: Option<Instant>,
}

impl Waiting {
    fn new(most: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            most,
            warned: None,
        }
    }

    /// Keeps a message, or drops and counts it. Into an empty queue any message fits: its size is judged when it is
    /// taken.
    fn push(&mut self, heard: Heard, cx: &ConnectorContext) {
        let cost = heard.cost();
        if self.queue.is_empty() || self.bytes + cost <= self.most {
            self.bytes += cost;
            self.queue.push_back(heard);
            return;
        }
        if self.warned.is_none_or(|warned| warned.elapsed() > WARN) {
            self.warned = Some(Instant::now());
            warn!(
                "connector {} hears more than the server can take; what does not fit into its buffer is dropped",
                cx.name
            );
        }
        cx.refuse(&Refusal::new(
            "overflow",
            "the buffer is full, since the server is overloaded",
        ));
    }

    fn pop(&mut self) -> Option<Heard> {
        let heard = self.queue.pop_front()?;
        self.bytes -= heard.cost();
        Some(heard)
    }
}

/// One published message.
struct Heard(Msg);

impl Heard {
    fn cost(&self) -> usize {
        self.0.get_payload_bytes().len() + OVERHEAD
    }
}

impl Message for Heard {
    fn body(&self) -> &[u8] {
        self.0.get_payload_bytes()
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "channel" => self.0.get_channel::<String>().ok().map(Cow::Owned),
            "pattern" => self.0.get_pattern::<Option<String>>().ok().flatten().map(Cow::Owned),
            _ => None,
        }
    }
}
