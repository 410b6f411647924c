//! `GET /api`: which server this is, and how much there is of everything.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use turted_core::Api as Level;

use super::{Api, answer, resource};
use crate::gate::Shared;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(resource("", "GET, HEAD", [web::get().to(get)]));
}

async fn get(request: HttpRequest, shared: web::Data<Shared>, api: web::Data<Api>) -> HttpResponse {
    answer(&request, &shared, Level::Read, async |_| {
        let counts = api.census.read();
        Ok(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime": api.began.elapsed().as_secs(),
            "connections": counts.connections,
            "users": counts.users,
            "channels": counts.channels,
            "parked": counts.parked,
            "revoked": counts.revoked,
        }))
    })
    .await
}
