//! A TCP relay that breaks wires as the world breaks them.
//!
//! In: connections for a server, and orders. Out: the same bytes in both directions, until an order comes. New
//! connections are carried as if nothing had happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::{self, Receiver, Sender};

use super::stream::cut;

/// How a wire ends.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    /// Both sides get a reset.
    Reset,
    /// Nothing comes through any more, and nobody is told.
    Stall,
    /// The client gets half of what comes next, and then an end.
    Half,
}

/// Every way to end a wire.
pub const CUTS: [Cut; 3] = [Cut::Reset, Cut::Stall, Cut::Half];

/// A relay.
pub struct Ferry {
    /// Where it listens.
    pub address: String,
    orders: Sender<Cut>,
    carried: Arc<AtomicUsize>,
}

impl Ferry {
    /// A relay to this server.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (orders, _) = broadcast::channel(8);
        let carried = Arc::new(AtomicUsize::new(0));
        let (server, taken, count) = (server.to_owned(), orders.clone(), carried.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(carry(client, server, taken.subscribe()));
            }
        });
        Self {
            address,
            orders,
            carried,
        }
    }

    /// A wire to the server.
    pub async fn wire(&self) -> TcpStream {
        loop {
            // An order may come before the connection is complete.
            if let Ok(wire) = TcpStream::connect(&self.address).await {
                return wire;
            }
        }
    }

    /// Breaks every wire that there is.
    pub fn cut(&self, how: Cut) {
        // Nobody listens when there is no wire.
        let _ = self.orders.send(how);
    }

    /// How many wires there have been.
    pub fn carried(&self) -> usize {
        self.carried.load(Ordering::Relaxed)
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, mut orders: Receiver<Cut>) {
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    let mut half = false;
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Ok(Cut::Half) => half = true,
                // Both ends stay open, for as long as the story runs.
                Ok(Cut::Stall) => std::future::pending().await,
                _ => {
                    cut(&client);
                    return cut(&server);
                }
            },
            read = client.read(&mut up) => match read {
                Ok(count @ 1..) if server.write_all(&up[..count]).await.is_ok() => {}
                _ => return,
            },
            read = server.read(&mut down) => match read {
                Ok(count @ 1..) => {
                    let count = if half { count / 2 } else { count };
                    if client.write_all(&down[..count]).await.is_err() || half {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}
