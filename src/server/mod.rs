//! Puts the server together and takes it apart again.
//!
//! In: a configuration, and connectors of the embedding program. Out: a [`Running`] server. It holds no logic of its
//! own: it gives each room what it needs to know.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Arbiter};
use tokio_util::task::TaskTracker;
use turted_core::ledger::Ledger;
use turted_core::{
    Authenticator, ConnectorContext, Inbox, Named, Observer, Occupancy, PushConnector, Relays, Report, Responder,
    Shutdown, Tickets,
};

use crate::auth::Drawer;
use crate::carriers::{Mounts, Offer};
use crate::client::Policy;
use crate::client::relief::Relief;
use crate::config::{Config, ConfigError, May, Problem, Registries, Sources};
use crate::dialects::kinds;
use crate::dispatcher::{Census, Desk, DeskSettings, Dispatcher, DispatcherInbox, Queued};
use crate::engines;
use crate::gate::Shared;
use crate::gate::admission::Admission;
use crate::gate::body::Bodies;
use crate::gate::origin::OriginRules;
use crate::gate::proxies::Proxies;
use crate::gate::refusals::Refusals;
use crate::http::Site;
use crate::observe::{Bus, LogObserver, Metrics};
use crate::outbound::Outbound;
use crate::pages::api::Api;
use crate::pages::files::Pages;
use crate::pages::watch::{Age, Watched};
use crate::registry;
use crate::responders;
use crate::supervisor::Supervisor;

mod authenticators;
mod cluster;
mod desk;
mod entrances;
mod fit;
mod line;
mod listen;
mod running;
mod tls;
mod tokens;
mod vital;
mod wires;

#[cfg(feature = "cli")]
pub use authenticators::token;
use authenticators::{Means, adviser, of_backends, of_clients};
use entrances::{Entrance, bounds, configured, in_order};
use listen::Doorstep;
pub use running::{Running, WayIn};
#[cfg(feature = "cli")]
pub use tokens::{fetched, verifier};
use vital::Vitals;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The configuration of connectors cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<Problem>),
    /// Two connectors have the same name or the same path.
    #[error("failed to start connector {0}: {1}")]
    Connector(Arc<str>, String),
    /// The address cannot be listened on.
    #[error("failed to listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The certificate or its key cannot be used: which, and why.
    #[error("{0}: {1}")]
    Tls(&'static str, String),
    /// What `[auth]` names cannot be used: the key, and why.
    #[error("{0}: {1}")]
    Auth(String, String),
    /// The shared log is not reached: where, and why.
    #[error("failed to join the cluster at {0}: {1}")]
    Cluster(String, String),
    /// The system gave no random numbers for the epoch.
    #[error("failed to get random numbers from the system")]
    Random,
}

/// Collects what a server is made of.
#[derive(Default)]
pub struct Builder {
    config: Config,
    connectors: Vec<(Arc<str>, Box<dyn PushConnector>)>,
    offers: Vec<Entrance>,
    clients: Option<Arc<dyn Authenticator>>,
    responders: Vec<Named>,
    ledger: Option<Arc<dyn Ledger>>,
}

impl Builder {
    /// The settings; without it, the defaults of `turted.toml`.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Adds a connector that is not in the configuration, under this name.
    #[must_use]
    pub fn connector(mut self, name: &str, connector: impl PushConnector) -> Self {
        self.connectors.push((name.into(), Box::new(connector)));
        self
    }

    /// Lets clients speak another protocol at `path`, which is not the path of anything else.
    #[must_use]
    pub fn offer(mut self, path: &str, offer: impl Offer + 'static) -> Self {
        self.offers.push((path.to_owned(), Box::new(offer)));
        self
    }

    /// Lets this answer what clients ask of somebody of this name, before anybody whom the configuration calls so.
    #[must_use]
    pub fn responder(mut self, name: &str, responder: impl Responder) -> Self {
        self.responders.push((name.into(), Arc::new(responder)));
        self
    }

