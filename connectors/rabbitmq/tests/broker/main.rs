//! Stories about the connector and a real RabbitMQ.
//!
//! In: messages that a backend publishes, and what happens to brokers. Out: what the server must be offered, and what
//! the broker must keep. Stories that leave the broker alone share one; the others have their own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod binding;
mod config;
mod demand;
mod letters;
mod login;
mod loss;
mod support;

use turted_core::testkit::{Run, Subject, every_connector};
use turted_rabbitmq::RabbitmqConnector;

use crate::support::{Backend, connector, count, json, numbers, shared};

struct Orders {
    backend: Backend,
    queue: &'static str,
}

impl Subject for Orders {
    type Connector = RabbitmqConnector;

    fn connector(&mut self) -> RabbitmqConnector {
        connector(json!({"queue": self.queue, "envelope": numbers()}))
    }

    async fn send(&mut self, _: &Run, number: u64) {
        self.backend.send(self.queue, &number.to_string()).await;
    }

    async fn send_malformed(&mut self, _: &Run) {
        self.backend.send(self.queue, "{\"no\":").await;
    }

    async fn unacknowledged(&mut self) -> Option<usize> {
        count(shared(), self.queue, "messages_unacknowledged")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_every_connector_does() {
    let backend = Backend::of(shared()).await;
    every_connector(Orders {
        backend,
        queue: "suite",
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_the_same_with_one_message_at_a_time() {
    struct One(Orders);
    impl Subject for One {
        type Connector = RabbitmqConnector;

        fn connector(&mut self) -> RabbitmqConnector {
            connector(json!({"queue": self.0.queue, "prefetch": 1, "envelope": numbers()}))
        }

        async fn send(&mut self, run: &Run, number: u64) {
            self.0.send(run, number).await;
        }

        async fn send_malformed(&mut self, run: &Run) {
            self.0.send_malformed(run).await;
        }

        async fn unacknowledged(&mut self) -> Option<usize> {
            self.0.unacknowledged().await
        }
    }
    let backend = Backend::of(shared()).await;
    every_connector(One(Orders { backend, queue: "one" })).await;
}
