//! Where clients of the transformer `websockets` come in.
//!
//! In: upgrade requests, with or without a slash at the end. Out: a connection that is who its request says it is, or a
//! refusal as `{"error":"…"}`, which is 426 without an upgrade.

use std::sync::Arc;

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use turted_core::{Intent, Protocol};

use crate::carriers::websocket::{self, Handshake};
use crate::carriers::{Mount, Mounts, Offer, Routes};
use crate::client::Newcomer;
use crate::gate::Shared;
use crate::gate::entrance::{Refused, admit, check_origin};
use crate::gate::identity::arrival;
use crate::gate::methods::{only, sentence, spellings};
use crate::gate::request::{Query, answer, worker};

/// The dialect over plain WebSockets.
pub struct Sparks(pub Arc<dyn Protocol>);

impl Offer for Sparks {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let (path, mount) = (path.to_owned(), Arc::new(websocket::mount(self.0, mounts)));
        Arc::new(move |config| routes(config, &path, &mount))
    }
}

fn routes(config: &mut ServiceConfig, path: &str, mount: &Arc<Mount>) {
    let mount = web::Data::from(Arc::clone(mount));
    let door = web::resource(spellings(path)).app_data(mount);
    config.service(door.route(web::get().to(open)).default_service(only("GET, HEAD")));
}

async fn open(
    request: HttpRequest,
    shared: web::Data<Shared>,
    mount: web::Data<Mount>,
    query: Query,
    payload: web::Payload,
) -> HttpResponse {
    if !websocket::is_upgrade(&request) {
        let mut response = sentence(StatusCode::UPGRADE_REQUIRED, "Upgrade Required");
        let value = header::HeaderValue::from_static("websocket");
        response.headers_mut().insert(header::UPGRADE, value);
        return response;
    }
    let opened = accept(&request, &shared, &mount, &query, payload).await;
    opened.unwrap_or_else(|Refused { status, why, .. }| answer(&request, status, json!({ "error": why }).to_string()))
}

async fn accept(
    request: &HttpRequest,
    shared: &Shared,
    mount: &Mount,
    query: &[(String, String)],
    payload: web::Payload,
) -> Result<HttpResponse, Refused> {
    check_origin(request, shared)?;
    let arrival = arrival(request, query, shared, mount.protocol.name()).await?;
    let (newcomer, ticket) = admit(request, shared)?;
    let newcomer = Newcomer {
        transport: "WebSocket",
        first: Some(Intent::Arrive(arrival)),
        ..newcomer
    };
    let handshake = Handshake {
        request,
        payload,
        subprotocols: &[],
    };
    let worker = worker(request)?;
    let response = websocket::accept(handshake, mount, worker, newcomer, websocket::plain, ticket).await;
    Ok(response.unwrap_or_else(|error| error.error_response()))
}
