//! One queue at the broker, for one channel of the server.
//!
//! In: an exchange and a routing key. Out: a queue that only this connection may use, bound to them, with a consumer.
//! Each step but the consumer can be repeated.

use lapin::options::{
    BasicCancelOptions, BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Consumer, Error, ExchangeKind};

use super::rules::{SHORT, Wanted};

/// How much of it the broker keeps while the server is overloaded, in bytes; the oldest goes first.
const KEPT: i64 = 64 << 20;
/// Letters behind a name that make it the only one.
const RANDOM: usize = 7;

/// A queue, made or not.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Its name, which is its consumer's as well.
    pub name: String,
    pub wanted: Wanted,
    pub kind: Option<ExchangeKind>,
}

impl Queue {
    /// A queue with a name of its own, which says to operators what it is for.
    pub fn new(wanted: Wanted, kind: Option<ExchangeKind>) -> Self {
        let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(RANDOM).collect();
        // The broker keeps names that begin with "amq." to itself.
        let mut name = format!("turted:{}:{}", wanted.exchange, wanted.key);
        while name.len() > SHORT - RANDOM - 1 {
            name.pop();
        }
        Self {
            name: format!("{name}:{random}"),
            wanted,
            kind,
        }
    }

    /// Declares and binds it.
    pub async fn make(&self, setup: &Channel) -> Result<(), Error> {
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..Default::default()
        };
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(KEPT));
        let declared = setup.queue_declare(self.name.as_str().into(), options, arguments);
        declared.await?;
        self.bind(setup).await
    }

    /// Binds it, and declares its exchange before, if that is to be declared.
    pub async fn bind(&self, setup: &Channel) -> Result<(), Error> {
        let exchange = self.wanted.exchange.as_str();
        if let Some(kind) = &self.kind {
            let options = ExchangeDeclareOptions {
                durable: true,
                ..Default::default()
            };
            let declared = setup.exchange_declare(exchange.into(), kind.clone(), options, FieldTable::default());
            declared.await?;
        }
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        let (queue, key) = (self.name.as_str(), self.wanted.key.as_str());
        let bound = setup.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments);
        bound.await
    }

    /// Begins to consume it.
    pub async fn consume(&self, intake: &Channel) -> Result<Consumer, Error> {
        let (name, options) = (self.name.as_str(), BasicConsumeOptions::default());
        intake
            .basic_consume(name.into(), name.into(), options, FieldTable::default())
            .await
    }

    /// Deletes what there is of it before it has a consumer.
    pub async fn unmake(&self, setup: &Channel) -> Result<(), Error> {
        let deleted = setup.queue_delete(self.name.as_str().into(), QueueDeleteOptions::default());
        deleted.await.map(drop)
    }

    /// Ends its consumer, and with it the queue.
    pub async fn give_up(&self, intake: &Channel) -> Result<(), Error> {
        intake
            .basic_cancel(self.name.as_str().into(), BasicCancelOptions::default())
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_it_is_for_and_fits() {
        let queue = |key: &str| {
            let wanted = Wanted {
                exchange: "on.events".into(),
                key: key.into(),
            };
            Queue::new(wanted, None).name
        };
        let short = queue("a.#");
        assert!(
            short.starts_with("turted:on.events:a.#:") && short.len() == 21 + RANDOM,
            "{short}"
        );
        assert_ne!(short, queue("a.#"));
        let long = queue(&"é".repeat(127));
        assert!((250..=SHORT).contains(&long.len()), "{long}");
    }
}
