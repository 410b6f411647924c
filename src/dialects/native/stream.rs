//! Events over plain HTTP, as server-sent events.
//!
//! In: `GET /events?channel=…` and, for what the client has to say, `POST /events/<connection>`. Out: a stream that
//! begins with the connection's id and secret; answers to commands.
//!
//! A browser that lost its stream comes back by itself with `Last-Event-ID`: what came after it is told first. A client
//! that also brings its secret (`resume`) is the same connection again, with all that it joined meanwhile.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;
use turted_core::{Arrival, Intent, Protocol, SettingError};

use super::forms::{NamedEvents, NamedForm, NativeEvents, NativeForm};
use super::{Native, commands};
use crate::carriers::{Bounds, Mount, Mounts, Offer, OfferConfig, Routes, body, event_stream};
use crate::client::{Framing, Newcomer, Rules};
use crate::gate::entrance::{Refused, admit, check_origin};
use crate::gate::identity::returning;
use crate::gate::methods::{is_head, only, spellings};
use crate::gate::request::{HEADERS, Query, bad_request, first, refuse, worker};
use crate::gate::{Shared, cors};

/// What a browser waits before it comes back: half of it is random, so that they do not all come at once.
const RETRY: Duration = Duration::from_secs(2);

/// A protocol as server-sent events, in either form.
pub struct Stream(pub Arc<dyn Protocol>);

impl Offer for Stream {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let rules = Rules {
            start: super::SLOW_START,
            ..Rules::stream(mounts.ping())
        };
        let events = Arc::new(Events {
            named: mounts.mount(Arc::clone(&self.0), &NamedForm, NamedEvents, rules.clone()),
            native: mounts.mount(self.0, &NativeForm, NativeEvents, rules),
        });
        let path = path.to_owned();
        Arc::new(move |config| routes(config, &path, &events))
    }
}

/// `type = "events"`: the native protocol as server-sent events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {}

impl OfferConfig for StreamConfig {
    const TYPE: &'static str = "events";
    type Offer = Stream;

    fn build(self, bounds: &Bounds) -> Result<Stream, SettingError> {
        Ok(Stream(Arc::new(Native::new(bounds.limits, bounds.bad_messages))))
    }
}

/// The two forms of a stream.
struct Events {
    /// Under the names of the events.
    named: Mount,
    /// Messages of the native protocol, with `?format=native`.
    native: Mount,
}

/// The routes at and below `path`.
fn routes(config: &mut ServiceConfig, path: &str, events: &Arc<Events>) {
    let stream = web::resource(spellings(path))
        .app_data(web::Data::from(Arc::clone(events)))
        .route(web::get().to(open))
        .route(web::method(actix_web::http::Method::OPTIONS).to(preflight))
        .default_service(only("GET, HEAD, OPTIONS"));
    let connection = web::resource(spellings(&format!("{path}/{{connection}}")))
        .route(web::post().to(commands::command))
        .route(web::delete().to(commands::goodbye))
        .route(web::method(actix_web::http::Method::OPTIONS).to(preflight))
        .default_service(only("POST, DELETE, OPTIONS"));
    config.service(stream).service(connection);
}

async fn preflight(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    match check_origin(&request, &shared) {
        Ok(()) => cors::preflight(request.headers(), "GET, POST, DELETE, OPTIONS", HEADERS),
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
        .unwrap_or_else(|refused| turn_away(&request, &query, refused))
}

/// Clients of the native form read statuses themselves.
fn turn_away(request: &HttpRequest, query: &[(String, String)], refused: Refused) -> HttpResponse {
    if first(query, "format") == Some("native") || !event_stream::is_to_return(request, &refused) {
        return refuse(request, refused);
    }
    let error = json!({"type": "ERROR", "data": {"code": refused.code, "message": refused.why}});
    event_stream::to_return(request, &NamedForm.message(error.to_string().as_bytes()))
}

async fn stream(
    request: &HttpRequest,
    shared: &Shared,
    events: &Events,
    query: &[(String, String)],
) -> Result<HttpResponse, Refused> {
    check_origin(request, shared)?;
    let worker = worker(request)?;
    let begins = returning(request, query, shared, events.named.protocol.name()).await?;
    let is_native = match first(query, "format") {
        None | Some("named") => false,
        Some("native") => true,
        Some(_) => return Err(bad_request("bad_format", "format must be native or named")),
    };
    let arrival = Arrival {
        last: event_stream::last_id(request, query),
        ..begins
    };
    let (newcomer, ticket) = admit(request, shared)?;
    if is_head(request) {
        return Ok(event_stream::head().finish());
    }
    let newcomer = Newcomer {
        // A client that says nothing here says RESUME itself, perhaps.
        first: (!is_native || arrival != Arrival::default()).then_some(Intent::Arrive(arrival)),
        listing: commands::listing(&newcomer.welcome, worker),
        opening: Some(event_stream::retry(RETRY.mul_f64(0.5 + fastrand::f64() / 2.0))),
        ..newcomer
    };
    let mount = if is_native { &events.native } else { &events.named };
    let mut response = event_stream::open(mount, worker, newcomer, ticket).await?;
    body::suit(request.version(), &mut response);
    cors::allow(request.headers(), &mut response);
    Ok(response)
}
