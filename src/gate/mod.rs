//! What every request passes, whoever it is from: origins, admission, bodies, who asks.
//!
//! In: requests. Out: what a door needs to answer them, or a refusal with a sentence. [`Shared`] is the same for every
//! worker; what belongs to one worker thread is its [`Worker`](crate::client::Worker). It knows no dialect and no
//! carrier.

use std::sync::Arc;
use std::time::Duration;

use turted_core::{Authenticator, Endpoint, Limits, Shutdown, Tickets};

pub mod admission;
pub mod backend;
pub mod body;
pub mod cors;
pub mod door;
pub mod entrance;
pub mod identity;
pub mod methods;
pub mod origin;
pub mod passage;
pub mod proxies;
pub mod refusals;
pub mod request;
pub mod socket;
pub mod unread;
mod withdrawn;

use admission::Admission;
use body::Bodies;
use origin::OriginRules;
use proxies::Proxies;
use refusals::Refusals;

/// What every worker needs to answer requests.
pub struct Shared {
    /// Which web pages may call.
    pub origins: OriginRules,
    /// Whether this server speaks TLS itself.
    pub speaks_tls: bool,
    /// Whose word counts about where a request comes from.
    pub proxies: Proxies,
    /// How many clients may be here.
    pub admission: Arc<Admission>,
    /// How many sockets may be open, with a client or without.
    pub sockets: Arc<Admission>,
    /// How many may watch.
    pub viewers: Arc<Admission>,
    /// What the bodies under way may take together.
    pub bodies: Arc<Bodies>,
    /// How many requests one HTTP/2 connection may have under way.
    pub requests: usize,
    /// What was refused.
    pub refusals: Arc<Refusals>,
    /// Connectors' doors.
    pub endpoints: Vec<Endpoint>,
    /// Seconds in WELCOME: the window for RESUME.
    pub window: u64,
    /// Between two pings.
    pub ping: Duration,
    /// Tickets, for those who cannot say who they are in a header.
    pub tickets: Arc<dyn Tickets>,
    /// Who may push and observe.
    pub backends: Arc<dyn Authenticator>,
    /// Largest message of a client in bytes.
    pub message_bytes: usize,
    /// Bounds for names.
    pub limits: Limits,
    /// Most channels of one connection.
    pub channels: usize,
    /// Whether the server is going down.
    pub shutdown: Shutdown,
}

/// The token of `Authorization: Bearer …`.
pub fn bearer(request: &actix_web::HttpRequest) -> Option<&str> {
    let header = request.headers().get(actix_web::http::header::AUTHORIZATION)?;
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
