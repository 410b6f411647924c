//! What the configuration lets clients speak, and at which path.
//!
//! In: the configuration. Out: offers with their paths, and the bounds that hold for all of them.

use std::sync::Arc;
use std::time::Duration;

use turted_core::{Limits, Protocol};

use crate::carriers::engineio::{self, EngineIo};
use crate::carriers::sockjs::{self, SockJs};
use crate::carriers::{Bounds, Offer};
use crate::client::OutboxBounds;
use crate::client::voice::WhenFull;
use crate::config::{Config, Slow};
use crate::dialects::classic::Classic;
use crate::dialects::native::Native;
use crate::dialects::native::polls::Polls;
use crate::dialects::native::socket::Socket;
use crate::dialects::native::stream::Stream;
use crate::dialects::php::door::Php;
use crate::dialects::socketio::turted::Turted;
use crate::dialects::socketio::{self, SocketIo};

/// How long a Socket.IO client may take to join; the default of the reference server.
const CONNECT: Duration = Duration::from_secs(45);

/// The bounds of every client.
pub fn bounds(config: &Config) -> Bounds {
    let limits = &config.limits;
    Bounds {
        outbox: OutboxBounds {
            bytes: limits.outbox_bytes,
            frames: limits.outbox_frames,
        },
        when_full: match limits.slow {
            Slow::Close => WhenFull::Close,
            Slow::Drop => WhenFull::Drop,
        },
        message_bytes: limits.message_bytes,
        ping: limits.ping,
    }
}

/// What the configuration offers, each with its path.
pub fn configured(config: &Config, limits: Limits) -> Vec<(String, Box<dyn Offer>)> {
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
    let socketio = socketio::client_script::WithClient {
        service: EngineIo {
            v4: socketio(socketio::Version::V5),
            v3: Some(socketio(socketio::Version::V4)),
            settings: engine,
        },
        folder: paths.socketio_client.clone(),
    };
    let sockjs = sockjs::Settings {
        client: paths.sockjs_client.clone(),
        heartbeat: config.limits.ping,
        ..sockjs::Settings::default()
    };
    let offers: [(&String, Box<dyn Offer>); 7] = [
        (&paths.websocket, Box::new(Socket(spoken()))),
        (&paths.events, Box::new(Stream(spoken()))),
        (&paths.polls, Box::new(Polls(spoken()))),
        (&paths.php_events, Box::new(Php)),
        (&paths.socketio, Box::new(socketio)),
        (&paths.sockjs, Box::new(SockJs(classic, sockjs.clone()))),
        (&paths.sockjs_native, Box::new(SockJs(spoken(), sockjs))),
    ];
    let offers = offers.into_iter().filter(|(path, _)| !path.is_empty());
    offers.map(|(path, offer)| (path.clone(), offer)).collect()
}
