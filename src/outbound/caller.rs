//! The actor that asks.
//!
//! In: calls. Out: their answers. It lives on a thread of its own: what it does with sockets and TLS takes no time from
//! a worker. Connections are kept for the next question, for a moment.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler, Message};
use bytes::{Bytes, BytesMut};
use http::header::{HOST, HeaderValue, USER_AGENT};
use http::uri::{Authority, PathAndQuery};
use http::{Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use log::warn;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_rustls::TlsConnector;

use super::address::look_up;
use super::destination::{Answer, OutboundError, Request};
use super::tls::client_config;

/// How long a connection is kept for the next question; most servers close them later.
const KEPT: Duration = Duration::from_secs(4);
/// How many of them for one host.
const MOST_KEPT: usize = 64;
/// Bytes of an answer's head.
const HEAD: usize = 64 * 1024;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("turted/", env!("CARGO_PKG_VERSION")));

/// One request.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Call {
    pub(super) url: Uri,
    pub(super) request: Request,
    /// Most bytes of the body.
    pub(super) bytes: usize,
    pub(super) reply: oneshot::Sender<Result<Answer, OutboundError>>,
    /// Its place among those that are under way.
    pub(super) free: OwnedSemaphorePermit,
}

/// Asks, and keeps connections for the next question.
#[derive(Default)]
pub struct Caller(Rc<Kept>);

/// What one question leaves for the next.
#[derive(Default)]
struct Kept {
    tls: RefCell<Option<Arc<ClientConfig>>>,
    idle: RefCell<HashMap<String, Vec<Idle>>>,
}

type Wire = SendRequest<Full<Bytes>>;

struct Idle {
    wire: Wire,
    since: Instant,
}

impl Actor for Caller {
    type Context = Context<Self>;
}

impl Handler<Call> for Caller {
    type Result = ();

    fn handle(&mut self, call: Call, _: &mut Context<Self>) {
        let kept = Rc::clone(&self.0);
        actix::spawn(async move {
            let Call {
                url,
                request,
                bytes,
                mut reply,
                free: _free,
            } = call;
            // Whoever does not wait any more needs no answer, and no connection.
            let answer = tokio::select! {
                biased;
                () = reply.closed() => return,
                answer = kept.ask(&url, &request, bytes) => answer,
            };
            let _ = reply.send(answer);
        });
    }
}

impl Kept {
    async fn ask(&self, url: &Uri, request: &Request, bytes: usize) -> Result<Answer, OutboundError> {
        let host = format!("{}://{}", url.scheme_str().unwrap_or_default(), authority(url));
        if let Some(mut wire) = self.take(&host)
            && let Ok(response) = wire.send_request(whole(url, request)).await
        {
            return self.read(host, wire, response, bytes).await;
        }
        // Nobody has looked at the question if a kept connection was closed in that moment.
        let mut wire = self.connect(url).await?;
        let response = wire.send_request(whole(url, request)).await;
        let response = response.map_err(|error| broken(&error))?;
        self.read(host, wire, response, bytes).await
    }

    async fn read(
        &self,
        host: String,
        wire: Wire,
        response: Response<Incoming>,
        bytes: usize,
    ) -> Result<Answer, OutboundError> {
        let (head, mut body) = response.into_parts();
        let headers = head.headers.iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().into(), value.into()))
        });
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken(&error))?;
            let Ok(part) = frame.into_data() else { continue };
            if whole.len() + part.len() > bytes {
                return Err(OutboundError::TooLarge(bytes));
            }
            whole.extend_from_slice(&part);
        }
        let answer = Answer {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: whole.freeze(),
        };
        self.keep(host, wire);
        Ok(answer)
    }

    /// A connection that is still open.
    fn take(&self, host: &str) -> Option<Wire> {
        let mut idle = self.idle.borrow_mut();
        let wires = idle.get_mut(host)?;
        wires.retain(|idle| idle.since.elapsed() < KEPT && !idle.wire.is_closed());
        let ready = wires.iter().rposition(|idle| idle.wire.is_ready())?;
        Some(wires.swap_remove(ready).wire)
    }

    fn keep(&self, host: String, wire: Wire) {
        let mut idle = self.idle.borrow_mut();
        for wires in idle.values_mut() {
            wires.retain(|idle| idle.since.elapsed() < KEPT && !idle.wire.is_closed());
        }
        idle.retain(|_, wires| !wires.is_empty());
        let wires = idle.entry(host).or_default();
        if wires.len() < MOST_KEPT && !wire.is_closed() {
            let since = Instant::now();
            wires.push(Idle { wire, since });
        }
    }

    async fn connect(&self, url: &Uri) -> Result<Wire, OutboundError> {
        let is_secure = url.scheme_str() == Some("https");
        let host = url.host().unwrap_or_default();
        let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let mut failed = OutboundError::Unreachable("its host has no address".to_owned());
        for address in look_up(host, port).await? {
            match TcpStream::connect(address).await {
                Ok(socket) if is_secure => {
                    let _ = socket.set_nodelay(true);
                    return hands(self.encrypt(host, socket).await?).await;
                }
                Ok(socket) => {
                    let _ = socket.set_nodelay(true);
                    return hands(socket).await;
                }
                Err(error) => failed = OutboundError::Unreachable(error.to_string()),
            }
        }
        Err(failed)
    }

    async fn encrypt(
        &self,
        host: &str,
        socket: TcpStream,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + use<>, OutboundError> {
        let unreachable = |why: String| OutboundError::Unreachable(why);
        let known = self.tls.borrow().clone();
        let config = match known {
            Some(config) => config,
            None => {
                let config = client_config().map_err(|why| {
                    warn!("{why}");
                    unreachable(why.to_string())
                })?;
                Arc::clone(self.tls.borrow_mut().insert(Arc::new(config)))
            }
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let name = ServerName::try_from(bare.unwrap_or(host).to_owned());
        let name = name.map_err(|_| unreachable("its host is no name that TLS knows".to_owned()))?;
        let encrypted = TlsConnector::from(config).connect(name, socket).await;
        encrypted.map_err(|error| unreachable(error.to_string()))
    }
}

/// Speaks HTTP there.
async fn hands(socket: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Result<Wire, OutboundError> {
    let shaken = Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(socket)).await;
    let (wire, driver) = shaken.map_err(|error| broken(&error))?;
    // It ends with the wire's last owner; what breaks is told to whoever asks.
    actix::spawn(async move { drop(driver.await) });
    Ok(wire)
}

fn authority(url: &Uri) -> &str {
    url.authority().map(Authority::as_str).unwrap_or_default()
}

fn whole(url: &Uri, request: &Request) -> http::Request<Full<Bytes>> {
    let mut whole = http::Request::new(Full::new(request.body.clone()));
    *whole.method_mut() = request.method.clone();
    let path = url.path_and_query().cloned();
    *whole.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
    let headers = whole.headers_mut();
    headers.insert(USER_AGENT, AGENT);
    headers.extend(HeaderValue::from_str(authority(url)).map(|host| (HOST, host)));
    for (name, value) in &request.headers {
        headers.extend(HeaderValue::from_str(value).map(|value| (http::HeaderName::from_static(name), value)));
    }
    whole
}

fn broken(error: &hyper::Error) -> OutboundError {
    let why = match error {
        _ if error.is_parse() => "its answer is not HTTP",
        _ if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => "it closed the connection",
        _ => return OutboundError::Unreachable(error.to_string()),
    };
    OutboundError::Unreachable(why.to_owned())
}
