//! The smallest dialect with everything that one can have: requests of its own, batches, late answers. It is there for
//! the tests alone, and shows what a dialect costs: this folder and a row in `kinds.rs`.
//!
//! In: `POST <path>` with commands, one per line: `join NAME`, `leave NAME`, `late MILLISECONDS`. Out: one answer with
//! a line for each of them, in order, when the last is there.

mod conversation;
mod door;
mod tests;

pub use door::SampleConfig;
