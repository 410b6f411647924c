//! The door for Engine.IO clients, which Socket.IO is carried by.
//!
//! In: every request at the path of a service. Out: sessions, their packets, and sockets that take over. Errors have
//! the codes and words of the reference server, since clients show them; who may come in is decided as for everybody
//! else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use actix::Addr;
use actix_web::body::BoxBody;
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use turted_core::{Ending, Protocol};

use super::errors::{Error, Failure, refuse};
use super::jsonp::{self, Index};
use super::packet::{Eio, Encoding, Record, Speaker};
use super::payload::{self, Format};
use super::{BODY, EngineEncoder, EngineFraming, EngineIoOptions, Generation, Service, packets, upgrade};
use crate::carriers::body::Wire;
use crate::carriers::websocket::{self, Handshake};
use crate::carriers::{Mount, Mounts, Offer, Routes, nothing};
use crate::client::requests::collect::hand;
use crate::client::requests::register::{Found, Place};
use crate::client::turns::Taken;
use crate::client::{Connection, Inbound, Newcomer, Reader, Reading};
use crate::gate::body::{self, Unread};
use crate::gate::entrance::{Refused, admit, check_origin, check_referer, secret};
use crate::gate::identity::beginning;
use crate::gate::methods::is_head;
use crate::gate::request::{Query, first, worker};
use crate::gate::socket::Answering;
use crate::gate::{Shared, cors};

/// An Engine.IO service for clients of protocol 4 and, perhaps, 3.
pub struct EngineIo {
    /// What is spoken with protocol 4.
    pub v4: Arc<dyn Protocol>,
    /// What is spoken with protocol 3.
    pub v3: Option<Arc<dyn Protocol>>,
    /// Times and bounds.
    pub options: EngineIoOptions,
}

impl Offer for EngineIo {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let Self { v4, v3, options } = *self;
        let mut generation = |protocol: &Arc<dyn Protocol>, framing: &'static EngineFraming, version| {
            let (socket, session) = options.rules(version);
            let mut mount = |rules| Mount {
                message_bytes: options.max_payload,
                ..mounts.mount(Arc::clone(protocol), framing, EngineEncoder, rules)
            };
            Generation {
                socket: mount(socket),
                session: mount(session),
            }
        };
        let service = Arc::new(Service {
            name: path.to_owned(),
            v4: generation(&v4, &super::V4, Eio::V4),
            v3: v3.as_ref().map(|protocol| generation(protocol, &super::V3, Eio::V3)),
            v3_text: v3
                .as_ref()
                .map(|protocol| generation(protocol, &super::V3_TEXT, Eio::V3)),
            options,
        });
        let path = path.to_owned();
        Arc::new(move |config| routes(config, &path, &service))
    }
}

/// Longer than any pause between two packets.
const LONG: Duration = Duration::from_secs(60);
const TOO_BIG: Inbound = Inbound::Broken(Ending::TooBig);
const NOOP: &[u8] = b"6";
const CLOSE: &[u8] = b"1";

/// Every route at `path`.
fn routes(config: &mut ServiceConfig, path: &str, service: &Arc<Service>) {
    for pattern in [path.to_owned(), format!("{path}/")] {
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
    shared: web::Data<Shared>,
    service: web::Data<Service>,
    query: Query,
    payload: web::Payload,
) -> HttpResponse {
    let visit = EngineIoRequest {
        request: &request,
        shared: &shared,
        service: &service,
        query: &query,
    };
    let mut response = visit
        .answer(payload)
        .await
        .unwrap_or_else(|failure| refuse(&request, failure));
    cors::open(request.headers(), &mut response);
    response
}

struct EngineIoRequest<'a> {
    request: &'a HttpRequest,
    shared: &'a Shared,
    service: &'a Service,
    query: &'a [(String, String)],
}

