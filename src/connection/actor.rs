//! The actor of one client.
//!
//! In: messages of its transport. Out: requests to the Dispatcher, answers on its lane. It verifies who the client is, keeps
//! its pace, watches for signs of life, and sees to it that its seat is given up exactly once.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::prelude::SendError;
use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, Running, StreamHandler};
use bytes::Bytes;
use futures_util::Stream;
use log::debug;
use turted_core::{Credentials, Ending, Identity, Intent, Notice, Rejection, Tag, UserName};

use super::courier::Fence;
use super::heartbeat::{Beat, Heart};
use super::lane::Lane;
use super::newcomer::{Inbound, Newcomer, Surroundings};
use super::pace::Pace;
use super::register::Listing;
use super::rules::{Rules, Start};
use super::visit::Readers;
use crate::dispatcher::{Ask, Open, Request, SeatKey};
use crate::protocol::Reaction;

/// A client.
pub struct Connection {
    pub(super) surroundings: Rc<Surroundings>,
    pub(super) lane: Rc<Lane>,
    pub(super) seat: Option<SeatKey>,
    pub(super) id: Arc<str>,
    pub(super) bearer: Option<Box<str>>,
    pub(super) pace: Pace,
    pub(super) last_heard: Instant,
    pub(super) rules: Arc<Rules>,
    pub(super) heart: Heart,
    pub(super) readers: Readers,
    pub(super) listing: Option<Listing>,
    pub(super) is_ready: bool,
}

impl Connection {
    /// Starts a connection: it speaks first, asks for a seat, and then hears what its transport reads.
    pub fn open(
        surroundings: Rc<Surroundings>,
        newcomer: Newcomer,
        inbound: impl Stream<Item = Inbound> + 'static,
    ) -> Addr<Self> {
        let Newcomer {
            lane,
            key,
            encoder,
            welcome,
            bearer,
            rules,
            first,
            listing,
        } = newcomer;
        lane.welcome(&welcome);
        debug!("{} opens", welcome.connection);
        let opened = surroundings.dispatcher.send(Open {
            lane: key,
            encoder,
            connection: Arc::clone(&welcome.connection),
            token: welcome.resume,
        });
        let now = Instant::now();
        let connection = Self {
            pace: Pace::new(surroundings.pace.1, now),
            surroundings,
            lane,
            seat: None,
            id: welcome.connection,
            bearer,
            last_heard: now,
            heart: Heart::new(rules.heartbeat, now),
            rules,
            readers: Readers::default(),
            listing,
            is_ready: first.is_some(),
        };
        Self::create(|cx| {
            connection.lane.belongs_to(cx.address().downgrade());
            if let Some(listing) = &connection.listing {
                listing.fill(cx.address());
            }
            let opened = opened.into_actor(&connection);
            cx.wait(opened.map(|seat, connection, cx| match seat {
                Ok(seat) => {
                    connection.seat = Some(seat);
                    if let Some(first) = first {
                        connection.ask(first, None, cx);
                    }
                    // Some conversations end with their first words.
                    if let Some(ending) = connection.lane.ended() {
                        connection.depart(ending, cx);
                    }
                }
                Err(_) => cx.stop(),
            }));
            cx.add_stream(inbound);
            connection
        })
    }

    /// Waits for the answer to be on its way before the next message of this client is looked at, so that answers come in the
    /// order of the questions: behind the Dispatcher, the courier has handed the answer to the lane when it reaches the fence.
    pub(super) fn ask(&self, request: Request, tag: Tag, cx: &mut Context<Self>) {
        if let Some(seat) = self.seat {
            let asked = self.surroundings.dispatcher.send(Ask { seat, tag, request });
            let courier = self.surroundings.carrier.clone();
            let answered = async move {
                if asked.await.is_ok() {
                    let _ = courier.send(Fence).await;
                }
            };
            let answered = answered.into_actor(self);
            cx.wait(answered.map(|(), connection, _| connection.lane.answered()));
        } else {
            self.lane.answered();
        }
    }

    fn want(&mut self, intent: Intent, tag: Tag, cx: &mut Context<Self>) {
        self.is_ready = true;
        let request = match intent {
            Intent::Ready => Request::Ready,
            Intent::Ident { claimed, data } => return self.verify(claimed, data, tag, cx),
            Intent::Join(channel) => Request::Join(channel),
            Intent::Leave(channel) => Request::Leave(channel),
            Intent::Resume { token, last } => Request::Resume { token, last },
        };
        self.ask(request, tag, cx);
    }

    fn verify(&self, claimed: Option<UserName>, data: serde_json::Value, tag: Tag, cx: &mut Context<Self>) {
        let (clients, bearer) = (Arc::clone(&self.surroundings.clients), self.bearer.clone());
        let verified = async move {
            let credentials = Credentials {
                data: &data,
                bearer: bearer.as_deref(),
            };
            clients.verify(credentials).await
        };
        let verified = verified.into_actor(self).map(|verdict, connection, cx| {
            let user = match verdict {
                Ok(Identity { user }) => user.or(claimed).ok_or(Rejection::MissingField("data.username")),
                Err(_) => Err(Rejection::IdentDenied),
            };
            match user {
                Ok(user) => connection.ask(Request::Ident(user), tag, cx),
                Err(rejection) => {
                    connection.lane.tell(&Notice::Rejected(rejection), &tag);
                    connection.lane.answered();
                }
            }
        });
        cx.wait(verified);
    }

    pub(super) fn keeps_pace(&mut self) -> bool {
        let (rate, burst) = self.surroundings.pace;
        self.pace.allows(rate, burst, Instant::now())
    }

