//! The dialect of TURTED's PHP server: server-sent events under their own names, pushes at the same path.
//!
//! In: requests with whatever says who the client is. Out: events, pings, and nothing about the connection.

pub mod door;
pub mod stream;
