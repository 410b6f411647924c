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
use turted_core::Ending;

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
    let voice = mount.voice(worker, Box::new(Quiet));
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
        let probed = match may {
            true => timeout(TRIAL, self.probe(&mut incoming))
                .await
                .unwrap_or(Err(Ending::Normal)),
            false => Err(Ending::Normal),
        };
        let ending = match probed {
            Ok(()) => return self.take_over(incoming).await,
            Err(ending) => ending,
        };
        // Whoever hears nothing of either may be gone already.
        if may {
            let _ = self.connection.send(Trial::Abandon).await;
        }
        self.close(ending);
    }

    /// Whether the client wants to go over to this socket, or how the trial ends.
    async fn probe(&self, incoming: &mut Incoming) -> Result<(), Ending> {
        while let Some(message) = incoming.next().await {
            match translate(message) {
                Inbound::Text(text) if text == "2probe" => {
                    // Before polls that wait are answered, which is what makes the client look at this socket.
                    self.voice.control(frame::text(b"3probe"));
                    if !self.connection.send(Trial::Probe).await.unwrap_or(false) {
                        break;
                    }
                }
                Inbound::Text(text) if text == "5" => return Ok(()),
                Inbound::Ping(pong) => self.voice.control(pong),
                Inbound::Pong => {}
                Inbound::Broken(ending) => return Err(ending),
                _ => break,
            }
        }
        Err(Ending::Normal)
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
                self.close(Ending::Normal);
            }
        }
    }

    fn close(&self, ending: Ending) {
        self.voice.control(match ending {
            Ending::Normal | Ending::Vanished => frame::close(Ending::Normal.code(), ""),
            _ => frame::close(ending.code(), ending.reason()),
        });
        self.voice.finish();
    }
}
