//! `POST /api/tickets`: a backend says for whom.
//!
//! In: `{"user":"adam","ttl":"30s","may":{…},"claims":{…},"expires":"1h"}`. Out: `{"ticket":"tk_…","expires_in":30}`.
//! Whoever may make tickets may be anybody, so it takes all of the API.

use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use turted_core::Api as Level;

use super::{Api, BODY, answer, resource};
use crate::auth::Order;
use crate::gate::entrance::Refused;
use crate::gate::{Shared, body};
use crate::pages::tickets::issue;

/// The resource.
pub fn routes(config: &mut ServiceConfig) {
    config.service(resource("/tickets", "POST", [web::post().to(order)]));
}

async fn order(
    request: HttpRequest,
    shared: web::Data<Shared>,
    api: web::Data<Api>,
    payload: web::Payload,
) -> HttpResponse {
    answer(&request, &shared, Level::All, async |_| {
        let body = body::read(&request, &shared, payload, BODY, "the server API").await?;
        let bad = |why| Refused::new(StatusCode::BAD_REQUEST, "bad_ticket", why);
        issue(&shared, Order::read(&body, &shared.limits, &api.claims).map_err(bad)?)
    })
    .await
}
