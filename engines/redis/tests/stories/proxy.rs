//! A wire that can be cut: between a node and its server.
//!
//! In: the port of a server. Out: another port that leads to it, and orders that make it lose answers, lose requests,
//! or swallow everything while all connections stay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens next, once.
#[derive(Clone, Copy)]
pub enum Cut {
    /// The next answer is lost, with its connection.
    Answer = 1,
    /// The next request is lost, with its connection.
    Request = 2,
}

#[derive(Default)]
struct Orders {
    cut: AtomicU8,
    is_stalled: AtomicBool,
}

impl Orders {
    fn is_due(&self, cut: Cut) -> bool {
        let done = self
            .cut
            .compare_exchange(cut as u8, 0, Ordering::SeqCst, Ordering::SeqCst);
        done.is_ok()
    }
}

pub struct Proxy {
    pub port: u16,
    orders: Arc<Orders>,
}

impl Proxy {
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let orders = Arc::<Orders>::default();
        let shared = Arc::clone(&orders);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&shared)));
            }
        });
        Self { port, orders }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn cut(&self, cut: Cut) {
        self.orders.cut.store(cut as u8, Ordering::SeqCst);
    }

    /// Whether what was ordered is still to happen.
    pub fn is_due(&self) -> bool {
        self.orders.cut.load(Ordering::SeqCst) != 0
    }

    pub fn stall(&self, is_stalled: bool) {
        self.orders.is_stalled.store(is_stalled, Ordering::SeqCst);
    }
}

/// Errors end the connection, as they would without a proxy.
async fn pass(mut client: TcpStream, server: u16, orders: Arc<Orders>) -> Option<()> {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await.ok()?;
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let (to, bytes, cut) = tokio::select! {
            read = client.read(&mut up) => (&mut server, &up[..read.ok()?], Cut::Request),
            read = server.read(&mut down) => (&mut client, &down[..read.ok()?], Cut::Answer),
        };
        if bytes.is_empty() || orders.is_due(cut) {
            return None;
        }
        if !orders.is_stalled.load(Ordering::SeqCst) {
            to.write_all(bytes).await.ok()?;
        }
    }
}
