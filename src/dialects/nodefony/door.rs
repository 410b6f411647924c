//! Where clients of nodefony come in: three requests at one path.
//!
//! In: a `GET` that asks whether anybody is here, a `POST` with the handshake, and the upgrade that everything else
//! goes through. Out: `PING`, the handshake's answer, a connection that is who its request says it is; or a refusal.
//! Where there is a login, each needs a session, and a `POST` that answers a challenge opens one.

use std::sync::Arc;
use std::time::SystemTime;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HttpDate};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use turted_core::{Intent, Protocol, Responders};

use super::Nodefony;
use super::address::Url;
use super::login::{Login, door as login};
use crate::carriers::websocket::{self, Handshake, WebSocketEncoder, WebSocketFraming};
use crate::carriers::{Mount, Mounts, Offer, Routes};
use crate::client::{Newcomer, Rules};
use crate::gate::entrance::{Refused, admit, check_origin, secret};
use crate::gate::identity::{arrival, arrival_of};
use crate::gate::methods::{only, spellings};
use crate::gate::proxies::origin;
use crate::gate::request::{Query, answer, bad_request, host, is_https, refuse, text, worker};
use crate::gate::{Shared, body, cors};

/// The subprotocol of clients of 2021 and later.
const SUBPROTOCOL: &str = "bayeux";

/// The dialect over a WebSocket, with the services that are somebody else's.
pub struct RealtimeDoor {
    /// What is spoken.
    pub protocol: Nodefony,
    /// Those services.
    pub services: Responders,
    /// Who may come in, if that is not said in the ways of `[auth.clients]`.
    pub login: Option<Login>,
}

impl Offer for RealtimeDoor {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let rules = Rules {
            responders: self.services,
            ..Rules::socket(mounts.ping())
        };
        let spoken = Arc::new(self.protocol.clone());
        let mount = mounts.mount(spoken, &WebSocketFraming, WebSocketEncoder, rules);
        let inside = Arc::new(Inside {
            mount,
            protocol: self.protocol,
            login: self.login,
        });
        let path = path.to_owned();
        Arc::new(move |config| routes(config, &path, &inside))
    }
}

/// What is behind the door.
struct Inside {
    mount: Mount,
    protocol: Nodefony,
    login: Option<Login>,
}

impl Inside {
    fn refuse(&self, request: &HttpRequest, refused: Refused) -> HttpResponse {
        match &self.login {
            Some(login) => login::turn_away(request, login, refused),
            None => refuse(request, refused),
        }
    }
}

fn routes(config: &mut ServiceConfig, path: &str, inside: &Arc<Inside>) {
    let inside = web::Data::from(Arc::clone(inside));
    let door = web::resource(spellings(path)).app_data(inside);
    let door = door.route(web::get().to(open)).route(web::post().to(shake));
    config.service(door.default_service(only("GET, HEAD, POST")));
}

async fn open(
    request: HttpRequest,
    shared: web::Data<Shared>,
    inside: web::Data<Inside>,
    query: Query,
    payload: web::Payload,
) -> HttpResponse {
    let opened = accept(&request, &shared, &inside, &query, payload).await;
    opened.unwrap_or_else(|refused| inside.refuse(&request, refused))
}

async fn accept(
    request: &HttpRequest,
    shared: &Shared,
    inside: &Inside,
    query: &[(String, String)],
    payload: web::Payload,
) -> Result<HttpResponse, Refused> {
    check_origin(request, shared)?;
    let visitor = |login| login::visitor(request, shared, login);
    let visitor = inside.login.as_ref().map(visitor).transpose()?;
    if !websocket::is_upgrade(request) {
        let mut ping = HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body("PING");
        cors::allow(request.headers(), &mut ping);
        return Ok(ping);
    }
    let arrival = match visitor {
        Some(identity) => arrival_of(request, query, shared, identity).await?,
        None => arrival(request, query, shared, inside.protocol.name()).await?,
    };
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
    let mount = inside
        .mount
        .speaking(Arc::new(inside.protocol.to(&whence(request, shared))));
    let response = websocket::accept(handshake, &mount, worker, newcomer, websocket::plain, ticket).await;
    Ok(response.unwrap_or_else(|error| error.error_response()))
}

async fn shake(
    request: HttpRequest,
    shared: web::Data<Shared>,
    inside: web::Data<Inside>,
    payload: web::Payload,
) -> HttpResponse {
    let shaken = posted(&request, &shared, &inside, payload).await;
    shaken.unwrap_or_else(|refused| inside.refuse(&request, refused))
}

async fn posted(
    request: &HttpRequest,
    shared: &Shared,
    inside: &Inside,
    payload: web::Payload,
) -> Result<HttpResponse, Refused> {
    check_origin(request, shared)?;
    let body = body::read(request, shared, payload, shared.message_bytes, "limits.message_bytes").await?;
    if let Some(login) = &inside.login {
        if let Some(said) = login::said(request) {
            return login::enter(request, shared, login, said);
        }
        login::visitor(request, shared, login)?;
    }
    let said: Option<Value> = serde_json::from_slice(&body).ok();
    if said.is_none_or(|said| said["channel"] != "/meta/handshake") {
        let why = "the body must be a JSON object with the channel /meta/handshake";
        return Err(bad_request("bad_message", why));
    }
    // Clients of the first generations read the address as a text, those of the last as part of the connect reply.
    let address = whence(request, shared).to_string();
    let told = json!({
        "version": "1.0", "channel": "/meta/handshake", "minimumVersion": "1.0",
        "supportedConnectionTypes": ["websocket"], "authSuccessful": true, "successful": true,
        "advice": inside.protocol.advice(),
        // It names nobody: the connection gets its own.
        "clientId": secret::<9>(),
        "timestamp": HttpDate::from(SystemTime::now()).to_string(),
        "ext": {"address": address, "url": here(request, shared)},
    });
    Ok(answer(request, StatusCode::OK, told.to_string()))
}

/// Where the WebSocket is, as its client has reached it.
fn here(request: &HttpRequest, shared: &Shared) -> Value {
    let url = Url {
        scheme: if is_https(request, shared) { "wss" } else { "ws" },
        host: host(request.head()).unwrap_or_default(),
        path: request.path(),
        query: request.query_string(),
    };
    url.parts()
}

/// From where a client comes: its address, and the page that it is, or this place when it does not say.
fn whence(request: &HttpRequest, shared: &Shared) -> Value {
    let page = text(request.head(), header::ORIGIN).and_then(Url::of_origin);
    let page = page.map_or_else(|| here(request, shared), |page| page.parts());
    json!({"remoteAddress": origin(request), "host": page})
}
