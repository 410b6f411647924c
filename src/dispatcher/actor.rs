//! The Dispatcher as an actor, and its door for connectors.
//!
//! In: messages. Out: one [`Carry`] per courier and turn. It only translates: the logic is in [`Desk`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix::dev::{MessageResponse, OneshotSender};
use actix::prelude::SendError;
use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, MessageResult, Recipient};
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use turted_core::{Dispatch, Intake, PushError, Receipt, Shutdown};

use super::census::Census;
use super::desk::Desk;
use super::messages::{
    Applied, Apply, Ask, Carry, EndAll, Enlist, Expel, Forget, GoesOn, IsRevoked, Knows, ListRevoked, Open, Pardon,
    Pending, Publish, Recall, Request, Revoke, SeatKey,
};
use super::portions::{Portions, looks_back};

/// Messages that wait for the Dispatcher before connectors are told that it is overloaded.
const MAILBOX: usize = 4096;
/// Turns that wait for one courier before connectors are told that the server is overloaded.
const BACKLOG: usize = 1024;
/// When a client may say again what an overloaded server did not take.
const OVERLOADED: Duration = Duration::from_millis(500);
/// How often old things are forgotten.
const EXPIRY: Duration = Duration::from_secs(1);

struct Courier {
    mailbox: Recipient<Carry>,
    backlog: Arc<AtomicUsize>,
}

/// The central actor. It runs on an arbiter of its own.
pub struct Dispatcher {
    desk: Desk,
    census: Arc<Census>,
    couriers: Vec<Option<Courier>>,
    portions: Portions,
    has_ended: bool,
    _held: Box<dyn Send>,
}

impl Dispatcher {
    /// A dispatcher around `desk`; `held` lives as long as it does.
    #[must_use]
    pub fn new(desk: Desk, census: Arc<Census>, held: impl Send + 'static) -> Self {
        Self {
            desk,
            census,
            couriers: Vec::new(),
            portions: Portions::default(),
            has_ended: false,
            _held: Box::new(held),
        }
    }

    fn is_overloaded(&self) -> bool {
        let full = |courier: &Courier| courier.backlog.load(Ordering::Relaxed) >= BACKLOG;
        self.couriers.iter().flatten().any(full)
    }

    fn carry(&mut self, at: Option<Instant>) {
        self.desk.tell_needs();
        for (courier, parcels) in self.desk.take_parcels() {
            let Some(Some(courier)) = self.couriers.get(courier) else {
                continue;
            };
            courier.backlog.fetch_add(1, Ordering::Relaxed);
            // Bounded by admission: pushes are refused while a courier is behind, and a connection waits for each of
            // its requests. Dropping a parcel here instead would lose an accepted event.
            #[allow(clippy::disallowed_methods)]
            courier.mailbox.do_send(Carry { parcels, at });
        }
        self.census.publish(self.desk.counts());
    }
}

/// Those who come back have their next portion.
#[derive(Message)]
#[rtype(result = "()")]
struct Portion;

impl Dispatcher {
    fn answer(&mut self, Ask { seat, tag, request }: Ask) -> Option<Pending> {
        let pending = self.desk.ask(seat, tag, request, Instant::now());
        self.carry(None);
        pending
    }

    fn answer_timed(&mut self, ask: Ask, cx: &mut Context<Self>) -> Option<Pending> {
        let begun = Instant::now();
        let pending = self.answer(ask);
        if self.portions.spend(begun.elapsed()) {
            cx.notify(Portion);
        }
        pending
    }

    /// Lets some of those who come back have their turn.
    fn portion(&mut self, cx: &mut Context<Self>) {
        self.portions.begin();
        while let Some((ask, reply)) = self.portions.next() {
            let pending = self.answer_timed(ask, cx);
            // The connection may have ended meanwhile.
            let _ = reply.send(pending);
        }
        self.portions.end(Instant::now());
    }

    /// While others keep coming nobody who comes back waits for ever.
    fn portion_if_due(&mut self, cx: &mut Context<Self>) {
        if self.portions.is_due(Instant::now) {
            self.portion(cx);
        }
    }
}

