//! What people and monitors look at: the pages, health, numbers, the live stream of what happens; and what backends ask
//! and tell the server beside events.
//!
//! In: requests of those who are no clients. Out: files, states, counts, notes. Nothing here takes a client or a push.

pub mod api;
pub mod files;
pub mod observe;
pub mod tickets;
pub mod watch;