impl EngineIoRequest<'_> {
    async fn answer(&self, payload: web::Payload) -> Result<HttpResponse, Failure> {
        check_origin(self.request, self.shared)?;
        let method = self.request.method();
        if method == Method::OPTIONS
            && self
                .request
                .headers()
                .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return Ok(cors::preflight_for_a_year("GET, POST, OPTIONS"));
        }
        let socket = match first(self.query, "transport") {
            Some("polling") => false,
            Some("websocket") => true,
            _ => return Err(Error::TransportUnknown.into()),
        };
        let version = Eio::parse(first(self.query, "EIO")).ok_or(Error::UnsupportedVersion)?;
        let script = first(self.query, "j").and_then(Index::parse);
        if script.is_some() {
            check_referer(self.request, self.shared)?;
        }
        let speaker = Speaker {
            version,
            base64: script.is_some() || first(self.query, "b64").is_some_and(|value| !value.is_empty() && value != "0"),
            encoding: Encoding::Unknown,
        };
        let generation = self.service.generation(speaker).ok_or(Error::UnsupportedVersion)?;
        if socket && (method != Method::GET || !websocket::is_upgrade(self.request)) {
            return Err(if first(self.query, "sid").is_none() && method != Method::GET {
                Error::BadMethod.into()
            } else {
                Error::BadRequest.into()
            });
        }
        let Some(session) = first(self.query, "sid") else {
            return match (socket, method) {
                (true, _) => self.open_socket(generation, version, payload).await,
                (false, &Method::GET) => self.open_session(generation, speaker, script).await,
                (false, _) => Err(Error::BadMethod.into()),
            };
        };
        let register = &worker(self.request)?.register;
        let found = register.find(&self.name(session), None);
        let Found { connection, mark } = found.map_err(|_| Error::SessionUnknown)?;
        match (socket, method) {
            (true, _) => self.upgrade(generation, version, connection, payload).await,
            (false, &Method::GET) if is_head(self.request) => {
                Ok(HttpResponse::Ok().content_type(Format::Text.content_type()).finish())
            }
            (false, &Method::GET) => {
                self.poll(Reader::single(connection), speaker, script, Some(&mark))
                    .await
            }
            (false, &Method::POST) => {
                let speaker = Speaker {
                    encoding: remembered(&mark),
                    ..speaker
                };
                self.post(connection, &mark, speaker, script, payload).await
            }
            (false, _) => Err(Error::BadRequest.into()),
        }
    }

    async fn open_socket(
        &self,
        generation: &Generation,
        version: Eio,
        payload: web::Payload,
    ) -> Result<HttpResponse, Failure> {
        let (newcomer, ticket) = admit(self.request, self.shared)?;
        let newcomer = Newcomer {
            transport: "Engine.IO WebSocket",
            first: beginning(
                self.request,
                self.query,
                self.shared,
                generation.socket.protocol.name(),
                self.service.options.is_told,
            )
            .await?,
            opening: Some(self.service.options.open(&session_id()?, false)),
            ..newcomer
        };
        let (mount, worker) = (&generation.socket, worker(self.request)?);
        let read = |incoming| packets(incoming, version);
        let accepted = websocket::accept(self.handshake(payload), mount, worker, newcomer, read, ticket).await;
        Ok(accepted.unwrap_or_else(|error| error.error_response()))
    }

    async fn open_session(
        &self,
        generation: &Generation,
        speaker: Speaker,
        script: Option<Index>,
    ) -> Result<HttpResponse, Failure> {
        // There is something to say at once.
        let _answering = Answering::begin();
        let (newcomer, ticket) = admit(self.request, self.shared)?;
        if is_head(self.request) {
            return Ok(HttpResponse::Ok().content_type(Format::Text.content_type()).finish());
        }
        let (worker, session) = (worker(self.request)?, session_id()?);
        let Place::Free(listing) = worker.register.reserve(&self.name(&session), None) else {
            // An id of ours is random: nobody has it.
            return Err(Error::BadRequest.into());
        };
        let newcomer = Newcomer {
            transport: match script {
                None => "Engine.IO polling",
                Some(_) => "Engine.IO JSONP polling",
            },
            first: beginning(
                self.request,
                self.query,
                self.shared,
                generation.socket.protocol.name(),
                self.service.options.is_told,
            )
            .await?,
            listing: Some(listing),
            opening: Some(self.service.options.open(&session, true)),
            ..newcomer
        };
        let (_, connection) = generation.session.connect(worker, newcomer, nothing(ticket));
        self.poll(Reader::single(connection), speaker, script, None).await
    }

    async fn poll(
        &self,
        reader: Reader,
        speaker: Speaker,
        script: Option<Index>,
        mark: Option<&AtomicU8>,
    ) -> Result<HttpResponse, Failure> {
        let (frames, last) = match reader.read(None, LONG).await {
            // None: another wire is tried out.
            Reading::Frames(frames) | Reading::Numbered(frames, _) => (frames, NOOP),
            // The client said goodbye by another request, perhaps one that came before this one.
            Reading::Last(frames, Ending::Vanished) => (frames, NOOP),
            Reading::Last(frames, _) => (frames, CLOSE),
            Reading::Nothing | Reading::Vanished => (Bytes::new(), NOOP),
            Reading::Gone => return Err(Error::SessionUnknown.into()),
            Reading::Busy => return Err(Failure::Closed),
            Reading::Moved | Reading::TooFast => return Err(Error::BadRequest.into()),
        };
        reader.finish();
        // What its posts have shown by now.
        let speaker = Speaker {
            encoding: mark.map_or(speaker.encoding, remembered),
            ..speaker
        };
        let records = super::records(&frames, speaker);
        let is_over = last == CLOSE;
        let none = records.clone().next().is_none();
        let tail = (is_over || none).then_some(Record::Text(last));
        let body = payload::encode(records.chain(tail), speaker);
        let mut response = HttpResponse::Ok();
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        Ok(match script {
            Some(index) => response
                .content_type(jsonp::CONTENT_TYPE)
                .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .body(jsonp::wrap(index, &body.bytes)),
            None => response.content_type(body.format.content_type()).body(body.bytes),
        })
    }

    async fn post(
        &self,
        connection: Addr<Connection>,
        mark: &AtomicU8,
        speaker: Speaker,
        script: Option<Index>,
        payload: web::Payload,
    ) -> Result<HttpResponse, Failure> {
        let bytes = match body::read(
            self.request,
            self.shared,
            payload,
            BODY.max(self.service.options.max_payload),
            "limits.message_bytes",
        )
        .await
        {
            Ok(bytes) => bytes,
            Err(Unread::TooLarge(_)) => {
                // What was not read cannot be skipped: the next request would begin inside it.
                return Ok(HttpResponse::PayloadTooLarge().force_close().finish());
            }
            Err(unread) => return Err(Refused::from(unread).into()),
        };
        let media = self
            .request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let (bytes, format) = match script {
            Some(_) => (jsonp::field(&bytes).map(Bytes::from).unwrap_or_default(), Format::Text),
            None => (Bytes::clone(&bytes), Format::of(media)),
        };
        let Ok(post) = payload::decode(&bytes, format, speaker) else {
            // Whatever it wanted to say, something of it is lost.
            let _ = hand(&connection, Inbound::Close(Ending::Normal)).await;
            return Err(Error::BadRequest.into());
        };
        mark.store(post.encoding as u8, Ordering::Relaxed);
        for packet in post.packets {
            let inbound = match super::inbound(packet, speaker.version) {
                Inbound::Text(text) if text.len() > self.service.options.max_payload => TOO_BIG,
                Inbound::Binary(data) if data.len() > self.service.options.max_payload => TOO_BIG,
                inbound => inbound,
            };
            match hand(&connection, inbound).await {
                Some(Taken::Moved) => return Err(Error::BadRequest.into()),
                Some(_) => {}
                // It ended with one of the packets before.
                None => break,
            }
        }
        Ok(HttpResponse::Ok().content_type("text/html").body("ok"))
    }

    async fn upgrade(
        &self,
        generation: &Generation,
        version: Eio,
        connection: Addr<Connection>,
        payload: web::Payload,
    ) -> Result<HttpResponse, Failure> {
        let (_, ticket) = admit(self.request, self.shared)?;
        let mount = &generation.socket;
        let (response, incoming) = match self.handshake(payload).answer(mount.message_bytes).await {
            Ok(answered) => answered,
            Err(error) => return Ok(error.error_response()),
        };
        let voice = upgrade::start(incoming, version, mount, worker(self.request)?, connection);
        Ok(response.map_body(|_, _| BoxBody::new(Wire::new(voice, ticket).with_all())))
    }

    fn handshake(&self, payload: web::Payload) -> Handshake<'_> {
        Handshake {
            request: self.request,
            payload,
            subprotocols: &[],
        }
    }

    /// Under which the register has a session: other services may have one of the same name.
    fn name(&self, session: &str) -> String {
        format!("{} {session}", self.service.name)
    }
}

/// How the client of a session encodes, as far as its posts have shown.
fn remembered(mark: &AtomicU8) -> Encoding {
    let known = [Encoding::Once, Encoding::Twice];
    let known = known
        .into_iter()
        .find(|known| *known as u8 == mark.load(Ordering::Relaxed));
    known.unwrap_or_default()
}

/// Nobody can guess it (CWE-330): it is all that a request needs to speak for the session.
fn session_id() -> Result<Arc<str>, Refused> {
    let why = "the system has no random numbers";
    secret::<16>().ok_or_else(|| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", why))
}
