//! A connector that lives outside of turted: it tells the time.
//!
//!     cargo run --example clock
//!
//! In: nothing but the clock. Out: every second an event `TICK` on the channel `clock`, with the seconds since it was
//! started.
//!
//! A connector needs `turted-core` and nothing else of the server: it implements `PushConnector`, and the program that
//! embeds the server hands it over with a name. That name stands in the log, at `/health/ready` and in `/metrics`, as
//! those of the configuration do. When `run` fails or panics, the server calls it again after a pause.

use std::time::Duration;

use futures_util::future::BoxFuture;
use turted::config::Sources;
use turted::{Running, Server};
use turted_core::{
    ChannelName, ConnectorContext, ConnectorError, ConnectorState, Dispatch, EventName, Payload, PushConnector,
    PushError, Target,
};

/// Tells the time.
pub struct ClockConnector {
    every: Duration,
}

#[allow(
    clippy::new_without_default,
    reason = "one way to make a clock is enough for an example"
)]
impl ClockConnector {
    /// A tick every second.
    #[must_use]
    pub fn new() -> Self {
        Self {
            every: Duration::from_secs(1),
        }
    }
}

impl PushConnector for ClockConnector {
    fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move {
            let failed =
                |error: &dyn std::fmt::Display| ConnectorError::new(format!("the tick cannot be made: {error}"));
            let event = EventName::parse("TICK", &cx.limits).map_err(|error| failed(&error))?;
            let channel = ChannelName::parse("clock", &cx.limits).map_err(|error| failed(&error))?;
            let mut ticks = tokio::time::interval(self.every);
            cx.report.state(ConnectorState::Running);
            for number in 0_u64.. {
                tokio::select! {
                    () = cx.shutdown.wait() => break,
                    _ = ticks.tick() => {}
                }
                let payload = Payload::parse(number.to_string().into(), &cx.limits).map_err(|error| failed(&error))?;
                let dispatch = Dispatch::new(event.clone(), vec![Target::Channel(channel.clone())], payload);
                // Waits while the server has too much to do; a connector with messages of others uses `cx.take`.
                match cx.offer(dispatch).await {
                    Ok(_) => cx.report.accepted(),
                    Err(PushError::ShuttingDown) => break,
                    Err(error) => return Err(failed(&error)),
                }
            }
            Ok(())
        })
    }
}

/// A server on a free port, with the clock beside what the configuration has.
pub fn start() -> Result<Running, Box<dyn std::error::Error>> {
    let sources = Sources {
        sets: vec!["server.listen=127.0.0.1:0".into()],
        ..Sources::default()
    };
    let config = Server::load(&sources)?;
    let server = Server::builder()
        .config(config)
        .connector("clock", ClockConnector::new());
    Ok(server.build()?.start()?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    actix_web::rt::System::new().block_on(async {
        let running = start()?;
        for (address, scheme) in running.addresses() {
            println!(
                "listening on {scheme}://{address}; try: turted listen --url {scheme}://{address} --channel clock"
            );
        }
        tokio::signal::ctrl_c().await?;
        running.stop().await;
        Ok(())
    })
}
