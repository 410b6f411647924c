//! The connection to the broker.
//!
//! In: a [`Broker`]. Out: a connection of the driver on a socket that is certain to be closed with the [`Link`]: the
//! driver's thread waits for a peer that has vanished as long as the socket does. Refuses to know queues.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use socket2::{SockRef, Socket, TcpKeepalive};
use tokio::net::lookup_host;
use tokio::time::timeout;
use turted_core::ConnectorError;

use crate::broker::Broker;
use crate::failure;

/// Closes the socket of one connection when it is dropped.
pub struct Link {
    slot: Arc<Slot>,
    silence: Option<Duration>,
}

#[derive(Default)]
struct Slot(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Waiting,
    Open(Socket),
    Closed,
}

impl Link {
    /// A link without a connection.
    pub fn new(broker: &Broker) -> Self {
        Self {
            slot: Arc::default(),
            silence: broker.silence(),
        }
    }

    /// Connects and logs in. Whoever waits for it sets the limit of time.
    pub async fn connect(&self, broker: &Broker, name: &str) -> Result<Connection, ConnectorError> {
        let failed = |error| failure::of(&format!("cannot connect to the broker at {}", broker.place), &error);
        let runtime = lapin::runtime::default_runtime().map_err(failed)?;
        let properties = ConnectionProperties::default().with_connection_name(format!("turted {name}").into());
        let (slot, silence, patience) = (self.slot.clone(), self.silence, broker.patience);
        Connection::connector(
            broker.uri.clone(),
            runtime,
            // Runs on the driver's thread, which outlives a caller that has lost its patience.
            async move |uri: AMQPUri, runtime| {
                let authority = &uri.authority;
                let open = async {
                    let addresses: Vec<_> = lookup_host((authority.host.as_str(), authority.port)).await?.collect();
                    AsyncTcpStream::connect(&runtime, addresses).await
                };
                let stream = timeout(patience, open).await.map_err(io::Error::from)??;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    let socket = SockRef::from(plain.get_ref());
                    prepare(&socket, silence)?;
                    slot.open(socket.try_clone()?)?;
                }
                match uri.scheme {
                    AMQPScheme::AMQP => Ok(stream),
                    AMQPScheme::AMQPS => Ok(stream.into_tls(&authority.host, Default::default()).await?),
                }
            },
            properties,
        )
        .await
        .map_err(failed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.slot.close();
    }
}

impl Slot {
    fn open(&self, socket: Socket) -> io::Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Closed) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        *state = State::Open(socket);
        Ok(())
    }

    fn close(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Open(socket) = &*state {
            // An error means that it is closed already.
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
        *state = State::Closed;
    }
}

/// Small frames are sent at once, and a peer that does not take what is sent is gone after the same time as one that
/// says nothing.
fn prepare(socket: &Socket, silence: Option<Duration>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_secs(60)))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(silence)?;
    Ok(())
}
