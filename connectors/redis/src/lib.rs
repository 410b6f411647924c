//! Way in: events from Redis, through Pub/Sub (at most once) and through Streams (at least once).
//!
//! In: what is published on channels, and the entries of streams that a consumer group reads. Out: dispatches; for an
//! entry also an acknowledgement, once there is a receipt. A connection that is lost ends the run with an error;
//! whoever runs the connector starts it again, and it subscribes anew and goes on where the group stands. It refuses to
//! know how a message becomes a dispatch: the shared `envelope` says so.

mod acknowledge;
mod config;
mod demand;
mod entry;
mod group;
mod publish;
mod pubsub;
mod server;
mod streams;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use log::info;
use turted_core::{Claim, ConnectorContext, ConnectorError, ConnectorState, PushConnector, Recipe, Relay};

pub use config::{RedisConfig, Start};
use publish::Publisher;
use pubsub::Subscriptions;
use server::Server;
use streams::Streams;

/// Hears from one Redis server. Built by [`RedisConfig`].
pub struct Redis {
    server: Arc<Server>,
    relay: Arc<Publisher>,
    recipe: Recipe,
    subscriptions: Option<Subscriptions>,
    streams: Option<Streams>,
}

impl PushConnector for Redis {
    fn claims(&self) -> Vec<Claim> {
        let Some(streams) = &self.streams else {
            return Vec::new();
        };
        // Members of a group share its entries, and no order is left.
        let (group, database) = (&streams.group, self.server.database());
        let claim = |stream| Claim {
            key: "group",
            what: format!(
                "group {group:?} of stream {stream:?} of database {database}, {}",
                self.server.place()
            ),
        };
        streams.names.iter().map(claim).collect()
    }

    fn watches(&self) -> bool {
        let subscriptions = self.subscriptions.as_ref();
        subscriptions.is_some_and(|subscriptions| subscriptions.wanted.is_some())
    }

    fn relay(&self) -> Option<Arc<dyn Relay>> {
        Some(Arc::clone(&self.relay) as Arc<dyn Relay>)
    }

    fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move {
            let Self {
                server,
                recipe,
                subscriptions,
                streams,
                ..
            } = self;
            let open = async {
                let listener = match subscriptions {
                    Some(subscriptions) => Some(subscriptions.open(server, &cx.occupancy).await?),
                    None => None,
                };
                let reader = match streams {
                    Some(streams) => Some(streams.open(server).await?),
                    None => None,
                };
                Ok::<_, ConnectorError>((listener, reader))
            };
            let (listener, reader) = tokio::select! {
                () = cx.shutdown.wait() => return Ok(()),
                opened = open => opened?,
            };
            cx.report.state(ConnectorState::Running);
            info!("connector {} hears {}", cx.name, server.place());
            let listen = async {
                match listener {
                    Some(listener) => listener.work(&cx, recipe).await,
                    None => Ok(()),
                }
            };
            let read = async {
                match reader {
                    Some(reader) => reader.work(&cx, recipe).await,
                    None => Ok(()),
                }
            };
            tokio::try_join!(listen, read).map(|_| ())
        })
    }
}
