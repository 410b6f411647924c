//! What is declared, and which messages come through it.

use lapin::BasicProperties;
use lapin::options::ExchangeDeleteOptions;
use lapin::types::{AMQPValue, FieldTable};
use turted_core::testkit::{Recorder, start};

use crate::support::{Backend, Value, connector, json, numbers, shared};

/// Publishes under each key and gives the bodies that came through; the last of them must.
async fn through(name: &str, kind: &str, bindings: Value, messages: &[(&str, &[(&str, &str)])]) -> Vec<String> {
    let backend = Backend::of(shared()).await;
    let recorder = Recorder::default();
    let settings = json!({
        "queue": name,
        "exchange": {"name": format!("{name}.exchange"), "type": kind},
        "bindings": bindings,
        "envelope": numbers(),
    });
    let mut run = start(connector(settings), &recorder);
    run.running().await;
    for (number, (key, headers)) in messages.iter().enumerate() {
        let mut table = FieldTable::default();
        for (name, value) in *headers {
            table.insert((*name).into(), AMQPValue::LongString((*value).into()));
        }
        let properties = BasicProperties::default().with_headers(table);
        backend
            .publish(&format!("{name}.exchange"), key, &number.to_string(), properties)
            .await;
    }
    // Through the default exchange, behind all others.
    backend.send(name, "\"end\"").await;
    let mut payloads = Vec::new();
    while payloads.last().map(String::as_str) != Some("\"end\"") {
        recorder.has(payloads.len() + 1).await;
        payloads = recorder.payloads();
    }
    payloads.pop();
    assert_eq!(run.stop().await, Ok(()));
    payloads
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_exchange_gives_what_matches_the_patterns() {
    let messages: &[(&str, &[_])] = &[
        ("order.new", &[]),
        ("order.new.eu", &[]),
        ("invoice.a.b", &[]),
        ("other", &[]),
    ];
    let heard = through("topic", "topic", json!(["order.*", "invoice.#"]), messages).await;
    assert_eq!(heard, ["0", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_exchange_gives_what_has_the_key() {
    let messages: &[(&str, &[_])] = &[("a", &[]), ("b", &[]), ("*", &[])];
    assert_eq!(through("direct", "direct", json!(["b"]), messages).await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fanout_exchange_gives_everything_without_bindings() {
    let messages: &[(&str, &[_])] = &[("a", &[]), ("", &[])];
    assert_eq!(through("fanout", "fanout", json!([]), messages).await, ["0", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_headers_exchange_gives_what_has_all_or_any_of_the_headers() {
    let bindings = json!([
        {"headers": {"region": "eu", "kind": "order"}},
        {"headers": {"urgent": "yes", "region": "mars"}, "match": "any"},
    ]);
    let messages: &[(&str, &[_])] = &[
        ("", &[("region", "eu"), ("kind", "order")]),
        ("", &[("region", "eu")]),
        ("", &[("urgent", "yes")]),
        ("", &[]),
    ];
    assert_eq!(through("headers", "headers", bindings, messages).await, ["0", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_queue_has_the_arguments_of_the_section() {
    let recorder = Recorder::default();
    let queue = json!({
        "name": "quorum",
        "type": "quorum",
        "delivery_limit": 7,
        "dead_letter_exchange": "dead",
        "dead_letter_routing_key": "letters",
        "arguments": {"x-max-length": 1000, "x-single-active-consumer": true},
    });
    let settings = json!({"queue": queue, "envelope": numbers(), "consumer_tag": "of the story"});
    let mut run = start(connector(settings), &recorder);
    run.running().await;
    let rows = tokio::task::block_in_place(|| shared().ctl(&["list_queues", "name", "type", "durable", "arguments"]));
    let row = rows
        .lines()
        .find(|row| row.starts_with("quorum\t"))
        .expect("it is there");
    for part in [
        "\tquorum\ttrue\t",
        "{\"x-delivery-limit\",7}",
        "{\"x-dead-letter-exchange\",\"dead\"}",
        "{\"x-dead-letter-routing-key\",\"letters\"}",
        "{\"x-max-length\",1000}",
        "{\"x-single-active-consumer\",true}",
    ] {
        assert!(row.contains(part), "{part} is not in {row}");
    }
    let consumers = tokio::task::block_in_place(|| shared().ctl(&["list_consumers"]));
    assert!(consumers.contains("of the story"), "{consumers}");
    Backend::of(shared()).await.send("quorum", "1").await;
    recorder.has(1).await;
    assert_eq!(run.stop().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_can_be_used_by_name() {
    let backend = Backend::of(shared()).await;
    backend.declare("there").await;
    let recorder = Recorder::default();
    let settings = json!({
        "queue": {"name": "there", "passive": true},
        "exchange": "amq.topic",
        "bindings": ["there.#"],
        "envelope": numbers(),
    });
    let mut run = start(connector(settings), &recorder);
    run.running().await;
    backend
        .publish("amq.topic", "there.it.is", "1", BasicProperties::default())
        .await;
    recorder.has(1).await;
    assert_eq!(run.stop().await, Ok(()));
}

// Nobody tells a consumer that an exchange or a binding was deleted: the queue stayed empty, and all looked well.
#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_and_a_binding_that_vanish_are_declared_again_within_a_minute() {
    let backend = Backend::of(shared()).await;
    let recorder = Recorder::default();
    let settings = json!({
        "queue": "upheld",
        "exchange": {"name": "upheld.exchange", "type": "topic"},
        "bindings": ["a.*", "b.*"],
        "envelope": numbers(),
    });
    let mut run = start(connector(settings), &recorder);
    run.running().await;
    let bound = || {
        let bindings = shared().ctl(&["list_bindings", "source_name", "routing_key"]);
        bindings
            .lines()
            .filter(|row| row.starts_with("upheld.exchange\t"))
            .count()
    };
    assert_eq!(tokio::task::block_in_place(bound), 2);
    let options = ExchangeDeleteOptions::default();
    backend
        .channel
        .exchange_delete("upheld.exchange".into(), options)
        .await
        .unwrap();
    assert_eq!(tokio::task::block_in_place(bound), 0);
    let again = async {
        while tokio::task::block_in_place(bound) < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), again)
        .await
        .expect("both bindings again");
    backend
        .publish("upheld.exchange", "b.1", "1", BasicProperties::default())
        .await;
    recorder.has(1).await;
    assert_eq!(run.stop().await, Ok(()));
}