impl Handler<Portion> for Dispatcher {
    type Result = ();

    fn handle(&mut self, _: Portion, cx: &mut Self::Context) {
        self.portion(cx);
    }
}

/// An answer, now or in a later portion.
pub enum Answer {
    Now(Option<Pending>),
    Later(oneshot::Receiver<Option<Pending>>),
}

impl MessageResponse<Dispatcher, Ask> for Answer {
    fn handle(self, _: &mut Context<Dispatcher>, reply: Option<OneshotSender<Option<Pending>>>) {
        let Some(reply) = reply else {
            return;
        };
        match self {
            // The connection may have ended meanwhile.
            Self::Now(pending) => _ = reply.send(pending),
            Self::Later(pending) => {
                actix::spawn(async move {
                    if let Ok(pending) = pending.await {
                        let _ = reply.send(pending);
                    }
                });
            }
        }
    }
}

impl Actor for Dispatcher {
    type Context = Context<Self>;

    fn started(&mut self, cx: &mut Self::Context) {
        cx.set_mailbox_capacity(MAILBOX);
        cx.run_interval(EXPIRY, |dispatcher, _| {
            dispatcher.desk.expire(Instant::now());
            dispatcher.carry(None);
        });
    }
}

impl Handler<Enlist> for Dispatcher {
    type Result = ();

    fn handle(&mut self, enlist: Enlist, _: &mut Self::Context) {
        if self.couriers.len() <= enlist.id {
            self.couriers.resize_with(enlist.id + 1, || None);
        }
        self.couriers[enlist.id] = Some(Courier {
            mailbox: enlist.courier,
            backlog: enlist.backlog,
        });
    }
}

impl Handler<Open> for Dispatcher {
    type Result = SeatKey;

    fn handle(&mut self, open: Open, _: &mut Self::Context) -> SeatKey {
        let seat = self.desk.open(open, Instant::now());
        self.carry(None);
        seat
    }
}

impl Handler<Ask> for Dispatcher {
    type Result = Answer;

    fn handle(&mut self, ask: Ask, cx: &mut Self::Context) -> Answer {
        let looks_back = looks_back(&ask.request);
        if looks_back && !self.portions.has_room() {
            let (reply, pending) = oneshot::channel();
            self.portions.wait(ask, reply);
            self.portion_if_due(cx);
            return Answer::Later(pending);
        }
        if looks_back {
            return Answer::Now(self.answer_timed(ask, cx));
        }
        // Clients wait as backends do.
        if matches!(ask.request, Request::Publish(..)) && self.is_overloaded() {
            self.desk.put_off(ask.seat, ask.tag, OVERLOADED);
            self.carry(None);
            return Answer::Now(None);
        }
        Answer::Now(self.answer(ask))
    }
}

impl Handler<Expel> for Dispatcher {
    type Result = usize;

    fn handle(&mut self, expel: Expel, _: &mut Self::Context) -> usize {
        let count = self.desk.expel(expel, Instant::now());
        self.carry(None);
        count
    }
}

impl Handler<Revoke> for Dispatcher {
    type Result = usize;

    fn handle(&mut self, revoke: Revoke, _: &mut Self::Context) -> usize {
        let count = self.desk.revoke(revoke, Instant::now());
        self.carry(None);
        count
    }
}

impl Handler<ListRevoked> for Dispatcher {
    type Result = MessageResult<ListRevoked>;

    fn handle(&mut self, wanted: ListRevoked, _: &mut Self::Context) -> MessageResult<ListRevoked> {
        MessageResult(self.desk.list_revoked(&wanted, Instant::now()))
    }
}

impl Handler<Pardon> for Dispatcher {
    type Result = usize;

    fn handle(&mut self, pardon: Pardon, _: &mut Self::Context) -> usize {
        let count = self.desk.pardon(pardon);
        self.census.publish(self.desk.counts());
        count
    }
}

impl Handler<IsRevoked> for Dispatcher {
    type Result = bool;

    fn handle(&mut self, IsRevoked(vouched): IsRevoked, _: &mut Self::Context) -> bool {
        self.desk.is_revoked(&vouched, Instant::now())
    }
}

