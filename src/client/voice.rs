//! What speaks to one client: its conversation, the framing and the outbox. Shared by the client's actor, its courier
//! and its carrier, which all live on one worker thread.
//!
//! In: frames that are ready, notices and endings that the client's conversation must still put into words. Out: an
//! outbox in the right order. It does not know who else is connected.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix::WeakAddr;
use bytes::Bytes;
use log::error;
use tokio::sync::oneshot;
use turted_core::{Conversation, Ending, Intent, Notice, Presented, Reaction, Rejection, Tag, Welcome};

use super::actor::{Connection, Poke};
use super::framing::Framing;
use super::outbox::{Full, Outbox, OutboxBounds, WhenFull};
use super::quiet::Quiet;
use crate::dispatcher::Queued;

/// One client's voice.
pub struct Voice {
    outbox: RefCell<Outbox>,
    conversation: RefCell<Box<dyn Conversation>>,
    framing: &'static dyn Framing,
    when_full: WhenFull,
    ended: Cell<Option<Ending>>,
    owner: RefCell<Option<WeakAddr<Connection>>>,
    answer: RefCell<Option<Box<Answer>>>,
    /// What it wanted when it was told something.
    uttered: RefCell<Uttered>,
    is_held: Cell<bool>,
    /// Whether the conversation wants to be asked about each event.
    repeats: Cell<bool>,
    plug: Cell<Option<Rc<Plug>>>,
}

/// Between a voice that outlives its sockets and one of these.
#[derive(Debug, Default)]
pub struct Plug {
    is_out: Cell<bool>,
    last: RefCell<Option<Bytes>>,
    wire: RefCell<Option<Waker>>,
}

