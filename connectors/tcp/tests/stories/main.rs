//! Stories about peers of the TCP connector, through real sockets.
//!
//! In: what peers send. Out: what they are told, what was dispatched, what was counted. The server is the testkit's
//! recorder.

// A panic in what stands between the stories is a failed story as well.
#![allow(clippy::unwrap_used)]

mod answers;
mod guard;
mod limits;
mod settings;
mod suite;
mod support;
