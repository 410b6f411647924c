//! The acknowledging half of a reader of streams.
//!
//! In: entries that are done. Out: XACK, as many entries at once as there are, while the reading half goes on. It knows
//! nothing of what was done with them.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::cmd;
use tokio::sync::{mpsc, oneshot};
use turted_core::ConnectorError;

use crate::server::Server;

/// How many entries with a receipt may wait for their acknowledgement.
pub const UNACKNOWLEDGED: usize = 1024;

/// What it is told.
pub enum Done {
    /// The stream and the id of an entry that is done.
    Entry(Arc<str>, String),
    /// Answer when all before this is acknowledged.
    Flush(oneshot::Sender<()>),
}

/// Acknowledges what is done until all senders are gone. An error when the connection is lost.
pub async fn acknowledge(
    mut redis: MultiplexedConnection,
    streams: Vec<Arc<str>>,
    group: String,
    mut finished: mpsc::Receiver<Done>,
    server: &Server,
) -> Result<(), ConnectorError> {
    let mut batch = Vec::new();
    while finished.recv_many(&mut batch, UNACKNOWLEDGED).await > 0 {
        for stream in &streams {
            let ids = batch.iter().filter_map(|done| match done {
                Done::Entry(from, id) if from == stream => Some(id.as_str()),
                _ => None,
            });
            let ids: Vec<&str> = ids.collect();
            if ids.is_empty() {
                continue;
            }
            let acknowledged = cmd("XACK")
                .arg(&**stream)
                .arg(&group)
                .arg(ids)
                .exec_async(&mut redis)
                .await;
            acknowledged.map_err(|error| server.error("XACK", &error))?;
        }
        for done in batch.drain(..) {
            if let Done::Flush(answer) = done {
                // Whoever asked may have stopped.
                let _ = answer.send(());
            }
        }
    }
    Ok(())
}
