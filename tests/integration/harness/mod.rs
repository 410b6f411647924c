//! What every story needs: a running server, clients of it, and HTTP without a library in between.
//!
//! In: settings as lines of TOML with dotted keys. Out: a [`Server`] that dies with the test.

pub mod backend;
pub mod client;
pub mod embedded;
pub mod engine;
pub mod ferry;
pub mod http;
pub mod http2;
pub mod page;
pub mod server;
pub mod socket;
pub mod stream;

use std::time::Duration;

pub use client::Client;
pub use engine::Engine;
pub use ferry::Ferry;
pub use http::Request;
pub use http2::Secure;
pub use page::Page;
pub use serde_json::{Value, json};
pub use server::Server;
pub use socket::{Heard, Socket};
pub use stream::{Sent, Stream};
use tokio::net::TcpStream;

/// Longer than anything here may take on a busy machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The value of a future, or a failure that says what was waited for.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}

/// What `/health/ready` says of a connector, once it is in this state.
pub async fn until_state(address: &str, connector: &str, state: &str) -> Value {
    let seen = async {
        loop {
            let wire = TcpStream::connect(address).await.expect("the server accepts");
            let reply = Request::new("GET", "/health/ready").send(wire, address).await;
            let shown = reply.value()["connectors"][connector].clone();
            if shown["state"] == state {
                return shown;
            }
        }
    };
    within(&format!("connector {connector} to be {state}"), seen).await
}

/// A push of `payload` under `event` to one channel.
pub fn to_channel(channel: &str, event: &str, payload: Value) -> Value {
    json!({"event": event, "targets": {"channels": channel}, "payload": payload})
}

/// A push of `payload` under `event` to one user.
pub fn to_user(user: &str, event: &str, payload: Value) -> Value {
    json!({"event": event, "targets": {"users": user}, "payload": payload})
}

/// A push to everybody.
pub fn to_all(event: &str, payload: Value) -> Value {
    json!({"event": event, "targets": {"broadcast": true}, "payload": payload})
}

/// A push that reaches whoever is adam and in `chat` in three ways at once.
pub fn three_ways(payload: Value) -> Value {
    json!({"event": "E", "targets": {"users": "adam", "channels": "chat", "broadcast": true}, "payload": payload})
}

/// The payloads of some events, in order.
pub fn payloads(events: &[Value]) -> Vec<Value> {
    events.iter().map(|event| event["data"]["payload"].clone()).collect()
}

/// The ids of some events, in order.
pub fn ids(events: &[Value]) -> Vec<String> {
    events
        .iter()
        .map(|event| event["data"]["id"].as_str().expect("an event has an id").to_owned())
        .collect()
}
