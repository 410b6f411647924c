//! A connection goes over to a socket, and to the worker where that socket is.
//!
//! In: a lane that waits there. Out: everything that makes up the connection, for the actor that goes on with it. The Dispatcher sends what is new to the new
//! lane at once; it waits there until what was left in the old one has been put before it. From then on nothing distinguishes the connection from one
//! that began with a socket.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message};
use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::oneshot;
use turted_core::Ending;

use super::collect::Readers;
use super::register::Listing;
use super::rules::Rules;
use crate::client::actor::Connection;
use crate::client::courier::Fence;
use crate::client::heartbeat::Heart;
use crate::client::newcomer::{Inbound, Worker};
use crate::client::pace::Pace;
use crate::client::voice::Voice;
use crate::dispatcher::{Ask, LaneKey, Request, SeatKey};
use turted_core::Conversation;

/// Leave for this lane. Without an answer nothing has been moved, and the lane is the caller's.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Move {
    /// Filed with the courier of its worker, and held.
    pub lane: LaneKey,
    /// Who goes on.
    pub answer: oneshot::Sender<Belongings>,
}

/// What makes up a connection.
pub struct Belongings {
    seat: SeatKey,
    id: Arc<str>,
    bearer: Option<Box<str>>,
    pace: Pace,
    last_heard: Instant,
    heart: Heart,
    listing: Option<Listing>,
    is_ready: bool,
    conversation: Box<dyn Conversation>,
    frames: Vec<Bytes>,
    ended: Option<Ending>,
}

impl Handler<Move> for Connection {
    type Result = ();

    fn handle(&mut self, Move { lane, answer }: Move, cx: &mut Context<Self>) {
        if self.seat.is_none() || !self.readers.go() {
            return;
        }
        self.voice.send_readers_away(false);
        self.voice.next_reader();
        // Readers that wait get their answer before the wait below stops everything here.
        let now = async {}.into_actor(self);
        cx.spawn(now.map(move |(), connection, cx| connection.leave(lane, answer, cx)));
    }
}

impl Connection {
    /// Nothing more comes for the old lane when the courier has reached the fence behind the Dispatcher's turn.
    fn leave(&mut self, lane: LaneKey, answer: oneshot::Sender<Belongings>, cx: &mut Context<Self>) {
        let Some(seat) = self.seat else {
            return;
        };
        let request = Request::Move(lane);
        let asked = self.worker.dispatcher.send(Ask {
            seat,
            tag: None,
            request,
        });
        let courier = self.worker.carrier.clone();
        let moved = async move {
            if asked.await.is_ok() {
                let _ = courier.send(Fence).await;
            }
        };
        cx.wait(moved.into_actor(self).map(move |(), connection, cx| {
            connection.seat = None;
            let (conversation, frames) = connection.voice.surrender();
            let belongings = Belongings {
                seat,
                id: Arc::clone(&connection.id),
                bearer: connection.bearer.take(),
                pace: std::mem::replace(&mut connection.pace, Pace::new(0, connection.last_heard)),
                last_heard: connection.last_heard,
                heart: connection.heart,
                listing: connection.listing.take(),
                is_ready: connection.is_ready,
                conversation,
                frames,
                ended: connection.voice.ended(),
            };
            if answer.send(belongings).is_err() {
                // Its socket is gone already.
                connection.give_up(seat, Ending::Vanished);
            }
            cx.stop();
        }));
    }

    /// Goes on with a connection that was begun elsewhere, on a lane that was held for it.
    pub fn go_on(
        worker: Rc<Worker>,
        voice: Rc<Voice>,
        rules: Arc<Rules>,
        belongings: Belongings,
        inbound: impl Stream<Item = Inbound> + 'static,
    ) -> Addr<Self> {
        let Belongings {
            seat,
            id,
            bearer,
            pace,
            last_heard,
            heart,
            listing,
            is_ready,
            conversation,
            frames,
            ended,
        } = belongings;
        voice.adopt(conversation, frames, ended);
        let connection = Self {
            worker,
            voice,
            seat: Some(seat),
            id,
            bearer,
            pace,
            last_heard,
            rules,
            heart,
            readers: Readers::gone(),
            listing,
            is_ready,
        };
        Self::create(|cx| {
            connection.voice.belongs_to(cx.address().downgrade());
            if let Some(listing) = &connection.listing {
                listing.fill(cx.address());
            }
            cx.add_stream(inbound);
            connection
        })
    }
}
