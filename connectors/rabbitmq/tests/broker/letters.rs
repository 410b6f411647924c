//! What becomes of single messages.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use turted_core::Target;
use turted_core::testkit::{Recorder, start};

use crate::support::{Backend, connector, count, json, numbers, shared, until_count};

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_dispatched_ends_in_the_dead_letter_queue_and_is_counted_with_its_reason() {
    let backend = Backend::of(shared()).await;
    backend.declare("letters.dead").await;
    let recorder = Recorder::default();
    let queue = json!({"name": "letters", "dead_letter_exchange": "", "dead_letter_routing_key": "letters.dead"});
    let mut run = start(connector(json!({ "queue": queue })), &recorder);
    run.running().await;
    let push = |number: u64| json!({"event": "E", "targets": {"broadcast": true}, "payload": number}).to_string();
    let wrong = ["", "no json", "{\"event\":7}", "{\"event\":\"E\",\"targets\":[1]}"];
    for (number, body) in (1..).zip(wrong) {
        backend.send("letters", &push(number)).await;
        backend.send("letters", body).await;
    }
    recorder.has(4).await;
    until_count(shared(), "letters.dead", "messages_ready", 4).await;
    until_count(shared(), "letters", "messages", 0).await;
    assert_eq!(recorder.payloads(), ["1", "2", "3", "4"], "the others are not held up");
    assert_eq!(run.report.counts(), (4, 4));
    let reasons = run.report.refusals();
    assert_eq!(
        (reasons["not_json"], reasons["bad_event"], reasons["bad_target"]),
        (2, 1, 1)
    );
    for body in wrong {
        let dead = backend.get("letters.dead").await.expect("a dead letter");
        assert_eq!(String::from_utf8_lossy(&dead.data), body, "as it was, in order");
        let headers = dead.properties.headers().as_ref().expect("the broker says why");
        let reason = &headers.inner()["x-first-death-reason"];
        assert_eq!(*reason, AMQPValue::LongString("rejected".into()));
    }
    assert_eq!(run.stop().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_message_id_is_the_same_idempotency_key() {
    let backend = Backend::of(shared()).await;
    let recorder = Recorder::default();
    let mut run = start(connector(json!({"queue": "ids", "envelope": numbers()})), &recorder);
    run.running().await;
    for (body, id) in [("1", "a"), ("1", "a"), ("2", "b"), ("3", ""), ("3", "")] {
        let properties = BasicProperties::default().with_message_id(id.into());
        backend.publish("", "ids", body, properties).await;
    }
    recorder.has(4).await;
    until_count(shared(), "ids", "messages", 0).await;
    let keys: Vec<_> = recorder.dispatches().into_iter().map(|dispatch| dispatch.key).collect();
    let key = |text: &str| Some(text.into());
    assert_eq!(keys, [key("testkit/a/0"), key("testkit/b/0"), None, None]);
    assert_eq!(
        run.report.counts(),
        (5, 0),
        "a repetition is acknowledged like the first"
    );
    assert_eq!(run.stop().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_sees_routing_key_headers_and_properties() {
    let backend = Backend::of(shared()).await;
    let recorder = Recorder::default();
    let envelope = json!({
        "event": "ORDER:{routing_key.1}",
        "users": "{header.x-user}",
        "channels": "{json.channels|}",
        "payload": {"order": "{json.id}", "from": "{exchange}", "at": "{timestamp}", "try": "{header.x-try}"},
    });
    let settings = json!({
        "queue": "mapped",
        "exchange": {"name": "mapped.shop", "type": "topic"},
        "bindings": ["order.*"],
        "envelope": envelope,
    });
    let mut run = start(connector(settings), &recorder);
    run.running().await;
    let mut headers = FieldTable::default();
    headers.insert("x-user".into(), AMQPValue::LongString("adam".into()));
    headers.insert("x-try".into(), AMQPValue::LongInt(2));
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_timestamp(1_700_000_000);
    let body = "{\"id\":7.50,\"channels\":[\"a\",\"b\"]}";
    backend.publish("mapped.shop", "order.new", body, properties).await;
    backend
        .publish("mapped.shop", "order.old", body, BasicProperties::default())
        .await;
    let dispatch = recorder.has(1).await.remove(0);
    assert_eq!(dispatch.event.as_str(), "ORDER:new");
    let targets: Vec<String> = dispatch.targets.iter().map(|target| format!("{target:?}")).collect();
    assert!(
        matches!(
            &dispatch.targets[..],
            [Target::User(_), Target::Channel(_), Target::Channel(_)]
        ),
        "{targets:?}"
    );
    let payload = "{\"at\":\"1700000000\",\"from\":\"mapped.shop\",\"order\":7.50,\"try\":\"2\"}";
    let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(dispatch.payload.as_str()).unwrap(),
        payload
    );
    until_count(shared(), "mapped", "messages", 0).await;
    assert_eq!(run.report.refusals()["absent"], 1, "the second names no user");
    assert_eq!(run.stop().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_prefetch_leave_the_broker_while_receipts_are_awaited() {
    let backend = Backend::of(shared()).await;
    let recorder = Recorder::default();
    let settings = json!({"queue": "prefetched", "prefetch": 5, "envelope": numbers()});
    let mut run = start(connector(settings), &recorder);
    run.running().await;
    recorder.hold();
    for number in 1..=20 {
        backend.send("prefetched", &number.to_string()).await;
    }
    recorder.has(1).await;
    until_count(shared(), "prefetched", "messages_unacknowledged", 5).await;
    assert_eq!(count(shared(), "prefetched", "messages_ready"), Some(15));
    recorder.release();
    recorder.has(20).await;
    until_count(shared(), "prefetched", "messages", 0).await;
    assert_eq!(run.stop().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_overloaded_server_never_took_is_back_in_the_queue_after_the_stop() {
    let backend = Backend::of(shared()).await;
    let recorder = Recorder::default();
    let settings = json!({"queue": "left", "prefetch": 10, "envelope": numbers()});
    let mut run = start(connector(settings.clone()), &recorder);
    run.running().await;
    backend.send("left", "0").await;
    recorder.has(1).await;
    let before = recorder.offered();
    recorder.overload(usize::MAX);
    for number in 1..=20 {
        backend.send("left", &number.to_string()).await;
    }
    until_count(shared(), "left", "messages_ready", 10).await;
    tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>())
        .await
        .unwrap_err();
    let tries = recorder.offered() - before;
    assert!((1..100).contains(&tries), "it waits between two offers: {tries}");
    assert_eq!(run.stop().await, Ok(()));
    until_count(shared(), "left", "messages_ready", 20).await;
    let recorder = Recorder::default();
    let mut run = start(connector(settings), &recorder);
    run.running().await;
    recorder.has(20).await;
    let order: Vec<String> = (1..=20).map(|number: u64| number.to_string()).collect();
    assert_eq!(recorder.payloads(), order, "in their old order");
    assert_eq!(run.stop().await, Ok(()));
}
