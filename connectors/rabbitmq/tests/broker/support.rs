//! What every story needs: a broker, a backend that publishes, and connectors built from settings.

use std::sync::OnceLock;

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
pub use serde_json::{Value, json};
use turted_core::ConnectorConfig;
use turted_core::testkit::soon;
use turted_rabbitmq::{RabbitmqConfig, RabbitmqConnector};
use turted_services::rabbitmq::Broker;

/// The broker of all stories that leave it alone. It ends with the process.
pub fn shared() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(Broker::start)
}

/// A connector of the shared broker; `settings` without `url`.
pub fn connector(settings: Value) -> RabbitmqConnector {
    connector_of(&shared().url(), settings)
}

/// A connector of some broker.
pub fn connector_of(url: &str, mut settings: Value) -> RabbitmqConnector {
    settings["url"] = url.into();
    let config: RabbitmqConfig = serde_json::from_value(settings).unwrap();
    config.build().unwrap_or_else(|error| panic!("{error}"))
}

/// The body goes to everybody as it is.
pub fn numbers() -> Value {
    json!({"event": "NUMBER", "broadcast": true})
}

/// A number that the broker knows of a queue.
pub fn count(broker: &Broker, queue: &str, what: &str) -> Option<usize> {
    tokio::task::block_in_place(|| broker.count(queue, what))
}

/// Waits until the broker says `wanted`.
pub async fn until_count(broker: &Broker, queue: &str, what: &str, wanted: usize) {
    let counted = async {
        while count(broker, queue, what) != Some(wanted) {
            tokio::task::yield_now().await;
        }
    };
    soon(&format!("{what} of {queue} becoming {wanted}"), counted).await;
}

/// Somebody who publishes, and waits until the broker has it.
pub struct Backend {
    // Dropping it would close it.
    _connection: Connection,
    /// For whatever has no method here.
    pub channel: Channel,
}

impl Backend {
    pub async fn of(broker: &Broker) -> Self {
        let url = broker.url();
        let connecting = Connection::connect(&url, ConnectionProperties::default());
        let connection = soon("connecting", connecting).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Self {
            _connection: connection,
            channel,
        }
    }

    /// Puts a body into a queue.
    pub async fn send(&self, queue: &str, body: &str) {
        self.publish("", queue, body, BasicProperties::default()).await;
    }

    /// Publishes to an exchange.
    pub async fn publish(&self, exchange: &str, key: &str, body: &str, properties: BasicProperties) {
        let options = BasicPublishOptions::default();
        let properties = properties.with_delivery_mode(2);
        let published = self
            .channel
            .basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties);
        let confirmed = soon("the confirm", published.await.unwrap()).await.unwrap();
        assert!(matches!(confirmed, Confirmation::Ack(_)), "{confirmed:?}");
    }

    /// Declares a durable queue.
    pub async fn declare(&self, queue: &str) {
        let (options, arguments) = (QueueDeclareOptions::durable(), FieldTable::default());
        self.channel
            .queue_declare(queue.into(), options, arguments)
            .await
            .unwrap();
    }

    /// Takes a message out of a queue.
    pub async fn get(&self, queue: &str) -> Option<lapin::message::Delivery> {
        let got = self.channel.basic_get(queue.into(), BasicGetOptions { no_ack: true });
        got.await.unwrap().map(|message| message.delivery)
    }
}
