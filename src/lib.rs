//! turted: one server through which any backend can tell users, channels or everybody that something happened, and through
//! which any client hears it once, in order.
//!
//! Flow: backend → connector → [`dispatcher`] → [`client`] → [`dialects`] → [`carriers`] → wire; [`observe`] watches.
//! `ARCHITECTURE.md` has the map. To embed the server, begin at [`Server::builder`].

pub mod auth;
pub mod carriers;
pub mod cli;
pub mod client;
pub mod config;
pub mod dialects;
pub mod dispatcher;
pub mod gate;
pub mod http;
pub mod observe;
pub mod pages;
pub mod registry;
pub mod server;
pub mod supervisor;

pub use server::{Running, ServeError, Server};
