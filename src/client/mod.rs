//! One client: its identity, its outbox, the reasons it can end.
//!
//! In: messages of a transport, frames and notices from the Dispatcher. Out: frames into the outbox, requests to the
//! Dispatcher. [`actor`] is the client's actor, [`voice`] the way to its wire, [`courier`] carries for all clients of a
//! worker. How bytes travel is a transport's business.

pub mod actor;
mod calls;
pub mod courier;
pub mod framing;
pub mod heartbeat;
pub mod newcomer;
pub mod outbox;
pub mod pace;
mod pump;
pub mod quiet;
pub mod relief;
pub mod requests;
pub mod turns;
pub mod voice;
mod wishes;

pub use actor::Connection;
pub use courier::{Courier, Voices};
pub use framing::Framing;
pub use newcomer::{Inbound, Newcomer, Policy, Worker};
pub use outbox::OutboxBounds;
pub use requests::{Reader, Reading, Register, Rules};
pub use voice::Voice;
pub use wishes::named;
