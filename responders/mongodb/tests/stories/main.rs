//! Stories about the responder and a real database: FerretDB, which speaks MongoDB's protocol.
//!
//! In: documents that are there, and what clients ask. Out: what they must be told, within which time, and what the log
//! must not know.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

mod bounds;
mod loss;
mod questions;
