//! Notes as log lines, at level `debug`: one per dispatch and per step of a connection.
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
        match note {
            Note::Dispatched { dispatch, receipt } => {
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
            Note::Opened { connection } => debug!(target: TARGET, "{connection} opened"),
            Note::Identified { connection, user } => debug!(target: TARGET, "{connection} is user {user:?}"),
            Note::Joined { connection, channel } => debug!(target: TARGET, "{connection} joined {channel:?}"),
            Note::Left { connection, channel } => debug!(target: TARGET, "{connection} left {channel:?}"),
            Note::Resumed { connection, replayed } => {
                debug!(target: TARGET, "{connection} resumed, {replayed} events replayed");
            }
            Note::Ended {
                connection,
                code,
                reason,
            } => debug!(target: TARGET, "{connection} ended: {code} {reason}"),
            other => debug!(target: TARGET, "{other:?}"),
        }
    }
}
