//! turted: one server through which any backend can tell users, channels or everybody that something happened, and through
//! which any client hears it once, in order.
//!
//! Flow: backend → connector → [`dispatcher`] → [`connection`] → [`protocol`] → [`transport`] → wire; [`observe`] watches.
//! `ARCHITECTURE.md` has the map. To embed the server, begin at [`Server::builder`].

pub mod auth;
pub mod cli;
pub mod config;
pub mod connection;
pub mod dispatcher;
pub mod http;
pub mod observe;
pub mod protocol;
pub mod registry;
pub mod server;
pub mod supervisor;
pub mod transport;

pub use server::{Running, ServeError, Server};
