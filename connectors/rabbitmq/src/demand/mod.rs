//! Queues that are there only while somebody needs what comes through them.
//!
//! In: which channels of the server have somebody in them, and the rules that say what stands for a channel at the
//! broker. Out: for each such channel one queue, exclusive and deleted with its consumer, and what comes through it.
//! Two loops: `tending` makes queues and gives them up, `listening` hands messages on, so that one does not wait for
//! the other. At most once: nobody keeps what comes while a queue is not there.

mod heard;
mod listening;
mod queue;
mod rules;
mod tending;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use lapin::Connection;
use log::info;
use tokio::sync::mpsc;
use turted_core::{ChannelName, ConnectorContext, ConnectorError, ConnectorState};

pub use heard::words;
pub use rules::{Form, Rule, Rules, SHORT};

use crate::broker::Broker;
use crate::failure;
use crate::link::Link;
use listening::Listening;
use tending::Tending;

/// New consumers that wait until the one who listens has room.
const NEW: usize = 64;

/// What is heard on demand.
pub struct Demand {
    /// What stands for a channel.
    pub rules: Rules,
    /// Messages of one queue under way.
    pub prefetch: u16,
    /// Most queues at once (CWE-770: clients choose what they watch).
    pub most: usize,
}

/// A queue that is there, from the side of what comes through it.
struct Source {
    channel: ChannelName,
    rule: usize,
    /// Which of the queues that the channel has had.
    number: u64,
    /// Nobody needs it any more: what is still on its way is older than whoever comes next.
    is_released: Arc<AtomicBool>,
}

/// A queue whose consumer has ended.
struct Ended {
    channel: ChannelName,
    number: u64,
}

impl Demand {
    /// Connects, and hears what is needed until the server stops.
    pub async fn run(&self, broker: &Broker, cx: &ConnectorContext) -> Result<(), ConnectorError> {
        let link = Link::new(broker);
        let connection = tokio::select! {
            connected = tokio::time::timeout(broker.patience, link.connect(broker, &cx.name)) => match connected {
                Ok(connected) => connected?,
                Err(_) => return Err(broker.silent()),
            },
            () = cx.shutdown.wait() => return Ok(()),
        };
        let worked = self.work(&connection, cx, broker).await;
        if worked.is_ok() {
            // It is about to be cut off in any case, and its queues go with it.
            let goodbye = connection.close(200, "the server stops".into());
            let _ = tokio::time::timeout(crate::GOODBYE, goodbye).await;
        }
        worked
    }

    async fn work(
        &self,
        connection: &Connection,
        cx: &ConnectorContext,
        broker: &Broker,
    ) -> Result<(), ConnectorError> {
        let (sources, new) = mpsc::channel(NEW);
        // All can end at once, those that are given up and those that come instead.
        let (ended, gone) = mpsc::channel(2 * self.most);
        let listening = Listening::new(connection, self, new, ended);
        let open = Tending::new(connection, self, cx, sources, gone);
        let tending = match tokio::time::timeout(broker.patience, open).await {
            Ok(opened) => opened?,
            Err(_) => return Err(broker.silent()),
        };
        info!("connector {} hears at {} what clients need", cx.name, broker.place);
        cx.report.state(ConnectorState::Running);
        tokio::select! {
            error = tending.work() => Err(error),
            worked = listening.work(cx) => worked,
        }
    }
}

/// A channel of the driver, for a purpose of its own: what the broker refuses closes it.
async fn open(connection: &Connection) -> Result<lapin::Channel, ConnectorError> {
    let opened = connection.create_channel().await;
    opened.map_err(|error| failure::of("cannot open a channel", &error))
}
