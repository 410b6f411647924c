//! A client without a socket of its own: its requests, from whichever worker they come to, and its one connection.
//!
//! In: requests that say something or want to know what there is. Out: messages to the connection's actor, and its
//! answers. How an answer is written is the carrier's business.

pub mod collect;
pub mod moving;
pub mod reader;
pub mod readers;
pub mod register;
pub mod rules;

pub use reader::{Reader, Reading};
pub use register::Register;
pub use rules::Rules;
