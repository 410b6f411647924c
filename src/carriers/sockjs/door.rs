//! The door for SockJS clients.
//!
//! In: every request below the path of a service. Out: pages about the service, sessions, and the responses that carry
//! them. Methods, caches and cookies are as the protocol's suite wants them; who may come in is decided as for
//! everybody else.

use std::sync::Arc;

use actix::Addr;
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use sha1::{Digest, Sha1};
use turted_core::Protocol;

use super::frame::Form;
use super::path::{Action, Path};
use super::{Service, SockJsEncoder, SockJsFraming, SockJsOptions, incoming, pages, receive};
use crate::carriers::websocket::{self, Handshake};
use crate::carriers::{Mounts, Offer, Routes, nothing};
use crate::client::requests::collect::hand;
use crate::client::requests::register::{Found, Listing, Place};
use crate::client::{Connection, Inbound, Newcomer, Reader, Rules};
use crate::gate::entrance::{Refused, admit, check_origin, check_referer};
use crate::gate::identity::beginning;
use crate::gate::methods::is_head;
use crate::gate::request::{Query, first, worker};
use crate::gate::{Shared, body, cors};

/// A protocol over SockJS.
pub struct SockJs(
    /// What is spoken.
    pub Arc<dyn Protocol>,
    /// How.
    pub SockJsOptions,
);

impl Offer for SockJs {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let Self(protocol, options) = *self;
        let iframe = pages::iframe(&options.client);
        let socket = Rules::socket(mounts.ping());
        let mut framed = |rules| mounts.mount(Arc::clone(&protocol), &SockJsFraming, SockJsEncoder, rules);
        let service = Arc::new(Service {
            name: path.to_owned(),
            etag: format!("\"{}\"", hex::encode(Sha1::digest(&iframe))),
            iframe: iframe.into(),
            socket: framed(socket.clone()),
            session: framed(options.rules(socket)),
            raw: websocket::mount(protocol, mounts),
            options,
        });
        let path = path.to_owned();
        Arc::new(move |config| routes(config, &path, &service))
    }
}

/// Every route below `path`.
fn routes(config: &mut ServiceConfig, path: &str, service: &Arc<Service>) {
    let prefix = path.len();
    // The tail is taken from the request itself: decoded, `%2e` would be a dot.
    let answer = move |request: HttpRequest, shared, service, query, payload| async move {
        let rest = request.uri().path()[prefix..].to_owned();
        answer(request, &rest, shared, service, query, payload).await
    };
    for pattern in [path.to_owned(), format!("{path}/{{rest:.*}}")] {
        let service = web::Data::from(Arc::clone(service));
        config.service(
            web::resource(pattern)
                .app_data(service)
                .default_service(web::to(answer)),
        );
    }
}

async fn answer(
    request: HttpRequest,
    rest: &str,
    shared: web::Data<Shared>,
    service: web::Data<Service>,
    query: Query,
    payload: web::Payload,
) -> HttpResponse {
    let Some(path) = Path::parse(rest) else {
        return not_found();
    };
    if !path
        .methods()
        .split(", ")
        .any(|method| method == request.method().as_str())
    {
        return HttpResponse::MethodNotAllowed()
            .insert_header((header::ALLOW, path.methods()))
            .finish();
    }
    let visit = SockJsRequest {
        request: &request,
        shared: &shared,
        service: &service,
        query: &query,
    };
    let mut response = visit.answer(path, payload).await.unwrap_or_else(refuse);
    if matches!(path, Path::Info | Path::Session(..)) {
        cors::open(request.headers(), &mut response);
    }
    response
}

/// One request, with all that it takes to answer it.
struct SockJsRequest<'a> {
    request: &'a HttpRequest,
    shared: &'a Shared,
    service: &'a Service,
    query: &'a [(String, String)],
}

