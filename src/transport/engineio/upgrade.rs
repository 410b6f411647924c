//! A WebSocket that takes over from polling, on whichever worker it arrives.
//!
//! In: the messages of the socket, and a connection. Out: the connection's frames. First the socket is tried out while polling goes on; then it
//! carries everything, or nothing.

use std::pin::pin;
use std::time::Duration;

use actix::Addr;
use bytes::Bytes;
use futures_util::future::select;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::packet::Version;
use super::packets;
use crate::connection::visit::{Hand, Upgrade};
use crate::connection::{Connection, Inbound, Reader, Reading};
use crate::transport::websocket::{Incoming, frame, translate};

/// How long the trial may take.
const TRIAL: Duration = Duration::from_secs(10);
/// Longer than any pause between two packets.
const LONG: Duration = Duration::from_secs(600);
/// Chunks that wait for the socket; the others wait in the outbox, which is bounded.
const AHEAD: usize = 2;

/// Starts the trial; `held` lives until it is over. The receiver is what the socket gets.
pub fn start(
    incoming: Incoming,
    version: Version,
    connection: Addr<Connection>,
    held: impl Sized + 'static,
) -> mpsc::Receiver<Bytes> {
    let (out, body) = mpsc::channel(AHEAD);
    actix::spawn(async move {
        let mut incoming = incoming;
        // A session that has its socket already takes no other.
        let may = connection.send(Upgrade::Offer).await.unwrap_or(false);
        let trial = may
            && timeout(TRIAL, probe(&mut incoming, &connection, &out))
                .await
                .unwrap_or(false);
        drop(held);
        if trial {
            return carry(incoming, version, connection, &out).await;
        }
        // Whoever hears nothing of either may be gone already.
        if may {
            let _ = connection.send(Upgrade::Abandon).await;
        }
        let _ = out.send(frame::close(1000, "")).await;
    });
    body
}

/// Whether the client wants to go over to this socket.
async fn probe(incoming: &mut Incoming, connection: &Addr<Connection>, out: &mpsc::Sender<Bytes>) -> bool {
    while let Some(message) = incoming.next().await {
        match translate(message) {
            Inbound::Text(text) if text == "2probe" => {
                let may = connection.send(Upgrade::Probe).await.unwrap_or(false);
                if !may || out.send(frame::text(b"3probe")).await.is_err() {
                    return false;
                }
            }
            Inbound::Text(text) => return text == "5",
            Inbound::Ping(pong) => {
                if out.send(pong).await.is_err() {
                    return false;
                }
            }
            Inbound::Pong => {}
            _ => return false,
        }
    }
    false
}

/// Carries everything until one side ends.
async fn carry(incoming: Incoming, version: Version, connection: Addr<Connection>, out: &mpsc::Sender<Bytes>) {
    let reader = Reader::new(connection.clone());
    if connection.send(Upgrade::Take(reader.number())).await.unwrap_or(false) {
        let hears = pin!(hear(packets(incoming, version), &connection, reader.number()));
        let says = pin!(say(&reader, out));
        // When the client is gone nothing is left to say; when the connection has ended, its goodbye has been written.
        select(hears, says).await;
    }
}

async fn hear(packets: impl Stream<Item = Inbound>, connection: &Addr<Connection>, socket: u64) {
    let mut packets = pin!(packets);
    while let Some(inbound) = packets.next().await {
        let hand = Hand {
            socket: Some(socket),
            inbound,
        };
        if connection.send(hand).await.is_err() {
            return;
        }
    }
}

async fn say(reader: &Reader, out: &mpsc::Sender<Bytes>) {
    loop {
        let (frames, is_last) = match reader.read(None, LONG).await {
            Reading::Frames(frames) => (frames, false),
            Reading::Last(frames, _) => (frames, true),
            Reading::Nothing => continue,
            Reading::Busy | Reading::Moved | Reading::Gone => return,
        };
        if (!frames.is_empty() && out.send(frames).await.is_err()) || is_last {
            return;
        }
    }
}
