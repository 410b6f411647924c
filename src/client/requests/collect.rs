//! What HTTP requests want of a connection that has no socket for it.
//!
//! In: messages, and requests for what there is to say, from any worker. Out: an answer, once, through the sender that
//! came with the request. Messages have their turn like those of a socket. How an answer is written is the carrier's
//! business.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::{Duration, Instant};

use actix::fut::ActorFuture;
use actix::{ActorContext, Addr, AsyncContext, Context, Handler, Message};
use bytes::Bytes;
use log::debug;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use turted_core::{Ending, Rejection};

use super::readers::Refusal;
use crate::client::actor::Connection;
use crate::client::newcomer::{Inbound, Ledger};
use crate::client::turns::{Reply, Taken, Turn};

/// How long readers wait while a socket is tried out.
const TRIAL_PAUSE: Duration = Duration::from_millis(100);
/// How long a second reader waits for the first to leave: whoever gave a request up has come back sooner, perhaps, than
/// its end was noticed.
const KNOCK: Duration = Duration::from_millis(50);

/// A message of the client.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Hand {
    /// What it says.
    pub inbound: Inbound,
    /// Who waits for what.
    pub reply: Reply,
}

/// Hands a message over and waits until it had its turn; `None` when there is no connection (any more).
pub async fn hand(connection: &Addr<Connection>, inbound: Inbound) -> Option<Taken> {
    let (taken, answer) = oneshot::channel();
    let reply = Reply::Taken(taken);
    connection.send(Hand { inbound, reply }).await.ok()?;
    answer.await.ok()
}

/// A reader asks for what there is, or comes next.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Collect {
    /// Which reader: the same number each time it asks.
    pub reader: u64,
    /// Whether it leaves with what it gets.
    pub is_single: bool,
    /// What it wants.
    pub wanted: Wanted,
    /// Where it goes.
    pub answer: oneshot::Sender<Collected>,
}

/// What a reader wants besides what there is, or comes next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The last id that it saw; what came after it comes again.
    pub after: Option<Arc<str>>,
    /// The number of the last [`Collected::Numbered`] that its client has seen; what came later comes again.
    pub seen: Option<u64>,
    /// Only what there is: it does not wait.
    pub at_once: bool,
}

/// What a reader gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Collected {
    /// Frames of the carrier; none when the reader shall leave, since another took its place.
    Frames(Bytes),
    /// The same, for those who say what they have seen: the number is higher each time.
    Numbered(Bytes, u64),
    /// The same, and nothing comes after them.
    Last(Bytes, Ending),
    /// Another reader is here.
    Busy,
    /// A socket carries everything now.
    Moved,
    /// It asks for the past too often.
    TooFast,
}

/// A reader is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Detach {
    /// Which.
    pub reader: u64,
    /// Whether it broke off, so that what it was given may be lost.
    pub is_broken: bool,
}

/// A socket comes, to take over from requests, perhaps. False when it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "bool")]
pub enum Trial {
    /// It would like to.
    Offer,
    /// It is tried out: readers that wait are sent away.
    Probe,
    /// It will not be used.
    Abandon,
}

impl Handler<Hand> for Connection {
    type Result = ();

    fn handle(&mut self, Hand { inbound, reply }: Hand, cx: &mut Context<Self>) {
        if let Reply::Taken(taken) = reply {
            if self.readers.is_moved() {
                let _ = taken.send(Taken::Moved);
                return;
            }
            if self.rules.hears_requests {
                self.client.last_heard = Instant::now();
            }
            return self.queue(inbound, Reply::Taken(taken), cx);
        }
        self.client.last_heard = Instant::now();
        self.queue(inbound, reply, cx);
    }
}

