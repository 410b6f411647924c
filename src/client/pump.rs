//! What reads the client's socket.
//!
//! In: the messages of a carrier. Out: the same to the connection, until something waits for its turn there: then the
//! socket is left unread, which is how a client that asks faster than it is answered is slowed down.

use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Instant;

use actix::fut::ActorFuture;
use actix::{ActorContext, Context};
use futures_util::Stream;
use turted_core::Ending;

use super::actor::Connection;
use super::newcomer::Inbound;
use super::turns::Reply;

/// Messages of one client after which others have their turn.
const AT_ONCE: u32 = 32;

/// Reads until its stream or its connection ends.
pub struct Pump<S>(Pin<Box<S>>);

impl<S: Stream<Item = Inbound>> Pump<S> {
    /// A pump for this stream.
    pub fn new(inbound: S) -> Self {
        Self(Box::pin(inbound))
    }
}

impl<S: Stream<Item = Inbound>> ActorFuture<Connection> for Pump<S> {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        connection: &mut Connection,
        cx: &mut Context<Connection>,
        task: &mut Task<'_>,
    ) -> Poll<()> {
        for _ in 0..AT_ONCE {
            if connection.client.turns.holds_back() {
                connection.held_back = Some(task.waker().clone());
                return Poll::Pending;
            }
            match self.0.as_mut().poll_next(task) {
                Poll::Ready(Some(inbound)) => {
                    connection.client.last_heard = Instant::now();
                    connection.hear(inbound, Reply::Usual, cx);
                }
                Poll::Ready(None) => {
                    connection.unplug(Ending::Normal, cx);
                    // It may have gone on without this socket before, and does so afterwards.
                    if connection.rules.outlives.is_none() || connection.voice.ended().is_some() {
                        cx.stop();
                    }
                    return Poll::Ready(());
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}
