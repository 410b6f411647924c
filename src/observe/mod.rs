//! Those who watch.
//!
//! In: notes of the Dispatcher. Out: whatever an observer makes of them: log lines, metrics, a stream, a function of
//! the program that embeds the server. No observer can veto, delay or stop a dispatch.

pub mod bus;
mod cluster;
pub mod log;
pub mod metrics;

pub use bus::{Bus, Dispatched, Subscription};
pub use log::LogObserver;
pub use metrics::Metrics;
