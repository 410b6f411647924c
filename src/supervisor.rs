//! Runs a connector inside an actor and keeps it running.
//!
//! In: a connector and its context. Out: the connector's life: started, restarted with backoff after a failure or a panic,
//! stopped with the server. It knows no connector by name.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, AsyncContext, Context, WrapFuture};
use futures_util::FutureExt;
use log::{error, info, warn};
use turted_core::connector::ConnectorState;
use turted_core::{ConnectorContext, ConnectorError, PushConnector};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Who ran for this long has recovered: the next failure counts as the first.
const RECOVERED: Duration = Duration::from_secs(60);

/// The actor of one connector.
pub struct Supervisor {
    connector: Option<Box<dyn PushConnector>>,
    cx: ConnectorContext,
}

impl Supervisor {
    /// A supervisor that starts its connector when it is started itself.
    #[must_use]
    pub fn new(connector: Box<dyn PushConnector>, cx: ConnectorContext) -> Self {
        Self {
            connector: Some(connector),
            cx,
        }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, cx: &mut Self::Context) {
        let Some(connector) = self.connector.take() else {
            return cx.stop();
        };
        cx.spawn(supervise(connector, self.cx.clone()).into_actor(self));
    }
}

async fn supervise(mut connector: Box<dyn PushConnector>, cx: ConnectorContext) {
    let mut attempts = 0_u32;
    while !cx.shutdown.is_wanted() {
        let begun = Instant::now();
        let ended = AssertUnwindSafe(async { connector.run(cx.clone()).await })
            .catch_unwind()
            .await;
        let failure = match ended {
            Ok(Ok(())) => break,
            Ok(Err(ConnectorError(why))) => why,
            Err(panic) => format!("it panicked: {}", panic_text(&*panic)),
        };
        if begun.elapsed() >= RECOVERED {
            attempts = 0;
        }
        attempts += 1;
        let pause = pause(attempts);
        warn!("connector {} failed: {failure}; next attempt in {pause:.1?}", cx.name);
        cx.report.state(ConnectorState::Retrying {
            error: failure,
            attempts,
        });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cx.shutdown.wait() => {}
        }
    }
    if cx.shutdown.is_wanted() {
        info!("connector {} stopped", cx.name);
    } else {
        error!("connector {} ended by itself and is not started again", cx.name);
    }
    cx.report.state(ConnectorState::Stopped);
}

/// Doubles with each failure in a row; half of it is random, so that many servers do not knock together.
fn pause(attempts: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(10));
    doubled.min(LONGEST_PAUSE).mul_f64(0.5 + fastrand::f64() / 2.0)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        for attempts in 1..100 {
            let pause = pause(attempts);
            assert!(
                pause >= FIRST_PAUSE / 2 && pause <= LONGEST_PAUSE,
                "{attempts}: {pause:?}"
            );
        }
    }
}