impl Handler<Forget> for Dispatcher {
    type Result = bool;

    fn handle(&mut self, Forget(token): Forget, _: &mut Self::Context) -> bool {
        let known = self.desk.forget(&token, Instant::now());
        self.desk.tell_needs();
        self.census.publish(self.desk.counts());
        known
    }
}

impl Handler<Knows> for Dispatcher {
    type Result = bool;

    fn handle(&mut self, Knows(token): Knows, _: &mut Self::Context) -> bool {
        self.desk.knows(&token)
    }
}

impl Handler<GoesOn> for Dispatcher {
    type Result = bool;

    fn handle(&mut self, GoesOn(token): GoesOn, _: &mut Self::Context) -> bool {
        self.desk.goes_on(&token, Instant::now())
    }
}

impl Handler<Publish> for Dispatcher {
    type Result = ();

    fn handle(&mut self, publish: Publish, cx: &mut Self::Context) {
        // Nobody is left to hear it. A source keeps what has no receipt.
        let answer = if self.has_ended {
            Err(PushError::ShuttingDown)
        } else if self.is_overloaded() {
            Err(PushError::Overloaded)
        } else {
            let receipt = self.desk.publish(publish.dispatch, Instant::now());
            self.carry(Some(publish.at));
            Ok(receipt)
        };
        // Whoever does not wait for the receipt any more has no use for it.
        let _ = publish.reply.send(answer);
        self.portion_if_due(cx);
    }
}

impl Handler<Apply> for Dispatcher {
    type Result = MessageResult<Apply>;

    fn handle(&mut self, apply: Apply, cx: &mut Self::Context) -> MessageResult<Apply> {
        let now = Instant::now();
        let steps = apply.steps.into_iter();
        let recipients = steps.map(|step| self.desk.apply(step, now)).collect();
        self.carry(Some(now));
        let is_behind = self.is_overloaded();
        self.portion_if_due(cx);
        MessageResult(Applied { recipients, is_behind })
    }
}

impl Handler<Recall> for Dispatcher {
    type Result = MessageResult<Recall>;

    fn handle(&mut self, Recall(key): Recall, _: &mut Self::Context) -> MessageResult<Recall> {
        MessageResult(self.desk.recall(&key, Instant::now()))
    }
}

impl Handler<EndAll> for Dispatcher {
    type Result = ();

    fn handle(&mut self, EndAll(ending): EndAll, _: &mut Self::Context) {
        self.has_ended = true;
        self.desk.end_all(ending);
        self.carry(None);
    }
}

impl<M: actix::Message<Result = Self>> MessageResponse<Dispatcher, M> for SeatKey {
    fn handle(self, _: &mut Context<Dispatcher>, reply: Option<actix::dev::OneshotSender<Self>>) {
        if let Some(reply) = reply {
            // The connection may have ended meanwhile; it then sends Gone through its own door.
            let _ = reply.send(self);
        }
    }
}

/// The Dispatcher's door for connectors.
pub struct DispatcherInbox {
    dispatcher: Addr<Dispatcher>,
    shutdown: Shutdown,
}

impl DispatcherInbox {
    /// A door that closes when the server shuts down.
    #[must_use]
    pub fn new(dispatcher: Addr<Dispatcher>, shutdown: Shutdown) -> Self {
        Self { dispatcher, shutdown }
    }
}

impl Intake for DispatcherInbox {
    fn accept(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<Receipt, PushError>> {
        Box::pin(async move {
            if self.shutdown.is_wanted() {
                return Err(PushError::ShuttingDown);
            }
            let (reply, receipt) = oneshot::channel();
            let at = Instant::now();
            let publish = Publish { dispatch, at, reply };
            match self.dispatcher.try_send(publish) {
                Ok(()) => receipt.await.unwrap_or(Err(PushError::ShuttingDown)),
                Err(SendError::Full(_)) => Err(PushError::Overloaded),
                Err(SendError::Closed(_)) => Err(PushError::ShuttingDown),
            }
        })
    }
}

#[cfg(test)]
mod tests;
