//! Events over plain HTTP, as server-sent events.
//!
//! In: `GET /events?channel=…` and, for what the client has to say, `POST /events/<connection>`. Out: a stream that begins with the
//! connection's id and secret; answers to commands.
//!
//! A browser that lost its stream comes back by itself with `Last-Event-ID`: what came after it is told first. A client that also brings its
//! secret (`resume`) is the same connection again, with all that it joined meanwhile.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use turted_core::ChannelName;

use super::entrance::{Refused, admit, check_origin};
use super::visitor::{self, Query, bad_request, first, refuse, token};
use super::{Shared, bearer, cors};
use crate::dispatcher::{Arrival, Request};
use crate::transport::{Guest, Mount, body, event_stream};

/// Spellings of `Last-Event-ID` in queries, compared without regard to case: polyfills and other servers have their own.
const LAST: [&str; 4] = ["last", "lastEventId", "last-event-id", "evs_last_event_id"];
/// What a browser waits before it comes back: half of it is random, so that they do not all come at once.
const RETRY: Duration = Duration::from_secs(2);

/// The two forms of a stream.
pub struct Events {
    /// Under the names of the events.
    pub named: Mount,
    /// Messages of the native protocol, with `?format=native`.
    pub native: Mount,
}

/// The routes at and below `path`.
pub fn routes(config: &mut ServiceConfig, path: &str, events: &Arc<Events>) {
    let stream = web::resource(path)
        .app_data(web::Data::from(Arc::clone(events)))
        .route(web::get().to(open))
        .route(web::method(actix_web::http::Method::OPTIONS).to(preflight));
    let connection = web::resource(format!("{path}/{{connection}}"))
        .route(web::post().to(visitor::command))
        .route(web::delete().to(visitor::goodbye))
        .route(web::method(actix_web::http::Method::OPTIONS).to(preflight));
    config.service(stream).service(connection);
}

async fn preflight(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    match check_origin(&request, &shared) {
        Ok(()) => cors::preflight(request.headers(), "GET, POST, DELETE, OPTIONS", visitor::HEADERS),
        Err(refused) => refuse(&request, refused),
    }
}

async fn open(
    request: HttpRequest,
    shared: web::Data<Shared>,
    events: web::Data<Events>,
    query: Query,
) -> HttpResponse {
    stream(&request, &shared, &events, &query)
        .await
        .unwrap_or_else(|refused| refuse(&request, refused))
}

async fn stream(
    request: &HttpRequest,
    shared: &Shared,
    events: &Events,
    query: &[(String, String)],
) -> Result<HttpResponse, Refused> {
    check_origin(request, shared)?;
    let user = visitor::identify(request, query, shared, visitor::surroundings(request)?).await?;
    let channels = channels(query, shared)?;
    let last = last_id(request, query);
    let is_native = match first(query, "format") {
        None | Some("named") => false,
        Some("native") => true,
        Some(_) => return Err(bad_request("bad_format", "format must be native or named")),
    };
    let admitted = admit(request, shared)?;
    let guest = Guest {
        bearer: bearer(request).map(Box::from),
        first: match token(query, "resume") {
            Some(token) => Some(Request::Return(token, Arrival { user, channels, last })),
            // It says RESUME itself, perhaps.
            None if is_native && user.is_none() && channels.is_empty() && last.is_none() => None,
            None => Some(Request::Arrive(Arrival { user, channels, last })),
        },
        listing: visitor::listing(&admitted.welcome, &admitted.surroundings),
        opening: Some(event_stream::retry(RETRY.mul_f64(0.5 + fastrand::f64() / 2.0))),
        welcome: admitted.welcome,
    };
    let mount = if is_native { &events.native } else { &events.named };
    let mut response = event_stream::open(mount, &admitted.surroundings, guest, admitted.ticket).await;
    body::suit(request.version(), &mut response);
    cors::allow(request.headers(), &mut response);
    Ok(response)
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

/// The last id that the client saw: in the header, where browsers put it, or else in the query.
pub fn last_id(request: &HttpRequest, query: &[(String, String)]) -> Option<Arc<str>> {
    let header = request.headers().get("last-event-id");
    let header = header.and_then(|value| value.to_str().ok());
    let header = header.filter(|value| !value.is_empty()).map(Arc::from);
    header.or_else(|| LAST.iter().find_map(|name| token(query, name)))
}
