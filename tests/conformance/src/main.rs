//! A server for outside judges: the transports of turted with the handlers that the public suites of SockJS, Engine.IO
//! and Socket.IO expect.
//!
//! In: `--port`. Out: services on one port, until it is stopped. What it mounts is the same code that the product runs;
//! only the protocols above the transports are plain.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use turted::Server;
use turted::config::Config;
use turted::offer::{EngineIo, EngineIoOptions, SockJs, SockJsOptions, SocketIo, Terms, Version};
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
fn engine(connect_timeout: Option<Duration>) -> EngineIoOptions {
    EngineIoOptions {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        max_payload: 1_000_000,
        connect_timeout,
        is_told: false,
    }
}

fn config(port: u16) -> Config {
    let mut config = Config::default();
    config.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // Some tests send two requests at once and expect that they are looked at in that order.
    config.server.workers = std::num::NonZeroUsize::new(1);
    config.server.origins = vec!["*".to_owned()];
    for client in config.clients.values_mut() {
        client.section.is_enabled = false;
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
    let streaming = SockJsOptions {
        response_bytes: 4096,
        ..SockJsOptions::default()
    };
    let terms = Terms {
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
                SockJsOptions {
                    websocket: false,
                    ..streaming.clone()
                },
            ),
        )
        .offer(
            "/cookie_needed_echo",
            SockJs(
                echo(),
                SockJsOptions {
                    cookie: true,
                    ..streaming
                },
            ),
        )
        .offer(
            "/engine.io",
            EngineIo {
                v4: echo(),
                v3: Some(echo()),
                options: engine(None),
            },
        )
        .offer(
            "/socket.io",
            EngineIo {
                v4: Arc::new(SocketIo::new(terms, Suite::new)),
                v3: Some(Arc::new(SocketIo::new(terms.with(Version::V4), Suite::new))),
                options: engine(Some(Duration::from_secs(1))),
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
