//! Stories about the connector and real files. The server's place is taken by the testkit's recorder.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod lines;
mod lookalikes;
mod names;
mod rotation;
mod state;
mod suite;
mod support;
