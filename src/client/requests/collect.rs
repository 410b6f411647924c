//! What HTTP requests want of a connection that has no socket for it.
//!
//! In: messages, and requests for what there is to say, from any worker. Out: an answer, once, through the sender that came with the request.
//! They are looked at in the order in which they come, like the messages of a socket. How an answer is written is the transport's business.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::{ActorContext, AsyncContext, Context, Handler, Message, SpawnHandle};
use bytes::Bytes;
use tokio::sync::oneshot;
use turted_core::Ending;

use super::rules::Second;
use crate::client::actor::Connection;
use crate::client::newcomer::Inbound;
use crate::dispatcher::Request;

/// How long readers wait while a socket is tried out.
const TRIAL_PAUSE: Duration = Duration::from_millis(100);

/// A message of the client, and where its answer goes: the conversation's words, empty when there are none.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Command {
    /// What it says.
    pub text: String,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Bytes>,
}

/// A message of the client whose answer takes the usual way. True when it was taken: none is, once a socket carries everything.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct Hand(pub Inbound);

/// A reader asks for what there is, or comes next.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Collect {
    /// Which reader: the same number each time it asks.
    pub reader: u64,
    /// Whether it leaves with what it gets.
    pub is_single: bool,
    /// The last id that it saw; what came after it comes again.
    pub after: Option<Arc<str>>,
    /// Where it goes.
    pub answer: oneshot::Sender<Collected>,
}

/// What a reader gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Collected {
    /// Frames of the transport; none when the reader shall leave, since another took its place.
    Frames(Bytes),
    /// The same, and nothing comes after them.
    Last(Bytes, Ending),
    /// Another reader is here.
    Busy,
    /// A socket carries everything now.
    Moved,
    /// It asks for the past too often.
    TooFast,
}

/// A reader leaves.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Leave {
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

/// Who reads.
#[derive(Debug, Default)]
pub struct Readers {
    current: Option<u64>,
    is_gone: bool,
    is_trial: bool,
    lingering: Option<SpawnHandle>,
}

impl Readers {
    /// The readers of a connection that has gone over to a socket: none will be let in.
    #[must_use]
    pub fn gone() -> Self {
        Self {
            is_gone: true,
            ..Self::default()
        }
    }

    /// Lets no reader in from here on. False when none was let in before.
    pub fn go(&mut self) -> bool {
        self.is_trial = false;
        !std::mem::replace(&mut self.is_gone, true)
    }

    /// Whether somebody reads.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.current.is_some()
    }

    /// Leaves the client some time to hear the last words; begins anew each time.
    pub fn linger(&mut self, time: Duration, cx: &mut Context<Connection>) {
        if let Some(earlier) = self.lingering.take() {
            cx.cancel_future(earlier);
        }
        self.lingering = Some(cx.run_later(time, |_, cx| cx.stop()));
    }
}

impl Handler<Command> for Connection {
    type Result = ();

    fn handle(&mut self, Command { text, answer }: Command, cx: &mut Context<Self>) {
        self.last_heard = Instant::now();
        if self.voice.ended().is_none() {
            self.voice.answer_to(answer);
            self.receive(&text, cx);
        }
    }
}

impl Handler<Hand> for Connection {
    type Result = bool;

    fn handle(&mut self, Hand(inbound): Hand, cx: &mut Context<Self>) -> bool {
        if self.readers.is_gone {
            return false;
        }
        if self.rules.hears_requests {
            self.last_heard = Instant::now();
        }
        self.hear(inbound, cx);
        true
    }
}

impl Handler<Collect> for Connection {
    type Result = ();

