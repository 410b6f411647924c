//! Server-sent events for clients of TURTED's PHP server.
//!
//! In: `GET <path>`, with whatever says who the client is. Out: its events. Pushes by `POST` to the same path are a connector's
//! (`type = "rest"`, `answers = "php"`).

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, guard};

use super::entrance::{Refused, admit, check_origin};
use super::visitor::{self, Query, refuse};
use super::{Shared, bearer, cors, events};
use crate::dispatcher::{Arrival, Request};
use crate::transport::{Guest, Mount, body, event_stream, php_events};

/// The route at `path`; other methods are left to others.
pub fn routes(config: &mut ServiceConfig, path: &str, mount: &Arc<Mount>) {
    let mount = web::Data::from(Arc::clone(mount));
    let stream = web::resource(path)
        .guard(guard::Any(guard::Get()).or(guard::Options()))
        .app_data(mount);
    config.service(
        stream
            .route(web::get().to(open))
            .route(web::method(Method::OPTIONS).to(preflight)),
    );
}

/// Pushes to the same path are preflighted here as well.
async fn preflight(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    match check_origin(&request, &shared) {
        Ok(()) => cors::preflight(request.headers(), "GET, POST, OPTIONS", visitor::HEADERS),
        Err(refused) => refuse(&request, refused),
    }
}

async fn open(request: HttpRequest, shared: web::Data<Shared>, mount: web::Data<Mount>, query: Query) -> HttpResponse {
    let opened = stream(&request, &shared, &mount, &query).await;
    opened.unwrap_or_else(|refused| refuse(&request, refused))
}

async fn stream(
    request: &HttpRequest,
    shared: &Shared,
    mount: &Mount,
    query: &[(String, String)],
) -> Result<HttpResponse, Refused> {
    check_origin(request, shared)?;
    let user = visitor::identify(request, query, shared, visitor::surroundings(request)?).await?;
    let channels = events::channels(query, shared)?;
    let last = events::last_id(request, query);
    let admitted = admit(request, shared)?;
    let guest = Guest {
        welcome: admitted.welcome,
        bearer: bearer(request).map(Box::from),
        first: Some(Request::Arrive(Arrival { user, channels, last })),
        listing: None,
        opening: Some(event_stream::retry(php_events::RETRY)),
    };
    let mut response = event_stream::open(mount, &admitted.surroundings, guest, admitted.ticket).await;
    body::suit(request.version(), &mut response);
    cors::allow(request.headers(), &mut response);
    Ok(response)
}
