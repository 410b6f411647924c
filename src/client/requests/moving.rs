//! A connection goes over to a socket, and to the worker where that socket is.
//!
//! In: a lane that waits there. Out: the client, whole, for the actor that goes on with it. The Dispatcher sends what
//! is new to the new lane at once; it waits there until what was left in the old one has been put before it. From then
//! on nothing distinguishes the connection from one that began with a socket.

use std::rc::Rc;
use std::sync::Arc;

use actix::{ActorContext, Addr, Context, Handler, Message};
use futures_util::Stream;
use log::debug;
use tokio::sync::oneshot;
use turted_core::Ending;

use super::readers::Readers;
use super::rules::Rules;
use crate::client::actor::Connection;
use crate::client::newcomer::{Client, Inbound, Worker};
use crate::client::turns::Turn;
use crate::client::voice::{Speech, Voice};
use crate::dispatcher::life::LIFE;
use crate::dispatcher::{Ask, LaneKey, Request};

/// Leave for this lane. Without an answer nothing has been moved, and the lane is the caller's.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Move {
    /// Filed with the courier of its worker, and held.
    pub lane: LaneKey,
    /// Who goes on.
    pub answer: oneshot::Sender<Box<Moving>>,
}

/// A connection on its way.
pub struct Moving {
    client: Client,
    speech: Speech,
}

impl Handler<Move> for Connection {
    type Result = ();

    fn handle(&mut self, leave: Move, cx: &mut Context<Self>) {
        if self.readers.is_moved() {
            return;
        }
        // Readers that wait get their answer, and no other is let in.
        self.voice.unplug(Ending::Replaced);
        self.readers = Readers::Moved;
        self.voice.wake();
        self.client.turns.push(Turn::Move(leave));
        self.advance(cx);
    }
}

impl Connection {
    /// Nothing more comes for the old lane when the courier has reached the fence behind the Dispatcher's turn.
    pub(in crate::client) fn leave(&mut self, Move { lane, answer }: Move, cx: &mut Context<Self>) {
        // From here on the seat belongs to the move: an end that comes meanwhile is seen to at the other side.
        let Some(seat) = self.client.seat.take() else {
            return;
        };
        let request = Request::Move(lane);
        let asked = self.asked(Ask {
            seat,
            tag: None,
            request,
        });
        self.work(asked, cx, move |connection, moved, cx| {
            connection.see(moved);
            // What it wants because of what it was told goes along.
            connection.listen_to_itself(cx);
            let speech = connection.voice.surrender();
            let empty = connection.client.remainder();
            let mut client = std::mem::replace(&mut connection.client, empty);
            client.seat = Some(seat);
            let moving = Box::new(Moving { client, speech });
            if answer.send(moving).is_err() {
                // Its socket is gone already.
                connection.give_up(seat, Ending::Vanished);
            }
            cx.stop();
        });
    }

    /// Goes on with a connection that was begun elsewhere, on a voice that was held for it.
    pub fn arrive(
        worker: &Rc<Worker>,
        voice: &Rc<Voice>,
        rules: &Arc<Rules>,
        moving: Moving,
        inbound: impl Stream<Item = Inbound> + 'static,
    ) -> Addr<Self> {
        debug!(target: LIFE, "{} goes on over a WebSocket", moving.client.id);
        voice.adopt(moving.speech);
        Self::go_on(worker, voice, rules, moving.client, inbound)
    }
}
