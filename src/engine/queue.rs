//! What this node has taken in and not read back: its tickets, in order.
//!
//! In: dispatches, answers of the shared log, and what was read of it. Out: batches to send, and receipts. A dispatch
//! has its receipt when this node has read it at its place, not before: then whatever becomes of the log, the node can
//! write it down again. It knows no socket and no time limit but its own.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;
use turted_core::ledger::{NodeId, Origin, Submission};
use turted_core::{Dispatch, DispatchId, Epoch, PushError, Receipt};

/// Who waits for a receipt.
pub type Reply = oneshot::Sender<Result<Receipt, PushError>>;

/// Dispatches in one batch, and bytes of their payloads.
const BATCH: (usize, usize) = (64, 256 * 1024);
/// Dispatches that wait, and bytes of their payloads: more are not taken in.
pub const ROOM: (usize, usize) = (1024, 16 * 1024 * 1024);

/// One dispatch that waits to be read back.
struct Waiting {
    /// What it is called, where its ticket is not its first.
    origin: Option<Origin>,
    dispatch: Arc<Dispatch>,
    reply: Option<Reply>,
    /// It may have a place.
    was_sent: bool,
    /// The log has its ticket.
    is_taken: bool,
    /// It was read at its place, or has none.
    is_done: bool,
    /// Another one with its key has this place.
    repeats: Option<DispatchId>,
}

impl Waiting {
    fn new(dispatch: Arc<Dispatch>) -> Self {
        Self {
            origin: None,
            dispatch,
            reply: None,
            was_sent: false,
            is_taken: false,
            is_done: false,
            repeats: None,
        }
    }

    fn bytes(&self) -> usize {
        self.dispatch.payload.as_bytes().len()
    }
}

/// Somebody whose push repeats an earlier one.
pub struct Repeating {
    /// Who waits for the receipt.
    pub reply: Reply,
    /// The key.
    pub key: Arc<str>,
    /// The place of the earlier one.
    pub id: DispatchId,
}

/// The tickets of one node in one epoch.
pub struct Queue {
    me: NodeId,
    epoch: Epoch,
    /// The ticket of the first that waits.
    first: u64,
    waiting: VecDeque<Waiting>,
    /// How many of them were sent.
    sent: usize,
    bytes: usize,
}

impl Queue {
    /// A node that has taken nothing in.
    #[must_use]
    pub fn new(me: NodeId, epoch: Epoch) -> Self {
        Self {
            me,
            epoch,
            first: 1,
            waiting: VecDeque::new(),
            sent: 0,
            bytes: 0,
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn me(&self) -> &NodeId {
        &self.me
    }

    /// The epoch in which its tickets count.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// How many wait.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "nobody asks for that")]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a dispatch in.
    ///
    /// # Errors
    /// Gives the reply back when there is no room.
    pub fn push(&mut self, dispatch: Arc<Dispatch>, reply: Reply) -> Result<(), Reply> {
        let mut waiting = Waiting::new(dispatch);
        let is_full = self.waiting.len() >= ROOM.0 || self.bytes + waiting.bytes() > ROOM.1;
        // One that is larger than all the room passes alone.
        if is_full && !self.waiting.is_empty() {
            return Err(reply);
        }
        waiting.reply = Some(reply);
        self.bytes += waiting.bytes();
        self.waiting.push_back(waiting);
        Ok(())
    }

    /// The next that were not sent; empty when there are none.
    pub fn batch(&mut self) -> Vec<Submission> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for (ticket, waiting) in (self.first..).zip(&mut self.waiting).skip(self.sent) {
            bytes += waiting.bytes();
            if batch.len() == BATCH.0 || (bytes > BATCH.1 && !batch.is_empty()) {
                break;
            }
            waiting.was_sent = true;
            batch.push(Submission {
                ticket,
                dispatch: Arc::clone(&waiting.dispatch),
                origin: waiting.origin.clone(),
            });
        }
        self.sent += batch.len();
        batch
    }

    /// Whether there are some that were not sent.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.sent < self.waiting.len()
    }

    /// What became of all that was sent is not known: it is sent again, with the same tickets.
    pub fn again(&mut self) {
        self.sent = 0;
    }