impl SockJsRequest<'_> {
    async fn answer(&self, path: Path<'_>, payload: web::Payload) -> Result<HttpResponse, Refused> {
        if self.request.method() == Method::OPTIONS {
            check_origin(self.request, self.shared)?;
            return Ok(cors::preflight_for_a_year(path.methods()));
        }
        match path {
            Path::Greeting => Ok(HttpResponse::Ok()
                .content_type("text/plain; charset=UTF-8")
                .body(pages::GREETING)),
            Path::Iframe => Ok(self.iframe()),
            Path::Info => {
                check_origin(self.request, self.shared)?;
                let options = &self.service.options;
                let info = pages::info(options.websocket, options.cookie, fastrand::u32(..));
                Ok(uncached(StatusCode::OK, "application/json; charset=UTF-8").body(info))
            }
            Path::RawSocket | Path::Session(_, Action::WebSocket) if !self.service.options.websocket => Ok(not_found()),
            Path::RawSocket => self.socket(payload, false).await,
            Path::Session(_, Action::WebSocket) => self.socket(payload, true).await,
            Path::Session(session, Action::XhrSend) => self.send(session, payload, false).await,
            Path::Session(session, Action::JsonpSend) => self.send(session, payload, true).await,
            Path::Session(session, action) => self.receive(session, action).await,
        }
    }

    fn iframe(&self) -> HttpResponse {
        let page = &self.service.iframe;
        let etag = self.service.etag.as_str();
        let known = self.request.headers().get(header::IF_NONE_MATCH);
        if known.is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
            return HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish();
        }
        let mut response = HttpResponse::Ok();
        cors::cache(&mut response);
        response
            .insert_header((header::ETAG, etag))
            .content_type("text/html; charset=UTF-8")
            .body(page.clone())
    }

    async fn socket(&self, payload: web::Payload, is_framed: bool) -> Result<HttpResponse, Refused> {
        check_origin(self.request, self.shared)?;
        if !websocket::is_upgrade(self.request) {
            let why = "Not a valid websocket request";
            return Err(Refused::new(StatusCode::BAD_REQUEST, "no_websocket", why));
        }
        let (newcomer, ticket) = admit(self.request, self.shared)?;
        let newcomer = Newcomer {
            transport: match is_framed {
                true => "SockJS WebSocket",
                false => "SockJS raw WebSocket",
            },
            first: beginning(
                self.request,
                self.query,
                self.shared,
                self.service.socket.protocol.name(),
                self.service.options.is_told,
            )
            .await?,
            opening: is_framed.then(super::opening),
            ..newcomer
        };
        let handshake = Handshake {
            request: self.request,
            payload,
            subprotocols: &[],
        };
        let worker = worker(self.request)?;
        let response = if is_framed {
            let mount = &self.service.socket;
            websocket::accept(handshake, mount, worker, newcomer, super::framed, ticket).await
        } else {
            let mount = &self.service.raw;
            websocket::accept(handshake, mount, worker, newcomer, websocket::plain, ticket).await
        };
        Ok(response.unwrap_or_else(|error| error.error_response()))
    }

    async fn receive(&self, session: &str, action: Action) -> Result<HttpResponse, Refused> {
        check_origin(self.request, self.shared)?;
        let callback = || {
            let name = first(self.query, "c").or_else(|| first(self.query, "callback"));
            // A script or a page in an iframe comes without an Origin.
            check_referer(self.request, self.shared)?;
            let invalid = |why| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "bad_callback", why);
            pages::callback(name).map(str::to_owned).map_err(invalid)
        };
        let transport = match action {
            Action::XhrStreaming => "SockJS xhr_streaming",
            Action::EventSource => "SockJS eventsource",
            Action::HtmlFile => "SockJS htmlfile",
            Action::Jsonp => "SockJS jsonp",
            _ => "SockJS xhr",
        };
        let form = match action {
            Action::XhrStreaming => Form::XhrStreaming,
            Action::EventSource => Form::EventSource,
            Action::HtmlFile => Form::HtmlFile(callback()?),
            Action::Jsonp => Form::Jsonp(callback()?),
            _ => Form::Xhr,
        };
        if is_head(self.request) {
            return Ok(receive::head(&form).finish());
        }
        let worker = worker(self.request)?;
        let (connection, is_new) = match worker.register.reserve(&self.name(session), None) {
            Place::Taken(connection) => (connection, false),
            Place::Free(listing) => (self.open(listing, transport).await?, true),
            Place::Reserved => {
                let why = "another request is opening this session";
                return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "busy", why));
            }
        };
        let reader = if form.is_polling() {
            Reader::single(connection)
        } else {
            Reader::new(connection)
        };
        let mut response = receive::respond(form, reader, is_new, &self.service.options, self.request.version()).await;
        self.set_cookie(&mut response);
        Ok(response)
    }

    /// Begins a session.
    async fn open(&self, listing: Listing, transport: &'static str) -> Result<Addr<Connection>, Refused> {
        let (newcomer, ticket) = admit(self.request, self.shared)?;
        let newcomer = Newcomer {
            transport,
            first: beginning(
                self.request,
                self.query,
                self.shared,
                self.service.socket.protocol.name(),
                self.service.options.is_told,
            )
            .await?,
            listing: Some(listing),
            ..newcomer
        };
        let worker = worker(self.request)?;
        Ok(self.service.session.connect(worker, newcomer, nothing(ticket)).1)
    }

    async fn send(&self, session: &str, payload: web::Payload, is_form: bool) -> Result<HttpResponse, Refused> {
        check_origin(self.request, self.shared)?;
        let bytes = body::read(
            self.request,
            self.shared,
            payload,
            self.service.session.message_bytes,
            "limits.message_bytes",
        )
        .await?;
        let is_encoded = is_form && media_type(self.request).contains("application/x-www-form-urlencoded");
        let messages = if is_encoded {
            incoming::array(&incoming::form_field(&bytes))
        } else {
            incoming::array(&bytes)
        };
        let failed =
            |why: incoming::Unreadable| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "bad_payload", why.to_string());
        let messages = messages.map_err(failed)?;
        let worker = worker(self.request)?;
        let Ok(Found { connection, .. }) = worker.register.find(&self.name(session), None) else {
            return Ok(not_found());
        };
        for text in messages {
            if hand(&connection, Inbound::Text(text)).await.is_none() {
                return Ok(not_found());
            }
        }
        let mut response = if is_form {
            uncached(StatusCode::OK, "text/plain; charset=UTF-8").body("ok")
        } else {
            // The type is for old browsers, which take an answer without one for an error.
            uncached(StatusCode::NO_CONTENT, "text/plain; charset=UTF-8").finish()
        };
        self.set_cookie(&mut response);
        Ok(response)
    }

    /// Under which the register has a session: other services may have one of the same name.
    fn name(&self, session: &str) -> String {
        format!("{} {session}", self.service.name)
    }

    fn set_cookie(&self, response: &mut HttpResponse) {
        if self.service.options.cookie {
            let own = self.request.cookie("JSESSIONID");
            let own = own.as_ref().map(|cookie| cookie.value());
            // Nothing else gets into our header (CWE-113).
            let is_plain = |value: &&str| value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            let value = own.filter(is_plain).unwrap_or("dummy");
            if let Ok(value) = header::HeaderValue::from_str(&format!("JSESSIONID={value}; path=/")) {
                response.headers_mut().insert(header::SET_COOKIE, value);
            }
        }
    }
}

fn media_type(request: &HttpRequest) -> String {
    let value = request.headers().get(header::CONTENT_TYPE);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase()
}

fn uncached(status: StatusCode, media: &str) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .content_type(media)
        .insert_header((header::CACHE_CONTROL, pages::NO_CACHE));
    response
}

fn not_found() -> HttpResponse {
    HttpResponse::NotFound()
        .content_type("text/plain; charset=UTF-8")
        .body("404 Error: Page not found\n")
}

fn refuse(Refused { status, why, .. }: Refused) -> HttpResponse {
    uncached(status, "text/plain; charset=UTF-8").body(why)
}
