//! realizehit: patterns over Engine.IO 3, at the path of the native protocol.

use crate::harness::socket::Socket;
use crate::harness::{Client, Request, Server, json, to_channel};

/// What a poll of Engine.IO 3 brings, without the packet that opens.
fn session(text: &str) -> String {
    let open = &text[text.find('{').unwrap()..];
    let open: serde_json::Value = serde_json::Deserializer::from_str(open)
        .into_iter()
        .next()
        .unwrap()
        .unwrap();
    open["sid"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_clients_and_native_ones_live_at_one_path() {
    let server = Server::with("[clients.realizehit]\nenabled = true");
    let mut native = server.member(&["channel:CNN|kind:news"]).await;
    let mut hits = Socket::open(&server, "/ws/?EIO=3&transport=websocket").await;
    assert!(hits.text().await.starts_with("0{"));
    hits.say(r#"4{"id":"1","act":"sub","pat":{"kind":"news","channel":"CNN"}}"#)
        .await;
    assert_eq!(hits.text().await, r#"4{"id":"1"}"#);
    server
        .receipt(&to_channel("channel:CNN|kind:news", "A", json!("é?")))
        .await;
    assert_eq!(hits.text().await, "43bf1d979?\"\\u00e9\\u003f\"");
    assert_eq!(native.event().await["data"]["payload"], "é?");
    // What is for neither is answered as before.
    assert_eq!(server.get("/ws").await.status, 426);
    assert_eq!(server.ask(Request::upgrade("/ws?EIO=7")).await.status, 400);
}

/// Clients of 2016 send what they say in binary bodies.
#[tokio::test(flavor = "multi_thread")]
async fn a_binary_body_of_two_packets_is_taken() {
    let server = Server::with("[clients.realizehit]\nenabled = true");
    let opened = server.get("/ws/?EIO=3&transport=polling&b64=1").await.text();
    let path = format!("/ws/?EIO=3&transport=polling&sid={}", session(&opened));
    let mut body = vec![0, 2, 5, 0xff];
    body.extend_from_slice(br#"4{"id":"z1","act":"ping"}"#);
    body.extend_from_slice(&[0, 1, 0xff]);
    body.push(b'2');
    let post = Request::post(&path, body).header("content-type", "application/octet-stream");
    assert_eq!(server.ask(post).await.status, 200);
    let answer = server.get(&format!("{path}&b64=1")).await.text();
    assert!(
        answer.contains(r#"4{"id":"z1","ret":"pong"}"#) && answer.contains("1:3"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_does_not_grant_is_an_error_and_hostile_messages_end_their_client_alone() {
    let server =
        Server::with("may.anyone = { join = [\"user:*\", \"still-here\"] }\n[clients.realizehit]\nenabled = true");
    let mut hits = Socket::open(&server, "/ws/?EIO=3&transport=websocket").await;
    hits.text().await;
    hits.say(r#"4{"id":1,"act":"sub","pat":{"kind":"news"}}"#).await;
    assert!(
        hits.text()
            .await
            .starts_with(r#"4{"id":1,"err":"you may not join kind:news"#)
    );
    hits.say(r#"4{"id":2,"act":"sub","pat":{"user":"adam"}}"#).await;
    assert_eq!(hits.text().await, r#"4{"id":2}"#);
    // CWE-674, CWE-20, CWE-1321.
    let deep = format!(
        "4{{\"id\":3,\"act\":\"sub\",\"pat\":{}{}}}",
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    let long = format!(
        "4{{\"id\":4,\"act\":\"sub\",\"pat\":{{\"a\":\"{}\"}}}}",
        "x".repeat(300)
    );
    let many = r#"4{"id":5,"act":"sub","pat":{"__proto__":"x"}}"#;
    for text in [deep.as_str(), &long, many, "4", "4null", "4{"] {
        hits.say(text).await;
        assert!(
            hits.text().await.contains("\"err\":"),
            "{}",
            &text[..text.len().min(60)]
        );
    }
    let _: Client = server.client().await;
    server.still_serves().await;
}
