//! What changes where several nodes share one order: others give dispatches their places.
//!
//! In: the steps of that order, one after the other. Out: the same as for a dispatch of one's own; and the word that
//! something may be missing, to everybody, when the order has lost this node. It knows neither who writes the order
//! down nor which node a step is from.

use std::sync::Arc;
use std::time::Instant;

use log::warn;
use turted_core::{DispatchId, Notice, Receipt};

use super::super::messages::{LaneKey, Parcel, Step};
use super::Desk;

impl Desk {
    /// Does the next step. Gives the number of connections that it reached.
    pub fn apply(&mut self, step: Step, now: Instant) -> usize {
        match step {
            Step::Dispatch { dispatch, here } => {
                // A log that lost something may have lost which keys it knew; who hears here has not.
                let known = dispatch.key.as_deref().and_then(|key| self.keys.find(key, now));
                let Some(recipients) = known.map(|receipt| receipt.recipients) else {
                    return self.carry_out(dispatch, here, now).recipients;
                };
                self.log.skip(now);
                return recipients;
            }
            Step::Skip => self.log.skip(now),
            Step::Begin(after) => self.log.begin(after),
            Step::Lost(after) => self.lose(after),
        }
        0
    }

    /// The receipt that a push with this idempotency key got.
    pub fn recall(&mut self, key: &str, now: Instant) -> Option<Receipt> {
        self.keys.find(key, now).cloned().map(Receipt::of_node)
    }

    /// Everybody learns that something may be missing, and nobody comes back from before.
    fn lose(&mut self, after: DispatchId) {
        let since: Arc<str> = self.log.id(self.log.newest()).to_string().into();
        self.log.interrupt(after);
        let lanes: Vec<LaneKey> = self.membership.lanes().collect();
        if !lanes.is_empty() {
            let count = lanes.len();
            warn!("this node fell behind the shared log; {count} connections are told that something may be missing");
        }
        for LaneKey { courier, lane } in lanes {
            let (since, tag) = (Arc::clone(&since), None);
            let notice = Notice::Missed { since };
            self.parcel(courier, Parcel::Tell { lane, notice, tag });
        }
    }
}
