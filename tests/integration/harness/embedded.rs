//! A server inside this process, for connectors that no configuration can name.
//!
//! In: what builds and starts it. Out: its address, and what it says of its connectors. It stops with the value.

use std::sync::mpsc::channel;
use std::thread::{JoinHandle, spawn};

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use turted::Running;

use super::http::{Reply, Request};
use super::{Client, PATIENCE, within};

/// A running server.
pub struct Embedded {
    /// Host and port.
    pub address: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Starts what `start` gives, on a thread and a runtime of its own.
    pub fn start(start: impl FnOnce() -> Running + Send + 'static) -> Self {
        let (addresses, address) = channel();
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            actix_web::rt::System::new().block_on(async move {
                let running = start();
                addresses.send(running.addresses()[0].0.to_string()).unwrap();
                // Told to stop, or left alone by a test that failed.
                let _ = stopped.await;
                running.stop().await;
            });
        };
        let thread = spawn(serve);
        let address = address.recv_timeout(PATIENCE).expect("the server starts");
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// A client in some channels.
    pub async fn member(&self, channels: &[&str]) -> Client {
        let mut client = Client::at(&self.address).await;
        for channel in channels {
            client.join(channel).await;
        }
        client
    }

    /// The answer to a GET.
    pub async fn get(&self, path: &str) -> Reply {
        let wire = within("a TCP connection", TcpStream::connect(&self.address))
            .await
            .unwrap();
        Request::new("GET", path).send(wire, &self.address).await
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            std::thread::panicking() || ended.is_some_and(|ended| ended.is_ok()),
            "the server panicked"
        );
    }
}
