//! Which protocol goes over which transport, at which path.
//!
//! In: the configuration, and what the embedding program offers. Out: entrances for the HTTP side, and for the Dispatcher one encoder for each: a
//! mount names its encoder by its place in that list.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha1::{Digest, Sha1};
use turted_core::{EncodeEvent, Limits};

use crate::config::{Config, Slow};
use crate::connection::heartbeat::Heartbeat;
use crate::connection::lane::WhenFull;
use crate::connection::rules::{Second, Start};
use crate::connection::{Framing, OutboxBounds, Rules};
use crate::http::Entrance;
use crate::http::events::Events;
use crate::protocol::Protocol;
use crate::protocol::classic::Classic;
use crate::protocol::native::Native;
use crate::protocol::quiet::Quiet;
use crate::protocol::socketio::turted::Turted;
use crate::protocol::socketio::{self, SocketIo};
use crate::transport::Mount;
use crate::transport::engineio::packet::Version;
use crate::transport::engineio::{self, EngineEncoder, Generation};
use crate::transport::event_stream::{NamedEvents, NamedForm, NativeEvents, NativeForm};
use crate::transport::php_events::{self, PhpEvents, PhpForm};
use crate::transport::sockjs::{self, SockJsEncoder, SockJsFraming, pages};
use crate::transport::websocket::{WebSocketEncoder, WebSocketFraming};

/// A client whose commands are requests of their own needs a connection for them first.
const SLOW_START: Start = Start::Grace(Duration::from_secs(5));

/// How long a Socket.IO client may take to join; the default of the reference server.
const CONNECT: Duration = Duration::from_secs(45);

/// A protocol over a transport.
pub enum Offer {
    /// A WebSocket, one message per message.
    WebSocket(Arc<dyn Protocol>),
    /// Server-sent events.
    Events(Arc<dyn Protocol>),
    /// Long-polling.
    Polls(Arc<dyn Protocol>),
    /// Server-sent events of the PHP dialect.
    PhpEvents,
    /// An Engine.IO service for clients of protocol 4 and, perhaps, 3.
    EngineIo {
        /// What is spoken with protocol 4.
        v4: Arc<dyn Protocol>,
        /// What is spoken with protocol 3.
        v3: Option<Arc<dyn Protocol>>,
        /// Times and bounds.
        settings: engineio::Settings,
        /// The folder with the browser client of Socket.IO, if there is one.
        client: Option<PathBuf>,
    },
    /// A SockJS service.
    SockJs(Arc<dyn Protocol>, sockjs::Settings),
}

/// What the configuration offers, each with its path.
pub fn configured(config: &Config, limits: Limits) -> Vec<(String, Offer)> {
    let native: Arc<dyn Protocol> = Arc::new(Native::new(limits, config.limits.bad_messages));
    let classic: Arc<dyn Protocol> = Arc::new(Classic::new(limits, config.limits.bad_messages));
    let (paths, spoken) = (&config.clients, || Arc::clone(&native));
    let engine = engineio::Settings {
        ping_interval: config.limits.ping,
        max_payload: config.limits.message_bytes,
        connect_timeout: Some(CONNECT),
        ..engineio::Settings::default()
    };
    let turted = socketio::Offer {
        version: socketio::Version::V5,
        recovery: paths.socketio_recovery,
        limits,
        message_bytes: engine.max_payload,
        bad_messages: config.limits.bad_messages,
    };
    let socketio = |version| Arc::new(SocketIo::new(turted.with(version), Turted::new));
    let socketio = Offer::EngineIo {
        v4: socketio(socketio::Version::V5),
        v3: Some(socketio(socketio::Version::V4)),
        settings: engine,
        client: paths.socketio_client.clone(),
    };
    let sockjs = sockjs::Settings {
        client: paths.sockjs_client.clone(),
        heartbeat: config.limits.ping,
        ..sockjs::Settings::default()
    };
    let offers = [
        (&paths.websocket, Offer::WebSocket(spoken())),
        (&paths.events, Offer::Events(spoken())),
        (&paths.polls, Offer::Polls(spoken())),
        (&paths.php_events, Offer::PhpEvents),
        (&paths.socketio, socketio),
        (&paths.sockjs, Offer::SockJs(classic, sockjs.clone())),
        (&paths.sockjs_native, Offer::SockJs(spoken(), sockjs)),
    ];
    let offers = offers.into_iter().filter(|(path, _)| !path.is_empty());
    offers.map(|(path, offer)| (path.clone(), offer)).collect()
}

/// Makes mounts, and collects the encoders that they name.
pub struct Mounts<'a> {
    config: &'a Config,
    /// In the order of their numbers.
    pub encoders: Vec<Arc<dyn EncodeEvent>>,
}

impl<'a> Mounts<'a> {
    /// Mounts with the bounds of this configuration.
    pub fn new(config: &'a Config) -> Self {
        let encoders = Vec::new();
        Self { config, encoders }
    }

