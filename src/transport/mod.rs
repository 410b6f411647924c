//! How bytes travel.
//!
//! In: accepted HTTP requests. Out: a running [`Connection`](crate::connection::Connection) and a response body that is its wire. One folder per
//! transport; each frames what any protocol says.

pub mod websocket;
