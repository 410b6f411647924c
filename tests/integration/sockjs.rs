//! SockJS: the dialect of TURTED 1 at `/turted`, the native one at `/sockjs`, over everything that carries them.

use crate::harness::page::ACTIONS;
use crate::harness::{Page, Request, Server, Socket, Stream, Value, json, three_ways, to_all, to_channel, to_user};

/// What the dialect of TURTED 1 makes of an event.
fn classic(event: &str, payload: Value, via: Value) -> Value {
    json!({"type": event, "data": payload, "via": via})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_response_hears_each_event_once_in_the_dialect_of_turted_1() {
    for action in ACTIONS {
        let server = Server::start();
        let mut page = Page::open(&server, "/turted", &format!("happy-{action}"), action).await;
        let sent = if action == "jsonp" { 200 } else { 204 };
        assert_eq!(
            page.say("ident", json!({"username": "adam", "id": 5})).await,
            sent,
            "{action}"
        );
        assert_eq!(page.say("join", json!({"channel": "chat"})).await, sent, "{action}");
        assert_eq!(
            page.message().await,
            json!({"type": "OK", "data": {"username": "adam"}}),
            "{action}"
        );
        assert_eq!(
            page.message().await,
            json!({"type": "OK", "data": {"channel": "chat"}}),
            "{action}"
        );
        page.say("echo", json!({"100%": "<b>\u{2028}"})).await;
        assert_eq!(
            page.message().await,
            json!({"type": "message", "data": {"100%": "<b>\u{2028}"}}),
            "{action}"
        );
        page.say("message", json!("taken, and nothing comes back")).await;

        assert_eq!(server.receipt(&three_ways(json!(0))).await["recipients"], 1, "{action}");
        for number in 1..10 {
            server.receipt(&to_channel("chat", "E", json!(number))).await;
        }
        assert_eq!(
            page.message().await,
            classic("E", json!(0), json!({"user": "adam"})),
            "{action}"
        );
        for number in 1..10 {
            assert_eq!(
                page.message().await,
                classic("E", json!(number), json!({"channel": "chat"})),
                "{action}"
            );
        }
        page.say("leave", json!({"channel": "chat"})).await;
        assert_eq!(
            page.message().await,
            json!({"type": "OK", "data": {"channel": "chat"}}),
            "{action}"
        );
        server.receipt(&to_channel("chat", "E", json!("left"))).await;
        server.receipt(&to_all("ALL", json!("mine"))).await;
        assert_eq!(
            page.message().await,
            classic("ALL", json!("mine"), json!({"broadcast": true})),
            "{action}"
        );
        page.say("join", json!({})).await;
        assert_eq!(page.message().await["type"], "ERROR", "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_with_frames_and_one_without_speak_both_dialects() {
    let server = Server::start();
    let mut framed = Socket::open(&server, "/turted/000/any/websocket").await;
    assert_eq!(framed.text().await, "o");
    framed.say(r#"["{\"type\":\"ident\",\"data\":{\"username\":\"adam\"}}","{\"type\":\"join\",\"data\":{\"channel\":\"chat\"}}"]"#).await;
    for data in [json!({"username": "adam"}), json!({"channel": "chat"})] {
        let message = framed.json("a").await[0].as_str().unwrap().to_owned();
        assert_eq!(
            serde_json::from_str::<Value>(&message).unwrap(),
            json!({"type": "OK", "data": data})
        );
    }
    let mut raw = Socket::open(&server, "/turted/websocket").await;
    raw.say(r#"{"type":"JOIN","data":{"channel":"chat"}}"#).await;
    assert_eq!(raw.json("").await, json!({"type": "OK", "data": {"channel": "chat"}}));

    assert_eq!(server.receipt(&three_ways(json!([1]))).await["recipients"], 2);
    let message = framed.json("a").await[0].as_str().unwrap().to_owned();
    let event = classic("E", json!([1]), json!({"user": "adam"}));
    assert_eq!(serde_json::from_str::<Value>(&message).unwrap(), event);
    assert_eq!(raw.json("").await, classic("E", json!([1]), json!({"channel": "chat"})));

    let mut native = Socket::open(&server, "/sockjs/000/any/websocket").await;
    assert_eq!(native.text().await, "o");
    assert!(native.text().await.starts_with(r#"a["{\"type\":\"WELCOME\""#));
    let mut bare = Socket::open(&server, "/sockjs/websocket").await;
    assert_eq!(bare.json("").await["type"], "WELCOME");
    bare.say(r#"{"type":"JOIN","data":{"channel":"chat"},"ref":1}"#).await;
    assert_eq!(
        bare.json("").await,
        json!({"type": "OK", "data": {"channel": "chat"}, "ref": 1})
    );
    let receipt = server.receipt(&to_channel("chat", "E", json!(1))).await;
    assert_eq!(bare.json("").await["data"]["id"], receipt["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_native_dialect_goes_over_requests_as_well() {
    let server = Server::start();
    let mut page = Page::open(&server, "/sockjs", "native", "xhr_streaming").await;
    assert_eq!(page.message().await["type"], "WELCOME");
    page.say("IDENT", json!({"username": "adam"})).await;
    assert_eq!(
        page.message().await,
        json!({"type": "OK", "data": {"username": "adam"}})
    );
    let receipt = server.receipt(&to_user("adam", "E", json!(1))).await;
    let data = json!({"event": "E", "payload": 1, "via": {"user": "adam"}, "id": receipt["id"]});
    assert_eq!(page.message().await, json!({"type": "EVENT", "data": data}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_between_two_polls_waits_and_comes_together() {
    let server = Server::start();
    let mut page = Page::open(&server, "/turted", "waits", "xhr").await;
    page.say("join", json!({"channel": "chat"})).await;
    page.message().await;
    for number in 0..3 {
        server.receipt(&to_channel("chat", "E", json!(number))).await;
    }
    let frame = page.frame().await;
    let messages: Vec<String> = serde_json::from_str(frame.strip_prefix('a').unwrap()).unwrap();
    let heard: Vec<Value> = messages
        .iter()
        .map(|text| serde_json::from_str::<Value>(text).unwrap()["data"].clone())
        .collect();
    assert_eq!(heard, [json!(0), json!(1), json!(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streaming_response_ends_at_its_limit_and_the_session_goes_on() {
    let server = Server::start();
    let mut page = Page::open(&server, "/turted", "limit", "xhr_streaming").await;
    page.say("join", json!({"channel": "chat"})).await;
    page.message().await;
    let payload = "x".repeat(50_000);
    for _ in 0..3 {
        server.receipt(&to_channel("chat", "E", json!(payload))).await;
        page.message().await;
    }
    // 128 KiB are written: the response is over, and another one takes the session on without an `o`.
    let mut again = Page::new(&server, "/turted", "limit", "xhr_streaming");
    server.receipt(&to_channel("chat", "E", json!("next"))).await;
    assert_eq!(again.message().await["data"], "next");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_breaks_off_ends_its_session_and_its_memberships() {
    let server = Server::start();
    for action in ["xhr_streaming", "eventsource", "htmlfile"] {
        let session = format!("broken-{action}");
        let page = Page::new(&server, "/turted", &session, action);
        let stream = Stream::open(&server, page.request()).await;
        page.say("join", json!({"channel": action})).await;
        assert_eq!(
            server.receipt(&to_channel(action, "E", json!(1))).await["recipients"],
            1
        );
        stream.cut();
        let gone = async { while server.receipt(&to_channel(action, "E", json!(2))).await["recipients"] != 0 {} };
        crate::harness::within("the session to end", gone).await;
        assert_eq!(page.say("join", json!({"channel": action})).await, 404, "{action}");
    }
    assert_eq!(
        server
            .ask(Request::post("/turted/000/nobody/xhr_send", "[]"))
            .await
            .status,
        404
    );
}
