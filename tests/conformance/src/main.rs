//! A server for outside judges: the transports of turted with the handlers that the public suites of SockJS, Engine.IO and Socket.IO expect.
//!
//! In: `--port`. Out: services on one port, until it is stopped. What it mounts is the same code that the product runs; only the protocols
//! above the transports are plain.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use turted::Server;
use turted::carriers::engineio::{self, EngineIo};
use turted::carriers::sockjs::{self, SockJs};
use turted::config::Config;
use turted::dialects::socketio::{self, SocketIo, Version};
use turted_core::Protocol;

mod plain;
mod suite;

use plain::{Close, Echo};
use suite::Suite;

/// Serves the public protocol suites.
#[derive(Parser)]
struct Arguments {
    /// Where to listen on 127.0.0.1.
    #[arg(long, default_value_t = 8081)]
    port: u16,
}

/// The times and bounds that the suites of Engine.IO and Socket.IO expect.
fn engine(connect_timeout: Option<Duration>) -> engineio::Settings {
    engineio::Settings {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        max_payload: 1_000_000,
        connect_timeout,
    }
}

fn config(port: u16) -> Config {
    let mut config = Config::default();
    config.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    config.server.origins = vec!["*".to_owned()];
    for path in [
        &mut config.clients.websocket,
        &mut config.clients.events,
        &mut config.clients.polls,
        &mut config.clients.socketio,
        &mut config.clients.sockjs,
        &mut config.clients.sockjs_native,
        &mut config.clients.php_events,
    ] {
        path.clear();
    }
    config.limits.message_bytes = 1_000_000;
    config.limits.messages_per_second = 100_000;
    config.limits.messages_burst = 100_000;
    config
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let Arguments { port } = Arguments::parse();
    let echo = || -> Arc<dyn Protocol> { Arc::new(Echo) };
    let streaming = sockjs::Settings {
        response_bytes: 4096,
        ..sockjs::Settings::default()
    };
    let offer = socketio::Offer {
        version: Version::V5,
        recovery: false,
        limits: turted_core::Limits::default(),
        message_bytes: 1_000_000,
        bad_messages: 20,
    };
    let server = Server::builder()
        .config(config(port))
        .offer("/echo", SockJs(echo(), streaming.clone()))
        .offer("/close", SockJs(Arc::new(Close), streaming.clone()))
        .offer(
            "/disabled_websocket_echo",
            SockJs(
                echo(),
                sockjs::Settings {
                    websocket: false,
                    ..streaming.clone()
                },
            ),
        )
        .offer(
            "/cookie_needed_echo",
            SockJs(
                echo(),
                sockjs::Settings {
                    cookie: true,
                    ..streaming
                },
            ),
        )
        .offer(
            "/engine.io",
            EngineIo {
                v4: echo(),
                v3: None,
                settings: engine(None),
            },
        )
        .offer(
            "/socket.io",
            EngineIo {
                v4: Arc::new(SocketIo::new(offer, Suite::new)),
                v3: None,
                settings: engine(Some(Duration::from_secs(1))),
            },
        )
        .build()?
        .start()?;
    for (address, scheme) in server.addresses() {
        println!("listening on {scheme}://{address}");
    }
    actix_web::rt::signal::ctrl_c().await?;
    server.stop().await;
    Ok(())
}
