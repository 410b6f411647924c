//! Listens, and gives every worker thread its courier.
//!
//! In: bounds and addresses. Out: an address that is ours, then a running HTTP server on it. Here sockets get their
//! time-outs: a peer that stops reading loses its socket even when nobody writes to it.

use std::any::Any;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::prelude::SendError;
use actix::{Actor, Addr};
use actix_http::body::BoxBody;
use actix_http::{HttpServiceBuilder, Protocol, Request, Response};
use actix_server::{Server, ServerHandle};
use actix_service::boxed::{self, BoxService, BoxServiceFactory};
use actix_service::{Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service, map_config};
use actix_tls::accept::TlsError;
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;
use futures_util::future::{LocalBoxFuture, ready};
use log::{error, warn};
use socket2::{Domain, Socket, Type};
use turted_core::{Inbox, Shutdown};

use super::ServeError;
use super::line::Line;
use super::vital::Vitals;
use super::wires::Wires;
use crate::client::courier::Meters;
use crate::client::relief::Relief;
use crate::client::{Courier, Register, Voices};
use crate::client::{Policy, Worker};
use crate::config::Config;
use crate::dispatcher::{Dispatcher, Enlist};
use crate::gate::entrance::Refused;
use crate::gate::passage::UnderWay;
use crate::gate::{Shared, body, passage, unread};
use crate::http::{Site, routes};

/// How long a peer may leave what was sent to it unacknowledged, or its window closed (`TCP_USER_TIMEOUT`).
const PEER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a goodbye may linger on a socket.
const LINGER: Duration = Duration::from_secs(3);
/// An idle HTTP connection is kept for the next push; longer than common clients keep theirs.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client's wish may be in work before it gets another answer.
const WISH: Duration = Duration::from_secs(5);
/// What is offered behind TLS (RFC 7301), the best first.
const ALPN: [&[u8]; 2] = [HTTP_2, b"http/1.1"];
const HTTP_2: &[u8] = b"h2";
/// Handshakes that may wait for a worker.
const ACCEPT_BACKLOG: i32 = 4096;

/// What a worker thread is made of. Clones share everything.
#[derive(Clone)]
pub struct Workshop {
    shared: Arc<Shared>,
    site: Arc<Site>,
    dispatcher: Addr<Dispatcher>,
    inbox: Inbox,
    policy: Arc<Policy>,
    meters: Meters,
    relief: Arc<Relief>,
    pace: (u32, u32),
    vitals: Arc<Vitals>,
    couriers: Arc<AtomicUsize>,
    register: Arc<Register>,
}

impl Workshop {
    pub fn new(
        config: &Config,
        shared: Arc<Shared>,
        site: Arc<Site>,
        (dispatcher, inbox): (Addr<Dispatcher>, Inbox),
        policy: Arc<Policy>,
        (meters, relief): (Meters, Arc<Relief>),
        vitals: Arc<Vitals>,
    ) -> Self {
        Self {
            shared,
            site,
            dispatcher,
            inbox,
            policy,
            meters,
            relief,
            pace: (config.limits.messages_per_second, config.limits.messages_burst),
            vitals,
            couriers: Arc::default(),
            register: Arc::default(),
        }
    }

    /// Starts this thread's courier and reports it, before the thread accepts anybody.
    fn worker(&self) -> Rc<Worker> {
        let (voices, backlog) = (Rc::new(Voices::default()), Arc::new(AtomicUsize::new(0)));
        let courier = Courier::new(
            Rc::clone(&voices),
            Arc::clone(&backlog),
            self.meters.clone(),
            Arc::clone(&self.relief),
            self.vitals.guard("the courier of a worker"),
        )
        .start();
        self.relief.enlist(courier.clone());
        let id = self.couriers.fetch_add(1, Ordering::Relaxed);
        let mut enlist = Enlist {
            id,
            courier: courier.clone().recipient(),
            backlog,
        };
        // A mailbox that is full empties itself: at start there is nothing else in it but other workers' reports.
        loop {
            match self.dispatcher.try_send(enlist) {
                Ok(()) => break,
                Err(SendError::Full(again)) => enlist = again,
                Err(SendError::Closed(_)) => {
                    error!("a worker found the dispatcher gone");
                    break;
                }
            }
            std::thread::yield_now();
        }
        Rc::new(Worker {
            dispatcher: self.dispatcher.clone(),
            inbox: self.inbox.clone(),
            policy: Arc::clone(&self.policy),
            courier: id,
            carrier: courier,
            voices,
            register: Arc::clone(&self.register),
            relief: Arc::clone(&self.relief),
            pace: self.pace,
            patience: WISH,
        })
    }
}

