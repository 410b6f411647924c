//! Streams: at least once, acknowledged after the receipt, and an entry that is broken holds nothing up.

use std::time::Instant;

use crate::support::{
    Orders, Recorder, Redis, Reply, add, connector, every_connector, json, numbers, orders, start, until,
};

#[tokio::test]
async fn it_keeps_the_promises_of_every_connector() {
    for protocol in ["resp2", "resp3"] {
        every_connector(Orders {
            redis: Redis::start(),
            protocol,
        })
        .await;
    }
}

#[tokio::test]
async fn a_group_is_made_at_new_entries_or_at_the_beginning() {
    let redis = Redis::start();
    add(&redis, 1);
    for (start_at, group, expected) in [("new", "late", numbers(2..=2)), ("beginning", "early", numbers(1..=2))] {
        let mut section = orders();
        (section["start"], section["group"]) = (json!(start_at), json!(group));
        let recorder = Recorder::default();
        let mut run = start(connector(&redis, section), &recorder);
        run.running().await;
        if start_at == "new" {
            add(&redis, 2);
        }
        recorder.has(expected.len()).await;
        assert_eq!(recorder.payloads(), expected);
        run.stop().await.unwrap();
        assert_eq!(redis.pending("orders", group), 0);
    }
}

#[tokio::test]
async fn each_group_gets_everything() {
    let redis = Redis::start();
    let recorders = [Recorder::default(), Recorder::default()];
    let mut runs = Vec::new();
    for (number, recorder) in recorders.iter().enumerate() {
        let mut section = orders();
        section["group"] = json!(format!("node-{number}"));
        let mut run = start(connector(&redis, section), recorder);
        run.running().await;
        runs.push(run);
    }
    (1..=20).for_each(|number| drop(add(&redis, number)));
    for recorder in &recorders {
        recorder.has(20).await;
        assert_eq!(recorder.payloads(), numbers(1..=20));
    }
}

#[tokio::test]
async fn a_full_stream_comes_in_order_and_is_acknowledged_to_the_last() {
    let redis = Redis::start();
    let mut section = orders();
    section["start"] = json!("beginning");
    let commands: Vec<Vec<String>> = (1..=5000)
        .map(|number| {
            ["XADD", "orders", "*", "n", &number.to_string()]
                .map(str::to_owned)
                .to_vec()
        })
        .collect();
    redis.client().ask_all(&commands);
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, section), &recorder);
    run.running().await;
    recorder.has(5000).await;
    assert_eq!(recorder.payloads(), numbers(1..=5000));
    run.stop().await.unwrap();
    assert_eq!(redis.pending("orders", "turted"), 0, "also when it is stopped at once");
    assert_eq!(
        redis.must(&["XLEN", "orders"]).number(),
        5000,
        "trimming is the producer's"
    );
}

#[tokio::test]
async fn what_a_crash_left_unacknowledged_comes_again_before_what_is_new() {
    let redis = Redis::start();
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, orders()), &recorder);
    run.running().await;
    recorder.hold();
    (1..=5).for_each(|number| drop(add(&redis, number)));
    recorder.has(1).await;
    until("taking", || redis.pending("orders", "turted") == 5).await;
    run.kill();
    recorder.release();
    add(&redis, 6);

    let other = Recorder::default();
    let mut run = start(connector(&redis, orders()), &other);
    run.running().await;
    other.has(6).await;
    assert_eq!(other.payloads(), numbers(1..=6), "another server is told everything");
    run.stop().await.unwrap();
    assert_eq!(redis.pending("orders", "turted"), 0);
}

#[tokio::test]
async fn what_comes_again_is_not_dispatched_twice_by_the_same_server() {
    let redis = Redis::start();
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, orders()), &recorder);
    run.running().await;
    recorder.hold();
    (1..=3).for_each(|number| drop(add(&redis, number)));
    recorder.has(1).await;
    run.kill();
    recorder.release();
    let mut run = start(connector(&redis, orders()), &recorder);
    run.running().await;
    recorder.has(3).await;
    until("acknowledging", || redis.pending("orders", "turted") == 0).await;
    assert_eq!(recorder.payloads(), numbers(1..=3));
    assert_eq!(run.report.counts(), (3, 0));
    run.stop().await.unwrap();
}

#[tokio::test]
async fn the_entries_of_a_dead_member_are_claimed() {
    let redis = Redis::start();
    let section = |consumer: &str| {
        let mut section = orders();
        (section["consumer"], section["claim_after"], section["batch"]) = (json!(consumer), json!("1s"), json!(2));
        section
    };
    let dead = Recorder::default();
    let mut run = start(connector(&redis, section("dead")), &dead);
    run.running().await;
    dead.hold();
    (1..=5).for_each(|number| drop(add(&redis, number)));
    dead.has(1).await;
    run.kill();

    let recorder = Recorder::default();
    let mut run = start(connector(&redis, section("heir")), &recorder);
    run.running().await;
    recorder.has(5).await;
    let mut payloads = recorder.payloads();
    payloads.sort();
    assert_eq!(payloads, numbers(1..=5));
    until("acknowledging", || redis.pending("orders", "turted") == 0).await;
    run.stop().await.unwrap();
}

