//! A door on the server's own port, for connectors that are spoken to over HTTP.
//!
//! In: requests below a path. Out: responses. The server does what all doors share (origin rules, CORS
//! headers, body limits, time-outs) before a request arrives here.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::envelope::Refusal;

/// Where a connector listens on the server's port.
#[derive(Clone)]
pub struct Endpoint {
    /// Every path that begins with this, e.g. `/push/`. Begins and ends with a slash.
    pub prefix: String,
    /// Only the path itself, with or without a slash at its end, and only POST: others may have what is below, and the
    /// other methods.
    pub is_exact: bool,
    /// Largest request body in bytes; a larger one is answered with 413 by the server.
    pub max_body: usize,
    /// Methods that a CORS preflight answers with, e.g. `OPTIONS, POST`.
    pub allow_methods: &'static str,
    /// Request headers that a CORS preflight answers with, lower case, e.g. `content-type`.
    pub allow_headers: &'static str,
    /// Answers the requests.
    pub door: Arc<dyn Door>,
}

impl Endpoint {
    /// Whether requests at this path are for it.
    #[must_use]
    pub fn takes(&self, path: &str) -> bool {
        let is_itself = path.trim_end_matches('/') == self.prefix.trim_end_matches('/');
        is_itself || (!self.is_exact && path.starts_with(&self.prefix))
    }

    /// Whether both could be meant by one request.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.takes(&other.prefix) || other.takes(&self.prefix)
    }
}

/// The address of the peer, put into the extensions of every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// What a door did not take of a request, in the extensions of its response; each says also which key decides. The
/// server counts each and writes it to the log, now and again for each code and address, so that the door need not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

/// Answers requests. OPTIONS never arrives here: the server answers it.
pub trait Door: Send + Sync {
    /// Answers one request. The body is complete and within [`Endpoint::max_body`].
    fn answer(&self, request: http::Request<Bytes>) -> BoxFuture<'_, http::Response<Bytes>>;

    /// The answer to a request whose body was larger than [`Endpoint::max_body`], which the server has counted and
    /// told.
    fn too_large(&self, request: &http::request::Parts) -> http::Response<Bytes>;
}
