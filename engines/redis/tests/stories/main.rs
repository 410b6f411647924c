//! Stories about the shared order and real Redis servers.
//!
//! In: what nodes write and read, and what can happen to a server. Out: what every node must be told, and what must be
//! left in Redis.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod answers;
mod forgotten;
mod hostile;
mod masters;
mod nodes;
mod promises;
mod proxy;
mod refusals;
mod sentinel;
mod support;