#[tokio::test]
async fn entries_of_every_shape_are_counted_and_acknowledged() {
    let redis = Redis::start();
    let mut section = orders();
    (section["dead_letter"], section["envelope"]["channels"]) = (json!("dead"), json!("{field.to}"));
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, section), &recorder);
    run.running().await;
    let large = "x".repeat(2 << 20);
    for fields in [
        ["n", "{no json", "to", "c"].map(str::as_bytes),
        ["n", "1", "for", "c"].map(str::as_bytes),
        ["n", "1", "to", ""].map(str::as_bytes),
        ["n", &large, "to", "c"].map(str::as_bytes),
        [b"n".as_slice(), b"\xff\xff", b"to", b"c"],
        [b"n".as_slice(), b"1", b"to", b"\xff"],
        [b"\xff".as_slice(), b"1", b"to", b"c"],
    ] {
        let command = [[b"XADD".as_slice(), b"orders", b"*"].as_slice(), &fields].concat();
        assert!(!matches!(redis.ask(&command), Reply::Error(_)));
    }
    redis.must(&["XADD", "orders", "*", "n", "1", "to", "c"]);
    recorder.has(1).await;
    until("acknowledging", || redis.pending("orders", "turted") == 0).await;
    assert_eq!(run.report.counts(), (1, 7), "{:?}", run.report.refusals());
    run.stop().await.unwrap();

    assert_eq!(redis.must(&["XLEN", "dead"]).number(), 7);
    let dead = redis.must(&["XRANGE", "dead", "-", "+", "COUNT", "1"]);
    let fields: Vec<String> = dead.list()[0].list()[1].list().iter().map(Reply::text).collect();
    assert_eq!(fields[..5], ["n", "{no json", "to", "c", "turted.reason"]);
    assert!(fields[5].starts_with("not_json: "), "{fields:?}");
    assert_eq!(
        (fields[6].as_str(), fields[7].as_str(), fields[8].as_str()),
        ("turted.stream", "orders", "turted.id")
    );
}

#[tokio::test]
async fn dead_letters_are_bounded() {
    let redis = Redis::start();
    let mut section = orders();
    (section["dead_letter"], section["dead_letter_length"]) = (json!("dead"), json!(100));
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, section), &recorder);
    run.running().await;
    let command = ["XADD", "orders", "*", "n", "{no json"].map(str::to_owned).to_vec();
    redis.client().ask_all(&vec![command; 1000]);
    until("refusing", || run.report.counts().1 == 1000).await;
    run.stop().await.unwrap();
    let kept = redis.must(&["XLEN", "dead"]).number();
    assert!((100..=200).contains(&kept), "{kept} are kept");
}

#[tokio::test]
async fn an_entry_that_was_trimmed_while_it_waited_is_counted() {
    let redis = Redis::start();
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, orders()), &recorder);
    run.running().await;
    recorder.hold();
    (1..=3).for_each(|number| drop(add(&redis, number)));
    recorder.has(1).await;
    until("taking", || redis.pending("orders", "turted") == 3).await;
    run.kill();
    redis.must(&["XTRIM", "orders", "MAXLEN", "1"]);
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, orders()), &recorder);
    run.running().await;
    recorder.has(1).await;
    until("acknowledging", || redis.pending("orders", "turted") == 0).await;
    assert_eq!(recorder.payloads(), ["3"]);
    assert_eq!(run.report.refusals()["trimmed"], 2);
    run.stop().await.unwrap();
}

#[tokio::test]
async fn an_entry_without_a_body_is_an_object_of_its_fields() {
    let redis = Redis::start();
    let section =
        json!({"streams": ["orders"], "envelope": {"event": "ORDER", "users": "{json.customer}", "id": "{field.no}"}});
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, section), &recorder);
    run.running().await;
    redis.must(&[
        "XADD",
        "orders",
        "*",
        "no",
        "7",
        "customer",
        "adam",
        "text",
        "\"quoted\"",
    ]);
    let heard = recorder.has(1).await;
    assert_eq!(
        recorder.payloads(),
        [r#"{"no":"7","customer":"adam","text":"\"quoted\""}"#]
    );
    assert_eq!(
        heard[0].key.as_deref(),
        Some("testkit:7"),
        "ids of other sources are none of ours"
    );
    run.stop().await.unwrap();
}

#[tokio::test]
async fn a_push_needs_its_field() {
    let redis = Redis::start();
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, json!({"streams": ["orders"]})), &recorder);
    run.running().await;
    redis.must(&["XADD", "orders", "*", "event", "E"]);
    until("refusing", || run.report.refusals().get("absent") == Some(&1)).await;
    run.stop().await.unwrap();
}

#[tokio::test]
async fn it_stops_at_once_while_there_is_nothing_to_read() {
    let redis = Redis::start();
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, orders()), &recorder);
    run.running().await;
    add(&redis, 1);
    recorder.has(1).await;
    let begun = Instant::now();
    run.stop().await.unwrap();
    assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
}