    pub(super) fn receive(&mut self, text: &str, cx: &mut Context<Self>) {
        if !self.keeps_pace() {
            let rejection = Rejection::TooFast(self.surroundings.pace.0);
            self.lane.refuse(text, &rejection);
            return self.lane.answered();
        }
        let wishes = self.lane.receive(text);
        self.grant(wishes, cx);
    }

    fn receive_binary(&mut self, data: Bytes, cx: &mut Context<Self>) {
        if !self.keeps_pace() {
            return self.lane.refuse("", &Rejection::TooFast(self.surroundings.pace.0));
        }
        let wishes = self.lane.receive_binary(data);
        self.grant(wishes, cx);
    }

    fn grant(&mut self, wishes: Vec<Reaction>, cx: &mut Context<Self>) {
        if wishes.is_empty() {
            // Whoever begins with something else does not come back to an earlier connection.
            if !self.is_ready && matches!(self.rules.start, Start::Grace(_)) {
                self.is_ready = true;
                return self.ask(Request::Ready, None, cx);
            }
            self.lane.answered();
        }
        for reaction in wishes {
            if let Reaction::Want(intent, tag) = reaction {
                self.want(intent, tag, cx);
            }
        }
    }

    /// Takes what the client said, whatever wire it came by.
    pub(super) fn hear(&mut self, inbound: Inbound, cx: &mut Context<Self>) {
        if self.lane.ended().is_some() {
            if let Inbound::Close(_) = inbound {
                cx.stop();
            }
            return;
        }
        match inbound {
            Inbound::Text(text) => self.receive(&text, cx),
            Inbound::Binary(data) => self.receive_binary(data, cx),
            Inbound::Ping(pong) => self.lane.control(pong),
            Inbound::Pong => {}
            Inbound::Broken(ending) => self.lane.end(ending),
            Inbound::Close(ending) => {
                self.lane.end(ending);
                cx.stop();
            }
        }
    }

    /// Looks for signs of life, and asks for one when it is time.
    fn watch(&mut self, cx: &mut Context<Self>) {
        let now = Instant::now();
        let rules = self.rules.heartbeat;
        // Whoever is not asked and waits for an answer is there.
        let waits = rules.every.is_none() && self.readers.is_attached();
        let heard = if waits { now } else { self.last_heard };
        let again = match self.heart.beat(rules, heard) {
            Beat::Ask(again) => {
                self.lane.ping();
                Some(again)
            }
            Beat::Wait(again) => Some(again),
            Beat::Lifeless => {
                self.lane.end(Ending::Lifeless);
                None
            }
        };
        // `end` sends Stop; should its mailbox have been full, this is the second chance.
        if let Some(ending) = self.lane.ended() {
            self.depart(ending, cx);
        } else if let Some(again) = again {
            cx.run_later(again.saturating_duration_since(now), Self::watch);
        }
    }

    /// Gives the seat up and leaves the client a moment to answer the goodbye.
    fn depart(&mut self, ending: Ending, cx: &mut Context<Self>) {
        if let Some(seat) = self.seat.take() {
            debug!("{} ends: {} {}", self.id, ending.code(), ending.reason());
            self.give_up(seat, ending);
            // Nobody will ask for the last words of a client that shows no life.
            if ending == Ending::Lifeless && self.listing.is_some() && !self.readers.is_attached() {
                cx.stop();
            } else {
                self.readers.linger(self.rules.linger, cx);
            }
        }
    }

    pub(super) fn give_up(&self, seat: SeatKey, ending: Ending) {
        let gone = Ask {
            seat,
            tag: None,
            request: Request::Gone(ending),
        };
        // At once, if there is room: the client's next wire may be quick. Otherwise a task waits, which outlives this actor: a seat must
        // not stay behind.
        if let Err(SendError::Full(gone)) = self.surroundings.dispatcher.try_send(gone) {
            let dispatcher = self.surroundings.dispatcher.clone();
            actix::spawn(async move {
                let _ = dispatcher.send(gone).await;
            });
        }
    }
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, cx: &mut Self::Context) {
        match self.rules.start {
            _ if self.is_ready => {}
            Start::Grace(time) => {
                cx.run_later(time, |connection, cx| connection.ask(Request::Ready, None, cx));
            }
            Start::WhenSaid(time) => {
                cx.run_later(time, |connection, _| {
                    if !connection.is_ready {
                        connection.lane.end(Ending::Lifeless);
                    }
                });
            }
        }
        let wait = self.heart.due().saturating_duration_since(Instant::now());
        cx.run_later(wait, Self::watch);
        // One that moved here may have ended on the way.
        if let Some(ending) = self.lane.ended() {
            self.depart(ending, cx);
        }
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        let ending = self.lane.ended().unwrap_or(Ending::Vanished);
        if let Some(seat) = self.seat.take() {
            self.give_up(seat, ending);
        }
        self.lane.finish();
        Running::Stop
    }
}

impl StreamHandler<Inbound> for Connection {
    fn handle(&mut self, inbound: Inbound, cx: &mut Self::Context) {
        self.last_heard = Instant::now();
        self.hear(inbound, cx);
    }

    fn finished(&mut self, cx: &mut Self::Context) {
        cx.stop();
    }
}

/// The lane has ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop(pub Ending);

impl Handler<Stop> for Connection {
    type Result = ();

    fn handle(&mut self, Stop(ending): Stop, cx: &mut Self::Context) {
        self.depart(ending, cx);
    }
}
