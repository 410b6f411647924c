//! Listens, and gives every worker thread its courier.
//!
//! In: bounds and addresses. Out: a running HTTP server. Here sockets get their time-outs: a peer that stops reading
//! loses its socket even when nobody writes to it.

use std::any::Any;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::prelude::SendError;
use actix::{Actor, Addr};
use actix_http::body::BoxBody;
use actix_http::{HttpServiceBuilder, Request, Response, TlsAcceptorConfig};
use actix_server::{GracefulShutdownSignal, Server, ServerHandle};
use actix_service::{Service, ServiceFactory, boxed, map_config};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;
use log::{error, warn};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use socket2::{Domain, Protocol, Socket, Type};
use turted_core::Authenticator;

use super::ServeError;
use super::vital::Vitals;
use crate::client::Worker;
use crate::client::courier::Meters;
use crate::client::{Courier, Register, Voices};
use crate::config::{Config, Tls};
use crate::dispatcher::{Dispatcher, Enlist};
use crate::gate::{Shared, unread};
use crate::http::{Site, routes};

/// How long a peer may leave what was sent to it unacknowledged, or its window closed (`TCP_USER_TIMEOUT`).
const PEER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a goodbye may linger on a socket.
const LINGER: Duration = Duration::from_secs(3);
/// An idle HTTP connection is kept for the next push; longer than common clients keep theirs.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client's wish may be in work before it gets another answer.
const WISH: Duration = Duration::from_secs(5);
/// Handshakes that may wait for a worker.
const ACCEPT_BACKLOG: i32 = 4096;

/// What a worker thread is made of. Clones share everything.
#[derive(Clone)]
pub struct Workshop {
    shared: Arc<Shared>,
    site: Arc<Site>,
    dispatcher: Addr<Dispatcher>,
    clients: Arc<dyn Authenticator>,
    meters: Meters,
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
        dispatcher: Addr<Dispatcher>,
        clients: Arc<dyn Authenticator>,
        meters: Meters,
        vitals: Arc<Vitals>,
    ) -> Self {
        Self {
            shared,
            site,
            dispatcher,
            clients,
            meters,
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
            self.vitals.guard("the courier of a worker"),
        )
        .start();
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
            clients: Arc::clone(&self.clients),
            courier: id,
            carrier: courier,
            voices,
            register: Arc::clone(&self.register),
            pace: self.pace,
            patience: WISH,
        })
    }
}

type Listening = (
    Vec<(SocketAddr, &'static str)>,
    ServerHandle,
    futures_util::future::LocalBoxFuture<'static, std::io::Result<()>>,
);

/// Binds the address and starts the workers.
///
/// What `actix_web::HttpServer` does, except that the future of a connection is boxed and that without TLS there is no
/// HTTP/2 in it: `HttpServer` keeps room for an HTTP/2 handshake in every connection, twice, which is 2 KiB per client.
pub fn listen(config: &Config, workshop: Workshop) -> Result<Listening, ServeError> {
    let app = move || {
        let (shared, site, worker) = (
            Arc::clone(&workshop.shared),
            Arc::clone(&workshop.site),
            workshop.worker(),
        );
        let app = App::new().wrap_fn(unread::hold);
        let app = app.configure(move |config| routes(config, &site, &shared, &worker));
        map_config(app, |()| AppConfig::default())
    };
    let mut server = Server::build()
        .disable_signals()
        .shutdown_timeout(config.server.shutdown_timeout.as_secs())
        // The bound is `limits.connections`, which answers with a sentence.
        .max_concurrent_connections(usize::MAX >> 1);
    if let Some(workers) = config.server.workers {
        server = server.workers(workers.get());
    }
    let (patience, stopping) = (config.limits.header_timeout, server.graceful_shutdown_signal());
    let address = config.server.listen;
    let failed = |error| ServeError::Listen(address, error);
    let socket = bind(address).map_err(failed)?;
    let bound = socket.local_addr().map_err(failed)?;
    let (server, scheme) = match &config.tls {
        None => {
            let plain = move || boxed::factory(http(patience, &stopping).h1(app()).tcp());
            (server.listen("http", socket, plain), "http")
        }
        Some(files) => {
            let tls = tls(files)?;
            let secure = move || {
                let handshake = TlsAcceptorConfig::default().handshake_timeout(patience);
                let http = http(patience, &stopping).finish(app());
                boxed::factory(http.rustls_0_23_with_config(tls.clone(), handshake))
            };
            (server.listen("https", socket, secure), "https")
        }
    };
    let running = server.map_err(failed)?.run();
    let handle = running.handle();
    // Nothing is accepted before the server is polled.
    let ended = actix_web::rt::spawn(running);
    let ended = async move { ended.await.unwrap_or(Ok(())) };
    Ok((vec![(bound, scheme)], handle, Box::pin(ended)))
}

/// How HTTP is spoken, with and without TLS; `patience` is for the head of a request.
fn http<IO: 'static, S>(patience: Duration, stopping: &GracefulShutdownSignal) -> HttpServiceBuilder<IO, S>
where
    S: ServiceFactory<Request, Config = ()>,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: std::fmt::Debug,
    <S::Service as Service<Request>>::Future: 'static,
{
    let stopping = stopping.clone();
    HttpServiceBuilder::default()
        .client_request_timeout(patience)
        .client_disconnect_timeout(LINGER)
        .keep_alive(KEEP_ALIVE)
        // A poll or a stream whose client has gone must end at once: what is written to it would be lost.
        .h1_allow_half_closed(false)
        .tcp_nodelay(true)
        .on_connect_ext(|io: &IO, _| guard(io))
        // Idle connections are closed at once when the server stops.
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
}

/// A listening socket. The standard library's would have a shorter queue.
fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Elsewhere it would let others take the address over.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_BACKLOG)?;
    Ok(socket.into())
}

/// Gives an accepted socket its time-out, below TLS if there is any.
fn guard(io: &dyn Any) {
    let plain = io.downcast_ref::<TcpStream>();
    let Some(socket) = plain.or_else(|| under_tls(io)) else {
        return;
    };
    let socket = socket2::SockRef::from(socket);
    if let Err(error) = socket.set_tcp_user_timeout(Some(PEER_TIMEOUT)) {
        warn!("failed to set TCP_USER_TIMEOUT: {error}");
    }
}

fn under_tls(io: &dyn Any) -> Option<&TcpStream> {
    let stream = io.downcast_ref::<actix_tls::accept::rustls_0_23::TlsStream<TcpStream>>()?;
    Some(stream.get_ref().0)
}

fn tls(files: &Tls) -> Result<rustls::ServerConfig, ServeError> {
    let certificate = |error: &dyn std::fmt::Display| ServeError::Tls("certificate", error.to_string());
    let key = |error: &dyn std::fmt::Display| ServeError::Tls("key", error.to_string());
    let chain = CertificateDer::pem_file_iter(&files.cert).map_err(|error| certificate(&error))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(|error| certificate(&error))?;
    let secret = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| key(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| certificate(&error))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| key(&error))
}