    /// The entrance at `path`.
    pub fn entrance(&mut self, path: &str, offer: Offer) -> Entrance {
        let ping = self.config.limits.ping;
        let socket = Rules::socket(ping);
        match offer {
            Offer::WebSocket(protocol) => Entrance::WebSocket(Arc::new(self.socket(protocol))),
            Offer::Events(protocol) => {
                let rules = Rules {
                    heartbeat: Heartbeat {
                        every: Some(ping),
                        patience: None,
                    },
                    start: SLOW_START,
                    ..socket
                };
                let (named, native) = (NamedEvents(Arc::clone(&protocol)), NativeEvents(Arc::clone(&protocol)));
                Entrance::Events(Arc::new(Events {
                    named: self.mount(Arc::clone(&protocol), &NamedForm, named, rules),
                    native: self.mount(protocol, &NativeForm, native, rules),
                }))
            }
            Offer::PhpEvents => {
                let rules = Rules {
                    heartbeat: Heartbeat {
                        every: Some(php_events::PING),
                        patience: None,
                    },
                    ..socket
                };
                Entrance::PhpEvents(Arc::new(self.mount(Arc::new(Quiet), &PhpForm, PhpEvents, rules)))
            }
            Offer::Polls(protocol) => {
                let rules = Rules {
                    heartbeat: Heartbeat {
                        every: None,
                        patience: Some(ping * 2),
                    },
                    start: SLOW_START,
                    second: Second::Replaces,
                    ends_with_reader: false,
                    linger: ping,
                    ..socket
                };
                let encoder = WebSocketEncoder(Arc::clone(&protocol));
                Entrance::Polls(Arc::new(self.mount(protocol, &WebSocketFraming, encoder, rules)))
            }
            Offer::EngineIo {
                v4,
                v3,
                settings,
                client,
            } => {
                let mut generation = |protocol: Arc<dyn Protocol>, framing, version| {
                    self.generation(&protocol, framing, settings.rules(version), settings.max_payload)
                };
                let service = engineio::Service {
                    name: path.to_owned(),
                    v4: generation(v4, &engineio::V4, Version::V4),
                    v3: v3
                        .clone()
                        .map(|protocol| generation(protocol, &engineio::V3, Version::V3)),
                    v3_text: v3.map(|protocol| generation(protocol, &engineio::V3_TEXT, Version::V3)),
                    settings,
                };
                Entrance::EngineIo(Arc::new(service), client.map(Arc::new))
            }
            Offer::SockJs(protocol, settings) => {
                let iframe = pages::iframe(&settings.client);
                let (encoder, spoken) = (|| SockJsEncoder(Arc::clone(&protocol)), || Arc::clone(&protocol));
                Entrance::SockJs(Arc::new(sockjs::Service {
                    name: path.to_owned(),
                    etag: format!("\"{}\"", hex::encode(Sha1::digest(&iframe))),
                    iframe: iframe.into(),
                    socket: self.mount(spoken(), &SockJsFraming, encoder(), socket),
                    session: self.mount(spoken(), &SockJsFraming, encoder(), settings.rules(socket)),
                    raw: self.socket(spoken()),
                    settings,
                }))
            }
        }
    }

    fn socket(&mut self, protocol: Arc<dyn Protocol>) -> Mount {
        let (encoder, rules) = (
            WebSocketEncoder(Arc::clone(&protocol)),
            Rules::socket(self.config.limits.ping),
        );
        self.mount(protocol, &WebSocketFraming, encoder, rules)
    }

    fn generation(
        &mut self,
        protocol: &Arc<dyn Protocol>,
        framing: &'static dyn Framing,
        (socket, session): (Rules, Rules),
        max: usize,
    ) -> Generation {
        let mut mount = |rules| Mount {
            message_bytes: max,
            ..self.mount(
                Arc::clone(protocol),
                framing,
                EngineEncoder(Arc::clone(protocol)),
                rules,
            )
        };
        Generation {
            socket: mount(socket),
            session: mount(session),
        }
    }

    fn mount(
        &mut self,
        protocol: Arc<dyn Protocol>,
        framing: &'static dyn Framing,
        encoder: impl EncodeEvent + 'static,
        rules: Rules,
    ) -> Mount {
        self.encoders.push(Arc::new(encoder));
        let limits = &self.config.limits;
        Mount {
            protocol,
            framing,
            encoder: self.encoders.len() - 1,
            outbox: OutboxBounds {
                bytes: limits.outbox_bytes,
                frames: limits.outbox_frames,
            },
            when_full: match limits.slow {
                Slow::Close => WhenFull::Close,
                Slow::Drop => WhenFull::Drop,
            },
            message_bytes: limits.message_bytes,
            rules: Arc::new(rules),
        }
    }
}
