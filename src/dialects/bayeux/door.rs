//! The door for Bayeux clients.
//!
//! In: every request at and below the path of a service. Out: answers to batches, in the form in which they came: JSON,
//! forms, text from foreign pages, scripts; and WebSockets. CometD appends a word to the path, which says nothing more.

use std::sync::Arc;

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::exchange::{Answers, Batch, Service, Visit};
use super::message::{MOST, batch};
use super::{Bayeux, BayeuxFraming, Terms, jsonp, socket};
use crate::carriers::websocket::{self, WebSocketEncoder};
use crate::carriers::{Mounts, Offer, Routes, form};
use crate::client::Rules;
use crate::client::requests::rules::Second;
use crate::gate::entrance::{Refused, check_origin, check_referer};
use crate::gate::methods::{is_head, sentence};
use crate::gate::request::{Query, bad_request, first};
use crate::gate::{Shared, body, cors};

/// What CometD appends to the path, by the kind of the first message.
const SUFFIXES: [&str; 5] = ["", "/", "/handshake", "/connect", "/disconnect"];
/// What a preflight allows.
const METHODS: &str = "GET, POST, OPTIONS";
const HEADERS: &str = "Accept, Authorization, Content-Type, Pragma, X-Requested-With";
/// The field of a form that holds messages, and the parameter of a query.
const FIELD: &str = "message";

/// Bayeux at a path.
pub struct BayeuxDoor(pub Arc<Terms>);

impl Offer for BayeuxDoor {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let Self(terms) = *self;
        let socket = Rules::socket(mounts.ping());
        let rules = Rules {
            second: Second::Replaces,
            ends_with_reader: false,
            repeats_goodbye: true,
            linger: terms.expiry,
            outlives: Some(terms.expiry),
            ..socket
        };
        let mut strict = Terms::clone(&terms);
        strict.names.is_strict = true;
        let mut mount = |terms| {
            let protocol = Arc::new(Bayeux(terms));
            mounts.mount(protocol, &BayeuxFraming, WebSocketEncoder, rules.clone())
        };
        let service = Arc::new(Service {
            mount: mount(Arc::clone(&terms)),
            strict: mount(Arc::new(strict)),
            path: path.to_owned(),
            terms,
        });
        let path = path.trim_end_matches('/').to_owned();
        Arc::new(move |config| routes(config, &path, &service))
    }
}

fn routes(config: &mut ServiceConfig, path: &str, service: &Arc<Service>) {
    let paths: Vec<String> = SUFFIXES.iter().map(|suffix| format!("{path}{suffix}")).collect();
    let resource = web::resource(paths).app_data(web::Data::from(Arc::clone(service)));
    config.service(resource.default_service(web::to(answer)));
}

async fn answer(
    request: HttpRequest,
    shared: web::Data<Shared>,
    service: web::Data<Service>,
    payload: web::Payload,
) -> HttpResponse {
    let visit = Visit {
        request,
        shared,
        service,
        transport: "long-polling",
    };
    let headers = visit.request.headers().clone();
    let mut response = visited(visit, payload).await.unwrap_or_else(refuse);
    cors::open(&headers, &mut response);
    response
}

async fn visited(visit: Visit, payload: web::Payload) -> Result<HttpResponse, Refused> {
    check_origin(&visit.request, &visit.shared)?;
    match *visit.request.method() {
        Method::OPTIONS => Ok(cors::preflight(visit.request.headers(), METHODS, HEADERS)),
        Method::POST => post(visit, payload).await,
        Method::GET if websocket::is_upgrade(&visit.request) => socket::accept(visit, payload).await,
        Method::GET => script(visit).await,
        _ => Ok(HttpResponse::MethodNotAllowed()
            .insert_header((header::ALLOW, METHODS))
            .finish()),
    }
}

async fn post(visit: Visit, payload: web::Payload) -> Result<HttpResponse, Refused> {
    let bound = visit.service.mount.message_bytes;
    let body = body::read(&visit.request, &visit.shared, payload, bound, "limits.message_bytes").await?;
    let texts = texts(&body, visit.request.headers().get(header::CONTENT_TYPE))?;
    let answers = exchange(&visit, &texts).await?;
    // From here on it waits for events, which takes its time.
    drop((texts, body));
    let json = answers.complete().await;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-cache, no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(json))
}

/// The batches in a body: it is one, or a form that has some.
fn texts(body: &[u8], media: Option<&header::HeaderValue>) -> Result<Vec<String>, Refused> {
    let media = media.and_then(|media| media.to_str().ok()).unwrap_or_default();
    let media = media.to_ascii_lowercase();
    let field = format!("{FIELD}=");
    // Pages of other origins send a form as text, which needs no preflight.
    let is_form = media.starts_with("application/x-www-form-urlencoded")
        || media.starts_with("text/plain") && body.starts_with(field.as_bytes());
    let texts: Vec<Vec<u8>> = match is_form {
        true => form::fields(body, field.as_bytes()).collect(),
        false => vec![body.to_vec()],
    };
    let texts = texts.into_iter().map(String::from_utf8).collect::<Result<Vec<_>, _>>();
    texts.map_err(|_| bad_request("bad_message", "the messages are not UTF-8"))
}

async fn script(mut visit: Visit) -> Result<HttpResponse, Refused> {
    let query = Query::from_query(visit.request.query_string());
    let query = query.map_err(|_| bad_request("bad_message", "the query cannot be read"))?;
    let Some(text) = first(&query, FIELD) else {
        let why = "Bayeux clients POST here, or GET with the parameters message and jsonp, or upgrade to a WebSocket";
        return Ok(sentence(StatusCode::BAD_REQUEST, why));
    };
    // A script comes without an Origin.
    check_referer(&visit.request, &visit.shared)?;
    let function = first(&query, "jsonp").unwrap_or("jsonpcallback").to_owned();
    if !jsonp::is_function(&function) {
        return Err(bad_request("bad_callback", "jsonp must be the name of a function"));
    }
    if is_head(&visit.request) {
        return Ok(HttpResponse::Ok().content_type(jsonp::CONTENT_TYPE).finish());
    }
    if text.len() > visit.service.mount.message_bytes {
        let why = "the messages are longer than limits.message_bytes";
        return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", why));
    }
    visit.transport = "callback-polling";
    let answers = exchange(&visit, &[text.to_owned()]).await?;
    let json = answers.complete().await;
    Ok(HttpResponse::Ok()
        .content_type(jsonp::CONTENT_TYPE)
        .insert_header((header::CACHE_CONTROL, "no-cache, no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=f.txt"))
        .body(jsonp::script(&function, &json)))
}

async fn exchange(visit: &Visit, texts: &[String]) -> Result<Answers, Refused> {
    let mut messages = Vec::new();
    for text in texts {
        let more = batch(text, &visit.service.terms.limits);
        messages.extend(more.map_err(|why| bad_request("bad_message", why.to_string()))?);
    }
    if messages.len() > MOST {
        return Err(bad_request("bad_message", "there are too many messages"));
    }
    let batch = Batch::read(messages).ok_or_else(|| bad_request("bad_message", "a message has a member twice"))?;
    Ok(visit.exchange(&batch).await)
}

fn refuse(Refused { status, why, .. }: Refused) -> HttpResponse {
    sentence(status, &why)
}