    fn handle(&mut self, collect: Collect, cx: &mut Context<Self>) {
        let Collect {
            reader,
            is_single,
            after,
            mut answer,
        } = collect;
        if let Some(refused) = self.attach(reader) {
            // Whoever does not wait for the answer any more has no use for it.
            let _ = answer.send(refused);
            return;
        }
        self.last_heard = Instant::now();
        // The Dispatcher walks through its log for it.
        if after.is_some() && !self.keeps_pace() {
            let _ = answer.send(Collected::TooFast);
            return;
        }
        match (after, self.voice.ended()) {
            (Some(after), None) => self.ask(Request::Since(after), None, cx),
            (_, Some(_)) => self.readers.linger(self.rules.linger, cx),
            (None, None) => {}
        }
        let (voice, turn) = (Rc::clone(&self.voice), self.voice.next_reader());
        // While a socket is tried out, whoever asks anew waits a little: the socket may have taken over by then.
        let pause = self.voice.is_probed().then(|| tokio::time::sleep(TRIAL_PAUSE));
        let waited = async move {
            if let Some(pause) = pause {
                pause.await;
            }
            let frames = tokio::select! {
                biased;
                // Whoever is gone must not take anything along.
                () = answer.closed() => None,
                frames = poll_fn(|cx| voice.poll_for(turn, cx)) => Some(frames.unwrap_or_default()),
            };
            (answer, frames)
        };
        let handed = waited.into_actor(self).map(move |(answer, frames), connection, cx| {
            if let Some(frames) = frames {
                connection.hand_over(frames, is_single.then_some(reader), answer, cx);
            }
        });
        cx.spawn(handed);
    }
}

impl Connection {
    /// Makes this the reader, unless it may not be.
    fn attach(&mut self, reader: u64) -> Option<Collected> {
        if self.readers.is_gone {
            return Some(Collected::Moved);
        }
        let is_second = self.readers.current.is_some_and(|current| current != reader);
        match self.rules.second {
            Second::IsRefused if is_second => return Some(Collected::Busy),
            Second::Ends if is_second => {
                self.voice.end(Ending::BrokenFraming);
                return Some(Collected::Busy);
            }
            _ => self.readers.current = Some(reader),
        }
        None
    }

    fn hand_over(
        &mut self,
        frames: Bytes,
        single: Option<u64>,
        answer: oneshot::Sender<Collected>,
        cx: &mut Context<Self>,
    ) {
        let collected = match self.voice.ended() {
            Some(ending) if self.voice.is_empty() => Collected::Last(frames, ending),
            None if frames.is_empty() && self.readers.is_gone => Collected::Moved,
            _ => Collected::Frames(frames),
        };
        let is_last = matches!(collected, Collected::Last(..));
        let sent = answer.send(collected);
        // The client may ask again before this reader's goodbye is here.
        if single.is_some() && single == self.readers.current && sent.is_ok() {
            self.readers.current = None;
            self.last_heard = Instant::now();
        }
        match sent {
            Ok(()) if is_last && !self.rules.repeats_goodbye => cx.stop(),
            // It left in this moment: the next reader gets it.
            Err(Collected::Frames(frames) | Collected::Last(frames, _)) => self.voice.put_back(frames),
            _ => {}
        }
    }
}

impl Handler<Leave> for Connection {
    type Result = ();

    fn handle(&mut self, Leave { reader, is_broken }: Leave, cx: &mut Context<Self>) {
        if self.readers.current != Some(reader) {
            return;
        }
        self.readers.current = None;
        self.last_heard = Instant::now();
        if is_broken && self.rules.ends_with_reader && !self.readers.is_gone {
            self.voice.end(Ending::Vanished);
            cx.stop();
        }
    }
}

impl Handler<Trial> for Connection {
    type Result = bool;

    fn handle(&mut self, trial: Trial, cx: &mut Context<Self>) -> bool {
        if self.readers.is_gone || self.voice.ended().is_some() {
            return false;
        }
        self.last_heard = Instant::now();
        self.readers.is_trial = trial == Trial::Probe;
        match trial {
            Trial::Offer => {}
            // A client that goes over at once needs no answer to its request; the others wait for it.
            Trial::Probe => {
                cx.run_later(TRIAL_PAUSE, |connection, _| {
                    connection.voice.send_readers_away(connection.readers.is_trial);
                });
            }
            Trial::Abandon => self.voice.send_readers_away(false),
        }
        true
    }
}

/// Answered when everything that the connection began with is done.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Settled;

impl Handler<Settled> for Connection {
    type Result = ();

    fn handle(&mut self, _: Settled, _: &mut Context<Self>) {}
}

/// The client says goodbye. False when the connection had ended in another way before.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct Goodbye;

impl Handler<Goodbye> for Connection {
    type Result = bool;

    fn handle(&mut self, _: Goodbye, cx: &mut Context<Self>) -> bool {
        let is_live = self.voice.ended().is_none();
        self.voice.end(Ending::Normal);
        cx.stop();
        is_live
    }
}
