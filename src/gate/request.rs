//! What doors ask of a request, and answers that a page may read.
//!
//! In: queries and headers. Out: their values, the worker that the request came to, answers as JSON. It decides
//! nothing.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::RequestHead;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde_json::json;
use turted_core::ChannelName;

use super::entrance::Refused;
use super::{Shared, cors};
use crate::client::Worker;

/// What a preflight allows.
pub const HEADERS: &str = "authorization, cache-control, content-type, last-event-id, turted-secret";
/// The host that a request is for. HTTP/2 says it in `:authority` and need not send `Host` (RFC 9113 section 8.3.1);
/// where HTTP/1 says it in the target as well, that counts (RFC 9112 section 3.2.2).
pub fn host(request: &RequestHead) -> Option<&str> {
    let target = request.uri.authority().map(|authority| authority.as_str());
    target.or_else(|| text(request, header::HOST))
}

/// Whether the client speaks HTTPS, to this server or to a proxy before it. A client that lies about it is alone told
/// of an address that is not there.
#[must_use]
pub fn is_https(request: &HttpRequest, shared: &Shared) -> bool {
    shared.speaks_tls || request.connection_info().scheme() == "https"
}

/// A header as text.
pub fn text(request: &RequestHead, name: header::HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// The pairs of a query, in order.
pub type Query = web::Query<Vec<(String, String)>>;

/// A refusal as `{"error":{"code":…,"message":…}}`, which a page may read.
pub fn refuse(request: &HttpRequest, Refused { status, code, why }: Refused) -> HttpResponse {
    answer(
        request,
        status,
        json!({"error": {"code": code, "message": why}}).to_string(),
    )
}

/// A JSON answer that no cache keeps and a page may read.
pub fn answer(request: &HttpRequest, status: StatusCode, json: impl Into<Bytes>) -> HttpResponse {
    let mut response = HttpResponse::build(status)
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(json.into());
    cors::allow(request.headers(), &mut response);
    response
}

/// The worker that a request came to.
pub fn worker(request: &HttpRequest) -> Result<&Rc<Worker>, Refused> {
    let found = request.app_data::<Rc<Worker>>();
    let why = "the worker has no courier";
    found.ok_or_else(|| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", why))
}

/// 400.
pub fn bad_request(code: &'static str, why: impl Into<String>) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, code, why)
}

/// The first value under a name of the query.
pub fn first<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// As [`first`], for an id or a secret; an empty one counts as none.
pub fn token(query: &[(String, String)], name: &str) -> Option<Arc<str>> {
    first(query, name).filter(|value| !value.is_empty()).map(Arc::from)
}

/// The channels in a query: `?channel=a&channel=b`.
pub fn channels(query: &[(String, String)], shared: &Shared) -> Result<Vec<ChannelName>, Refused> {
    let named = query.iter().filter(|(name, _)| name == "channel");
    let channels: Result<Vec<_>, _> = named
        .map(|(_, name)| ChannelName::parse(name, &shared.limits))
        .collect();
    let channels = channels.map_err(|why| bad_request("bad_name", format!("a channel name {why}")))?;
    if channels.len() > shared.channels {
        let why = format!("a connection may join {} channels", shared.channels);
        return Err(bad_request("too_many_channels", why));
    }
    Ok(channels)
}