    /// Lets this confirm who clients are, instead of what `[auth.clients]` names.
    #[must_use]
    pub fn clients(mut self, authenticator: impl Authenticator + 'static) -> Self {
        self.clients = Some(Arc::new(authenticator));
        self
    }

    /// Shares one order with other nodes by this log, instead of the one that `[cluster]` names.
    #[must_use]
    pub fn ledger(mut self, ledger: impl Ledger) -> Self {
        self.ledger = Some(Arc::new(ledger));
        self
    }

    /// Builds everything that needs neither the network nor a thread.
    ///
    /// # Errors
    /// What is wrong with a connector, with the certificate, or with how they fit together.
    pub fn build(self) -> Result<Server, ServeError> {
        let mut connectors = self.connectors;
        let mut problems = Vec::new();
        let mut offers = configured(&self.config).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            Vec::new()
        });
        offers.extend(self.offers);
        in_order(&mut offers);
        for (name, section) in self.config.connectors.iter().filter(|(_, section)| section.is_enabled) {
            match registry::build(section) {
                Ok(connector) => {
                    let open = connector.listens().and_then(|address| self.config.open_door(address));
                    problems.extend(open.map(|why| section.problem("address", why)));
                    connectors.push((name.as_str().into(), connector));
                }
                Err(wrong) => problems.extend(wrong),
            }
        }
        if !problems.is_empty() {
            return Err(ServeError::Config(problems));
        }
        let ledger = match self.ledger {
            Some(ledger) => Some(ledger),
            None => engines::build(&self.config)
                .map_err(|wrong| ServeError::Cluster(format!("[cluster] {}", wrong.key), wrong.why))?,
        };
        tokens::check(&self.config.auth).map_err(|(key, why)| ServeError::Auth(key, why))?;
        let tls = self.config.tls.as_ref().map(tls::load).transpose()?;
        for (at, (name, _)) in connectors.iter().enumerate() {
            if connectors[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(ServeError::Connector(Arc::clone(name), "the name is taken".into()));
            }
        }
        for (name, wrong) in fit::misfits(&self.config, &connectors) {
            match self.config.connectors.get(&*name) {
                Some(section) => problems.push(section.problem(&wrong.key, wrong.why)),
                None => return Err(ServeError::Connector(name, wrong.why)),
            }
        }
        problems.extend(fit::hiding(&self.config, &connectors));
        if !problems.is_empty() {
            return Err(ServeError::Config(problems));
        }
        let census = Arc::new(Census::default());
        let metrics = Arc::new(Metrics::new(Arc::clone(&census)));
        let bus = Arc::new(Bus::metered(Arc::clone(&metrics) as Arc<dyn Observer>));
        if self.config.observe.log {
            bus.add("log", LogObserver);
        }
        Ok(Server {
            config: self.config,
            connectors,
            offers,
            tls,
            clients: self.clients,
            responders: self.responders,
            ledger,
            census,
            metrics,
            bus,
        })
    }
}

/// A server that is ready to start.
pub struct Server {
    config: Config,
    connectors: Vec<(Arc<str>, Box<dyn PushConnector>)>,
    offers: Vec<Entrance>,
    tls: Option<rustls::ServerConfig>,
    clients: Option<Arc<dyn Authenticator>>,
    responders: Vec<Named>,
    ledger: Option<Arc<dyn Ledger>>,
    census: Arc<Census>,
    metrics: Arc<Metrics>,
    bus: Arc<Bus>,
}

