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
use super::newcomer::{Inbound, Newcomer, Worker};
use super::pace::Pace;
use super::requests::collect::Readers;
use super::requests::register::Listing;
use super::requests::rules::{Rules, Start};
use super::voice::Voice;
use crate::dispatcher::{Ask, Open, Request, SeatKey};
use turted_core::Reaction;

/// A client.
pub struct Connection {
    pub(in crate::client) worker: Rc<Worker>,
    pub(in crate::client) voice: Rc<Voice>,
    pub(in crate::client) seat: Option<SeatKey>,
    pub(in crate::client) id: Arc<str>,
    pub(in crate::client) bearer: Option<Box<str>>,
    pub(in crate::client) pace: Pace,
    pub(in crate::client) last_heard: Instant,
    pub(in crate::client) rules: Arc<Rules>,
    pub(in crate::client) heart: Heart,
    pub(in crate::client) readers: Readers,
    pub(in crate::client) listing: Option<Listing>,
    pub(in crate::client) is_ready: bool,
}

impl Connection {
    /// Starts a connection: it speaks first, asks for a seat, and then hears what its transport reads.
    pub fn open(worker: Rc<Worker>, newcomer: Newcomer, inbound: impl Stream<Item = Inbound> + 'static) -> Addr<Self> {
        let Newcomer {
            voice,
            key,
            encoder,
            welcome,
            bearer,
            rules,
            first,
            listing,
        } = newcomer;
        voice.welcome(&welcome);
        debug!("{} opens", welcome.connection);
        let opened = worker.dispatcher.send(Open {
            lane: key,
            encoder,
            connection: Arc::clone(&welcome.connection),
            token: welcome.resume,
        });
        let now = Instant::now();
        let connection = Self {
            pace: Pace::new(worker.pace.1, now),
            worker,
            voice,
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
            connection.voice.belongs_to(cx.address().downgrade());
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
                    if let Some(ending) = connection.voice.ended() {
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
    pub(in crate::client) fn ask(&self, request: Request, tag: Tag, cx: &mut Context<Self>) {
        if let Some(seat) = self.seat {
            let asked = self.worker.dispatcher.send(Ask { seat, tag, request });
            let courier = self.worker.carrier.clone();
            let answered = async move {
                if asked.await.is_ok() {
                    let _ = courier.send(Fence).await;
                }
            };
            let answered = answered.into_actor(self);
            cx.wait(answered.map(|(), connection, _| connection.voice.answered()));
        } else {
            self.voice.answered();
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
        let (clients, bearer) = (Arc::clone(&self.worker.clients), self.bearer.clone());
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
                    connection.voice.tell(&Notice::Rejected(rejection), &tag);
                    connection.voice.answered();
                }
            }
        });
        cx.wait(verified);
    }

    pub(in crate::client) fn keeps_pace(&mut self) -> bool {
        let (rate, burst) = self.worker.pace;
        self.pace.allows(rate, burst, Instant::now())
    }

    pub(in crate::client) fn receive(&mut self, text: &str, cx: &mut Context<Self>) {
        if !self.keeps_pace() {
            let rejection = Rejection::TooFast(self.worker.pace.0);
            self.voice.refuse(text, &rejection);
            return self.voice.answered();
        }
        let wishes = self.voice.receive(text);
        self.grant(wishes, cx);
    }

    fn receive_binary(&mut self, data: Bytes, cx: &mut Context<Self>) {
        if !self.keeps_pace() {
            return self.voice.refuse("", &Rejection::TooFast(self.worker.pace.0));
        }
        let wishes = self.voice.receive_binary(data);
        self.grant(wishes, cx);
    }

    fn grant(&mut self, wishes: Vec<Reaction>, cx: &mut Context<Self>) {
        if wishes.is_empty() {
            // Whoever begins with something else does not come back to an earlier connection.
            if !self.is_ready && matches!(self.rules.start, Start::Grace(_)) {
                self.is_ready = true;
                return self.ask(Request::Ready, None, cx);
            }
            self.voice.answered();
        }
        for reaction in wishes {
            if let Reaction::Want(intent, tag) = reaction {
                self.want(intent, tag, cx);
            }
        }
    }

    /// Takes what the client said, whatever wire it came by.
    pub(in crate::client) fn hear(&mut self, inbound: Inbound, cx: &mut Context<Self>) {
        if self.voice.ended().is_some() {
            if let Inbound::Close(_) = inbound {
                cx.stop();
            }
            return;
        }
        match inbound {
            Inbound::Text(text) => self.receive(&text, cx),
            Inbound::Binary(data) => self.receive_binary(data, cx),
            Inbound::Ping(pong) => self.voice.control(pong),
            Inbound::Pong => {}
            Inbound::Broken(ending) => self.voice.end(ending),
            Inbound::Close(ending) => {
                self.voice.end(ending);
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
                self.voice.ping();
                Some(again)
            }
            Beat::Wait(again) => Some(again),
            Beat::Lifeless => {
                self.voice.end(Ending::Lifeless);
                None
            }
        };
        // `end` sends Stop; should its mailbox have been full, this is the second chance.
        if let Some(ending) = self.voice.ended() {
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

    pub(in crate::client) fn give_up(&self, seat: SeatKey, ending: Ending) {
        let gone = Ask {
            seat,
            tag: None,
            request: Request::Gone(ending),
        };
        // At once, if there is room: the client's next wire may be quick. Otherwise a task waits, which outlives this actor: a seat must
        // not stay behind.
        if let Err(SendError::Full(gone)) = self.worker.dispatcher.try_send(gone) {
            let dispatcher = self.worker.dispatcher.clone();
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
                        connection.voice.end(Ending::Lifeless);
                    }
                });
            }
        }
        let wait = self.heart.due().saturating_duration_since(Instant::now());
        cx.run_later(wait, Self::watch);
        // One that moved here may have ended on the way.
        if let Some(ending) = self.voice.ended() {
            self.depart(ending, cx);
        }
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        let ending = self.voice.ended().unwrap_or(Ending::Vanished);
        if let Some(seat) = self.seat.take() {
            self.give_up(seat, ending);
        }
        self.voice.finish();
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
