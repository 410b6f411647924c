//! Stories about the connector and a real Redis server.
//!
//! In: what backends publish and add. Out: what the server must be told, once or at least once, and what Redis must
//! know afterwards.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

mod connection;
mod demand;
mod pubsub;
mod restart;
mod settings;
mod streams;