/// An address that nobody else can take any more. Whoever comes waits until the server is there.
pub struct Doorstep {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<rustls::ServerConfig>,
}

impl Doorstep {
    /// Takes the address of the configuration.
    pub fn take(address: SocketAddr, tls: Option<rustls::ServerConfig>) -> Result<Self, ServeError> {
        let failed = |error| ServeError::Listen(address, error);
        let socket = bind(address).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address, tls })
    }
}

/// A server that accepts.
pub struct Listening {
    /// Where, each with `http` or `https`.
    pub addresses: Vec<(SocketAddr, &'static str)>,
    /// Stops it.
    pub handle: ServerHandle,
    /// Resolves when it has ended, whatever the reason.
    pub ended: LocalBoxFuture<'static, std::io::Result<()>>,
    /// The connections that it has.
    pub wires: Arc<Wires>,
}

/// Starts the workers and accepts.
///
/// What `actix_web::HttpServer` does, except that the future of a connection is boxed and that without TLS there is no
/// HTTP/2 in it: `HttpServer` keeps room for an HTTP/2 handshake in every connection, twice, which is 2 KiB per client.
pub fn listen(config: &Config, workshop: Workshop, doorstep: Doorstep) -> Result<Listening, ServeError> {
    let (wires, stopping) = (Arc::<Wires>::default(), workshop.shared.shutdown.clone());
    let held = workshop.vitals.guard("the listener");
    let shared = Arc::clone(&workshop.shared);
    let app = move || {
        let (shared, site, worker) = (
            Arc::clone(&workshop.shared),
            Arc::clone(&workshop.site),
            workshop.worker(),
        );
        let app = App::new()
            .wrap_fn(passage::pass)
            // In a box: a connection keeps room for the future of a request as long as it lives.
            .wrap_fn(|request, next| Box::pin(unread::hold(request, next)));
        let app = app.configure(move |config| routes(config, &site, &shared, &worker));
        map_config(app, |()| AppConfig::default())
    };
    let mut server = Server::build()
        .disable_signals()
        // The bound is `limits.connections`, which answers with a sentence.
        .max_concurrent_connections(usize::MAX >> 1);
    if let Some(workers) = config.server.workers {
        server = server.workers(workers.get());
    }
    let (patience, here) = (config.limits.header_timeout, Arc::clone(&wires));
    let (socket, address) = (doorstep.socket, doorstep.address);
    let (server, scheme) = match doorstep.tls {
        None => {
            let plain = move || {
                let line = fn_service(|io: TcpStream| {
                    let peer = io.peer_addr().ok();
                    ready(Ok((Line::new(io), peer)))
                });
                let http = line.and_then(http(patience, &stopping, &shared).h1(app()));
                followed(
                    boxed::factory(apply_fn_factory(http, sockets(&shared, true))),
                    Arc::clone(&here),
                )
            };
            (server.listen("http", socket, plain), "http")
        }
        Some(mut tls) => {
            tls.alpn_protocols = ALPN.map(<[u8]>::to_vec).into();
            let secure = move || {
                let mut acceptor = Acceptor::new(tls.clone());
                acceptor.set_handshake_timeout(patience);
                let line = acceptor.map_err(TlsError::into_service_error).map(|io: Secret| {
                    let (socket, tls) = io.get_ref();
                    let protocol = match tls.alpn_protocol() {
                        Some(HTTP_2) => Protocol::Http2,
                        _ => Protocol::Http1,
                    };
                    let peer = socket.peer_addr().ok();
                    (Line::new(io), protocol, peer)
                });
                let http = http(patience, &stopping, &shared).finish(app());
                let http = line.and_then(http.map_err(TlsError::Service));
                followed(
                    boxed::factory(apply_fn_factory(http, sockets(&shared, false))),
                    Arc::clone(&here),
                )
            };
            (server.listen("https", socket, secure), "https")
        }
    };
    let running = server.map_err(|error| ServeError::Listen(address, error))?.run();
    let handle = running.handle();
    // Nothing is accepted before the server is polled.
    let ended = actix_web::rt::spawn(async move {
        let ended = running.await;
        if let Err(error) = &ended {
            error!("failed to start the workers: {error}");
        }
        // Without it nobody is accepted any more.
        drop(held);
        ended
    });
    let ended = async move { ended.await.unwrap_or(Ok(())) };
    Ok(Listening {
        addresses: vec![(address, scheme)],
        handle,
        ended: Box::pin(ended),
        wires,
    })
}

/// A socket below TLS.
type Secret = TlsStream<TcpStream>;

/// Serves as `service` does, and notes who is here.
fn followed<E: 'static, I: 'static>(
    service: BoxServiceFactory<(), TcpStream, (), E, I>,
    wires: Arc<Wires>,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = E, InitError = I> {
    apply_fn_factory(service, move |io: TcpStream, service: &BoxService<TcpStream, (), E>| {
        wires.follow(service.call(io))
    })
}

/// How HTTP is spoken, with and without TLS; `patience` is for the head of a request.
fn http<IO: 'static, S>(
    patience: Duration,
    stopping: &Shutdown,
    shared: &Arc<Shared>,
) -> HttpServiceBuilder<IO, S, Expected>
where
    S: ServiceFactory<Request, Config = ()>,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: std::fmt::Debug,
    <S::Service as Service<Request>>::Future: 'static,
{
    let (stopping, shared) = (stopping.clone(), Arc::clone(shared));
    let expect = fn_service(move |request: Request| {
        let expected = body::expect(request.head(), &shared);
        std::future::ready(expected.map(|()| request).map_err(too_large))
    });
    HttpServiceBuilder::default()
        .expect(boxed::factory(expect))
        .client_request_timeout(patience)
        .client_disconnect_timeout(LINGER)
        .keep_alive(KEEP_ALIVE)
        // A poll or a stream whose client has gone must end at once: what is written to it would be lost.
        .h1_allow_half_closed(false)
        .on_connect_ext(|io: &IO, data| {
            guard(io);
            if under_tls(io).is_some_and(|(_, tls)| tls.alpn_protocol() == Some(HTTP_2)) {
                data.insert(UnderWay::default());
            }
        })
        // Idle connections are closed at once when the server stops.
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.wait().await }
        })
}

