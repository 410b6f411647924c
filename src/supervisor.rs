//! Runs a connector inside an actor and keeps it running.
//!
//! In: a connector and its context. Out: the connector's life: started, restarted with backoff after a failure or a
//! panic, stopped with the server. It knows no connector by name.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, WrapFuture};
use futures_util::FutureExt;
use log::{error, info, warn};
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;
use turted_core::{Backoff, ConnectorContext, ConnectorError, ConnectorState, PushConnector};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The actor of one connector.
pub struct Supervisor {
    connector: Option<Box<dyn PushConnector>>,
    cx: ConnectorContext,
    start_after: Duration,
    working: Option<TaskTrackerToken>,
}

impl Supervisor {
    /// A supervisor that starts its connector `start_after` it is started itself. `working` is dropped when the
    /// connector has ended for good, with all that it had to write.
    #[must_use]
    pub fn new(
        connector: Box<dyn PushConnector>,
        cx: ConnectorContext,
        start_after: Duration,
        working: TaskTrackerToken,
    ) -> Self {
        Self {
            connector: Some(connector),
            cx,
            start_after,
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
        let (working, context, start_after) = (self.working.take(), self.cx.clone(), self.start_after);
        let supervised = async move {
            pause(start_after, &context).await;
            supervise(connector, context).await;
            drop(working);
        };
        cx.spawn(supervised.into_actor(self));
    }
}

async fn supervise(mut connector: Box<dyn PushConnector>, cx: ConnectorContext) {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    while !cx.shutdown.is_wanted() {
        let (ended, well) = attempt(&mut *connector, &cx).await;
        let error = match ended {
            Ok(Ok(())) => break,
            Ok(Err(ConnectorError::Fatal(why))) => {
                error!("connector {} failed and is not started again: {why}", cx.name);
                return cx.report.state(ConnectorState::Failed { error: why });
            }
            Ok(Err(why)) => why.to_string(),
            Err(panic) => format!("it panicked: {}", panic_text(&*panic)),
        };
        // Only that it ran: an attempt may also take long to fail.
        backoff.lasted(well);
        let wait = backoff.pause();
        warn!("connector {} failed: {error}; next attempt in {wait:.1?}", cx.name);
        let attempts = backoff.failures();
        cx.report.state(ConnectorState::Retrying { error, attempts });
        pause(wait, &cx).await;
    }
    info!("connector {} stopped", cx.name);
    cx.report.state(ConnectorState::Stopped);
}

/// Waits, but not when the server stops.
async fn pause(time: Duration, cx: &ConnectorContext) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = cx.shutdown.wait() => {}
    }
}

type Ended = Result<Result<(), ConnectorError>, Box<dyn Any + Send>>;

/// How a run ended, and for how long it was well before.
async fn attempt(connector: &mut dyn PushConnector, cx: &ConnectorContext) -> (Ended, Duration) {
    let run = async { connector.run(cx.clone()).await };
    let mut run = pin!(AssertUnwindSafe(run).catch_unwind());
    let running = cx.report.until(|state| *state == ConnectorState::Running);
    tokio::select! {
        biased;
        ended = &mut run => return (ended, Duration::ZERO),
        _ = running => {}
    }
    let since = Instant::now();
    let ended = run.await;
    (ended, since.elapsed())
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::BoxFuture;
    use std::sync::{Arc, Mutex};
    use turted_core::{Dispatch, Inbox, Intake, Limits, PushError, Receipt, Report, Shutdown};

    use crate::auth::AcceptAll;

    struct Nobody;

    impl Intake for Nobody {
        fn accept(&self, _: Dispatch) -> BoxFuture<'_, Result<Receipt, PushError>> {
            Box::pin(async { Err(PushError::ShuttingDown) })
        }
    }

    /// Is well for a time and fails; notes when it began.
    struct Faulty {
        well_for: Duration,
        faults: usize,
        begun: Arc<Mutex<Vec<Instant>>>,
    }

    impl PushConnector for Faulty {
        fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>> {
            Box::pin(async move {
                let runs = {
                    let mut begun = self.begun.lock().unwrap();
                    begun.push(Instant::now());
                    begun.len()
                };
                if runs > self.faults {
                    return Ok(());
                }
                cx.report.state(ConnectorState::Running);
                tokio::time::sleep(self.well_for).await;
                Err(ConnectorError::new("the broker went away"))
            })
        }
    }

    /// The pauses after each fault.
    async fn pauses(well_for: Duration, faults: usize) -> Vec<Duration> {
        let begun = Arc::new(Mutex::new(Vec::new()));
        let faulty = Faulty {
            well_for,
            faults,
            begun: Arc::clone(&begun),
        };
        let (_trigger, shutdown) = Shutdown::new();
        let cx = ConnectorContext {
            name: "faulty".into(),
            inbox: Inbox::new(Arc::new(Nobody)),
            backends: Arc::new(AcceptAll),
            limits: Limits::default(),
            shutdown,
            report: Report::default(),
            occupancy: turted_core::Occupancy::default(),
            relays: turted_core::Relays::default(),
        };
        supervise(Box::new(faulty), cx).await;
        let begun = begun.lock().unwrap();
        begun.windows(2).map(|two| two[1] - two[0] - well_for).collect()
    }

    // The fifth fault of a broker in ninety seconds cost nineteen seconds, though it was up all the time in between.
    #[tokio::test(start_paused = true)]
    async fn whoever_was_well_in_between_is_back_at_once() {
        let slack = Duration::from_millis(10);
        let pauses_taken = pauses(Duration::from_secs(18), 5).await;
        assert!(
            pauses_taken.iter().all(|pause| *pause <= FIRST_PAUSE + slack),
            "{pauses_taken:?}"
        );
        // What fails as soon as it runs is left alone for longer each time.
        let pauses_taken = pauses(Duration::from_millis(20), 5).await;
        assert!(pauses_taken[4] > FIRST_PAUSE * 4, "{pauses_taken:?}");
    }
}
