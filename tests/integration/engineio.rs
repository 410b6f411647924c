//! Engine.IO 3 and 4 below the Socket.IO words of TURTED: polling, scripts, base64, and the change to a WebSocket.

use std::time::Duration;

use crate::harness::{
    Engine, Heard, Request, Server, Socket, Stream, Value, json, three_ways, to_channel, to_user, within,
};

/// The packet of an event, without the id that newer clients get.
fn event(payload: Value, via: Value) -> Value {
    json!({"event": "E", "payload": payload, "via": via})
}

/// The answer to an ECHO of a text. Clients that can be recovered take a string at the end for an id; `null` keeps them
/// from it.
fn echo(text: &str, query: &str) -> Value {
    if query.contains("EIO=4") {
        json!(["ECHO", text, null])
    } else {
        json!(["ECHO", text])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_polling_hears_each_event_once_and_in_order() {
    for query in ["EIO=4", "EIO=3", "EIO=3&b64=1", "EIO=3&j=0", "EIO=4&j=12&b64=1"] {
        let server = Server::start();
        let (mut engine, _) = Engine::join(&server, query).await;
        engine.say(r#"42["IDENT",{"username":"adam"}]"#).await;
        assert_eq!(engine.json("42").await, json!(["OK", {"username": "adam"}]), "{query}");
        engine.say(r#"42["JOIN",{"channel":"chat"}]"#).await;
        assert_eq!(engine.json("42").await, json!(["OK", {"channel": "chat"}]), "{query}");
        engine.say("42[\"ECHO\",\"a\\\\n</script>\u{2028}\"]").await;
        assert_eq!(engine.json("42").await, echo("a\\n</script>\u{2028}", query), "{query}");

        let receipt = server.receipt(&three_ways(json!("</script>\u{2028}"))).await;
        assert_eq!(receipt["recipients"], 1, "{query}");
        for number in 1..20 {
            server.receipt(&to_channel("chat", "E", json!(number))).await;
        }
        let first = engine.json("42").await;
        assert_eq!(
            first[1],
            event(json!("</script>\u{2028}"), json!({"user": "adam"})),
            "{query}"
        );
        // Recovery came with the fourth generation.
        let id = if query.contains("EIO=4") {
            receipt["id"].clone()
        } else {
            Value::Null
        };
        assert_eq!(first[2], id, "{query}");
        for number in 1..20 {
            assert_eq!(
                engine.json("42").await[1],
                event(json!(number), json!({"channel": "chat"})),
                "{query}"
            );
        }
        engine.say(r#"42["LEAVE",{"channel":"chat"}]"#).await;
        assert_eq!(engine.json("42").await, json!(["OK", {"channel": "chat"}]), "{query}");
        server.receipt(&to_channel("chat", "E", json!("left"))).await;
        server.receipt(&to_user("adam", "E", json!("mine"))).await;
        assert_eq!(engine.json("42").await[1]["payload"], "mine", "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_beyond_ascii_and_bytes_reach_clients_of_the_third_generation_as_they_can_read_them() {
    let server = Server::start();
    let (engine, _) = Engine::join(&server, "EIO=3").await;
    engine.say("42[\"ECHO\",\"€\"]").await;
    let reply = engine.get().await;
    // Octets: both of its clients read them alike.
    assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
    assert_eq!(reply.body, b"\0\x01\x06\xff42[\"ECHO\",\"\xe2\x82\xac\"]");
    let announced = br#"451-["ECHO",{"_placeholder":true,"num":0}]"#;
    assert_eq!(announced.len(), 42);
    let bytes = [b"\0\x04\x02\xff", &announced[..], b"\x01\x05\xff\x04\x01\x02\x03\x04"].concat();
    let post = Request::post(&engine.path(), bytes).header("Content-Type", "application/octet-stream");
    assert_eq!(server.ask(post).await.status, 200);
    let body = engine.get().await.body;
    assert!(body.ends_with(b"\x01\x05\xff\x04\x01\x02\x03\x04"), "{body:?}");

    let (mut text, _) = Engine::join(&server, "EIO=3&b64=1").await;
    text.say("42[\"ECHO\",\"€\"]").await;
    assert_eq!(text.next().await, "42[\"ECHO\",\"\\u20ac\"]");
    let packets = [r#"451-["ECHO",{"_placeholder":true,"num":0}]"#, "b4AQIDBA=="];
    assert_eq!(text.try_say(&packets).await.status, 200);
    assert_eq!([text.next().await, text.next().await], packets);

    let (mut newer, _) = Engine::join(&server, "EIO=4").await;
    let packets = [r#"451-["ECHO",{"_placeholder":true,"num":0}]"#, "bAQIDBA=="];
    assert_eq!(newer.try_say(&packets).await.status, 200);
    assert_eq!([newer.next().await, newer.next().await], packets);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_takes_over_and_nothing_is_lost_or_doubled() {
    for query in ["EIO=4", "EIO=3"] {
        let server = Server::start();
        let (mut engine, _) = Engine::join(&server, query).await;
        engine.say(r#"42["JOIN",{"channel":"chat"}]"#).await;
        engine.json("42").await;
        let mut numbers = 0..;
        let mut push = async |count| {
            for number in numbers.by_ref().take(count) {
                server.receipt(&to_channel("chat", "E", json!(number))).await;
            }
        };
        let mut socket = Socket::open(&server, &engine.socket_path()).await;
        push(3).await;
        for number in 0..3 {
            assert_eq!(engine.json("42").await[1]["payload"], number, "{query}");
        }
        let waiting = engine.get();
        let taken = async {
            socket.say("2probe").await;
            assert_eq!(socket.text().await, "3probe", "{query}");
        };
        let (released, ()) = tokio::join!(waiting, taken);
        // Whoever waited is let go, so that the client can change over.
        assert!(
            matches!(released.text().as_str(), "6" | "1:6"),
            "{query}: {}",
            released.text()
        );
        push(2).await;
        engine.say(r#"42["ECHO","by request"]"#).await;
        socket.say("5").await;
        for number in 3..5 {
            assert_eq!(socket.json("42").await[1]["payload"], number, "{query}");
        }
        assert_eq!(socket.json("42").await, echo("by request", query), "{query}");
        push(20).await;
        for number in 5..25 {
            assert_eq!(socket.json("42").await[1]["payload"], number, "{query}");
        }
        socket.say(r#"42["ECHO","by socket"]"#).await;
        assert_eq!(socket.json("42").await, echo("by socket", query), "{query}");
        for reply in [engine.get().await, engine.try_say(&["40"]).await] {
            assert_eq!((reply.status, &reply.value()["code"]), (400, &json!(3)), "{query}");
        }
        let mut second = Socket::open(&server, &engine.socket_path()).await;
        assert!(second.until_closed().await.0.is_empty(), "{query}");
        socket.say(r#"42["ECHO","still"]"#).await;
        assert_eq!(socket.json("42").await, echo("still", query), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_begins_with_anything_else_leaves_the_polls_alone() {
    let server = Server::start();
    let (mut engine, _) = Engine::join(&server, "EIO=4").await;
    for wrong in ["", "2", "3probe", "40", "2probe ", "probe", "6"] {
        let mut socket = Socket::open(&server, &engine.socket_path()).await;
        socket.say(wrong).await;
        assert!(socket.until_closed().await.0.is_empty(), "{wrong:?}");
    }
    // Tried out and given up: the polls go on.
    let mut socket = Socket::open(&server, &engine.socket_path()).await;
    socket.say("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    socket.cut();
    engine.say(r#"42["ECHO",1]"#).await;
    let echo = async {
        loop {
            match engine.next().await.as_str() {
                // Released for the socket that did not come.
                "6" => {}
                other => return other.to_owned(),
            }
        }
    };
    assert_eq!(within("the echo", echo).await, r#"42["ECHO",1]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_on_a_socket_alone_is_pinged_and_asked_in_the_way_of_its_version() {
    let server = Server::with("limits.ping = \"1s\"");
    let mut newer = Socket::open(&server, "/socket.io/?EIO=4&transport=websocket").await;
    let open = newer.json("0").await;
    assert_eq!((&open["upgrades"], &open["pingInterval"]), (&json!([]), &json!(1000)));
    newer.say("40").await;
    assert_eq!(newer.json("40").await.as_object().map(serde_json::Map::len), Some(2));
    for _ in 0..2 {
        assert_eq!(newer.text().await, "2");
        newer.say("3").await;
    }
    let mut older = Socket::open(&server, "/socket.io/?EIO=3&transport=websocket").await;
    older.json("0").await;
    assert_eq!(older.text().await, "40");
    for _ in 0..2 {
        older.say("2").await;
        assert_eq!(older.text().await, "3");
    }
    older.say("1").await;
    older.until_closed().await;
    newer.say("1").await;
    assert!(
        !newer.until_closed().await.0.contains(&Heard::Text("1".into())),
        "a socket just ends"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_fit_nothing_are_answered_with_the_codes_of_the_reference() {
    let server = Server::start();
    let (engine, _) = Engine::join(&server, "EIO=4").await;
    let sid = &engine.sid;
    for (method, query, code) in [
        ("GET", "EIO=4".to_owned(), 0),
        ("GET", "EIO=4&transport=pigeon".to_owned(), 0),
        ("GET", "EIO=4&transport=polling&sid=nobody".to_owned(), 1),
        ("POST", "EIO=4&transport=polling".to_owned(), 2),
        ("PUT", "EIO=4&transport=polling".to_owned(), 2),
        ("DELETE", format!("EIO=4&transport=polling&sid={sid}"), 3),
        ("GET", "EIO=4&transport=websocket".to_owned(), 3),
        ("GET", format!("EIO=4&transport=websocket&sid={sid}"), 3),
        ("GET", "EIO=5&transport=polling".to_owned(), 5),
        ("GET", "transport=polling".to_owned(), 5),
    ] {
        let reply = server.ask(Request::new(method, &format!("/socket.io/?{query}"))).await;
        assert_eq!(
            (reply.status, &reply.value()["code"]),
            (400, &json!(code)),
            "{method} {query}"
        );
    }
    for query in ["EIO=5&transport=websocket", "EIO=4&transport=websocket&sid=nobody"] {
        let reply = server.ask(Request::upgrade(&format!("/socket.io/?{query}"))).await;
        assert_eq!(
            (reply.status, reply.header("connection")),
            (400, Some("close")),
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_breaks_off_ends_its_session() {
    let server = Server::start();
    let (engine, _) = Engine::join(&server, "EIO=4").await;
    engine.say(r#"42["JOIN",{"channel":"chat"}]"#).await;
    engine.get().await;
    let waiting = Stream::over(server.wire().await, &server.address, engine.request());
    assert!(
        tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err(),
        "it waits"
    );
    let gone = async { while server.receipt(&to_channel("chat", "E", json!(1))).await["recipients"] != 0 {} };
    within("the session to end", gone).await;
    assert_eq!(engine.get().await.value()["code"], 1);
}
