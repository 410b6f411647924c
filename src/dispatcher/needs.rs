//! What sources are told about channels, and who waits for them.
//!
//! In: channels that a connection is about to join. Out: for a source, what is needed. A plain struct: it knows neither
//! who is in a channel nor who may come back, which the [`Desk`](super::Desk) asks those who do.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use turted_core::{ChannelName, Occupancy};

/// How long a channel is needed that somebody may join and then does not: longer than anybody waits for its sources.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is needed besides the channels that somebody is in.
#[derive(Debug)]
pub struct Needs {
    pub occupancy: Occupancy,
    /// Who is about to join: how many, and until when they are believed.
    expected: HashMap<ChannelName, (usize, Instant)>,
    turned: Vec<ChannelName>,
}

impl Needs {
    /// Nobody is expected yet.
    pub fn new(occupancy: Occupancy) -> Self {
        Self {
            occupancy,
            expected: HashMap::new(),
            turned: Vec::new(),
        }
    }

    /// Somebody will join this channel.
    pub fn expect(&mut self, name: &ChannelName, now: Instant) {
        let (count, until) = self.expected.entry(name.clone()).or_insert((0, now));
        *count += 1;
        *until = now + PATIENCE;
        self.turned.push(name.clone());
    }

    /// One of them does, or never will.
    pub fn came(&mut self, name: &ChannelName) {
        let Some((count, _)) = self.expected.get_mut(name) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.expected.remove(name);
        }
        self.turned.push(name.clone());
    }

    /// Whether anybody will.
    pub fn expects(&self, name: &ChannelName) -> bool {
        self.expected.contains_key(name)
    }

    /// Whoever has not come by now will not.
    pub fn expire(&mut self, now: Instant) {
        let turned = &mut self.turned;
        self.expected.retain(|name, (_, until)| {
            let stays = now < *until;
            if !stays {
                turned.push(name.clone());
            }
            stays
        });
    }

    /// The channels of which any of this has changed since the last call.
    pub fn turned(&mut self) -> Vec<ChannelName> {
        std::mem::take(&mut self.turned)
    }
}
