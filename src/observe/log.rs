//! Dispatches as log lines, at level `debug`. The steps of connections are there anyway (`dispatcher/life.rs`).
//!
//! In: notes. Out: log records under the target `turted::events`. Payloads only at `trace`.

use log::{debug, trace};
use turted_core::{Note, Observer};

/// Writes the log.
#[derive(Debug, Default)]
pub struct LogObserver;

const TARGET: &str = "turted::events";

impl Observer for LogObserver {
    fn note(&self, note: &Note) {
        if let Note::Dispatched { dispatch, receipt, .. } = note {
            debug!(
                target: TARGET,
                "{} {:?} to {} targets reached {}",
                receipt.id,
                dispatch.event,
                dispatch.targets.len(),
                receipt.recipients
            );
            trace!(target: TARGET, "{} {:?} {:?}", receipt.id, dispatch.targets, dispatch.payload);
        }
    }
}
