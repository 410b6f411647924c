//! What people and monitors look at: the pages, health, numbers, the live stream of what happens.
//!
//! In: GET requests. Out: files, states, counts, notes. Nothing here takes a client or a push.

pub mod files;
pub mod observe;
pub mod watch;
