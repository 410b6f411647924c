//! Stories about the door of the REST connector, told without a server.
//!
//! In: requests as a backend makes them. Out: every answer byte for byte, and what was dispatched.
//! Refuses to know: sockets; the door is asked directly.

// Helpers between the stories count as tests as well: a panic in them is a failed story.
#![allow(clippy::unwrap_used)]

mod batch;
mod bounds;
mod config;
mod credentials;
mod inline;
mod log;
mod path;
mod push;
mod random;
mod realizehit;
mod suite;
mod support;
