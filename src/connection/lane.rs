//! The way to one client's wire, shared by its actor, its courier and its transport. All three live on one worker thread.
//!
//! In: frames that are ready, notices and endings that the client's conversation must still put into words. Out: an outbox in
//! the right order. It does not know who else is connected.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll};

use actix::WeakAddr;
use bytes::Bytes;
use turted_core::{Ending, Notice, Rejection, Tag, Welcome};

use super::actor::{Connection, Stop};
use super::outbox::{Outbox, OutboxBounds};
use crate::protocol::{Conversation, Reaction};

/// How a transport wraps what a conversation says.
pub trait Framing {
    /// A text message as bytes for the wire.
    fn message(&self, text: &[u8]) -> Bytes;
    /// The transport's own question for a sign of life.
    fn ping(&self) -> Bytes;
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
pub struct Lane {
    outbox: RefCell<Outbox>,
    conversation: RefCell<Box<dyn Conversation>>,
    framing: &'static dyn Framing,
    when_full: WhenFull,
    ended: Cell<Option<Ending>>,
    owner: RefCell<Option<WeakAddr<Connection>>>,
}

impl Lane {
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

    /// Asks for a sign of life.
    pub fn ping(&self) {
        self.control(self.framing.ping());
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

    /// The next chunk for the wire.
    pub fn poll_chunk(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        self.outbox.borrow_mut().poll_chunk(cx)
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
                self.control(self.framing.message(text));
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
