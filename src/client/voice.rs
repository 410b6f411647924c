//! The way to one client's wire, shared by its actor, its courier and its transport. All three live on one worker thread.
//!
//! In: frames that are ready, notices and endings that the client's conversation must still put into words. Out: an outbox in
//! the right order. It does not know who else is connected.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll};

use actix::WeakAddr;
use bytes::Bytes;
use tokio::sync::oneshot;
use turted_core::{Ending, Notice, Rejection, Tag, Welcome};

use super::actor::{Connection, Stop};
use super::outbox::{Outbox, OutboxBounds};
use crate::client::quiet::Quiet;
use turted_core::{Conversation, Reaction};

/// How a transport wraps what a conversation says.
pub trait Framing: Sync {
    /// A text message as bytes for the wire.
    fn message(&self, text: &[u8]) -> Bytes;
    /// A message that is not text, if the transport can carry one.
    fn binary(&self, _data: &[u8]) -> Option<Bytes> {
        None
    }
    /// What goes out now and then while nothing else does, if anything: a question for a sign of life, or a comment for proxies.
    fn ping(&self) -> Option<Bytes>;
    /// The transport's own goodbye, if it has one.
    fn close(&self, ending: Ending) -> Option<Bytes>;
}

/// What a full outbox means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The client is ended and may come back for what it missed.
    Close,
    /// The event is dropped and counted.
    Drop,
}

/// One client's lane.
pub struct Voice {
    outbox: RefCell<Outbox>,
    conversation: RefCell<Box<dyn Conversation>>,
    framing: &'static dyn Framing,
    when_full: WhenFull,
    ended: Cell<Option<Ending>>,
    owner: RefCell<Option<WeakAddr<Connection>>>,
    answer: RefCell<Option<Box<Answer>>>,
    reader: Cell<u32>,
    is_probed: Cell<bool>,
    is_held: Cell<bool>,
}

/// Where the answer to one command goes when it does not take the outbox.
struct Answer {
    to: oneshot::Sender<Bytes>,
    text: Option<Bytes>,
}

impl Voice {
    /// A lane for a client that has just been accepted.
    #[must_use]
    pub fn new(
        conversation: Box<dyn Conversation>,
        framing: &'static dyn Framing,
        bounds: OutboxBounds,
        when_full: WhenFull,
    ) -> Self {
        Self {
            outbox: RefCell::new(Outbox::new(bounds)),
            conversation: RefCell::new(conversation),
            framing,
            when_full,
            ended: Cell::new(None),
            owner: RefCell::new(None),
            answer: RefCell::new(None),
            reader: Cell::new(0),
            is_probed: Cell::new(false),
            is_held: Cell::new(false),
        }
    }

    /// Whom to tell when the lane ends.
    pub fn belongs_to(&self, owner: WeakAddr<Connection>) {
        self.owner.replace(Some(owner));
    }

    /// An event, framed already. False when it was dropped because the outbox is full.
    pub fn deliver(&self, frame: &Bytes) -> bool {
        if self.ended.get().is_some() {
            return true;
        }
        if self.outbox.borrow_mut().push(frame.clone()).is_ok() {
            return true;
        }
        match self.when_full {
            WhenFull::Close => self.end(Ending::Slow),
            WhenFull::Drop => return false,
        }
        true
    }

    /// A frame of the transport's own, e.g. a pong.
    pub fn control(&self, frame: Bytes) {
        if self.ended.get().is_none() && self.outbox.borrow_mut().push(frame).is_err() {
            self.end(Ending::Slow);
        }
    }

    /// Asks for a sign of life, or just gives one.
    pub fn ping(&self) {
        if let Some(frame) = self.framing.ping() {
            self.control(frame);
        }
    }

