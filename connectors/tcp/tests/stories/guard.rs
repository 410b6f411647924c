//! Who may push: anybody on loopback, elsewhere only those who prove themselves first.

use serde_json::json;
use turted_core::testkit::PASSWORD;

use crate::support::{House, push};

const WRONG: &str = "swordfish";

#[tokio::test]
async fn credentials_come_first() {
    let house = House::guarded(json!({"answers": true})).await;
    for line in [
        format!("{{\"password\":\"{PASSWORD}\"}}"),
        format!("\"{PASSWORD}\""),
        format!("Bearer {PASSWORD}"),
        format!("\r\nbearer  {PASSWORD} \r"),
    ] {
        let mut peer = house.peer().await;
        peer.send(format!("{line}\n{}", push(1))).await;
        assert_eq!(peer.finish().await, "{\"ok\":true}\n{\"ok\":true}\n", "{line:?}");
    }
    assert_eq!(house.run.report.counts(), (4, 0), "credentials are no message");
}

#[tokio::test]
async fn whoever_has_none_is_told_how_and_sent_away() {
    let house = House::guarded(json!({})).await;
    let lines = [
        format!("{{\"password\":\"{WRONG}\"}}"),
        format!("Bearer {WRONG}"),
        format!("Bearer{PASSWORD}"),
        PASSWORD.to_owned(),
        push(1).trim().to_owned(),
        "GET / HTTP/1.1".to_owned(),
        "x".repeat(100_000),
        "\u{0}\u{1b}[2J".to_owned(),
    ];
    for (at, line) in lines.iter().enumerate() {
        let mut peer = house.peer().await;
        peer.send(format!("{line}\n{}", push(2))).await;
        let told = peer.until_closed().await;
        assert_eq!(
            told,
            "credentials were not accepted; the first line must be `Bearer <token>`, or JSON such as {\"password\":\"…\"}\n"
        );
        assert_eq!(house.refused(), [format!("denied {}", at + 1)], "{line:?}");
    }
    let mut peer = house.peer().await;
    peer.send([0xff, 0xfe, b'\n']).await;
    assert!(peer.until_closed().await.starts_with("credentials were not accepted"));
    assert_eq!(house.recorder.offered(), 0);
}

#[tokio::test]
async fn whoever_says_nothing_is_told_and_sent_away() {
    let house = House::guarded(json!({"first_line": "200ms", "answers": true})).await;
    let mut silent = house.peer().await;
    let mut blank = house.peer().await;
    blank.send("\n\n  \n").await;
    let expected = "{\"error\":{\"code\":\"idle\",\"message\":\"no line came within 200ms\"}}\n";
    assert_eq!(silent.until_closed().await, expected);
    assert_eq!(blank.until_closed().await, expected);
    assert_eq!(house.run.report.counts(), (0, 0), "nothing came in");
}

#[tokio::test]
async fn a_browser_cannot_be_made_to_push_to_loopback() {
    let house = House::open(json!({})).await;
    let mut browser = house.peer().await;
    let head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n\r\n";
    browser.send(format!("{head}{}", push(1))).await;
    let told = browser.until_closed().await;
    assert_eq!(
        told,
        "this is no HTTP server; send a message per line, and nothing before the first\n"
    );
    assert_eq!(house.recorder.offered(), 0);
    assert_eq!(house.refused(), ["http 1"]);
}
