//! What has to exist at the broker before messages come.
//!
//! In: a checked section. Out: a queue that is declared or found, an exchange that is declared, and bindings between
//! them. Each step can be repeated at every connection: nothing changes when it is there already. Refuses to know how a
//! section is written.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, ExchangeKind};
use turted_core::ConnectorError;

use crate::failure;

/// A queue and what leads to it.
pub struct Topology {
    /// Its name.
    pub name: String,
    /// Whether it must exist instead of being declared.
    pub passive: bool,
    /// Its arguments.
    pub arguments: FieldTable,
    /// Where its messages come from.
    pub source: Option<Source>,
}

/// An exchange and which of its messages to take.
pub struct Source {
    /// The name of the exchange.
    pub exchange: String,
    /// How it is declared; `None` when it must exist.
    pub kind: Option<ExchangeKind>,
    /// Routing keys and arguments.
    pub bindings: Vec<(String, FieldTable)>,
}

impl Topology {
    /// The name of the queue.
    pub fn queue(&self) -> &str {
        &self.name
    }

    /// Makes it so.
    pub async fn declare(&self, channel: &Channel) -> Result<(), ConnectorError> {
        let queue = self.name.as_str();
        let options = QueueDeclareOptions {
            passive: self.passive,
            durable: true,
            ..Default::default()
        };
        let verb = if self.passive { "find" } else { "declare" };
        channel
            .queue_declare(queue.into(), options, self.arguments.clone())
            .await
            .map_err(|error| failure::of(&format!("cannot {verb} queue {queue:?}"), &error))?;
        match &self.source {
            Some(source) => source.bind(queue, channel).await,
            None => Ok(()),
        }
    }
}

impl Source {
    async fn bind(&self, queue: &str, channel: &Channel) -> Result<(), ConnectorError> {
        let exchange = self.exchange.as_str();
        if let Some(kind) = &self.kind {
            let options = ExchangeDeclareOptions {
                durable: true,
                ..Default::default()
            };
            channel
                .exchange_declare(exchange.into(), kind.clone(), options, FieldTable::default())
                .await
                .map_err(|error| failure::of(&format!("cannot declare exchange {exchange:?}"), &error))?;
        }
        for (key, arguments) in &self.bindings {
            let options = QueueBindOptions::default();
            channel
                .queue_bind(
                    queue.into(),
                    exchange.into(),
                    key.as_str().into(),
                    options,
                    arguments.clone(),
                )
                .await
                .map_err(|error| {
                    failure::of(&format!("cannot bind queue {queue:?} to exchange {exchange:?}"), &error)
                })?;
        }
        Ok(())
    }
}
