//! A WebSocket that takes over from polling, on whichever worker it arrives.
//!
//! In: the messages of the socket, and a connection. Out: a lane that the socket writes. First the socket is tried out while polling goes on; then the
//! connection moves to it, or the socket is closed.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::packet::Version;
use super::packets;
use crate::connection::Surroundings;
use crate::connection::moving::Move;
use crate::connection::visit::Trial;
use crate::connection::{Connection, Inbound, Lane, Rules};
use crate::dispatcher::LaneKey;
use crate::protocol::quiet::Quiet;
use crate::transport::Mount;
use crate::transport::websocket::{Incoming, frame, translate};

/// How long the trial may take.
const TRIAL: Duration = Duration::from_secs(10);

/// Starts the trial; the lane is what the socket writes.
pub fn start(
    incoming: Incoming,
    version: Version,
    mount: &Mount,
    surroundings: &Rc<Surroundings>,
    connection: Addr<Connection>,
) -> Rc<Lane> {
    // Until the connection comes there is nobody to speak with.
    let lane = mount.lane(Box::new(Quiet));
    let socket = Socket {
        lane: Rc::clone(&lane),
        rules: Arc::clone(&mount.rules),
        surroundings: Rc::clone(surroundings),
        version,
        connection,
    };
    actix::spawn(socket.run(incoming));
    lane
}

struct Socket {
    lane: Rc<Lane>,
    rules: Arc<Rules>,
    surroundings: Rc<Surroundings>,
    version: Version,
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
                    if !self.connection.send(Trial::Probe).await.unwrap_or(false) {
                        return false;
                    }
                    self.lane.control(frame::text(b"3probe"));
                }
                Inbound::Text(text) => return text == "5",
                Inbound::Ping(pong) => self.lane.control(pong),
                Inbound::Pong => {}
                _ => return false,
            }
        }
        false
    }

    async fn take_over(self, incoming: Incoming) {
        self.lane.hold();
        let lane = LaneKey {
            courier: self.surroundings.courier,
            lane: self.surroundings.lanes.insert(Rc::clone(&self.lane)),
        };
        let (answer, belongings) = oneshot::channel();
        // Without an answer the Dispatcher has never heard of the lane.
        let sent = self.connection.send(Move { lane, answer }).await;
        match (sent, belongings.await) {
            (Ok(()), Ok(belongings)) => {
                let packets = packets(incoming, self.version);
                Connection::go_on(self.surroundings, self.lane, self.rules, belongings, packets);
            }
            _ => {
                self.surroundings.lanes.retire(lane.lane);
                self.lane.adopt(Box::new(Quiet), Vec::new(), None);
                self.close();
            }
        }
    }

    fn close(&self) {
        self.lane.control(frame::close(1000, ""));
        self.lane.finish();
    }
}
