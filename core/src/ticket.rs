//! Tickets: who somebody is, kept by the server under a word that nobody can guess.
//!
//! In: identities that a backend or a token vouches for. Out: a ticket for each, which opens once. They are for pages
//! that cannot say who they are in a header, as an EventSource cannot. Where they are kept is the server's business.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::auth::Identity;

/// What a ticket is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worth {
    /// It is used now: this is who comes, and the secret of the connection that it opens.
    Fresh(Arc<Identity>, Arc<str>),
    /// It was used: it leads back to the connection that has this secret, and nowhere else.
    Used(Arc<str>),
    /// It never was one, or is none any more.
    Nothing,
}

/// Where tickets are kept.
pub trait Tickets: Send + Sync {
    /// A ticket that opens within `ttl`, and leads back to what it opened for as long as it `lasts`. `None`: there are
    /// too many, or no random numbers.
    fn issue(&self, identity: Arc<Identity>, ttl: Duration, lasts: Duration, now: Instant) -> Option<Arc<str>>;

    /// Uses a ticket. Whoever shows a used one from another address than it was used from has nothing: URLs get into
    /// logs.
    fn redeem(&self, ticket: &str, from: Option<IpAddr>, now: Instant) -> Worth;
}
