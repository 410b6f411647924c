//! A server that runs, and how it stops.
//!
//! In: the parts that were started. Out: where they are, and their end in order. A stop takes as long as somebody still
//! has something to say or to read, and a connection that stands still ends soon: it is not the slowest peer that
//! decides how long.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use log::{info, warn};
use tokio_util::task::TaskTracker;
use turted_core::shutdown::Trigger;
use turted_core::{ConnectorState, Ending, Inbox, Report};

use super::listen::Listening;
use super::vital::Vitals;
use crate::dispatcher::Dispatcher;
use crate::dispatcher::messages::EndAll;
use crate::engine::LinkState;
use crate::observe::Bus;

/// Where a connector takes events in, as far as the server can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayIn {
    /// The connector's name.
    pub name: Arc<str>,
    /// The path of its door on the server's own port, if it has one.
    pub path: Option<String>,
    /// The address on which it listens by itself, as it was configured.
    pub listens: Option<SocketAddr>,
}

/// A server that takes clients and pushes.
pub struct Running {
    pub(super) listening: Listening,
    pub(super) ways_in: Vec<WayIn>,
    pub(super) cluster: Option<Arc<LinkState>>,
    pub(super) connectors: Vec<(Arc<str>, Report)>,
    pub(super) working: TaskTracker,
    pub(super) dispatcher: Addr<Dispatcher>,
    pub(super) inbox: Inbox,
    pub(super) bus: Arc<Bus>,
    pub(super) vitals: Arc<Vitals>,
    pub(super) trigger: Trigger,
    pub(super) patience: Duration,
}

impl Running {
    /// Where it listens, each with `http` or `https`.
    #[must_use]
    pub fn addresses(&self) -> Vec<(SocketAddr, &'static str)> {
        self.listening.addresses.clone()
    }

    /// Its connectors, in the order in which they were started.
    #[must_use]
    pub fn ways_in(&self) -> &[WayIn] {
        &self.ways_in
    }

    /// How it stands with the other nodes; `None` when it is alone.
    #[must_use]
    pub fn cluster(&self) -> Option<&LinkState> {
        self.cluster.as_deref()
    }

    /// The Dispatcher's door, for a program that embeds the server and pushes by itself.
    #[must_use]
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// The observer bus.
    #[must_use]
    pub fn observe(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// Resolves when a part has ended without which the server is none, and says which; never while all is well. What
    /// is left can only be stopped.
    pub async fn failed(&self) -> &'static str {
        self.vitals.ended().await
    }

    /// Stops: takes nobody in, lets connectors finish what they have in hand, says goodbye to every client after its
    /// last event, and waits until all that is done, at most for `server.shutdown_timeout`. A connection on which
    /// nothing moves for a second is closed before.
    pub async fn stop(self) {
        info!("shutting down");
        self.trigger.fire();
        self.listening.handle.pause().await;
        if self.dispatcher.send(EndAll(Ending::GoingAway)).await.is_err() {
            warn!("the dispatcher was gone before the clients could be told");
        }
        self.working.close();
        let wires = &self.listening.wires;
        let all = async { tokio::join!(wires.gone(), self.working.wait()) };
        if tokio::time::timeout(self.patience, all).await.is_err() {
            self.leave_behind();
        }
        // Nobody is left to wait for. In good order actix-server would look for that once a second.
        self.listening.handle.stop(false).await;
        // The result says whether the listener failed, which matters no more.
        let _ = self.listening.ended.await;
        info!("stopped");
    }

    fn leave_behind(&self) {
        let clients = self.listening.wires.end();
        if clients > 0 {
            warn!(
                "{clients} connections did not end within {:?} and are cut off",
                self.patience
            );
        }
        for (name, report) in &self.connectors {
            if !matches!(
                report.current(),
                ConnectorState::Stopped | ConnectorState::Failed { .. }
            ) {
                warn!(
                    "connector {name} did not stop within {:?}: what it has not acknowledged or saved comes again",
                    self.patience
                );
            }
        }
    }
}
