//! A WebSocket that takes over from polling, on whichever worker it arrives.
//!
//! In: the messages of the socket, and a connection. Out: a voice that the socket writes. First the socket is tried out
//! while polling goes on; then the connection moves to it, or the socket is closed.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::packet::Eio;
use super::packets;
use crate::carriers::Mount;
use crate::carriers::websocket::{Incoming, frame, translate};
use crate::client::Worker;
use crate::client::quiet::Quiet;
use crate::client::requests::collect::Trial;
use crate::client::requests::moving::Move;
use crate::client::{Connection, Inbound, Rules, Voice};
use crate::dispatcher::LaneKey;

/// How long the trial may take.
const TRIAL: Duration = Duration::from_secs(10);

/// Starts the trial; the voice is what the socket writes.
pub fn start(
    incoming: Incoming,
    version: Eio,
    mount: &Mount,
    worker: &Rc<Worker>,
    connection: Addr<Connection>,
) -> Rc<Voice> {
    // Until the connection comes there is nobody to speak with.
    let voice = mount.voice(Box::new(Quiet));
    let socket = Socket {
        voice: Rc::clone(&voice),
        rules: Arc::clone(&mount.rules),
        worker: Rc::clone(worker),
        version,
        connection,
    };
    actix::spawn(socket.run(incoming));
    voice
}

struct Socket {
    voice: Rc<Voice>,
    rules: Arc<Rules>,
    worker: Rc<Worker>,
    version: Eio,
    connection: Addr<Connection>,
}

impl Socket {
    async fn run(self, mut incoming: Incoming) {
        // A session that has its socket already takes no other.
        let may = self.connection.send(Trial::Offer).await.unwrap_or(false);
        if may && timeout(TRIAL, self.probe(&mut incoming)).await.unwrap_or(false) {
            return self.take_over(incoming).await;
        }
        // Whoever hears nothing of either may be gone already.
        if may {
            let _ = self.connection.send(Trial::Abandon).await;
        }
        self.close();
    }

    /// Whether the client wants to go over to this socket.
    async fn probe(&self, incoming: &mut Incoming) -> bool {
        while let Some(message) = incoming.next().await {
            match translate(message) {
                Inbound::Text(text) if text == "2probe" => {
                    // Before polls that wait are answered, which is what makes the client look at this socket.
                    self.voice.control(frame::text(b"3probe"));
                    if !self.connection.send(Trial::Probe).await.unwrap_or(false) {
                        return false;
                    }
                }
                Inbound::Text(text) => return text == "5",
                Inbound::Ping(pong) => self.voice.control(pong),
                Inbound::Pong => {}
                _ => return false,
            }
        }
        false
    }

    async fn take_over(self, incoming: Incoming) {
        self.voice.hold();
        let lane = LaneKey {
            courier: self.worker.courier,
            lane: self.worker.voices.insert(Rc::clone(&self.voice)),
        };
        let (answer, moving) = oneshot::channel();
        // Without an answer the Dispatcher has never heard of the lane.
        let sent = self.connection.send(Move { lane, answer }).await;
        match (sent, moving.await) {
            (Ok(()), Ok(moving)) => {
                let packets = packets(incoming, self.version);
                Connection::arrive(&self.worker, &self.voice, &self.rules, *moving, packets);
            }
            _ => {
                self.worker.voices.retire(lane.lane);
                self.voice.release();
                self.close();
            }
        }
    }

    fn close(&self) {
        self.voice.control(frame::close(1000, ""));
        self.voice.finish();
    }
}