impl Connection {
    /// Requests come side by side: more of them than may wait are told that they are too many.
    fn queue(&mut self, inbound: Inbound, reply: Reply, cx: &mut Context<Self>) {
        if !self.client.turns.is_full() || matches!(inbound, Inbound::Close(_) | Inbound::Broken(_)) {
            return self.hear(inbound, reply, cx);
        }
        let (word, taken) = match reply {
            Reply::Usual => (None, None),
            Reply::Word(word) => (Some(word), None),
            Reply::Taken(taken) => (None, Some(taken)),
        };
        match inbound {
            Inbound::Text(text) => {
                debug!("{} is too fast: as many of its messages wait as may", self.client.id);
                let rejection = Rejection::TooFast(self.worker.pace.0);
                let uttered = self.voice.refuse(&text, &rejection, word);
                self.take_up(uttered, cx);
            }
            // Nothing can answer it, and what it is a part of would never be whole.
            Inbound::Binary(_) => self.voice.end(Ending::BrokenFraming),
            _ => {}
        }
        if let Some(taken) = taken {
            let _ = taken.send(Taken::Heard);
        }
    }
}

impl Handler<Collect> for Connection {
    type Result = ();

    fn handle(&mut self, collect: Collect, cx: &mut Context<Self>) {
        let Collect {
            reader,
            is_single,
            wanted: Wanted { after, seen, at_once },
            answer,
        } = collect;
        // The Dispatcher walks through its log for it.
        if after.is_some() && !self.readers.is_moved() && self.pace().is_err() {
            // Whoever does not wait for an answer any more has no use for it.
            let _ = answer.send(Collected::TooFast);
            return;
        }
        // The newest wire counts.
        self.unplug(Ending::Replaced, cx);
        let mut knocks = None;
        if let Err(refusal) = self.readers.come(reader, self.rules.second) {
            let refused = match refusal {
                Refusal::Moved => Collected::Moved,
                Refusal::Ends => {
                    self.voice.end(Ending::BrokenFraming);
                    Collected::Busy
                }
                Refusal::Busy => {
                    knocks = Some(Box::pin(tokio::time::sleep(KNOCK)));
                    Collected::Busy
                }
            };
            if knocks.is_none() {
                let _ = answer.send(refused);
                return;
            }
        }
        // Whoever waited before looks again: another may have taken its place.
        self.voice.wake();
        self.client.last_heard = Instant::now();
        if let Some(seen) = seen
            && let Some((number, frames)) = self.ledger().last.take()
            && number > seen
        {
            self.voice.put_back(frames);
        }
        let mut again = None;
        match (after, self.voice.ended()) {
            (Some(after), None) => {
                let (done, told) = oneshot::channel();
                again = Some(told);
                self.client.turns.push(Turn::Since(after, done));
                self.advance(cx);
            }
            (_, Some(_)) => self.linger(cx),
            (None, None) => {}
        }
        cx.spawn(Waiting {
            reader,
            is_single,
            answer: Some(answer),
            knocks,
            again,
            trial: None,
            is_numbered: seen.is_some(),
            at_once,
        });
    }
}

/// A reader that waits.
struct Waiting {
    reader: u64,
    is_single: bool,
    answer: Option<oneshot::Sender<Collected>>,
    /// Until it is let in: how long it waits for that.
    knocks: Option<Pin<Box<Sleep>>>,
    /// Told when what it wanted to hear again has come.
    again: Option<oneshot::Receiver<()>>,
    /// How long it waits beside a socket that is tried out.
    trial: Option<Pin<Box<Sleep>>>,
    /// Whether what it gets is kept until it says that it has come.
    is_numbered: bool,
    at_once: bool,
}

impl ActorFuture<Connection> for Waiting {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        connection: &mut Connection,
        cx: &mut Context<Connection>,
        task: &mut Task<'_>,
    ) -> Poll<()> {
        let Some(answer) = &mut self.answer else {
            return Poll::Ready(());
        };
        // Whoever is gone must not take anything along.
        if pin!(answer.closed()).poll(task).is_ready() {
            return Poll::Ready(());
        }
        if self.knocks.is_some() && connection.readers.come(self.reader, connection.rules.second).is_ok() {
            self.knocks = None;
        }
        if let Some(knocks) = &mut self.knocks {
            if knocks.as_mut().poll(task).is_ready()
                && let Some(answer) = self.answer.take()
            {
                let _ = answer.send(Collected::Busy);
            }
            return if self.answer.is_some() {
                Poll::Pending
            } else {
                Poll::Ready(())
            };
        }
        if let Some(again) = &mut self.again {
            if Pin::new(again).poll(task).is_pending() {
                return Poll::Pending;
            }
            self.again = None;
        }
        let frames = if connection.readers.current() != Some(self.reader) {
            // Another took its place, or a socket.
            Bytes::new()
        } else {
            match connection.voice.poll_chunk(task) {
                Poll::Ready(frames) => frames.unwrap_or_default(),
                Poll::Pending if self.at_once || connection.voice.ended().is_some() => Bytes::new(),
                Poll::Pending if connection.readers.is_probed() => {
                    // A client that goes over at once needs no answer to its request.
                    let trial = self
                        .trial
                        .get_or_insert_with(|| Box::pin(tokio::time::sleep(TRIAL_PAUSE)));
                    if trial.as_mut().poll(task).is_pending() {
                        return Poll::Pending;
                    }
                    Bytes::new()
                }
                Poll::Pending => {
                    self.trial = None;
                    return Poll::Pending;
                }
            }
        };
        if let Some(answer) = self.answer.take() {
            let is_numbered = self.is_numbered && connection.readers.current() == Some(self.reader);
            connection.hand_over(frames, is_numbered, self.is_single.then_some(self.reader), answer, cx);
        }
        Poll::Ready(())
    }
}

