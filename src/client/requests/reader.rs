//! A request that reads a connection, from whichever worker it came to.
//!
//! In: the address of a connection. Out: what it has to say, one answer after the other. When the request breaks off,
//! the connection is told.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;
use turted_core::Ending;

use super::collect::{Collect, Collected, Detach, Wanted};
use crate::client::actor::Connection;

/// What reading gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// Frames of the transport; none when the reader shall leave.
    Frames(Bytes),
    /// The same, with the number by which the next reader says that they have come.
    Numbered(Bytes, u64),
    /// The last ones, and why.
    Last(Bytes, Ending),
    /// Nothing within the time.
    Nothing,
    /// Another reader is here.
    Busy,
    /// A socket carries everything now.
    Moved,
    /// It asks for the past too often.
    TooFast,
    /// There is no connection (any more).
    Gone,
    /// It ended while this reader waited, and said nothing.
    Vanished,
}

impl From<Collected> for Reading {
    fn from(collected: Collected) -> Self {
        match collected {
            Collected::Frames(frames) => Self::Frames(frames),
            Collected::Numbered(frames, number) => Self::Numbered(frames, number),
            Collected::Last(frames, ending) => Self::Last(frames, ending),
            Collected::Busy => Self::Busy,
            Collected::Moved => Self::Moved,
            Collected::TooFast => Self::TooFast,
        }
    }
}

/// A reader, as long as its request lives.
pub struct Reader {
    connection: Addr<Connection>,
    number: u64,
    is_single: bool,
    is_finished: bool,
    has_left: bool,
}

impl Reader {
    /// A reader of this connection that stays; it is attached when it reads for the first time.
    #[must_use]
    pub fn new(connection: Addr<Connection>) -> Self {
        Self::with(connection, false)
    }

    /// A reader that leaves with what it gets.
    #[must_use]
    pub fn single(connection: Addr<Connection>) -> Self {
        Self::with(connection, true)
    }

    fn with(connection: Addr<Connection>, is_single: bool) -> Self {
        Self {
            connection,
            number: fastrand::u64(..),
            is_single,
            is_finished: false,
            has_left: false,
        }
    }

    /// What there is, or comes within this time. Nothing is lost when the time runs out in the moment in which
    /// something comes.
    pub async fn read(&self, after: Option<Arc<str>>, within: Duration) -> Reading {
        let wanted = Wanted {
            after,
            ..Wanted::default()
        };
        self.ask(wanted, within).await
    }

    /// As [`read`](Self::read), for what it wants.
    pub async fn ask(&self, wanted: Wanted, within: Duration) -> Reading {
        let (answer, mut collected) = oneshot::channel();
        let collect = Collect {
            reader: self.number,
            is_single: self.is_single,
            wanted,
            answer,
        };
        if self.connection.send(collect).await.is_err() {
            return Reading::Gone;
        }
        match tokio::time::timeout(within, &mut collected).await {
            Ok(Ok(collected)) => collected.into(),
            Ok(Err(RecvError { .. })) => Reading::Vanished,
            Err(_) => {
                collected.close();
                let late = collected.try_recv();
                if self.is_single && late.is_err() {
                    // The client may ask again as soon as it has its answer.
                    let _ = self.connection.send(self.detach(false)).await;
                }
                late.map_or(Reading::Nothing, Reading::from)
            }
        }
    }

    /// Leaves in good order, and resolves when the connection knows it: the next reader may come.
    pub async fn leave(mut self) {
        self.is_finished = true;
        self.has_left = self.connection.send(self.detach(false)).await.is_ok();
    }

    fn detach(&self, is_broken: bool) -> Detach {
        let reader = self.number;
        Detach { reader, is_broken }
    }

    /// Leaves in good order: the answer is on its way to the client.
    pub fn finish(mut self) {
        self.is_finished = true;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It has left with its answer, or when its time ran out.
        if self.has_left || self.is_single && self.is_finished {
            return;
        }
        let leave = self.detach(!self.is_finished);
        let connection = self.connection.clone();
        // Outlives the request and waits for room in the mailbox.
        actix::spawn(async move {
            let _ = connection.send(leave).await;
        });
    }
}
