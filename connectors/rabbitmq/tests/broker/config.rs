//! Mistakes in a section, and what is said about them. No broker is asked.

use turted_core::ConnectorConfig;
use turted_rabbitmq::RabbitmqConfig;

use crate::support::{Value, json};

/// What is wrong with a section that is otherwise complete.
fn mistake(mut settings: Value) -> String {
    let section = settings.as_object_mut().unwrap();
    section.entry("url").or_insert("amqp://localhost".into());
    section.entry("queue").or_insert("orders".into());
    let config: RabbitmqConfig = match serde_json::from_value(settings.clone()) {
        Ok(config) => config,
        Err(error) => return error.to_string(),
    };
    match config.build() {
        Ok(_) => panic!("{settings} was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn each_mistake_is_named_with_its_key() {
    let headers = json!({"name": "x", "type": "headers"});
    let topic = json!({"name": "x", "type": "topic"});
    for (settings, said) in [
        (
            json!({"url": "http://localhost"}),
            "url: must begin with amqp:// or amqps://",
        ),
        (
            json!({"url": "amqp://a:b@h:port"}),
            "url: must have the form amqp://user:password@host:port/vhost",
        ),
        (json!({"queue": ""}), "queue: must not be empty"),
        (
            json!({"queue": "q".repeat(256)}),
            "queue: has 256 bytes, allowed are 255",
        ),
        (json!({"queue": 7}), "expected a name, or a table with a name"),
        (json!({"queue": {"type": "quorum"}}), "missing field `name`"),
        (
            json!({"queue": {"name": "q", "type": "stream"}}),
            "unknown variant `stream`, expected `classic` or `quorum`",
        ),
        (
            json!({"queue": {"name": "q", "durable": true}}),
            "unknown field `durable`",
        ),
        (
            json!({"queue": {"name": "q", "passive": true, "type": "quorum"}}),
            "queue.passive: leaves no other key but name",
        ),
        (
            json!({"queue": {"name": "q", "delivery_limit": 3}}),
            "queue.delivery_limit: needs type = \"quorum\"",
        ),
        (
            json!({"queue": {"name": "q", "dead_letter_routing_key": "x"}}),
            "queue.dead_letter_routing_key: needs dead_letter_exchange",
        ),
        (
            json!({"queue": {"name": "q", "arguments": {"x-queue-type": "quorum"}}}),
            "queue.arguments: x-queue-type has a key of its own: type",
        ),
        (
            json!({"queue": {"name": "q", "arguments": {"x": [1]}}}),
            "queue.arguments: x must be a text, a number or a boolean",
        ),
        (json!({"bindings": ["a"]}), "bindings: need an exchange"),
        (json!({"exchange": "x"}), "bindings: are missing"),
        (json!({"exchange": topic}), "bindings: are missing"),
        (
            json!({"exchange": "", "bindings": ["a"]}),
            "exchange: must not be empty",
        ),
        (
            json!({"exchange": {"name": "x", "type": "tropic"}, "bindings": ["a"]}),
            "unknown variant `tropic`",
        ),
        (
            json!({"exchange": headers, "bindings": ["a"]}),
            "bindings: of a headers exchange are tables",
        ),
        (
            json!({"exchange": topic, "bindings": [{"headers": {}}]}),
            "bindings: may be tables only for a headers exchange",
        ),
        (
            json!({"exchange": topic, "bindings": [7]}),
            "expected a routing key, or a table",
        ),
        (
            json!({"exchange": topic, "bindings": ["k".repeat(256)]}),
            "bindings: has 256 bytes, allowed are 255",
        ),
        (json!({"prefetch": 0}), "prefetch: must be between 1 and 65535"),
        (json!({"prefetch": 70_000}), "expected u16"),
        (json!({"consumer_tag": ""}), "consumer_tag: must not be empty"),
        (
            json!({"envelope": {"event": "{routingkey}", "broadcast": true}}),
            "envelope.event: names {routingkey}",
        ),
        (json!({"que": "orders"}), "unknown field `que`"),
    ] {
        let mistake = mistake(settings);
        assert!(mistake.contains(said), "{mistake:?} does not say {said:?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let settings = json!({
        "url": "secret",
        "queue": "",
        "prefetch": 0,
        "envelope": {"event": "{routingkey}", "users": "{headers.x}"},
    });
    let config: RabbitmqConfig = serde_json::from_value(settings).unwrap();
    let mistakes = config.build().err().expect("mistakes").all();
    let keys: Vec<&str> = mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
    assert_eq!(keys, ["prefetch", "url", "queue", "envelope.event", "envelope.users"]);
}

#[test]
fn every_form_of_a_section_is_taken() {
    for settings in [
        json!({"url": "amqp://localhost", "queue": "orders"}),
        json!({"url": "amqps://localhost/shop?heartbeat=30", "queue": {"name": "orders"}, "prefetch": 65_535}),
        json!({
            "url": "amqp://localhost",
            "queue": {"name": "orders", "type": "quorum", "delivery_limit": 5, "dead_letter_exchange": "dead"},
            "exchange": "amq.headers",
            "bindings": [{"headers": {"a": 1, "b": true, "c": 1.5, "d": "x"}, "match": "any"}],
            "consumer_tag": "tag",
            "envelope": {"event": "{routing_key.0}", "users": "{header.x-user|}", "channels": "{type|}"},
        }),
    ] {
        let config: RabbitmqConfig = serde_json::from_value(settings.clone()).unwrap();
        assert!(config.build().is_ok(), "{settings}");
    }
}
