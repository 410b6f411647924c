//! How a server becomes one node of several.
//!
//! In: a shared log, and the Dispatcher, which runs already. Out: a door to the order of all nodes, once everything in
//! the log was read: whoever is let in then can come back from anywhere. It does nothing by itself.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use actix::{Addr, Arbiter};
use log::info;
use turted_core::Shutdown;
use turted_core::ledger::Ledger;

use super::ServeError;
use crate::dispatcher::Dispatcher;
use crate::engine::{self, LinkInbox, LinkState};

/// How long a log is waited for that does not answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Joins the others, and waits for that.
///
/// # Errors
/// When the log is not reached in ten seconds, or can never be used.
pub fn join(
    ledger: Arc<dyn Ledger>,
    dispatcher: &Addr<Dispatcher>,
    shutdown: Shutdown,
) -> Result<(LinkInbox, Arc<LinkState>), ServeError> {
    let what = ledger.describe();
    let state = Arc::new(LinkState::new(what.clone()));
    let fails = |why: String| ServeError::Cluster(what.clone(), why);
    let (done, joined) = channel();
    let arbiter = Arbiter::new();
    let joining = {
        let (dispatcher, state) = (dispatcher.clone(), Arc::clone(&state));
        async move {
            let joined = engine::join(ledger, dispatcher, state, PATIENCE).await;
            // Whoever waits for it is there as long as this is not done.
            let _ = done.send(joined.map(|joined| joined.work(shutdown)));
        }
    };
    let _ = arbiter.spawn(joining);
    match joined.recv() {
        Ok(Ok(inbox)) => {
            info!("joined {what}: {} nodes", state.nodes().len());
            Ok((inbox, state))
        }
        Ok(Err(error)) => Err(fails(error.to_string())),
        Err(_) => Err(fails("it was given up".to_owned())),
    }
}
