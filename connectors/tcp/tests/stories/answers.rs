//! What a peer is told, line by line, and what becomes of its lines.

use serde_json::json;

use crate::support::{House, push};

#[tokio::test]
async fn each_line_has_one_answer_in_order() {
    let house = House::open(json!({"answers": true, "max_line": 200})).await;
    let mut peer = house.peer().await;
    peer.send(format!("{}\r\n\n{{\n{}\n", push(1).trim(), "x".repeat(201)))
        .await;
    peer.send(format!("[{0},{0}]", push(2).trim())).await;
    assert_eq!(peer.line().await, r#"{"ok":true}"#);
    let answer = peer.line().await;
    assert!(
        answer.starts_with(r#"{"error":{"code":"not_json","message":"the body is not JSON"#),
        "{answer}"
    );
    let expected = r#"{"error":{"code":"too_large","message":"the line is longer than 200 bytes"}}"#;
    assert_eq!(peer.line().await, expected);
    assert_eq!(
        peer.finish().await,
        "{\"ok\":true}\n",
        "a last line may lack its end, and may be a list"
    );
    assert_eq!(house.recorder.payloads(), ["1", "2", "2"]);
    assert_eq!(house.run.report.counts(), (2, 2));
    assert_eq!(house.run.stop().await, Ok(()));
}

#[tokio::test]
async fn without_answers_a_peer_hears_nothing() {
    let house = House::open(json!({})).await;
    let mut peer = house.peer().await;
    peer.send(format!("nonsense\n{}", push(1))).await;
    assert_eq!(peer.finish().await, "");
    assert_eq!(house.recorder.payloads(), ["1"]);
    assert_eq!(house.refused(), ["not_json 1"]);
}

#[tokio::test]
async fn text_becomes_events_through_a_mapping_that_knows_the_peer() {
    let mapping = json!({"event": "LINE", "channels": "from:{peer}", "payload": "{body}"});
    let house = House::open(json!({"envelope": mapping})).await;
    let mut peer = house.peer().await;
    peer.send("disk full\n").await;
    peer.finish().await;
    let dispatches = house.recorder.has(1).await;
    let targets = serde_json::to_string(&dispatches[0].targets).unwrap();
    assert_eq!(targets, r#"[{"channel":"from:127.0.0.1"}]"#);
    assert_eq!(house.recorder.payloads(), [r#""disk full""#]);
}

#[tokio::test]
async fn peers_do_not_wait_for_each_other_and_each_keeps_its_order() {
    let house = House::open(json!({})).await;
    let mut slow = house.peer().await;
    slow.send("{\"targets\":{\"channels\":\"c\"},\"payload\":").await;
    let mut quick = house.peer().await;
    for number in 1..=100 {
        quick.send(push(number)).await;
    }
    quick.finish().await;
    let expected: Vec<String> = (1..=100).map(|number| number.to_string()).collect();
    assert_eq!(house.recorder.payloads(), expected);
    slow.send("101}\n").await;
    slow.finish().await;
    assert_eq!(house.recorder.payloads()[100..], ["101"]);
}

#[tokio::test]
async fn peers_are_told_when_the_server_stops() {
    let house = House::open(json!({})).await;
    let mut peer = house.peer().await;
    peer.send(push(1)).await;
    house.recorder.has(1).await;
    let (stopped, told) = tokio::join!(house.run.stop(), async {
        let told = peer.until_closed().await;
        drop(peer);
        told
    });
    assert_eq!((stopped, told.as_str()), (Ok(()), "the server is shutting down\n"));
}