impl Connection {
    fn hand_over(
        &mut self,
        frames: Bytes,
        is_numbered: bool,
        single: Option<u64>,
        answer: oneshot::Sender<Collected>,
        cx: &mut Context<Self>,
    ) {
        let collected = match self.voice.ended() {
            Some(ending) if self.voice.is_empty() => Collected::Last(frames, ending),
            None if frames.is_empty() && self.readers.is_moved() => Collected::Moved,
            None if is_numbered => self.numbered(frames),
            _ => Collected::Frames(frames),
        };
        let is_last = matches!(collected, Collected::Last(..));
        let sent = answer.send(collected);
        // The client may ask again before this reader's goodbye is here.
        if sent.is_ok()
            && let Some(reader) = single
            && self.readers.leave(reader)
        {
            self.client.last_heard = Instant::now();
        }
        match sent {
            Ok(()) if is_last && !self.rules.repeats_goodbye => cx.stop(),
            // It left in this moment: the next reader gets it.
            Err(Collected::Frames(frames) | Collected::Last(frames, _)) => self.voice.put_back(frames),
            Err(Collected::Numbered(frames, _)) => {
                self.ledger().last = None;
                self.voice.put_back(frames);
            }
            _ => {}
        }
    }

    fn ledger(&mut self) -> &mut Ledger {
        &mut self.client.lasting.get_or_insert_default().ledger
    }

    fn numbered(&mut self, frames: Bytes) -> Collected {
        let ledger = self.ledger();
        ledger.count += 1;
        let number = ledger.count;
        ledger.last = (!frames.is_empty()).then(|| (number, frames.clone()));
        Collected::Numbered(frames, number)
    }
}

impl Handler<Detach> for Connection {
    type Result = ();

    fn handle(&mut self, Detach { reader, is_broken }: Detach, cx: &mut Context<Self>) {
        if !self.readers.leave(reader) {
            return;
        }
        self.client.last_heard = Instant::now();
        if is_broken && self.rules.ends_with_reader {
            self.voice.end(Ending::Vanished);
            cx.stop();
        }
    }
}

impl Handler<Trial> for Connection {
    type Result = bool;

    fn handle(&mut self, trial: Trial, _: &mut Context<Self>) -> bool {
        if self.readers.is_moved() || self.voice.ended().is_some() {
            return false;
        }
        self.client.last_heard = Instant::now();
        match trial {
            Trial::Offer => return self.readers.offer(),
            Trial::Probe => self.readers.probe(),
            Trial::Abandon => self.readers.abandon(),
        }
        self.voice.wake();
        true
    }
}

/// Tells when everything that the connection began with is done.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Settled(pub oneshot::Sender<()>);

impl Handler<Settled> for Connection {
    type Result = ();

    fn handle(&mut self, Settled(done): Settled, cx: &mut Context<Self>) {
        self.client.turns.push(Turn::Settle(done));
        self.advance(cx);
    }
}

/// Waits until everything that a connection began with is done, or it is gone.
pub async fn settled(connection: &Addr<Connection>) {
    let (done, told) = oneshot::channel();
    if connection.send(Settled(done)).await.is_ok() {
        let _ = told.await;
    }
}
