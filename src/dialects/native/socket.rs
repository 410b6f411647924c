//! The door for WebSocket clients.
//!
//! In: upgrade requests. Out: a connection, or a refusal with a sentence: also 426 without an upgrade.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use serde::Deserialize;
use turted_core::{Protocol, SettingError};

use super::{Native, SUBPROTOCOL};
use crate::carriers::websocket::{self, Handshake};
use crate::carriers::{Bounds, Mount, Mounts, Offer, OfferConfig, Routes};
use crate::client::Newcomer;
use crate::gate::Shared;
use crate::gate::entrance::{Refused, admit, check_origin};
use crate::gate::identity::opening;
use crate::gate::methods::{only, spellings};
use crate::gate::request::{Query, worker};

/// A protocol over a WebSocket, one message per message.
pub struct Socket(pub Arc<dyn Protocol>);

impl Offer for Socket {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let (path, mount) = (path.to_owned(), Arc::new(websocket::mount(self.0, mounts)));
        Arc::new(move |config| routes(config, &path, &mount))
    }
}

/// `type = "websocket"`: the native protocol over a WebSocket.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketConfig {}

impl OfferConfig for SocketConfig {
    const TYPE: &'static str = "websocket";
    type Offer = Socket;

    fn build(self, bounds: &Bounds) -> Result<Socket, SettingError> {
        Ok(Socket(Arc::new(Native::new(bounds.limits, bounds.bad_messages))))
    }
}

/// The route at `path`.
fn routes(config: &mut ServiceConfig, path: &str, mount: &Arc<Mount>) {
    let mount = web::Data::from(Arc::clone(mount));
    let socket = web::resource(spellings(path)).app_data(mount);
    config.service(socket.route(web::get().to(open)).default_service(only("GET, HEAD")));
}

async fn open(
    request: HttpRequest,
    shared: web::Data<Shared>,
    mount: web::Data<Mount>,
    query: Query,
    payload: web::Payload,
) -> HttpResponse {
    accept(&request, &shared, &mount, &query, payload)
        .await
        .unwrap_or_else(refuse)
}

async fn accept(
    request: &HttpRequest,
    shared: &Shared,
    mount: &Mount,
    query: &[(String, String)],
    payload: web::Payload,
) -> Result<HttpResponse, Refused> {
    check_origin(request, shared)?;
    if !websocket::is_upgrade(request) {
        let why = "this is a WebSocket endpoint";
        return Err(Refused::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", why));
    }
    let (newcomer, ticket) = admit(request, shared)?;
    let newcomer = Newcomer {
        transport: "WebSocket",
        first: opening(request, query, shared).await?,
        ..newcomer
    };
    let handshake = Handshake {
        request,
        payload,
        subprotocols: &[SUBPROTOCOL],
    };
    let worker = worker(request)?;
    let response = websocket::accept(handshake, mount, worker, newcomer, websocket::plain, ticket).await;
    Ok(response.unwrap_or_else(|error| error.error_response()))
}

fn refuse(Refused { status, why, .. }: Refused) -> HttpResponse {
    let mut response = HttpResponse::build(status)
        .content_type("text/plain; charset=utf-8")
        .body(format!("{why}\n"));
    if status == StatusCode::UPGRADE_REQUIRED {
        let value = header::HeaderValue::from_static("websocket");
        response.headers_mut().insert(header::UPGRADE, value);
    }
    response
}
