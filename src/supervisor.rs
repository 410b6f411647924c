//! Runs a connector inside an actor and keeps it running.
//!
//! In: a connector and its context. Out: the connector's life: started, restarted with backoff after a failure or a
//! panic, stopped with the server. It knows no connector by name.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, AsyncContext, Context, WrapFuture};
use futures_util::FutureExt;
use log::{error, info, warn};
use tokio_util::task::task_tracker::TaskTrackerToken;
use turted_core::{Backoff, ConnectorContext, ConnectorError, ConnectorState, PushConnector};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The actor of one connector.
pub struct Supervisor {
    connector: Option<Box<dyn PushConnector>>,
    cx: ConnectorContext,
    working: Option<TaskTrackerToken>,
}

impl Supervisor {
    /// A supervisor that starts its connector when it is started itself. `working` is dropped when the connector has
    /// ended for good, with all that it had to write.
    #[must_use]
    pub fn new(connector: Box<dyn PushConnector>, cx: ConnectorContext, working: TaskTrackerToken) -> Self {
        Self {
            connector: Some(connector),
            cx,
            working: Some(working),
        }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, cx: &mut Self::Context) {
        let Some(connector) = self.connector.take() else {
            return cx.stop();
        };
        let (working, context) = (self.working.take(), self.cx.clone());
        let supervised = async move {
            supervise(connector, context).await;
            drop(working);
        };
        cx.spawn(supervised.into_actor(self));
    }
}

async fn supervise(mut connector: Box<dyn PushConnector>, cx: ConnectorContext) {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    while !cx.shutdown.is_wanted() {
        let begun = Instant::now();
        let ended = AssertUnwindSafe(async { connector.run(cx.clone()).await })
            .catch_unwind()
            .await;
        let error = match ended {
            Ok(Ok(())) => break,
            Ok(Err(ConnectorError::Fatal(why))) => {
                error!("connector {} failed and is not started again: {why}", cx.name);
                return cx.report.state(ConnectorState::Failed { error: why });
            }
            Ok(Err(why)) => why.to_string(),
            Err(panic) => format!("it panicked: {}", panic_text(&*panic)),
        };
        backoff.lasted(begun.elapsed());
        let pause = backoff.pause();
        warn!("connector {} failed: {error}; next attempt in {pause:.1?}", cx.name);
        let attempts = backoff.failures();
        cx.report.state(ConnectorState::Retrying { error, attempts });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cx.shutdown.wait() => {}
        }
    }
    info!("connector {} stopped", cx.name);
    cx.report.state(ConnectorState::Stopped);
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