impl Plug {
    /// The last words to a socket that carries this voice no more, once, then `None`; pending while it does.
    pub fn poll_end(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        if self.is_out.get() {
            return Poll::Ready(self.last.take());
        }
        let mut wire = self.wire.borrow_mut();
        if wire.as_ref().is_none_or(|wire| !wire.will_wake(cx.waker())) {
            *wire = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn pull(&self, last: Option<Bytes>) {
        self.is_out.set(true);
        self.last.replace(last);
        if let Some(wire) = self.wire.take() {
            wire.wake();
        }
    }
}

/// What a conversation wants besides words to the wire.
#[derive(Debug, Default)]
pub struct Uttered {
    /// In order.
    pub wishes: Vec<(Intent, Tag)>,
    /// After which time it wants to be woken; the last word counts.
    pub wakes: Option<Duration>,
}

impl Uttered {
    fn is_nothing(&self) -> bool {
        self.wishes.is_empty() && self.wakes.is_none()
    }

    fn add(&mut self, more: Self) {
        self.wishes.extend(more.wishes);
        self.wakes = more.wakes.or(self.wakes);
    }
}

/// What a voice leaves to another that goes on with its client.
pub struct Speech {
    conversation: Box<dyn Conversation>,
    frames: Vec<Bytes>,
    ended: Option<Ending>,
}

/// Where the answer to one command goes when it does not take the outbox.
struct Answer {
    to: oneshot::Sender<Bytes>,
    text: Option<Bytes>,
}

impl Voice {
    /// A voice for a client that has just been accepted.
    #[must_use]
    pub fn new(
        conversation: Box<dyn Conversation>,
        framing: &'static dyn Framing,
        bounds: OutboxBounds,
        when_full: WhenFull,
        queued: &Arc<Queued>,
    ) -> Self {
        Self {
            outbox: RefCell::new(Outbox::new(bounds, queued)),
            conversation: RefCell::new(conversation),
            framing,
            when_full,
            ended: Cell::new(None),
            owner: RefCell::new(None),
            answer: RefCell::new(None),
            uttered: RefCell::default(),
            is_held: Cell::new(false),
            repeats: Cell::new(false),
            plug: Cell::new(None),
        }
    }

    /// A socket carries it from now on, until one of both ends that.
    pub fn plug(&self) -> Rc<Plug> {
        let plug = Rc::<Plug>::default();
        self.plug.set(Some(Rc::clone(&plug)));
        plug
    }

    /// Whether a socket carries it.
    pub fn is_plugged(&self) -> bool {
        let plug = self.plug.take();
        let is_plugged = plug.is_some();
        self.plug.set(plug);
        is_plugged
    }

    /// Sends the socket away that carries it; what waits, waits for the next wire.
    pub fn unplug(&self, ending: Ending) {
        if let Some(plug) = self.plug.take() {
            plug.pull(self.framing.close(ending));
            self.tidy();
        }
    }

    /// The socket with this plug is gone.
    pub fn unplugged(&self, plug: &Rc<Plug>) {
        let own = self.plug.take();
        if own.as_ref().is_some_and(|own| Rc::ptr_eq(own, plug)) {
            self.tidy();
            self.poke(Poke::Unplugged);
        } else {
            self.plug.set(own);
        }
    }

    /// What was meant for one wire is nothing for the next.
    fn tidy(&self) {
        if self.ended.get().is_none() {
            self.outbox.borrow_mut().retain(|frame| self.framing.keeps(frame));
        }
    }

    /// Whom to tell when it ends.
    pub fn belongs_to(&self, owner: WeakAddr<Connection>) {
        self.owner.replace(Some(owner));
    }

    /// An event, framed already. False when it was dropped because the outbox is full.
    pub fn deliver(&self, frame: &Bytes) -> bool {
        if self.ended.get().is_some() {
            return true;
        }
        if self.repeats.get() {
            return (0..self.times(frame)).all(|_| self.ended.get().is_some() || self.put(frame));
        }
        self.put(frame)
    }

    fn put(&self, frame: &Bytes) -> bool {
        if self.outbox.borrow_mut().push(frame.clone()).is_ok() {
            return true;
        }
        match self.when_full {
            WhenFull::Close => self.give_up(),
            WhenFull::Drop => return false,
        }
        true
    }

    fn times(&self, frame: &Bytes) -> usize {
        let times = self.careful(|| {
            let conversation = self.conversation.borrow();
            self.framing.inside(frame).map_or(1, |event| conversation.times(event))
        });
        times.unwrap_or_else(|| {
            self.end(Ending::Internal);
            0
        })
    }

    fn give_up(&self) {
        Full::tell();
        self.end(Ending::Slow);
    }

    /// A frame of the transport's own, e.g. a pong.
    pub fn control(&self, frame: Bytes) {
        if self.ended.get().is_none() && self.outbox.borrow_mut().push_own(frame).is_err() {
            self.give_up();
        }
    }

    /// Asks for a sign of life, or just gives one.
    pub fn ping(&self) {
        if let Some(frame) = self.framing.ping() {
            self.control(frame);
        }
    }

    /// The next message of the conversation goes here instead of to the wire, unless [`answered`](Self::answered) comes
    /// before. One command is looked at after the other, so there is one answer at a time.
    pub fn answer_to(&self, to: oneshot::Sender<Bytes>) {
        self.answer.replace(Some(Box::new(Answer { to, text: None })));
    }

    /// Whether a request waits for the next message.
    pub fn is_asked(&self) -> bool {
        self.answer
            .borrow()
            .as_ref()
            .is_some_and(|answer| answer.text.is_none())
    }

    /// The answer to the command is complete.
    pub fn answered(&self) {
        if let Some(answer) = self.answer.take() {
            // Whoever does not wait for the answer any more has no use for it.
            let _ = answer.to.send(answer.text.unwrap_or_default());
        }
    }

    /// Forgets what waits: it comes again. A goodbye stays.
    pub fn clear(&self) {
        if self.ended.get().is_none() {
            self.outbox.borrow_mut().clear();
        }
    }

    /// The first words.
    pub fn welcome(&self, welcome: &Welcome) -> Uttered {
        self.converse(|conversation, out| conversation.welcome(welcome, out))
    }

    /// What it holds that would be free if it ended now.
    pub fn weight(&self) -> usize {
        match self.ended.get() {
            None => self.outbox.borrow().weight(),
            Some(_) => 0,
        }
    }

    /// Something the server has to tell this client. What the conversation wants then is kept for the client's actor.
    pub fn tell(&self, notice: &Notice, tag: &Tag) {
        let uttered = self.converse(|conversation, out| conversation.notify(notice, tag, out));
        if !uttered.is_nothing() {
            self.uttered.borrow_mut().add(uttered);
            self.poke(Poke::Uttered);
        }
    }

    /// What the conversation wanted when it was told something.
    pub fn uttered(&self) -> Uttered {
        self.uttered.take()
    }

    /// A message from the client.
    pub fn receive(&self, text: &str) -> Uttered {
        self.converse(|conversation, out| conversation.receive(text, out))
    }

    /// As [`receive`](Self::receive), for a message that is not text.
    pub fn receive_binary(&self, data: Bytes) -> Uttered {
        self.converse(|conversation, out| conversation.receive_binary(data, out))
    }

    /// A message from the client that is only answered with a rejection, beside the one that is looked at: to the
    /// request that brought it, or to the wire.
    pub fn refuse(&self, text: &str, rejection: &Rejection, to: Option<oneshot::Sender<Bytes>>) -> Uttered {
        let pending = self.answer.take();
        if let Some(to) = to {
            self.answer_to(to);
        }
        let uttered = self.converse(|conversation, out| conversation.refuse(text, rejection, out));
        self.answered();
        self.answer.replace(pending);
        uttered
    }

    /// The time is over after which the conversation wanted to be woken.
    pub fn wake_conversation(&self) -> Uttered {
        self.converse(|conversation, out| conversation.wake(out))
    }

    /// Says goodbye and takes nothing more. The first ending counts.
    pub fn end(&self, ending: Ending) {
        if self.ended.get().is_some() {
            return;
        }
        self.ended.set(Some(ending));
        let words = match ending {
            Ending::Vanished => None,
            _ => self.careful(|| self.last_words(ending)),
        };
        let close = self.careful(|| self.framing.close(ending));
        {
            let mut outbox = self.outbox.borrow_mut();
            // Whoever reads too slowly has the goodbye before all that it will not read.
            if ending == Ending::Slow {
                outbox.clear();
            }
            let goodbye = words.into_iter().flatten().chain(close.flatten());
            goodbye.for_each(|frame| outbox.push_last(frame));
        }
        self.poke(Poke::Ended(ending));
    }

    fn last_words(&self, ending: Ending) -> Vec<Bytes> {
        let mut farewell = Vec::new();
        self.conversation.borrow_mut().farewell(ending, &mut farewell);
        let said = farewell.iter().filter_map(|reaction| match reaction {
            Reaction::Send(text) => Some(self.framing.message(text)),
            _ => None,
        });
        said.collect()
    }

    /// Whoever vouched for its client wants to be asked again.
    pub fn renew(&self, presented: Option<Presented>) {
        self.poke(Poke::Renew(presented));
    }

    /// The wire is lost.
    pub fn lose(&self) {
        if self.ended.get().is_none() {
            self.ended.set(Some(Ending::Vanished));
            self.poke(Poke::Lost);
        }
    }

    fn poke(&self, poke: Poke) {
        if let Some(owner) = self.owner.borrow().as_ref().and_then(WeakAddr::upgrade) {
            // A mailbox that is full or closed belongs to an actor that looks here next.
            let _ = owner.try_send(poke);
        }
    }

    /// What a conversation and a carrier do. One that has panicked says nothing more: what goes wrong with one client
    /// ends that client, and nobody else.
    fn careful<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let panic = match catch_unwind(AssertUnwindSafe(act)) {
            Ok(done) => return Some(done),
            Err(panic) => panic,
        };
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        error!(
            "a conversation or its carrier panicked and its client is ended: {}",
            text.unwrap_or("no message")
        );
        self.conversation.replace(Box::new(Quiet));
        None
    }

    /// Why it ended, if it has.
    pub fn ended(&self) -> Option<Ending> {
        self.ended.get()
    }

    /// Nothing more is written after what waits now.
    pub fn finish(&self) {
        // From here on nothing is taken, even when nobody said goodbye.
        if self.ended.get().is_none() {
            self.ended.set(Some(Ending::Vanished));
        }
        self.owner.replace(None);
        self.outbox.borrow_mut().finish();
    }

    /// Writes nothing until [`adopt`](Self::adopt).
    pub fn hold(&self) {
        self.is_held.set(true);
    }

    /// Goes on with what another voice began: first what was left there, then what came here meanwhile.
    pub fn adopt(&self, speech: Speech) {
        let Speech {
            conversation,
            frames,
            ended,
        } = speech;
        self.repeats.set(conversation.repeats());
        self.conversation.replace(conversation);
        self.is_held.set(false);
        if ended.is_some() {
            self.ended.set(ended);
        }
        let mut outbox = self.outbox.borrow_mut();
        let kept = frames.into_iter().filter(|frame| self.framing.keeps(frame));
        kept.rev().for_each(|frame| outbox.put_back(frame));
        outbox.wake();
    }

    /// Nobody comes whose conversation it could go on with.
    pub fn release(&self) {
        self.is_held.set(false);
    }

    /// Gives everything away; from here on this voice says nothing.
    pub fn surrender(&self) -> Speech {
        Speech {
            conversation: self.conversation.replace(Box::new(Quiet)),
            frames: self.outbox.borrow_mut().take_all(),
            ended: self.ended.get(),
        }
    }

    /// The next chunk for the wire.
    pub fn poll_chunk(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        if self.is_held.get() {
            self.outbox.borrow_mut().watch(cx);
            return Poll::Pending;
        }
        self.outbox.borrow_mut().poll_chunk(cx)
    }

    /// Lets whoever waits for a chunk look again.
    pub fn wake(&self) {
        self.outbox.borrow().wake();
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.outbox.borrow().is_empty()
    }

    /// Puts a chunk back that nobody took.
    pub fn put_back(&self, chunk: Bytes) {
        self.outbox.borrow_mut().put_back(chunk);
    }

    /// Does what the conversation asks, as far as it concerns the wire; gives back the rest.
    fn converse(&self, say: impl FnOnce(&mut dyn Conversation, &mut Vec<Reaction>)) -> Uttered {
        let mut uttered = Uttered::default();
        if self.ended.get().is_some() {
            return uttered;
        }
        let said = self.careful(|| {
            let mut reactions = Vec::new();
            say(&mut **self.conversation.borrow_mut(), &mut reactions);
            self.repeats.set(self.conversation.borrow().repeats());
            for reaction in reactions {
                self.react(reaction, &mut uttered);
            }
        });
        if said.is_none() {
            self.end(Ending::Internal);
            return Uttered::default();
        }
        uttered
    }

    fn react(&self, reaction: Reaction, uttered: &mut Uttered) {
        match reaction {
            Reaction::Want(intent, tag) => uttered.wishes.push((intent, tag)),
            Reaction::Wake(after) => uttered.wakes = Some(after),
            Reaction::Send(text) => match &mut *self.answer.borrow_mut() {
                Some(answer) if answer.text.is_none() => answer.text = Some(text),
                _ => self.control(self.framing.message(&text)),
            },
            Reaction::SendBinary(data) => {
                if let Some(frame) = self.framing.binary(&data) {
                    self.control(frame);
                }
            }
            Reaction::Close(ending) => self.end(ending),
            // `core` may name more than a wire can do.
            _ => {}
        }
    }
}
