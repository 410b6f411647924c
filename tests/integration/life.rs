//! The life of each connection as `debug` tells it: from where and with what it came, who it was, what it joined and
//! left, that it ended and why; for each family of transports. No credential and no payload is ever part of it
//! (CWE-532).

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::harness::{Client, Engine, Page, Request, Server, Stream, json, to_channel, within};

const GUARDED: &str = "auth.clients = { type = \"password\", password = \"cl1ent\" }";

/// The lines about one connection, once one of them holds `last`. The first holds `first`, which names it.
async fn life(server: &Server, first: &str, last: &str) -> Vec<String> {
    let told = async {
        loop {
            let log = server.log();
            let lines = log.lines().filter_map(|line| line.split_once("turted::connection] "));
            let lines: Vec<&str> = lines.map(|(_, line)| line).collect();
            let opened = lines.iter().rev().find(|line| line.contains(first));
            if let Some((id, _)) = opened.and_then(|line| line.split_once(' ')) {
                let own = lines.iter().filter(|line| line.starts_with(id));
                let own: Vec<String> = own.map(|line| line[id.len() + 1..].to_owned()).collect();
                if own.last().is_some_and(|line| line.contains(last)) {
                    return own;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    let lines = within(&format!("{first:?} and {last:?} in the log"), told).await;
    let log = server.log();
    for secret in ["cl1ent", "s3ssion", "a payload"] {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
    lines
}

fn opened(server: &Server, what: &str, path: &str, line: &str) {
    let host = server.address.split(':').next().unwrap();
    let start = format!("opened: {what} at {path} (HTTP/1.1) from {host}:");
    assert!(line.starts_with(&start), "{line}\nbegins otherwise than\n{start}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_told_from_its_opening_to_its_end() {
    let server = Server::with(GUARDED);
    let mut client: Client = server.client().await;
    client
        .ask("IDENT", json!({"username": "adam", "password": "cl1ent"}))
        .await;
    client.join("chat").await;
    server.receipt(&to_channel("chat", "E", json!("a payload"))).await;
    client.event().await;
    client.ask("LEAVE", json!({"channel": "chat"})).await;
    let goodbye = CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    };
    client.frame(Message::Close(Some(goodbye))).await;
    let told = life(&server, "native over WebSocket", "ended").await;
    opened(&server, "native over WebSocket", "/ws", &told[0]);
    assert!(told[0].contains(", origin (none), agent "), "{}", told[0]);
    assert_eq!(
        told[1..],
        [
            "is user \"adam\"",
            "joined channel \"chat\"",
            "left channel \"chat\"",
            "ended: 1000 normal"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_is_told_with_its_page_and_its_program() {
    let server = Server::with(GUARDED);
    let request = Request::new("GET", "/events?channel=chat&username=adam&password=cl1ent")
        .header("Origin", &format!("http://{}", server.address))
        .header("User-Agent", &format!("Mozilla/5.0\tforged {}", "x".repeat(1000)));
    let mut stream = Stream::over(server.wire().await, &server.address, request)
        .await
        .unwrap();
    stream.event().await;
    drop(stream);
    let told = life(&server, "over server-sent events", "ended").await;
    opened(&server, "native over server-sent events", "/events", &told[0]);
    let origin = format!("origin \"http://{}\"", server.address);
    assert!(told[0].contains(&origin) && told[0].len() < 500, "{}", told[0]);
    assert!(
        told[0].contains("5.0\\tforged"),
        "control characters are written out (CWE-117)"
    );
    assert_eq!(
        told[1..],
        ["is user \"adam\"", "joined channel \"chat\"", "ended: 1006 vanished"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_polls_is_told_and_its_secrets_are_not() {
    let server = Server::with(GUARDED);
    let opening = Request::post("/poll?channel=chat&username=adam&password=cl1ent", "");
    let answer = server.ask(opening).await.value();
    let (id, secret) = (
        answer["connection"].as_str().unwrap(),
        answer["secret"].as_str().unwrap(),
    );
    let gone = Request::new("DELETE", &format!("/poll/{id}?secret={secret}"));
    server.ask(gone).await;
    let told = life(&server, "over long-polling", "ended").await;
    opened(&server, "native over long-polling", "/poll", &told[0]);
    assert_eq!(
        told[1..],
        ["is user \"adam\"", "joined channel \"chat\"", "ended: 1000 normal"]
    );
    assert!(!server.log().contains(secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_socket_io_is_told() {
    let server = Server::start();
    let (mut engine, _) = Engine::join(&server, "EIO=4").await;
    engine.say(r#"42["JOIN",{"channel":"chat"}]"#).await;
    engine.json("42").await;
    engine.say("1").await;
    let told = life(&server, "over Engine.IO polling", "ended").await;
    opened(&server, "socket.io 5 over Engine.IO polling", "/socket.io/", &told[0]);
    assert_eq!(told[1], "joined channel \"chat\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_sockjs_is_told_without_its_id_which_is_a_credential() {
    let server = Server::start();
    let mut page = Page::open(&server, "/turted", "s3ssion", "xhr_streaming").await;
    page.say("join", json!({"channel": "chat"})).await;
    page.message().await;
    drop(page);
    let told = life(&server, "over SockJS xhr_streaming", "ended").await;
    opened(&server, "classic over SockJS xhr_streaming", "/turted/", &told[0]);
    assert_eq!(told[1..], ["joined channel \"chat\"", "ended: 1006 vanished"]);
}
