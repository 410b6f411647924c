//! Who somebody is: the question, not the answers.
//!
//! In: [`Credentials`] as a client or a backend presented them. Out: an [`Identity`], or [`Denied`].
//! The trait is asynchronous so that an authenticator may ask somebody else.

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::name::UserName;

/// What somebody presents at a door. Never logged, never part of an error.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The data of IDENT, or the `auth` member of a push (`Null` when absent).
    pub data: &'a Value,
    /// The token of `Authorization: Bearer …`; it wins over `data`.
    pub bearer: Option<&'a str>,
}

/// What an authenticator has confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The user, where the authenticator itself says who it is (as a signed token does); otherwise the
    /// name that the client gave is taken.
    pub user: Option<UserName>,
}

/// Credentials were not accepted. Says nothing about why: that would help only an attacker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("credentials were not accepted")]
pub struct Denied;

/// Confirms identities, at the clients' door or at the backends'.
pub trait Authenticator: Send + Sync {
    /// Checks the credentials.
    ///
    /// # Errors
    /// [`Denied`] when they do not hold.
    fn verify<'a>(&'a self, credentials: Credentials<'a>) -> BoxFuture<'a, Result<Identity, Denied>>;
}
