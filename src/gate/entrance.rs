//! What every client passes, whatever it speaks.
//!
//! In: a request. Out: what a connection needs, or a refusal with a sentence: 403 for foreign pages, 429 and 503 when
//! there is no room. How the refusal looks is the caller's: as text for sockets, as JSON for requests.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpMessage, HttpRequest};
use log::{Level, log_enabled};
use turted_core::{Ending, Rejection, Welcome};

use super::Shared;
use super::admission::{Full, Ticket};
use super::identity::{Opens, bring};
use super::proxies::origin;
use super::refusals::{note, quoted};
use super::request::{host, text};
use crate::client::Newcomer;
use crate::dispatcher::life::LIFE;

/// Why a client is not let in.
pub struct Refused {
    /// The status of the answer.
    pub status: StatusCode,
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub why: String,
}

impl Refused {
    /// A refusal.
    pub fn new(status: StatusCode, code: &'static str, why: impl Into<String>) -> Self {
        Self {
            status,
            code,
            why: why.into(),
        }
    }
}

/// Whether the page that this request comes from may call.
pub fn check_origin(request: &HttpRequest, shared: &Shared) -> Result<(), Refused> {
    let head = request.head();
    if shared.origins.allow(text(head, header::ORIGIN), host(head)) {
        return Ok(());
    }
    note(request, "origin", "bad_origin", || {
        let (origin, host) = (quoted(text(head, header::ORIGIN)), quoted(host(head)));
        format!("origin {origin} is not this host {host}: does the proxy pass Host on? see server.origins")
    });
    let why = "this origin is not allowed; see server.origins";
    Err(Refused::new(StatusCode::FORBIDDEN, "bad_origin", why))
}

/// As [`check_origin`], for scripts and frames: they come without an origin, but browsers say which page they are for.
/// A page may forbid them to say so; what does not say it is refused (CWE-1385), unless every origin is allowed.
pub fn check_referer(request: &HttpRequest, shared: &Shared) -> Result<(), Refused> {
    let head = request.head();
    let page = text(head, header::REFERER).and_then(|url| {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        Some(format!("{scheme}://{authority}"))
    });
    if shared
        .origins
        .allow(Some(page.as_deref().unwrap_or_default()), host(head))
    {
        return Ok(());
    }
    note(request, "origin", "bad_referer", || {
        let (page, host) = (quoted(page.as_deref()), quoted(host(head)));
        format!("the page {page} of the Referer is not of this host {host}; see server.origins")
    });
    let why = "the Referer must be a page of an allowed origin; see server.origins";
    Err(Refused::new(StatusCode::FORBIDDEN, "bad_origin", why))
}

/// Lets a client in that passed [`check_origin`]; the ticket counts it as long as it lives.
pub fn admit(request: &HttpRequest, shared: &Shared) -> Result<(Newcomer, Ticket), Refused> {
    let internal = |why: &str| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", why);
    if shared.shutdown.is_wanted() {
        note(request, "connection", "shutting_down", || {
            "it comes again when the server is back".to_owned()
        });
        let why = "the server is shutting down";
        return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", why));
    }
    let Some(address) = origin(request) else {
        return Err(internal("the connection has no address"));
    };
    let brought = bring(request)?;
    let ticket = shared.admission.admit(address).map_err(|full| {
        let status = match full {
            Full::Address => StatusCode::TOO_MANY_REQUESTS,
            Full::Server => StatusCode::SERVICE_UNAVAILABLE,
        };
        tell(request, full);
        Refused::new(status, "full", full.to_string())
    })?;
    let opens = request
        .extensions()
        .get::<Opens>()
        .map(|Opens(secret)| Arc::clone(secret));
    let (Some(connection), Some(resume)) = (secret::<9>(), opens.or_else(secret::<20>)) else {
        return Err(internal("the system has no random numbers"));
    };
    let welcome = Welcome {
        connection,
        resume,
        window: shared.window,
        ping: shared.ping.as_secs().max(1),
    };
    let newcomer = Newcomer {
        came: log_enabled!(target: LIFE, Level::Debug).then(|| came(request, address).into()),
        ..Newcomer::new(welcome, address, brought)
    };
    Ok((newcomer, ticket))
}

/// From where and with what a client comes. Of its path only what the configuration says of it: the rest may hold the
/// id of a session, which is a credential, as the query may (CWE-532).
fn came(request: &HttpRequest, address: IpAddr) -> String {
    let head = request.head();
    let (origin, agent) = (text(head, header::ORIGIN), text(head, header::USER_AGENT));
    let path = request.match_pattern().unwrap_or_default();
    let path = path.split('{').next().unwrap_or_default();
    let from = match request.peer_addr() {
        Some(peer) if peer.ip() == address => peer.to_string(),
        Some(peer) => format!("{address} by way of {peer}"),
        None => address.to_string(),
    };
    format!(
        "at {path} ({:?}) from {from}, origin {}, agent {}",
        request.version(),
        quoted(origin),
        quoted(agent)
    )
}

fn tell(request: &HttpRequest, full: Full) {
    match full {
        Full::Server => note(request, "connection", "full", || {
            "there are limits.connections of them".to_owned()
        }),
        Full::Address => note(request, "connection", "full_address", || {
            "limits.connections_per_address are open from there; behind a proxy that is the address of all, unless server.proxies names it".to_owned()
        }),
    }
}

/// What the request of a client is answered that was ended before anybody spoke: who it says it is may not come in
/// (403), or has ended (401).
///
/// # Errors
/// When it was.
pub fn turned_out(ended: Option<Ending>) -> Result<(), Refused> {
    let (status, rejection) = match ended {
        Some(Ending::Kicked) => (StatusCode::FORBIDDEN, Rejection::IdentDenied(None)),
        Some(Ending::Expired) => (StatusCode::UNAUTHORIZED, Rejection::Expired),
        _ => return Ok(()),
    };
    Err(Refused::new(status, rejection.code(), rejection.to_string()))
}

/// `N` bytes that nobody can guess (CWE-330), in hexadecimal.
pub fn secret<const N: usize>() -> Option<Arc<str>> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(hex::encode(bytes).into())
}
