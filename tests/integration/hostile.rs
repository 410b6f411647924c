//! Peers that guess, push in, send too much, or never come to an end: each is stopped, and the others hear what they
//! should.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Engine, Heard, Page, Request, Server, Socket, Stream, Value, json, to_channel, within};

/// How much the memory of a server may grow when nothing ought to be kept.
const SLACK: usize = 32 << 20;

/// A connection for polls: its path, and its secret.
async fn polls(server: &Server) -> (String, String) {
    let opened = server.ask(Request::post("/poll", "")).await.value();
    let text = |member: &str| opened[member].as_str().unwrap().to_owned();
    (format!("/poll/{}", text("connection")), text("secret"))
}

/// Sends requests, each when the one before is answered, on one wire as long as it lasts; gives the statuses.
async fn in_a_row(server: &Server, requests: impl Iterator<Item = Request>) -> BTreeSet<u16> {
    let mut wire = server.wire().await;
    let mut statuses = BTreeSet::new();
    for request in requests {
        wire.write_all(&request.kept().bytes(&server.address)).await.unwrap();
        let mut answer = String::new();
        while !answer.contains("\r\n\r\n") || body_left(&answer) > 0 {
            let mut bytes = [0; 2048];
            let count = within("an answer", wire.read(&mut bytes)).await.unwrap();
            assert!(count > 0, "the wire ended after {statuses:?} with {answer}");
            answer.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        statuses.insert(answer.split(' ').nth(1).unwrap().parse().unwrap());
        // What was not read of a body ends its wire.
        if answer.contains("connection: close") {
            wire = server.wire().await;
        }
    }
    statuses
}

fn body_left(answer: &str) -> usize {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let length = head.to_ascii_lowercase();
    let length = length
        .split("content-length: ")
        .nth(1)
        .map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
    length - body.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_cannot_be_guessed_and_guessing_costs_nothing() {
    let server = Server::start();
    // CWE-330, CWE-340: all that a request needs to speak for a session.
    let mut ids = BTreeSet::new();
    for _ in 0..100 {
        let engine = Engine::open(&server, "EIO=4").await;
        assert!(engine.sid.len() >= 20, "{}", engine.sid);
        ids.insert(engine.sid);
        ids.insert(polls(&server).await.1);
    }
    assert_eq!(ids.len(), 200);
    let heads: BTreeSet<&str> = ids.iter().map(|id| &id[..4]).collect();
    assert!(heads.len() > 150, "they begin alike: {heads:?}");

    let before = server.memory();
    let guess = |number: u32| format!("{number:020x}");
    let get = |path: String| Request::new("GET", &path);
    let post = |path: String, body: &str| Request::post(&path, body);
    let secret = "0".repeat(40);
    // CWE-400: thousands of guesses leave nothing behind.
    let engine = (0..3000).map(|n| get(format!("/socket.io/?EIO=4&transport=polling&sid={}", guess(n))));
    assert_eq!(in_a_row(&server, engine).await, BTreeSet::from([400]));
    let posts = (0..1000).map(|n| post(format!("/socket.io/?EIO=3&transport=polling&sid={}", guess(n)), "1:2"));
    assert_eq!(in_a_row(&server, posts).await, BTreeSet::from([400]));
    let sends = (0..1000).map(|n| post(format!("/turted/0/{}/xhr_send", guess(n)), "[\"{}\"]"));
    assert_eq!(in_a_row(&server, sends).await, BTreeSet::from([404]));
    let commands = (0..1000).map(|n| post(format!("/events/{}", guess(n)), "{}").header("Turted-Secret", &secret));
    assert_eq!(in_a_row(&server, commands).await, BTreeSet::from([404]));
    let reads = (0..1000).map(|n| get(format!("/poll/{}?secret={secret}", guess(n))));
    assert_eq!(in_a_row(&server, reads).await, BTreeSet::from([404]));
    let after = server.memory();
    assert!(after < before + SLACK, "{before} bytes before, {after} after");
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_one_service_opens_nothing_at_another() {
    let server = Server::start();
    let (engine, _) = Engine::join(&server, "EIO=4").await;
    let page = Page::open(&server, "/turted", "shared", "xhr").await;
    assert_eq!(page.say("join", json!({"channel": "chat"})).await, 204);
    // The same name at another service is another session.
    let mut other = Page::open(&server, "/sockjs", "shared", "xhr").await;
    assert_eq!(other.message().await["type"], "WELCOME");
    let names = [
        "/turted shared",
        "/sockjs shared",
        "shared",
        &format!("/socket.io {}", engine.sid),
        &engine.sid,
    ];
    for name in names {
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        // CWE-639: sessions without a secret are not to be had where a secret is asked for.
        for path in [format!("/poll/{encoded}"), format!("/events/{encoded}")] {
            for secret in ["", "x"] {
                let command = Request::post(&path, r#"{"type":"PING"}"#).header("Turted-Secret", secret);
                assert_eq!(server.ask(command).await.status, 404, "POST {path}");
                let goodbye = Request::new("DELETE", &path).header("Turted-Secret", secret);
                assert_eq!(server.ask(goodbye).await.status, 404, "DELETE {path}");
            }
        }
        let reply = server
            .get(&format!("/socket.io/?EIO=4&transport=polling&sid={encoded}x"))
            .await;
        assert_eq!(reply.value()["code"], 1, "{name}");
    }
    assert_eq!(
        server.receipt(&to_channel("chat", "E", json!(1))).await["recipients"],
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_anybody_may_open_are_counted() {
    let server = Server::with("limits.connections_per_address = 50");
    // CWE-770: a name of the client's own choice is all it takes.
    let opened = (0..200).map(|number| Request::post(&format!("/turted/0/flood{number}/xhr"), ""));
    assert_eq!(in_a_row(&server, opened).await, BTreeSet::from([200, 429]));
    let mut refused = 0;
    for (method, path) in [
        ("GET", "/socket.io/?EIO=4&transport=polling"),
        ("GET", "/events"),
        ("POST", "/poll"),
        ("GET", "/turted/0/more/eventsource"),
    ] {
        refused += u32::from(server.ask(Request::new(method, path)).await.status == 429);
    }
    assert_eq!(refused, 4);
    // Those who do not come back make room.
    let room = async {
        while server.ask(Request::post("/poll", "")).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    within("room", room).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_poller_is_turned_away_or_ends_the_session_as_its_protocol_says() {
    let server = Server::start();
    // CWE-362: two requests for one session. SockJS tells the second, and the first does not notice.
    for action in ["xhr", "xhr_streaming", "eventsource", "htmlfile", "jsonp"] {
        let session = format!("second-{action}");
        let mut first = Page::open(&server, "/turted", &session, "xhr_streaming").await;
        first.say("join", json!({"channel": action})).await;
        first.message().await;
        let mut second = Page::new(&server, "/turted", &session, action);
        assert_eq!(
            second.frame().await,
            r#"c[2010,"Another connection still open"]"#,
            "{action}"
        );
        server.receipt(&to_channel(action, "E", json!("first"))).await;
        assert_eq!(first.message().await["data"], "first", "{action}");
    }
    // Engine.IO ends the session: both hear of it, and nobody keeps it.
    for query in ["EIO=4", "EIO=3"] {
        let (engine, _) = Engine::join(&server, query).await;
        engine.say(r#"42["JOIN",{"channel":"engine"}]"#).await;
        engine.get().await;
        let (one, two) = tokio::join!(engine.get(), engine.get());
        let (ended, refused) = if one.status == 200 { (one, two) } else { (two, one) };
        assert_eq!((ended.status, refused.status), (200, 400), "{query}");
        assert!(
            matches!(ended.text().as_str(), "1" | "1:1"),
            "{query}: {}",
            ended.text()
        );
        assert_eq!(engine.get().await.value()["code"], 1, "{query}");
        assert_eq!(
            server.receipt(&to_channel("engine", "E", json!(1))).await["recipients"],
            0,
            "{query}"
        );
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_and_the_session_lives() {
    let server = Server::start();
    let (path, secret) = polls(&server).await;
    let (mut engine, _) = Engine::join(&server, "EIO=4").await;
    let mut page = Page::open(&server, "/turted", "large", "xhr").await;
    let big = "x".repeat(70_000);
    let messages = json!([big]).to_string();
    let requests = [
        Request::post(&path, json!({"type": "ECHO", "data": big}).to_string()).header("Turted-Secret", &secret),
        Request::post("/turted/0/large/xhr_send", messages.clone()),
        Request::post("/turted/0/large/jsonp_send", messages),
        Request::post(&engine.path(), format!("42[\"ECHO\",\"{}\"]", "x".repeat(1_000_001))),
    ];
    for (number, request) in requests.into_iter().enumerate() {
        assert_eq!(server.ask(request).await.status, 413, "{number}");
    }
    let ping = Request::post(&path, r#"{"type":"PING"}"#).header("Turted-Secret", &secret);
    assert_eq!(server.ask(ping).await.value()["type"], "PONG");
    engine.say(r#"42["ECHO",1]"#).await;
    assert_eq!(engine.next().await, r#"42["ECHO",1]"#);
    page.say("echo", json!(1)).await;
    assert_eq!(page.message().await["data"], 1);
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_closes_its_socket_with_1009() {
    let server = Server::start();
    for (path, size) in [
        ("/ws", 66_000),
        ("/turted/websocket", 66_000),
        ("/turted/0/big/websocket", 66_000),
        ("/sockjs/websocket", 66_000),
        ("/socket.io/?EIO=4&transport=websocket", 1_000_001),
        ("/socket.io/?EIO=3&transport=websocket", 1_000_001),
    ] {
        for message in [Message::text("4".repeat(size)), Message::binary(vec![4; size])] {
            let mut socket = Socket::open(&server, path).await;
            socket.send(message).await;
            let (heard, code) = socket.until_closed().await;
            // Frames of SockJS have a goodbye of their own.
            let goodbye = Heard::Text(r#"c[1009,"message too big"]"#.into());
            let expected = if heard.last() == Some(&goodbye) { 1000 } else { 1009 };
            assert_eq!(code, Some(expected), "{path}: {heard:?}");
        }
    }
    server.still_serves().await;
}

/// Doors that read a body, with something that waits behind each.
async fn doors(server: &Server) -> Vec<String> {
    let (path, secret) = polls(server).await;
    let (engine, _) = Engine::join(server, "EIO=4").await;
    Page::open(server, "/turted", "endless", "xhr").await;
    vec![
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nTurted-Secret: {secret}\r\n"),
        format!("POST {} HTTP/1.1\r\nHost: localhost\r\n", engine.path()),
        "POST /turted/0/endless/xhr_send HTTP/1.1\r\nHost: localhost\r\n".into(),
        "POST /turted/0/endless/jsonp_send HTTP/1.1\r\nHost: localhost\r\n".into(),
        "POST /push/ HTTP/1.1\r\nHost: localhost\r\n".into(),
        "POST /nowhere HTTP/1.1\r\nHost: localhost\r\n".into(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_an_end_is_cut_off_and_one_that_creeps_holds_little() {
    let server = Server::start();
    let before = server.memory();
    let mut creeping = Vec::new();
    let doors = doors(&server).await;
    // CWE-400: chunk after chunk, for as long as the server takes them.
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let endless = doors.iter().map(async |door| {
        let mut wire = server.wire().await;
        let head = format!("{door}Transfer-Encoding: chunked\r\n\r\n");
        let mut sent = wire.write_all(head.as_bytes()).await;
        while sent.is_ok() {
            sent = wire.write_all(chunk.as_bytes()).await;
        }
        assert!(server.memory() < before + SLACK, "{} bytes for {door}", server.memory());
    });
    within("the server to hang up", futures_util::future::join_all(endless)).await;
    for door in &doors {
        for _ in 0..20 {
            let mut wire = server.wire().await;
            let head = format!("{door}Content-Length: 60000\r\n\r\n[");
            wire.write_all(head.as_bytes()).await.unwrap();
            creeping.push(wire);
        }
    }
    assert!(server.memory() < before + SLACK);
    server.still_serves().await;
    // Whoever was creeping is still heard, and hurt nobody.
    for wire in &mut creeping {
        wire.write_all(b"[").await.unwrap();
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_read_of_a_body_is_never_taken_for_a_request() {
    let server = Server::start();
    let mut witness = server.member(&["smuggled"]).await;
    let push = to_channel("smuggled", "E", json!("smuggled")).to_string();
    let inner = format!(
        "POST /push/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{push}",
        push.len()
    );
    // CWE-444: the body is too large, and its end looks like a request.
    let body = format!("{}{inner}", " ".repeat(1_100_000));
    let next = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let doors = doors(&server).await;
    let smuggled = doors.iter().map(async |door| {
        let mut wire = server.wire().await;
        let head = format!("{door}Content-Length: {}\r\n\r\n", body.len());
        let mut answer = Vec::new();
        let (mut reader, mut writer) = wire.split();
        let write = async {
            let _ = writer.write_all(head.as_bytes()).await;
            let _ = writer.write_all(body.as_bytes()).await;
            // If the wire is still good, this is the next request on it.
            let _ = writer.write_all(next).await;
        };
        let (_, _) = tokio::join!(write, reader.read_to_end(&mut answer));
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.matches("HTTP/1.1 ").count() <= 2, "{door}: {answer}");
    });
    within("the end of the wires", futures_util::future::join_all(smuggled)).await;
    assert!(
        witness.heard(&server).await.is_empty(),
        "somebody's body was dispatched"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_a_heap_on_one_wire_are_answered_in_order_or_not_at_all() {
    let server = Server::start();
    let (path, secret) = polls(&server).await;
    let mut heap = Vec::new();
    // A poll that waits, and many behind it on the same wire.
    for _ in 0..2_000 {
        let request = Request::new("GET", &format!("{path}?secret={secret}")).kept();
        heap.extend(request.bytes(&server.address));
    }
    let before = server.memory();
    let mut wires = Vec::new();
    for _ in 0..5 {
        let mut wire: TcpStream = server.wire().await;
        let _ = tokio::time::timeout(Duration::from_millis(200), wire.write_all(&heap)).await;
        wires.push(wire);
    }
    assert!(server.memory() < before + SLACK);
    server.still_serves().await;
    drop(wires);
    let mut stream = Stream::open(&server, Request::new("GET", "/events?channel=chat")).await;
    stream.event().await;
    server.receipt(&to_channel("chat", "E", Value::Null)).await;
    assert_eq!(stream.event().await.value(), Value::Null);
}
