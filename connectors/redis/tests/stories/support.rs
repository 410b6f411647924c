//! What every story needs.
//!
//! In: settings as JSON. Out: connectors, and sources for the suite of the testkit.

use std::time::Duration;

use futures_util::future::BoxFuture;
pub use serde_json::{Value, json};
pub use turted_core::testkit::{Recorder, every_connector, start};
use turted_core::testkit::{Run, Subject, soon};
use turted_core::{ConnectorConfig, ConnectorContext, ConnectorError, PushConnector, SettingError};
use turted_redis::RedisConfig;
pub use turted_services::redis::{Redis, Reply};

/// The connector of a section; `url` is added.
pub fn connector(redis: &Redis, mut section: Value) -> turted_redis::Redis {
    section["url"] = redis.url().into();
    build(section).unwrap()
}

/// The connector of a section as it is.
pub fn build(section: Value) -> Result<turted_redis::Redis, SettingError> {
    serde_json::from_value::<RedisConfig>(section).unwrap().build()
}

/// A section that reads the stream `orders`; events go to a channel of that name, with the field `n` as their payload.
pub fn orders() -> Value {
    json!({"streams": ["orders"], "body": "n", "envelope": {"event": "E", "channels": "{stream}"}})
}

/// A section that listens to `news`.
pub fn news() -> Value {
    json!({"channels": ["news"], "envelope": {"event": "E", "channels": "{channel}"}})
}

/// Puts an entry into the stream `orders`.
pub fn add(redis: &Redis, number: u64) -> String {
    redis.must(&["XADD", "orders", "*", "n", &number.to_string()]).text()
}

/// Publishes on `news`; gives how many heard it.
pub fn publish(redis: &Redis, text: &str) -> usize {
    redis.must(&["PUBLISH", "news", text]).number()
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(what, wait).await;
}

/// The numbers from the first to the last, as payloads.
pub fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// A connector that is started again when it fails, as the server does.
pub struct Again<C>(pub C);

impl<C: PushConnector> PushConnector for Again<C> {
    fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move {
            while self.0.run(cx.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        })
    }
}

/// Pub/Sub for the suite.
pub struct News {
    pub redis: Redis,
    pub protocol: &'static str,
}

impl Subject for News {
    type Connector = turted_redis::Redis;

    fn connector(&mut self) -> Self::Connector {
        let url = format!("{}/?protocol={}", self.redis.url(), self.protocol);
        build(json!({"url": url, "channels": ["news"]})).unwrap()
    }

    async fn send(&mut self, _run: &Run, number: u64) {
        let push = json!({"event": "E", "targets": {"channels": "c"}, "payload": number});
        assert_eq!(publish(&self.redis, &push.to_string()), 1);
    }

    async fn send_malformed(&mut self, _run: &Run) {
        assert_eq!(publish(&self.redis, "{no push"), 1);
    }
}

/// A stream for the suite.
pub struct Orders {
    pub redis: Redis,
    pub protocol: &'static str,
}

impl Subject for Orders {
    type Connector = turted_redis::Redis;

    fn connector(&mut self) -> Self::Connector {
        let url = format!("{}/?protocol={}", self.redis.url(), self.protocol);
        build(json!({"url": url, "streams": ["orders", "others"]})).unwrap()
    }

    async fn send(&mut self, _run: &Run, number: u64) {
        let push = json!({"event": "E", "targets": {"channels": "c"}, "payload": number}).to_string();
        self.redis.must(&["XADD", "orders", "*", "body", &push]);
    }

    async fn send_malformed(&mut self, _run: &Run) {
        self.redis.must(&["XADD", "orders", "*", "body", "{no push"]);
    }

    async fn unacknowledged(&mut self) -> Option<usize> {
        Some(self.redis.pending("orders", "turted"))
    }
}