    /// The next message of the conversation goes here instead of to the wire, unless [`answered`](Self::answered) comes before. One
    /// command is looked at after the other, so there is one answer at a time.
    pub fn answer_to(&self, to: oneshot::Sender<Bytes>) {
        self.answer.replace(Some(Box::new(Answer { to, text: None })));
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
    pub fn welcome(&self, welcome: &Welcome) {
        self.converse(|conversation, out| conversation.welcome(welcome, out));
    }

    /// Something the server has to tell this client.
    pub fn tell(&self, notice: &Notice, tag: &Tag) {
        self.converse(|conversation, out| conversation.notify(notice, tag, out));
    }

    /// A message from the client; what it wants is left to the caller.
    pub fn receive(&self, text: &str) -> Vec<Reaction> {
        self.converse(|conversation, out| conversation.receive(text, out))
    }

    /// As [`receive`](Self::receive), for a message that is not text.
    pub fn receive_binary(&self, data: Bytes) -> Vec<Reaction> {
        self.converse(|conversation, out| conversation.receive_binary(data, out))
    }

    /// A message from the client that is only answered with a rejection.
    pub fn refuse(&self, text: &str, rejection: &Rejection) {
        self.converse(|conversation, out| conversation.refuse(text, rejection, out));
    }

    /// Says goodbye and takes nothing more. The first ending counts.
    pub fn end(&self, ending: Ending) {
        if self.ended.get().is_some() {
            return;
        }
        self.ended.set(Some(ending));
        let mut farewell = Vec::new();
        if ending != Ending::Vanished {
            self.conversation.borrow_mut().farewell(ending, &mut farewell);
        }
        {
            let mut outbox = self.outbox.borrow_mut();
            // Whoever reads too slowly has the goodbye before all that it will not read.
            if ending == Ending::Slow {
                outbox.clear();
            }
            for reaction in farewell {
                if let Reaction::Send(text) = reaction {
                    outbox.push_last(self.framing.message(&text));
                }
            }
            if let Some(frame) = self.framing.close(ending) {
                outbox.push_last(frame);
            }
        }
        if let Some(owner) = self.owner.borrow().as_ref().and_then(WeakAddr::upgrade) {
            // A mailbox that is full or closed belongs to an actor that looks at `ended` next.
            let _ = owner.try_send(Stop(ending));
        }
    }

    /// Why the lane ended, if it has.
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

    /// Goes on with a conversation that was begun on another lane: first what was left there, then what came here meanwhile.
    pub fn adopt(&self, conversation: Box<dyn Conversation>, frames: Vec<Bytes>, ended: Option<Ending>) {
        self.conversation.replace(conversation);
        self.is_held.set(false);
        if ended.is_some() {
            self.ended.set(ended);
        }
        let mut outbox = self.outbox.borrow_mut();
        frames.into_iter().rev().for_each(|frame| outbox.put_back(frame));
        outbox.wake();
    }

    /// Gives everything away; from here on this lane says nothing.
    pub fn surrender(&self) -> (Box<dyn Conversation>, Vec<Bytes>) {
        let conversation = self.conversation.replace(Box::new(Quiet));
        (conversation, self.outbox.borrow_mut().take_all())
    }

    /// The next chunk for the wire.
    pub fn poll_chunk(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        if self.is_held.get() {
            self.outbox.borrow_mut().watch(cx);
            return Poll::Pending;
        }
        self.outbox.borrow_mut().poll_chunk(cx)
    }

    /// A new reader, which takes the place of the one before.
    pub fn next_reader(&self) -> u32 {
        self.reader.set(self.reader.get().wrapping_add(1));
        self.outbox.borrow().wake();
        self.reader.get()
    }

    /// Whether readers get nothing but what is there.
    pub fn send_readers_away(&self, away: bool) {
        self.is_probed.set(away);
        self.outbox.borrow().wake();
    }

    /// See [`send_readers_away`](Self::send_readers_away).
    pub fn is_probed(&self) -> bool {
        self.is_probed.get()
    }

    /// The next chunk for this reader; `None` when another took its place, it shall not wait, or nothing more will come.
    pub fn poll_for(&self, reader: u32, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        if self.reader.get() != reader {
            return Poll::Ready(None);
        }
        match self.poll_chunk(cx) {
            Poll::Pending if self.is_probed.get() || self.ended.get().is_some() => Poll::Ready(None),
            polled => polled,
        }
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
    fn converse(&self, say: impl FnOnce(&mut dyn Conversation, &mut Vec<Reaction>)) -> Vec<Reaction> {
        let mut reactions = Vec::new();
        if self.ended.get().is_some() {
            return reactions;
        }
        say(&mut **self.conversation.borrow_mut(), &mut reactions);
        reactions.retain(|reaction| match reaction {
            Reaction::Send(text) => {
                match &mut *self.answer.borrow_mut() {
                    Some(answer) if answer.text.is_none() => answer.text = Some(text.clone()),
                    _ => self.control(self.framing.message(text)),
                }
                false
            }
            Reaction::SendBinary(data) => {
                if let Some(frame) = self.framing.binary(data) {
                    self.control(frame);
                }
                false
            }
            Reaction::Close(ending) => {
                self.end(*ending);
                false
            }
            Reaction::Want(..) => true,
        });
        reactions
    }
}
