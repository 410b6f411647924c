//! PUBLISH, for other connectors of the server.
//!
//! In: a channel and a payload. Out: whether Redis has taken it; how many heard it is nobody's business. The connection
//! is made when the first comes, and anew when it was lost.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, cmd};
use tokio::sync::Mutex;
use turted_core::{ChannelName, ConnectorError, Payload, Relay};

use crate::pubsub::silent;
use crate::server::{ANSWER, Server};

/// Publishes on one server.
pub struct Publisher {
    server: Arc<Server>,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Publisher {
    /// Without a connection yet.
    pub fn new(server: Arc<Server>) -> Self {
        Self {
            server,
            connection: Mutex::new(None),
        }
    }

    /// The connection, and whether it was there before.
    async fn connection(&self) -> Result<(MultiplexedConnection, bool), ConnectorError> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = &*held {
            return Ok((connection.clone(), true));
        }
        let connection = self.server.connect().await?;
        *held = Some(connection.clone());
        Ok((connection, false))
    }

    async fn send(&self, channel: &ChannelName, payload: &Payload) -> Result<(), ConnectorError> {
        loop {
            let (mut connection, is_old) = self.connection().await?;
            let mut publish = cmd("PUBLISH");
            publish.arg(channel.as_str()).arg(payload.as_bytes());
            let sent: Result<(), RedisError> = publish.query_async(&mut connection).await;
            let Err(error) = sent else {
                return Ok(());
            };
            *self.connection.lock().await = None;
            // One that was lost while nobody used it has taken nothing.
            if !(is_old && error.is_connection_dropped()) {
                return Err(self.server.error("PUBLISH", &error));
            }
        }
    }
}

impl Relay for Publisher {
    fn publish<'a>(
        &'a self,
        channel: &'a ChannelName,
        payload: &'a Payload,
    ) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(async move {
            // Whoever waits for a connection waits for one that another makes.
            let sent = tokio::time::timeout(ANSWER, self.send(channel, payload)).await;
            sent.unwrap_or_else(|_| Err(silent(&self.server, ANSWER)))
        })
    }
}
