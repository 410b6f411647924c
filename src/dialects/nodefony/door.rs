//! Where clients of nodefony come in: three requests at one path.
//!
//! In: a `GET` that asks whether anybody is here, a `POST` with the handshake, and the upgrade that everything else
//! goes through. Out: `PING`, the handshake's answer, a connection that is who its request says it is; or a refusal.

use std::sync::Arc;

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use turted_core::{Intent, Protocol, Responders};

use crate::carriers::websocket::{self, Handshake, WebSocketEncoder, WebSocketFraming};
use crate::carriers::{Mount, Mounts, Offer, Routes};
use crate::client::{Newcomer, Rules};
use crate::gate::entrance::{Refused, admit, check_origin};
use crate::gate::identity::arrival;
use crate::gate::methods::{only, spellings};
use crate::gate::proxies::origin;
use crate::gate::request::{Query, answer, bad_request, host, refuse, worker};
use crate::gate::{Shared, body, cors};

/// The subprotocol of clients of 2021 and later.
const SUBPROTOCOL: &str = "bayeux";

/// The dialect over a WebSocket, with the services that are somebody else's.
pub struct RealtimeDoor {
    /// What is spoken.
    pub protocol: Arc<dyn Protocol>,
    /// Those services.
    pub services: Responders,
}

impl Offer for RealtimeDoor {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let rules = Rules {
            responders: self.services,
            ..Rules::socket(mounts.ping())
        };
        let (path, mount) = (
            path.to_owned(),
            Arc::new(mounts.mount(self.protocol, &WebSocketFraming, WebSocketEncoder, rules)),
        );
        Arc::new(move |config| routes(config, &path, &mount))
    }
}

fn routes(config: &mut ServiceConfig, path: &str, mount: &Arc<Mount>) {
    let mount = web::Data::from(Arc::clone(mount));
    let door = web::resource(spellings(path)).app_data(mount);
    let door = door.route(web::get().to(open)).route(web::post().to(shake));
    config.service(door.default_service(only("GET, HEAD, POST")));
}

async fn open(
    request: HttpRequest,
    shared: web::Data<Shared>,
    mount: web::Data<Mount>,
    query: Query,
    payload: web::Payload,
) -> HttpResponse {
    let opened = accept(&request, &shared, &mount, &query, payload).await;
    opened.unwrap_or_else(|refused| refuse(&request, refused))
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
        let mut ping = HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body("PING");
        cors::allow(request.headers(), &mut ping);
        return Ok(ping);
    }
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
        subprotocols: &[SUBPROTOCOL],
    };
    let worker = worker(request)?;
    let response = websocket::accept(handshake, mount, worker, newcomer, websocket::plain, ticket).await;
    Ok(response.unwrap_or_else(|error| error.error_response()))
}

async fn shake(request: HttpRequest, shared: web::Data<Shared>, payload: web::Payload) -> HttpResponse {
    let shaken = handshake(&request, &shared, payload).await;
    shaken.map_or_else(
        |refused| refuse(&request, refused),
        |told| answer(&request, StatusCode::OK, told.to_string()),
    )
}

async fn handshake(request: &HttpRequest, shared: &Shared, payload: web::Payload) -> Result<Value, Refused> {
    check_origin(request, shared)?;
    let body = body::read(request, shared, payload, shared.message_bytes, "limits.message_bytes").await?;
    let said: Option<Value> = serde_json::from_slice(&body).ok();
    if said.is_none_or(|said| said["channel"] != "/meta/handshake") {
        let why = "the body must be a JSON object with the channel /meta/handshake";
        return Err(bad_request("bad_message", why));
    }
    let url = here(request);
    // Clients of the first generations read the address as a text, those of the last as part of the connect reply.
    let address = json!({"remoteAddress": origin(request), "host": url});
    Ok(json!({
        "version": "1.0", "channel": "/meta/handshake", "minimumVersion": "1.0",
        "supportedConnectionTypes": ["websocket"], "authSuccessful": true, "successful": true,
        "advice": {"reconnect": "retry"},
        "ext": {"address": address.to_string(), "url": url},
    }))
}

/// Where the WebSocket is, in the parts of Node's `url.parse`: as its client has reached it.
fn here(request: &HttpRequest) -> Value {
    let info = request.connection_info();
    let scheme = if info.scheme() == "https" { "wss:" } else { "ws:" };
    let host = host(request.head()).unwrap_or_default();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, Some(port)),
        _ => (host, None),
    };
    let (path, query) = (request.path(), request.query_string());
    let search = (!query.is_empty()).then(|| format!("?{query}"));
    let whole = format!("{path}{}", search.as_deref().unwrap_or_default());
    json!({
        "protocol": scheme, "slashes": true, "auth": null, "host": host, "port": port, "hostname": name, "hash": null,
        "search": search, "query": search.as_ref().map(|_| query), "pathname": path, "path": whole,
        "href": format!("{scheme}//{host}{whole}"),
    })
}
