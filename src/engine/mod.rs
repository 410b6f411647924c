//! Several nodes, one order: what connects this node's Dispatcher to a shared log.
//!
//! In: dispatches of this node's connectors and clients, and whatever all nodes have written down. Out: the steps of
//! the one order for the Dispatcher, and receipts. [`queue::Queue`] holds the tickets, [`follower`] reads, [`link`]
//! writes and mends, [`join`] begins. It knows the contract [`Ledger`](turted_core::ledger::Ledger), and no engine.

pub mod follower;
pub mod join;
pub mod link;
pub mod queue;

pub mod recent;
pub mod state;

pub use join::{LinkInbox, join};
pub use state::{LinkState, Reach};

#[cfg(test)]
mod tests;
