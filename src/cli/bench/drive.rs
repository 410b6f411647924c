//! The pushing: which publish goes out when.
//!
//! In: a range of sequence numbers and a pace. Out: pushes, and the wait until they have reached everybody. It knows
//! the publisher and the tally, but neither sockets nor reports.

use std::{
    cell::Cell,
    ops::Range,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Result;
use futures_util::{
    future::try_join_all,
    stream::{FuturesUnordered, StreamExt},
};
use tokio::time::{sleep_until, timeout};

use super::{
    peer::Contender,
    publisher::Publisher,
    stamp::{Mark, Stamp},
    subscriber::nanos_since,
    tally::Tally,
};

/// When the next publish may go out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As soon as fewer than this many dispatches are in flight. A dispatch lands when every subscriber has it.
    Window(usize),
    /// So many times per second, whether or not the server keeps up.
    Rate(f64),
}

/// Everything a push needs.
#[derive(Debug)]
pub struct Drive {
    /// Where pushes go.
    pub publisher: Publisher,
    /// The kind of server, which shapes the body.
    pub peer: Contender,
    /// The channel pushed to.
    pub channel: String,
    /// What marks the payloads.
    pub stamp: Rc<Stamp>,
    /// Where deliveries are counted.
    pub tally: Rc<Tally>,
    /// When the run began; marks tell nanoseconds since then.
    pub begin: Instant,
    /// How long one dispatch may take to reach everybody.
    pub patience: Duration,
}

impl Drive {
    /// Pushes `sequences` at `pace` and waits until they have landed.
    ///
    /// Returns how many were pushed: fewer than asked for when one did not land in time, since the ones after it would
    /// only wait as long.
    pub async fn push_all(&self, sequences: Range<usize>, pace: Pace) -> Result<usize> {
        match pace {
            Pace::Window(window) => self.push_within(sequences, window).await,
            Pace::Rate(rate) => self.push_at(sequences, rate).await,
        }
    }

    async fn push_within(&self, sequences: Range<usize>, window: usize) -> Result<usize> {
        let next = Cell::new(sequences.start);
        let stalled = Cell::new(false);
        let lane = || async {
            while next.get() < sequences.end && !stalled.get() {
                let sequence = next.replace(next.get() + 1);
                self.push(sequence, nanos_since(self.begin)).await?;
                if !self.landed(sequence).await {
                    stalled.set(true);
                }
            }
            anyhow::Ok(())
        };
        try_join_all((0..window).map(|_| lane())).await?;
        Ok(next.get() - sequences.start)
    }

    /// Marks carry the planned time, so that a publisher held up by a slow server does not hide the delay.
    async fn push_at(&self, sequences: Range<usize>, rate: f64) -> Result<usize> {
        let start = Instant::now();
        let mut under_way = FuturesUnordered::new();
        for (nth, sequence) in sequences.clone().enumerate() {
            let due = start + Duration::from_secs_f64(nth as f64 / rate);
            loop {
                tokio::select! {
                    biased;
                    Some(pushed) = under_way.next() => pushed?,
                    () = sleep_until(due.into()) => break,
                }
            }
            let sent = u64::try_from((due - self.begin).as_nanos()).unwrap_or(u64::MAX);
            under_way.push(self.push(sequence, sent));
        }
        while let Some(pushed) = under_way.next().await {
            pushed?;
        }
        for sequence in sequences.clone() {
            if !self.landed(sequence).await {
                break;
            }
        }
        Ok(sequences.len())
    }

    async fn push(&self, sequence: usize, sent: u64) -> Result<()> {
        let payload = self.stamp.payload(Mark { sequence, sent });
        let body = self.peer.publish_body(&self.channel, &payload);
        match timeout(self.patience, self.publisher.push(&body)).await {
            Ok(pushed) => pushed,
            Err(_) => anyhow::bail!(
                "the server has not answered a push within {:?} (--timeout)",
                self.patience
            ),
        }
    }

    async fn landed(&self, sequence: usize) -> bool {
        timeout(self.patience, self.tally.finished(sequence)).await.is_ok()
    }
}
