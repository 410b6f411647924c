//! What a peer cannot do to the others or to the server.

use serde_json::json;
use turted_core::testkit::soon;

use crate::support::{House, push};

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_a_free_place_is_given_again() {
    let house = House::open(json!({"connections": 2})).await;
    let (mut first, second) = (house.peer().await, house.peer().await);
    first.send(push(1)).await;
    house.recorder.has(1).await;
    let mut third = house.peer().await;
    assert_eq!(third.until_closed().await, "too many connections, allowed are 2\n");
    assert_eq!(house.refused(), ["too_many_connections 1"]);
    assert_eq!(second.finish().await, "");
    let mut fourth = house.peer().await;
    fourth.send(push(2)).await;
    house.recorder.has(2).await;
    first.send(push(3)).await;
    house.recorder.has(3).await;
}

#[tokio::test]
async fn a_line_without_an_end_is_neither_kept_nor_waited_for() {
    let house = House::open(json!({"max_line": "1 KiB", "idle": "500ms"})).await;
    let mut endless = house.peer().await;
    let flood = async {
        // 64 KiB at a time, until the connector has had enough.
        while endless.try_send(&[b'x'; 65_536]).await {}
    };
    soon("the end of patience", flood).await;
    let mut trickle = house.peer().await;
    trickle.send("{\"payload\"").await;
    assert_eq!(trickle.until_closed().await, "no line came within 500ms\n");
    assert_eq!(house.recorder.offered(), 0);
}

#[tokio::test]
async fn whoever_does_not_read_its_answers_does_not_stop_the_connector() {
    let house = House::open(json!({"answers": true})).await;
    let mut deaf = house.peer().await;
    let flood = async {
        loop {
            deaf.send("?\n".repeat(10_000)).await;
        }
    };
    let others = async {
        for number in 1..=3 {
            let mut peer = house.peer().await;
            peer.send(push(number)).await;
            assert_eq!(peer.line().await, r#"{"ok":true}"#);
        }
    };
    tokio::select! {
        () = others => {}
        () = flood => {}
    }
    drop(deaf);
    assert_eq!(house.run.stop().await, Ok(()));
}

#[tokio::test]
async fn no_bytes_are_too_strange() {
    let house = House::open(json!({"answers": true, "max_line": 300})).await;
    let mut random = fastrand::Rng::with_seed(7118);
    let mut peer = house.peer().await;
    for _ in 0..300 {
        let mut line: Vec<u8> = (0..random.usize(1..400)).map(|_| random.u8(..)).collect();
        line.retain(|byte| *byte != b'\n');
        line.insert(0, b'x');
        line.push(b'\n');
        peer.send(line).await;
        let answer = peer.line().await;
        assert!(answer.starts_with(r#"{"error":{"code":""#), "{answer}");
    }
    peer.send(push(1)).await;
    assert_eq!(peer.line().await, r#"{"ok":true}"#);
    assert_eq!(house.run.report.counts(), (1, 300));
}
