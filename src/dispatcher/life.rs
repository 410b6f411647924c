//! The life of each connection in the log, at level `debug`.
//!
//! In: notes. Out: a line for each step: who somebody is, what it joined and left, that it came back, that and why it
//! ended. How it came is told where that is known, when it opens. No payload, and no credential.

use log::debug;
use turted_core::Note;

/// The target of all these lines, for a filter such as `info,turted::connection=debug`.
pub const LIFE: &str = "turted::connection";

/// Tells it, unless it is about something else.
pub fn tell(note: &Note) {
    match note {
        Note::Identified { connection, user } => debug!(target: LIFE, "{connection} is user {user:?}"),
        Note::Joined { connection, channel } => debug!(target: LIFE, "{connection} joined channel {channel:?}"),
        Note::Left { connection, channel } => debug!(target: LIFE, "{connection} left channel {channel:?}"),
        Note::Resumed { connection, replayed } => {
            debug!(target: LIFE, "{connection} came back, {replayed} events replayed");
        }
        Note::Ended {
            connection,
            code,
            reason,
        } => debug!(target: LIFE, "{connection} ended: {code} {reason}"),
        // Told where more is known of it, or no step of a connection.
        _ => {}
    }
}
