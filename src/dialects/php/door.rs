//! Server-sent events for clients of TURTED's PHP server.
//!
//! In: `GET <path>`, with whatever says who the client is. Out: its events. Pushes by `POST` to the same path are a
//! connector's (`type = "rest"`, `answers = "php"`).

use std::sync::Arc;

use actix_web::guard::{self, GuardContext};
use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use serde::Deserialize;
use turted_core::{Arrival, Intent, SettingError};

use super::stream::{PING, PhpEvents, PhpForm, RETRY};
use crate::carriers::{Bounds, Mount, Mounts, Offer, OfferConfig, Routes, body, event_stream};
use crate::client::quiet::Quiet;
use crate::client::{Newcomer, Rules};
use crate::gate::entrance::{Refused, admit, check_origin};
use crate::gate::identity::arrival;
use crate::gate::methods::{is_head, only, spellings};
use crate::gate::request::{HEADERS, Query, refuse, worker};
use crate::gate::{Shared, cors};

/// Server-sent events as the PHP server of TURTED sends them.
pub struct Php;

impl Offer for Php {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let mount = Arc::new(mounts.mount(Arc::new(Quiet), &PhpForm, |_| PhpEvents, Rules::stream(PING)));
        let path = path.to_owned();
        Arc::new(move |config| routes(config, &path, &mount))
    }
}

/// `type = "php"`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhpConfig {}

impl OfferConfig for PhpConfig {
    const TYPE: &'static str = "php";
    type Offer = Php;

    fn build(self, _: &Bounds) -> Result<Php, SettingError> {
        Ok(Php)
    }
}

/// The route at `path`. What a connector takes at the same path is left to it.
fn routes(config: &mut ServiceConfig, path: &str, mount: &Arc<Mount>) {
    let mount = web::Data::from(Arc::clone(mount));
    let stream = web::resource(spellings(path))
        .guard(guard::fn_guard(is_ours))
        .app_data(mount);
    config.service(
        stream
            .route(web::get().to(open))
            .route(web::method(Method::OPTIONS).to(preflight))
            .default_service(only("GET, HEAD, OPTIONS")),
    );
}

fn is_ours(cx: &GuardContext<'_>) -> bool {
    let head = cx.head();
    let is_pushed = |shared: &web::Data<Shared>| shared.endpoints.iter().any(|door| door.takes(head.uri.path()));
    matches!(head.method, Method::GET | Method::OPTIONS) || !cx.app_data().is_some_and(is_pushed)
}

/// Pushes to the same path are preflighted here as well.
async fn preflight(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    match check_origin(&request, &shared) {
        Ok(()) => cors::preflight(request.headers(), "GET, POST, OPTIONS", HEADERS),
        Err(refused) => refuse(&request, refused),
    }
}

async fn open(request: HttpRequest, shared: web::Data<Shared>, mount: web::Data<Mount>, query: Query) -> HttpResponse {
    let opened = stream(&request, &shared, &mount, &query).await;
    opened.unwrap_or_else(|refused| match event_stream::is_to_return(&request, &refused) {
        // These clients know no words of the server's own.
        true => event_stream::to_return(&request, &format!(": {}\n\n", refused.why).into()),
        false => refuse(&request, refused),
    })
}

async fn stream(
    request: &HttpRequest,
    shared: &Shared,
    mount: &Mount,
    query: &[(String, String)],
) -> Result<HttpResponse, Refused> {
    check_origin(request, shared)?;
    let worker = worker(request)?;
    let arrival = Arrival {
        last: event_stream::last_id(request, query),
        ..arrival(request, query, shared, mount.protocol.name()).await?
    };
    let (newcomer, ticket) = admit(request, shared)?;
    if is_head(request) {
        return Ok(event_stream::head().finish());
    }
    let newcomer = Newcomer {
        first: Some(Intent::Arrive(arrival)),
        opening: Some(event_stream::retry(RETRY)),
        ..newcomer
    };
    let mut response = event_stream::open(mount, worker, newcomer, ticket).await?;
    body::suit(request.version(), &mut response);
    cors::allow(request.headers(), &mut response);
    Ok(response)
}
