//! The authenticators that come with turted, used at both doors: clients (IDENT) and backends (push).
//!
//! In: the credentials that somebody presented. Out: an identity, or a plain no that does not say why.
//! Refuses to know: sockets, the configuration file, and what the confirmed may do.
//!
//! Secrets are compared in constant time, never printed, and an empty one opens to nobody.

mod accept_all;
mod advice;
mod answer;
mod backends;
mod cache;
mod callback;
mod chain;
mod flights;
mod headers;
pub mod jwt;
mod password;
mod ticket;
mod token;

pub use accept_all::AcceptAll;
pub use advice::Advice;
pub use backends::{Backend, Backends};
pub use callback::Callback;
pub use chain::Chain;
pub use headers::Headers;
pub use password::Password;
pub use ticket::{ByTicket, Drawer, Order};
pub use token::{Digest, Token, TokenScheme};

#[cfg(test)]
mod tests;