impl Server {
    /// Begins a server.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Reads a configuration, and checks it against every connector and dialect that this program has.
    ///
    /// # Errors
    /// All mistakes that can be told apart, in reading order.
    pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
        let registries = Registries {
            connectors: &registry::check,
            clients: &kinds::check,
            responders: &responders::check,
            engines: &|config| engines::build(config).map(drop),
        };
        Config::load(sources, registries)
    }

    /// The observer bus: `server.observe().on("MESSAGE:NEW", |note| …)`.
    #[must_use]
    pub fn observe(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// Listens and starts the actors, the connectors last: whatever is wrong, nothing was taken out of a queue then.
    /// Must be called inside an actix `System`.
    ///
    /// # Errors
    /// When the address is taken, the shared log is not reached, or the system has no random numbers.
    pub fn start(self) -> Result<Running, ServeError> {
        let config = self.config;
        let doorstep = Doorstep::take(config.server.listen, self.tls)?;
        let limits = config.limits.core();
        let (trigger, shutdown) = Shutdown::new();
        let mut mounts = Mounts::new(bounds(&config));
        let offers = self.offers.into_iter();
        let open = |(path, offer): Entrance| {
            let routes = offer.open(&path, &mut mounts);
            (path, routes)
        };
        let entrances = offers.map(open).collect();
        let encoders = mounts.encoders();

        let observer = Arc::clone(&self.bus) as Arc<dyn Observer>;
        let refusals = Arc::new(Refusals::new(self.metrics.refused()));
        let permissions = Arc::new(config.may.as_ref().map(May::permissions).unwrap_or_default());
        let queued = Queued::new(config.limits.outbox_total);
        let mut desk = Desk::new(DeskSettings {
            permissions: Arc::clone(&permissions),
            refusals: Arc::clone(&refusals) as Arc<dyn turted_core::Refusals>,
            is_shared: self.ledger.is_some(),
            ..desk::settings(&config, encoders, Arc::clone(&queued), observer)?
        });
        let occupancy = Occupancy::default();
        if self.connectors.iter().any(|(_, connector)| connector.watches()) {
            desk.tell(occupancy.clone());
        }
        let census = Arc::clone(&self.census);
        let vitals = Arc::new(Vitals::new(shutdown.clone()));
        let held = vitals.guard("the dispatcher");
        let dispatcher =
            Dispatcher::start_in_arbiter(&Arbiter::new().handle(), move |_| Dispatcher::new(desk, census, held));
        let (inbox, cluster) = match self.ledger {
            Some(ledger) => {
                let (inbox, state) = cluster::join(ledger, &dispatcher, shutdown.clone())?;
                (Inbox::new(Arc::new(inbox)), Some(state))
            }
            None => {
                let intake = DispatcherInbox::new(dispatcher.clone(), shutdown.clone());
                (Inbox::new(Arc::new(intake)), None)
            }
        };
        let outbound = Outbound::start(self.metrics.outcomes());
        let tickets: Arc<dyn Tickets> = Arc::new(Drawer::default());
        let means = Means::new(&config, Some(&outbound));
        let backends = of_backends(&config.auth.backends, &means);

        let (mut endpoints, mut reports, mut ways_in, mut idle) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let relays = self.connectors.iter();
        let relays = relays.filter_map(|(name, connector)| Some((Arc::clone(name), connector.relay()?)));
        let relays = Relays::new(relays);
        for (name, connector) in self.connectors {
            let section = config.connectors.get(&*name);
            let bounds = section.and_then(|section| section.bounds.as_ref());
            let scope = bounds.map(|bounds| Arc::new(bounds.scope(format!("the connector {name}"))));
            let cx = ConnectorContext {
                name: Arc::clone(&name),
                inbox: inbox.within(scope.as_ref()),
                backends: Arc::clone(&backends),
                limits,
                shutdown: shutdown.clone(),
                report: Report::default(),
                occupancy: occupancy.clone(),
                relays: relays.clone(),
            };
            let endpoint = connector.endpoint(&cx);
            ways_in.push(WayIn {
                name: Arc::clone(&name),
                path: endpoint.as_ref().map(|endpoint| endpoint.prefix.clone()),
                listens: connector.listens(),
            });
            endpoints.extend(endpoint);
            reports.push((name, cx.report.clone()));
            idle.push((connector, cx));
        }

        let clients = self
            .clients
            .unwrap_or_else(|| of_clients(&config.auth.clients, &means, &tickets));
        let (mut watched, mut keys) = (reports.clone(), Vec::new());
        for (at, (issuer, jwks)) in means.jwks.take().into_iter().enumerate() {
            let name = if at == 0 {
                "jwks".to_owned()
            } else {
                format!("jwks-{}", at + 1)
            };
            watched.push((name.into(), jwks.report().clone()));
            let aged = Arc::clone(&jwks);
            keys.push((issuer, Box::new(move || aged.age()) as Age));
            tokens::keep(jwks, &outbound, shutdown.clone());
        }

        let shared = Arc::new(Shared {
            speaks_tls: config.tls.is_some(),
            origins: OriginRules::new(&config.server.origins).at(config.server.listen.ip()),
            proxies: Proxies::new(
                config
                    .server
                    .proxies
                    .iter()
                    .map(|network| network.addresses())
                    .collect(),
                !config.is_public(),
            ),
            admission: Arc::new(Admission::new(
                config.limits.connections,
                config.limits.connections_per_address,
            )),
            // A client may have a socket to wait and one to speak; the rest is for pushes and people.
            sockets: Arc::new(Admission::new(
                sockets(config.limits.connections),
                sockets(config.limits.connections_per_address),
            )),
            viewers: Arc::new(Admission::new(config.observe.viewers, config.observe.viewers)),
            bodies: Arc::new(Bodies::new(config.limits.bodies_total)),
            requests: config.limits.requests_per_connection,
            refusals: Arc::clone(&refusals),
            endpoints,
            limits,
            message_bytes: config.limits.message_bytes,
            channels: config.limits.channels_per_connection,
            tickets: Arc::clone(&tickets),
            window: config.history.age.as_secs(),
            ping: config.limits.ping,
            backends,
            shutdown,
        });
        let site = Arc::new(Site {
            entrances,
            watched: Arc::new(Watched {
                connectors: watched,
                cluster: cluster.clone(),
                keys,
                metrics: config.observe.metrics.then(|| Arc::clone(&self.metrics)),
                ready_while_degraded: config.observe.ready_while_degraded,
                metrics_auth: config.observe.metrics_auth,
                stream: config.observe.stream,
                bus: Arc::clone(&self.bus),
                queued: Arc::clone(&queued),
            }),
            api: config.auth.has_api().then(|| {
                Arc::new(Api {
                    dispatcher: dispatcher.clone(),
                    census: Arc::clone(&self.census),
                    began: Instant::now(),
                    claims: Arc::clone(&means.claims),
                })
            }),
            pages: match (&config.server.static_dir, config.server.demo) {
                (Some(folder), _) => Pages::Folder(folder.clone()),
                (None, true) => Pages::Embedded,
                (None, false) => Pages::None,
            },
        });
        let policy = Arc::new(Policy {
            wants: clients.wants(),
            clients,
            permissions,
            adviser: config
                .may
                .as_ref()
                .and_then(May::ask)
                .and_then(|ask| adviser(ask, &outbound)),
            responders: responders::all(&config.responders, &outbound, self.responders),
            refusals,
        });
        let workshop = listen::Workshop::new(
            &config,
            shared,
            site,
            (dispatcher.clone(), inbox.clone()),
            policy,
            (self.metrics.meters(), Relief::new(Arc::clone(&queued))),
            Arc::clone(&vitals),
        );
        let listening = listen::listen(&config, workshop, doorstep)?;
        let (working, arbiter) = (TaskTracker::new(), Arbiter::new());
        for (connector, cx) in idle {
            let section = config.connectors.get(&*cx.name);
            let start_after = section.map_or(Duration::ZERO, |section| section.start_after);
            let token = working.token();
            Supervisor::start_in_arbiter(&arbiter.handle(), move |_| {
                Supervisor::new(connector, cx, start_after, token)
            });
        }
        Ok(Running {
            listening,
            ways_in,
            cluster,
            connectors: reports,
            working,
            dispatcher,
            inbox,
            bus: self.bus,
            vitals,
            trigger,
            patience: config.server.shutdown_timeout,
        })
    }
}

/// How many sockets so many clients may have.
fn sockets(clients: usize) -> usize {
    clients.saturating_mul(2).saturating_add(100)
}