/// A listening socket. The standard library's would have a shorter queue.
fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
    // Elsewhere it would let others take the address over.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_BACKLOG)?;
    Ok(socket.into())
}

/// Gives an accepted socket its time-out, below TLS if there is any.
fn guard(io: &dyn Any) {
    let plain = io.downcast_ref::<Line<TcpStream>>().map(Line::get_ref);
    let Some(socket) = plain.or_else(|| under_tls(io).map(|(socket, _)| socket)) else {
        return;
    };
    let socket = socket2::SockRef::from(socket);
    if let Err(error) = socket.set_tcp_nodelay(true) {
        warn!("failed to set TCP_NODELAY: {error}");
    }
    if let Err(error) = socket.set_tcp_user_timeout(Some(PEER_TIMEOUT)) {
        warn!("failed to set TCP_USER_TIMEOUT: {error}");
    }
}

fn under_tls(io: &dyn Any) -> Option<(&TcpStream, &rustls::ServerConnection)> {
    let line = io.downcast_ref::<Line<Secret>>()?;
    Some(line.get_ref().get_ref())
}

/// What is asked before a body that its sender announced.
type Expected = BoxServiceFactory<(), Request, Request, Response<BoxBody>, ()>;

fn too_large(unread: body::Unread) -> Response<BoxBody> {
    let Refused { status, why, .. } = unread.into();
    let response = Response::build(status)
        .force_close()
        .insert_header(TEXT)
        .body(format!("{why}\n"));
    response.map_into_boxed_body()
}

const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

/// Serves a socket if there is room for it; on a plain one the refusal has a sentence.
fn sockets<S>(
    shared: &Arc<Shared>,
    is_plain: bool,
) -> impl Fn(TcpStream, &S) -> LocalBoxFuture<'static, Result<(), S::Error>> + Clone + use<S>
where
    S: Service<TcpStream, Response = ()>,
    S::Error: 'static,
    S::Future: 'static,
{
    let shared = Arc::clone(shared);
    move |socket, service| {
        let peer = socket.peer_addr().ok();
        let admit = |peer: SocketAddr| match shared.proxies.trusts(peer.ip()) {
            true => shared.sockets.admit_crowd(peer.ip()),
            false => shared.sockets.admit(peer.ip()),
        };
        let room = peer.map(admit).transpose();
        if let Err(full) = room {
            shared.refusals.note("socket", "full", peer, || {
                let keys = "limits.connections and limits.connections_per_address";
                format!("{full}; {keys} allow twice as many sockets, and a hundred")
            });
            if is_plain {
                // Not by tokio, which does not know yet that it may write; the buffer is empty, so the sentence fits.
                let _ = socket2::SockRef::from(&socket).send(CROWDED);
            }
            return Box::pin(std::future::ready(Ok(())));
        }
        let serving = service.call(socket);
        Box::pin(async move {
            let _room = room;
            serving.await
        })
    }
}

const CROWDED: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 35\r\n\
    connection: close\r\n\r\nthere are too many open connections";