    /// A batch was taken that begins with this ticket: which of its dispatches repeat another one.
    pub fn taken(&mut self, first: u64, answers: Vec<Option<DispatchId>>) {
        for (ticket, answer) in (first..).zip(answers) {
            if let Some(at) = self.at(ticket) {
                self.waiting[at].is_taken = true;
                self.waiting[at].repeats = answer;
            }
        }
        self.leave();
    }

    /// The dispatch of this origin was read at its place: whoever waits for it gets the receipt. False when it was not
    /// taken in here.
    pub fn read(&mut self, origin: &Origin, receipt: &Receipt) -> bool {
        let own = origin.node == self.me && origin.epoch == self.epoch;
        let found = match own {
            true => self.at(origin.ticket),
            false => self.waiting.iter().position(|one| one.origin.as_ref() == Some(origin)),
        };
        let Some(at) = found else {
            return false;
        };
        // The log takes tickets in their order.
        if own {
            self.waiting.iter_mut().take(at + 1).for_each(|one| one.is_taken = true);
            self.sent = self.sent.max(at + 1);
        }
        let waiting = &mut self.waiting[at];
        waiting.is_done = true;
        let reply = waiting.reply.take();
        let is_here = reply.is_some();
        if let Some(reply) = reply {
            // Whoever does not wait any more has no use for it.
            let _ = reply.send(Ok(receipt.clone()));
        }
        self.leave();
        is_here
    }

    /// Whose pushes repeat something that was read, now that everything up to this place was.
    pub fn repeating(&mut self, read: &DispatchId) -> Vec<Repeating> {
        let mut found = Vec::new();
        for waiting in &mut self.waiting {
            let is_read = |id: &mut DispatchId| id.epoch != read.epoch || id.sequence <= read.sequence;
            let Some(id) = waiting.repeats.take_if(is_read) else {
                continue;
            };
            waiting.is_done = true;
            if let (Some(reply), Some(key)) = (waiting.reply.take(), waiting.dispatch.key.clone()) {
                found.push(Repeating { reply, key, id });
            }
        }
        self.leave();
        found
    }

    /// Another epoch began, or this node another life: what waits gets new tickets, behind what else is to be written
    /// down again.
    pub fn turn(&mut self, me: NodeId, epoch: Epoch, lost: Vec<(Origin, Arc<Dispatch>)>) {
        let (me_before, epoch_before) = (&self.me, &self.epoch);
        let mut kept: VecDeque<_> = lost
            .into_iter()
            .map(|(origin, dispatch)| Waiting {
                origin: Some(origin),
                ..Waiting::new(dispatch)
            })
            .collect();
        for (ticket, mut waiting) in (self.first..).zip(self.waiting.drain(..)) {
            let own = || Origin {
                node: me_before.clone(),
                epoch: epoch_before.clone(),
                ticket,
            };
            waiting.origin.get_or_insert_with(own);
            let is_there = kept.iter().any(|one| one.origin == waiting.origin);
            if !waiting.is_done && !is_there {
                waiting.is_taken = false;
                waiting.repeats = None;
                kept.push_back(waiting);
            }
        }
        self.bytes = kept.iter().map(Waiting::bytes).sum();
        self.waiting = kept;
        (self.me, self.epoch) = (me, epoch);
        (self.first, self.sent) = (1, 0);
    }

    /// The log has forgotten something that this node did not read, and goes on in this epoch: what was sent may have
    /// been among it, and whoever waits for it is told that nobody knows. What came from an earlier epoch is written
    /// down once in any case.
    pub fn lose(&mut self, epoch: &Epoch) {
        let is_same = *epoch == self.epoch;
        let lost = |one: &&mut Waiting| one.was_sent && (is_same || one.origin.is_none());
        for waiting in self.waiting.iter_mut().filter(lost) {
            waiting.is_done = true;
            if let Some(reply) = waiting.reply.take() {
                let _ = reply.send(Err(PushError::Unknown));
            }
        }
        self.leave();
    }

    fn at(&self, ticket: u64) -> Option<usize> {
        let at = usize::try_from(ticket.checked_sub(self.first)?).ok()?;
        (at < self.waiting.len()).then_some(at)
    }

    /// Whatever is over at the front goes.
    fn leave(&mut self) {
        while let Some(waiting) = self.waiting.front().filter(|one| one.is_done && one.is_taken) {
            self.bytes -= waiting.bytes();
            self.waiting.pop_front();
            self.first += 1;
            self.sent = self.sent.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
