//! The server's HTTP side: routes, and what all doors share.
//!
//! In: requests. Out: responses, and connections behind upgrades. [`Shared`] is the same for every worker; what belongs to
//! one worker thread is its [`Surroundings`]. No dispatch logic lives here.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use turted_core::{Authenticator, Endpoint, Report, Shutdown};

use crate::connection::Surroundings;
use crate::observe::{Bus, Metrics};
use crate::transport::Mount;
use crate::transport::engineio::Service as Engine;
use crate::transport::sockjs::Service as SockJs;

pub mod admission;
pub mod body;
pub mod client_script;
pub mod cors;
pub mod door;
pub mod engineio;
pub mod engineio_errors;
pub mod entrance;
pub mod events;
pub mod observe;
pub mod origin;
pub mod pages;
pub mod php_events;
pub mod polls;
pub mod socket;
pub mod sockjs;
pub mod unread;
pub mod visitor;
pub mod watch;

use admission::Admission;
use origin::OriginRules;

/// What every worker needs to answer requests.
pub struct Shared {
    /// Which web pages may call.
    pub origins: OriginRules,
    /// How many clients may be here.
    pub admission: Arc<Admission>,
    /// Connectors' doors.
    pub endpoints: Vec<Endpoint>,
    /// Where clients come in.
    pub entrances: Vec<(String, Entrance)>,
    /// Seconds in WELCOME: the window for RESUME.
    pub window: u64,
    /// Between two pings.
    pub ping: Duration,
    /// Numbers; `None` switches the page off.
    pub metrics: Option<Arc<Metrics>>,
    /// Whether the numbers need a backend's credentials.
    pub metrics_auth: bool,
    /// Whether `/observe` exists.
    pub stream: bool,
    /// Where notes come from.
    pub bus: Arc<Bus>,
    /// Who may push and observe.
    pub backends: Arc<dyn Authenticator>,
    /// The state of each connector.
    pub connectors: Vec<(Arc<str>, Report)>,
    /// Largest message of a client in bytes.
    pub message_bytes: usize,
    /// Bounds for names.
    pub limits: turted_core::Limits,
    /// Most channels of one connection.
    pub channels: usize,
    /// Whether the server is going down.
    pub shutdown: Shutdown,
    /// What `/` shows.
    pub pages: pages::Pages,
}

/// What is behind a path for clients.
pub enum Entrance {
    /// A WebSocket.
    WebSocket(Arc<Mount>),
    /// Server-sent events.
    Events(Arc<events::Events>),
    /// Server-sent events of the PHP dialect.
    PhpEvents(Arc<Mount>),
    /// Long-polling.
    Polls(Arc<Mount>),
    /// An Engine.IO service, and the folder with the browser client of Socket.IO.
    EngineIo(Arc<Engine>, Option<Arc<PathBuf>>),
    /// A SockJS service.
    SockJs(Arc<SockJs>),
}

/// Puts every route into place. Entrances for clients come first, since a connector may take the other methods of their paths;
/// pages come last.
pub fn routes(config: &mut ServiceConfig, shared: &Arc<Shared>, surroundings: &Rc<Surroundings>) {
    config.app_data(web::Data::from(Arc::clone(shared)));
    config.app_data(Rc::clone(surroundings));
    for (path, entrance) in &shared.entrances {
        match entrance {
            Entrance::WebSocket(mount) => socket::routes(config, path, mount),
            Entrance::Events(events) => events::routes(config, path, events),
            Entrance::PhpEvents(mount) => php_events::routes(config, path, mount),
            Entrance::Polls(mount) => polls::routes(config, path, mount),
            Entrance::EngineIo(service, folder) => {
                client_script::routes(config, path, folder.as_ref());
                engineio::routes(config, path, service);
            }
            Entrance::SockJs(service) => sockjs::routes(config, path, service),
        }
    }
    for (index, endpoint) in shared.endpoints.iter().enumerate() {
        let path = format!("{}{{rest:.*}}", endpoint.prefix);
        config.route(
            &path,
            web::to(move |request, shared, payload| door::answer(index, request, shared, payload)),
        );
    }
    config.route("/health/live", web::get().to(watch::live));
    config.route("/health/ready", web::get().to(watch::ready));
    if shared.metrics.is_some() {
        config.route("/metrics", web::get().to(watch::metrics));
    }
    if shared.stream {
        config.route("/observe", web::get().to(observe::stream));
    }
    shared.pages.routes(config);
}

/// The token of `Authorization: Bearer …`.
fn bearer(request: &actix_web::HttpRequest) -> Option<&str> {
    let header = request.headers().get(actix_web::http::header::AUTHORIZATION)?;
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
