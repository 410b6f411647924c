//! A connector that works.
//!
//! In: a connector and a recorder. Out: its report, and its end when it is asked to stop.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

use super::{Recorder, soon};
use crate::auth::{Authenticator, Identity, Refusal, Visitor};
use crate::connector::{ConnectorContext, ConnectorError, PushConnector};
use crate::endpoint::Endpoint;
use crate::inbox::Inbox;
use crate::limits::Limits;
use crate::occupancy::Occupancy;
use crate::relay::Relays;
use crate::report::{ConnectorState, Report};
use crate::shutdown::{Shutdown, Trigger};

/// The password that the backends' authenticator of the testkit takes, as `{"password": …}`, a string, or a bearer
/// token.
pub const PASSWORD: &str = "let me in";

/// One run of a connector, until it is stopped or dropped.
pub struct Run {
    /// What it tells about itself.
    pub report: Report,
    /// Its door on the server's port, if it has one.
    pub endpoint: Option<Endpoint>,
    /// Which channels somebody needs: whatever the test says.
    pub occupancy: Occupancy,
    trigger: Trigger,
    ended: JoinHandle<Result<(), ConnectorError>>,
}

/// Runs a connector against `recorder`, as the server would, on the current tokio runtime.
pub fn start(mut connector: impl PushConnector, recorder: &Recorder) -> Run {
    let (trigger, shutdown) = Shutdown::new();
    let cx = ConnectorContext {
        name: "testkit".into(),
        inbox: Inbox::new(Arc::new(recorder.clone())),
        backends: Arc::new(OnePassword),
        limits: Limits::default(),
        shutdown,
        report: Report::default(),
        occupancy: Occupancy::default(),
        relays: Relays::default(),
    };
    let occupancy = cx.occupancy.clone();
    let (report, endpoint) = (cx.report.clone(), connector.endpoint(&cx));
    let ended = tokio::spawn(async move { connector.run(cx).await });
    Run {
        report,
        endpoint,
        occupancy,
        trigger,
        ended,
    }
}

impl Run {
    /// Waits until the connector says that it runs.
    ///
    /// # Panics
    /// When it does not, or ends instead.
    #[allow(clippy::panic, reason = "a test fails by panicking")]
    pub async fn running(&mut self) {
        let report = self.report.clone();
        let running = report.until(|state| *state == ConnectorState::Running);
        tokio::select! {
            _ = soon("running", running) => {}
            ended = &mut self.ended => panic!("the connector ended instead of running: {ended:?}"),
        }
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Panics
    /// When it takes too long, or panics.
    #[allow(clippy::panic, reason = "a test fails by panicking")]
    pub async fn stop(self) -> Result<(), ConnectorError> {
        self.trigger.fire();
        match soon("stopping", self.ended).await {
            Ok(result) => result,
            Err(panicked) => panic!("the connector panicked: {panicked}"),
        }
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it takes too long, or panics.
    #[allow(clippy::panic, reason = "a test fails by panicking")]
    pub async fn ended(self) -> Result<(), ConnectorError> {
        match soon("ending", self.ended).await {
            Ok(result) => result,
            Err(panicked) => panic!("the connector panicked: {panicked}"),
        }
    }

    /// Takes it away in the middle of its work, as a crash of the server would.
    pub fn kill(self) {
        self.ended.abort();
    }
}

struct OnePassword;

impl Authenticator for OnePassword {
    fn verify<'a>(&'a self, visitor: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>> {
        let member = visitor.data.get("password").or(Some(visitor.data));
        let said = visitor.bearer().or_else(|| member.and_then(|value| value.as_str()));
        let answer = if said == Some(PASSWORD) {
            Ok(Some(Identity::default()))
        } else {
            Err(Refusal::denied("it is another word"))
        };
        Box::pin(std::future::ready(answer))
    }
}
