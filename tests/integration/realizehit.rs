//! realizehit: patterns over Engine.IO 3, at the path of the native protocol; its API, and the Redis of its nodes.

use std::time::{Duration, Instant};

use turted_services::redis::Redis;

use crate::harness::socket::Socket;
use crate::harness::{Client, PATIENCE, Request, Server, json, to_channel};

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
    // Others speak Engine.IO as well, at paths of their own.
    let mut other = Socket::open(&server, "/socket.io/?EIO=4&transport=websocket").await;
    assert!(other.text().await.starts_with("0{"));
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

/// Everything that a node of theirs does: clients, their API, and the Redis that its nodes share.
fn node(redis: &Redis) -> String {
    format!(
        "[clients.realizehit]\nenabled = true\n\
         [connectors.hits]\ntype = \"redis\"\nurl = \"{}\"\non_demand = [\"*:**\"]\n\
         envelope = {{ event = \"MESSAGE\", channels = \"{{channel}}\" }}\n\
         [connectors.api]\ntype = \"rest\"\npath = \"/\"\nanswers = \"realizehit\"\nthrough = \"hits\"\n",
        redis.url()
    )
}

/// Waits until the connector hears Redis.
async fn is_ready(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let shown = server.get("/health/ready").await.value()["connectors"]["hits"].clone();
        if shown["state"] == "running" {
            return;
        }
        assert!(Instant::now() < deadline, "{shown}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn hits(server: &Server) -> Socket {
    let mut hits = Socket::open(server, "/ws/?EIO=3&transport=websocket").await;
    assert!(hits.text().await.starts_with("0{"));
    hits
}

async fn says(hits: &mut Socket, id: u32, act: &str, pattern: &str) -> String {
    hits.say(&format!(r#"4{{"id":{id},"act":"{act}","pat":{pattern}}}"#))
        .await;
    hits.text().await
}

async fn api(server: &Server, body: &str) -> (u16, String) {
    let push = Request::post("/", body).header("content-type", "application/json");
    let reply = server.ask(push).await;
    (reply.status, reply.text())
}

/// How many nodes hear a channel.
fn nodes(redis: &Redis, channel: &str) -> usize {
    redis.must(&["PUBSUB", "NUMSUB", channel]).list()[1].number()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_system_of_two_kinds_of_nodes_hears_what_either_is_told_once() {
    let redis = Redis::start();
    let server = Server::with(&node(&redis));
    is_ready(&server).await;
    let mut native = server.member(&["foo:bar"]).await;
    let mut one = hits(&server).await;
    let mut two = hits(&server).await;
    // Who is told that it subscribed has missed nothing from then on.
    for number in 0..50 {
        let pattern = format!(r#"{{"race":{}}}"#, number + 1);
        assert_eq!(
            says(&mut one, number, "sub", &pattern).await,
            format!(r#"4{{"id":{number}}}"#)
        );
        let channel = format!("race:{}", number + 1);
        assert_eq!(redis.must(&["PUBLISH", &channel, "1"]).number(), 1);
        assert!(one.text().await.ends_with("?1"));
        assert_eq!(
            says(&mut one, number, "unsub", &pattern).await,
            format!(r#"4{{"id":{number}}}"#)
        );
    }
    for hits in [&mut one, &mut two] {
        assert_eq!(says(hits, 1, "sub", r#"{"foo":"bar"}"#).await, r#"4{"id":1}"#);
    }
    // Another node, or its API.
    let mut other = redis.client();
    other.say(&["SUBSCRIBE", "foo:bar"]).unwrap();
    other.answer().unwrap();
    assert_eq!(redis.must(&["PUBLISH", "foo:bar", r#"{"via":"redis"}"#]).number(), 2);
    let queued = (200, "Your payload has been queued for delivery".to_owned());
    assert_eq!(
        api(&server, r#"{"pattern":{"foo":"bar"},"payload":"é?"}"#).await,
        queued
    );
    for hits in [&mut one, &mut two] {
        assert_eq!(hits.text().await, r#"44e99e8c1?{"via":"redis"}"#);
        assert_eq!(hits.text().await, r#"44e99e8c1?"\u00e9\u003f""#);
    }
    for payload in [json!({"via": "redis"}), json!("é?")] {
        let event = native.event().await;
        assert_eq!(event["data"]["payload"], payload);
        assert_eq!(event["data"]["via"], json!({"channel": "foo:bar"}));
    }
    let heard: Vec<String> = (0..2).map(|_| other.answer().unwrap().list()[2].text()).collect();
    assert_eq!(heard, [r#"{"via":"redis"}"#, "\"é?\""], "as they were written");
    // Nobody listens any more, whichever way they went.
    assert_eq!(says(&mut one, 2, "unsub", r#"{"foo":"bar"}"#).await, r#"4{"id":2}"#);
    drop(other);
    drop(two);
    native.ask("LEAVE", json!({"channel": "foo:bar"})).await;
    until("nobody hears it", || nodes(&redis, "foo:bar") == 0).await;
    assert_eq!(redis.must(&["PUBSUB", "CHANNELS"]).list().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_pushes_through_its_api_come_in_order() {
    let redis = Redis::start();
    let server = Server::with(&node(&redis));
    is_ready(&server).await;
    let mut one = hits(&server).await;
    says(&mut one, 1, "sub", r#"{"n":"all"}"#).await;
    for number in 0..1000 {
        let body = format!(r#"{{"pattern":{{"n":"all"}},"payload":{number}}}"#);
        assert_eq!(api(&server, &body).await.0, 200);
    }
    for number in 0..1000 {
        let heard = one.text().await;
        assert_eq!(heard.split_once('?').unwrap().1, number.to_string());
    }
}

// CWE-400: whoever may not hear a pattern does not make Redis listen for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_not_subscribed_to() {
    let redis = Redis::start();
    let server = Server::with(&format!("may.anyone = {{ join = [\"ok:*\"] }}\n{}", node(&redis)));
    is_ready(&server).await;
    let mut one = hits(&server).await;
    let mut seen = redis.client();
    seen.say(&["MONITOR"]).unwrap();
    seen.answer().unwrap();
    assert!(
        says(&mut one, 1, "sub", r#"{"secret":"x"}"#)
            .await
            .contains("may not join")
    );
    assert_eq!(says(&mut one, 2, "sub", r#"{"ok":"x"}"#).await, r#"4{"id":2}"#);
    loop {
        let command = seen.answer().unwrap().text();
        assert!(!command.contains("secret"), "{command}");
        if command.contains("\"ok:x\"") {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_killed_under_subscribers_and_comes_back() {
    let mut redis = Redis::start();
    let server = Server::with(&node(&redis));
    is_ready(&server).await;
    let mut one = hits(&server).await;
    says(&mut one, 1, "sub", r#"{"a":"1"}"#).await;
    redis.kill();
    let (status, words) = api(&server, r#"{"pattern":{"a":"1"},"payload":1}"#).await;
    assert_eq!(
        (status, words.as_str()),
        (500, "An error has occurred on the Server, sorry")
    );
    // Nobody waits for a source that is not there.
    assert_eq!(says(&mut one, 2, "sub", r#"{"a":"2"}"#).await, r#"4{"id":2}"#);
    assert_eq!(says(&mut one, 3, "unsub", r#"{"a":"1"}"#).await, r#"4{"id":3}"#);
    redis.start_again();
    until("what is needed is heard again", || nodes(&redis, "a:2") == 1).await;
    assert_eq!(nodes(&redis, "a:1"), 0);
    assert_eq!(api(&server, r#"{"pattern":{"a":"2"},"payload":2}"#).await.0, 200);
    assert!(one.text().await.ends_with("?2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_api_takes_posts_at_its_path_alone_and_leaves_the_rest_to_others() {
    let server = Server::with(
        "[clients.realizehit]\nenabled = true\n\
         [connectors.api]\ntype = \"rest\"\npath = \"/\"\nanswers = \"realizehit\"\nevent = \"HIT\"\n",
    );
    let mut native = server.member(&["foo:bar"]).await;
    let queued = (200, "Your payload has been queued for delivery".to_owned());
    assert_eq!(
        api(&server, r#"{"pattern":{"foo":"bar"},"payload":[1.50]}"#).await,
        queued
    );
    let event = native.event().await;
    assert_eq!(
        (&event["data"]["event"], &event["data"]["payload"]),
        (&json!("HIT"), &json!([1.5]))
    );
    let lacks = api(&server, "{}").await;
    assert_eq!(lacks, (400, "Please include .pattern in your request body".to_owned()));
    server.receipt(&to_channel("foo:bar", "A", json!(1))).await;
    assert_eq!(native.event().await["data"]["event"], "A", "other doors stay");
    assert_eq!(server.get("/health/live").await.status, 200);
    assert_eq!(server.ask(Request::post("/elsewhere", "{}")).await.status, 404);
    assert_ne!(server.get("/").await.status, 400, "a page, or nothing");
}
