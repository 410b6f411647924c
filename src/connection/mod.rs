//! One client: its identity, its outbox, the reasons it can end.
//!
//! In: messages of a transport, frames and notices from the Dispatcher. Out: frames into the outbox, requests to the
//! Dispatcher. [`actor`] is the client's actor, [`lane`] the way to its wire, [`courier`] carries for all clients of a worker. How bytes
//! travel is a transport's business.

pub mod actor;
pub mod courier;
pub mod heartbeat;
pub mod lane;
pub mod moving;
pub mod newcomer;
pub mod outbox;
pub mod pace;
pub mod reader;
pub mod register;
pub mod rules;
pub mod visit;

pub use actor::Connection;
pub use courier::{Courier, Lanes};
pub use lane::{Framing, Lane};
pub use newcomer::{Inbound, Newcomer, Surroundings};
pub use outbox::{Outbox, OutboxBounds};
pub use pace::Pace;
pub use reader::{Reader, Reading};
pub use register::Register;
pub use rules::Rules;
