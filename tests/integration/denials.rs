//! What clients hear that may not: in the words of each dialect, over whatever carries it. And what those hear whose
//! identity ends.

use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all, ready};
use tokio::net::TcpStream;
use turted::config::Sources;
use turted_core::{Authenticator, Identity, Limits, Refusal, UserName, Visitor};

use crate::harness::embedded::Embedded;
use crate::harness::{Client, Heard, Page, Request, Server, Socket, Stream, Value, json, to_channel, within};

/// Channels with names that begin with `open` are for everybody, to hear and to talk in.
const OPEN: &str = "may.anyone = { join = [\"open.*\"], publish = [\"open.*\"] }\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_says_to_a_channel_is_heard_in_every_dialect_and_carries_its_sender() {
    let server = Server::with(&format!("{OPEN}auth.clients.type = \"accept_all\"\n"));
    let mut eve = server.client().await;
    eve.join("open.1").await;
    let mut socket = Socket::open(&server, "/socket.io/?EIO=4&transport=websocket").await;
    socket.json("0").await;
    socket.say("40").await;
    socket.json("40").await;
    socket.say(r#"42["JOIN",{"channel":"open.1"}]"#).await;
    socket.json("42").await;
    let mut named = Stream::open(&server, Request::new("GET", "/events?channel=open.1")).await;
    named.event().await;

    let mut adam = server.user("adam").await;
    let payload = json!({"n": 1});
    let said = json!({"channel": "open.1", "event": "TYPING", "payload": payload});
    let answer = adam.ask("PUBLISH", said.clone()).await;
    assert_eq!(
        (&answer["type"], &answer["data"]["recipients"]),
        (&json!("OK"), &json!(3)),
        "{answer}"
    );
    let from = json!({"user": "adam", "connection": adam.connection});
    let event = eve.event().await;
    assert_eq!(
        (&event["data"]["from"], &event["data"]["id"]),
        (&from, &answer["data"]["id"]),
        "{event}"
    );
    assert_eq!(socket.json("42").await[1]["from"], from);
    let event = named.event().await;
    assert_eq!((event.name(), event.value()), ("TYPING", payload));

    // The same by a request of its own, by a poll's, and over Socket.IO.
    let mut stream = Stream::open(&server, Request::new("GET", "/events?username=eve&channel=open.2")).await;
    let welcome = stream.event().await.value();
    for (path, secret) in [
        ("events", welcome),
        ("poll", server.ask(Request::post("/poll", "")).await.value()),
    ] {
        let path = format!("/{path}/{}", secret["connection"].as_str().unwrap());
        let command = json!({"type": "PUBLISH", "data": said, "secret": secret["resume"], "ref": 1});
        let answer = server.ask(Request::post(&path, command.to_string())).await.value();
        assert_eq!(
            (&answer["type"], &answer["data"]["recipients"]),
            (&json!("OK"), &json!(3)),
            "{answer}"
        );
        assert_eq!(eve.event().await["data"]["from"]["connection"], secret["connection"]);
        socket.json("42").await;
        named.event().await;
    }
    socket
        .say(r#"427["PUBLISH",{"channel":"open.1","event":"TYPING","echo":false}]"#)
        .await;
    assert_eq!(socket.json("42").await[0], "OK");
    assert_eq!(socket.json("437").await[0]["recipients"], 2);
    assert_eq!(eve.event().await["data"]["payload"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_join_hears_it_in_the_words_of_its_dialect_and_may_try_as_often_as_it_likes() {
    let server = Server::with(&format!("{OPEN}limits.bad_messages = 3\n"));
    let mut client = server.client().await;
    for _ in 0..10 {
        let denied = client.ask("JOIN", json!({"channel": "shut"})).await;
        let denied = (&denied["type"], &denied["data"]["code"], &denied["data"]["channel"]);
        assert_eq!(denied, (&json!("ERROR"), &json!("join_denied"), &json!("shut")));
        let said = json!({"channel": "shut", "event": "E"});
        assert_eq!(client.ask("PUBLISH", said).await["data"]["code"], "publish_denied");
    }
    client.join("open.1").await;

    // A stream for several goes on with what it may hear; for none it does not begin.
    let mut stream = Stream::open(&server, Request::new("GET", "/events?channel=open.1&channel=shut")).await;
    assert_eq!(stream.event().await.name(), "turted:welcome");
    let denied = stream.event().await;
    assert_eq!(
        (denied.name(), &denied.value()["channel"]),
        ("turted:denied", &json!("shut"))
    );
    for path in [
        "/events?channel=shut",
        "/events?channel=shut&format=native",
        "/sse?channel=shut",
    ] {
        let reply = server.ask(Request::new("GET", path)).await;
        assert_eq!(
            (reply.status, &reply.value()["error"]["code"]),
            (403, &json!("join_denied")),
            "{path}"
        );
    }
    let reply = server.ask(Request::post("/poll?channel=shut", "")).await;
    assert_eq!(
        (reply.status, &reply.value()["error"]["code"]),
        (403, &json!("join_denied"))
    );
    let polled = server
        .ask(Request::post("/poll?channel=shut&channel=open.1", ""))
        .await
        .value();
    let (connection, secret) = (
        polled["connection"].as_str().unwrap(),
        polled["secret"].as_str().unwrap(),
    );
    let messages = server
        .ask(Request::new("GET", &format!("/poll/{connection}?secret={secret}")))
        .await
        .value();
    assert_eq!(messages[0]["data"]["channel"], "shut", "{messages}");

    for action in ["xhr", "eventsource"] {
        let mut page = Page::open(&server, "/turted", action, action).await;
        for _ in 0..5 {
            page.say("join", json!({"channel": "shut"})).await;
            let said = page.message().await;
            let sentence = said["data"].as_str().unwrap();
            assert_eq!(said["type"], "ERROR");
            assert!(sentence.starts_with("you may not join shut"), "{sentence}");
        }
    }
    for version in [3, 4] {
        let mut socket = Socket::open(&server, &format!("/socket.io/?EIO={version}&transport=websocket")).await;
        socket.json("0").await;
        if version == 4 {
            socket.say("40").await;
        }
        assert!(socket.text().await.starts_with("40"));
        for _ in 0..5 {
            socket.say(r#"421["JOIN",{"channel":"shut"}]"#).await;
            let said = socket.json("42").await;
            assert!(said[1].as_str().unwrap().starts_with("you may not join shut"), "{said}");
            assert_eq!(socket.json("431").await[0]["error"]["code"], "join_denied");
        }
    }
    assert_eq!(
        server.receipt(&to_channel("shut", "E", json!(1))).await["recipients"],
        0
    );
}

/// Confirms every name, for a second: or until a second ago, if that is what the token asks for.
struct Brief;

impl Authenticator for Brief {
    fn verify<'a>(&'a self, visitor: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>> {
        let text = |member: &str| visitor.data.get(member).and_then(Value::as_str);
        let identity = text("username").map(|name| {
            let user = UserName::parse(name, &Limits::default()).unwrap();
            let second = Duration::from_secs(1);
            let expires = match text("token") {
                Some("past") => SystemTime::now() - second,
                Some("long") => SystemTime::now() + 3600 * second,
                _ => SystemTime::now() + second,
            };
            Identity {
                expires: Some(expires),
                ..Identity::of(user)
            }
        });
        ready(Ok(identity)).boxed()
    }
}

fn brief() -> Embedded {
    Embedded::start(|| {
        let sets = ["server.listen=127.0.0.1:0", "server.workers=2", "limits.ping=1m"];
        let sources = Sources {
            sets: sets.map(str::to_owned).to_vec(),
            ..Sources::default()
        };
        let config = turted::Server::load(&sources).unwrap();
        let builder = turted::Server::builder().config(config).clients(Brief);
        builder.build().unwrap().start().unwrap()
    })
}

async fn wire(server: &Embedded) -> TcpStream {
    let wire = TcpStream::connect(&server.address);
    within("a TCP connection", wire).await.expect("the server accepts")
}

/// What a socket hears after it has said this, from the word that its identity ends on.
async fn end_of_socket(server: &Embedded, path: &str, said: &[&str]) -> Vec<Heard> {
    let mut socket = Socket::over(wire(server).await, &server.address, path).await.unwrap();
    for text in said {
        socket.say(text).await;
    }
    let mut heard = Vec::new();
    loop {
        let next = socket.next_within(LONG).await.expect("something comes");
        let is_expiring = matches!(&next, Heard::Text(text) if text.contains("EXPIRING"));
        // Signs of life.
        let is_noise = matches!(&next, Heard::Text(text) if text == "h" || text == "2");
        if next == Heard::Text("2".into()) {
            socket.say("3").await;
        }
        if is_expiring || (!heard.is_empty() && !is_noise) {
            heard.push(next);
        }
        if matches!(heard.last(), Some(Heard::Closed(_))) {
            return heard;
        }
    }
}

fn text(heard: &Heard) -> Option<&str> {
    match heard {
        Heard::Text(text) => Some(text),
        _ => None,
    }
}

/// The names of the events of a stream, and whether its data says so.
async fn end_of_stream(server: &Embedded, path: &str) -> Vec<String> {
    let opened = Stream::over(wire(server).await, &server.address, Request::new("GET", path)).await;
    let mut stream = opened.unwrap();
    assert_eq!(stream.status(), 200, "{path}");
    let mut names = Vec::new();
    // It ends, or `LONG` is over, which the names then tell.
    while let Some(sent) = stream.event_within(LONG).await {
        names.push(format!("{} {}", sent.name(), sent.data));
    }
    names
}

/// Longer than an identity that has ended is borne with.
const LONG: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn who_brings_no_new_identity_is_ended_in_the_words_of_its_dialect() {
    let server = brief();
    let ident = r#"{"type":"IDENT","data":{"username":"adam"}}"#;
    let framed = json!([ident]).to_string();
    let event = r#"42["IDENT",{"username":"adam"}]"#;
    let sockets = [
        ("/ws", vec![ident]),
        ("/sockjs/000/a/websocket", vec![framed.as_str()]),
        ("/turted/000/a/websocket", vec![framed.as_str()]),
        ("/socket.io/?EIO=4&transport=websocket", vec!["40", event]),
        ("/socket.io/?EIO=3&transport=websocket", vec![event]),
    ];
    let sockets = join_all(sockets.iter().map(|(path, said)| end_of_socket(&server, path, said)));
    let streams = [
        "/events?username=adam",
        "/events?username=adam&format=native",
        "/sse?username=adam",
    ];
    let streams = join_all(streams.map(|path| end_of_stream(&server, path)));
    // Whoever says again who it is stays.
    let stays = async {
        let mut client = Client::at(&server.address).await;
        client.ask("IDENT", json!({"username": "adam"})).await;
        let expiring = client.expect("EXPIRING").await;
        assert!(expiring["in"].as_u64().unwrap() <= 1, "{expiring}");
        let answer = client.ask("IDENT", json!({"username": "adam", "token": "long"})).await;
        assert_eq!(answer["type"], "OK");
        client
    };
    let (sockets, streams, mut client) = futures_util::join!(sockets, streams, stays);

    let texts: Vec<Vec<&str>> = sockets
        .iter()
        .map(|heard| heard.iter().filter_map(text).collect())
        .collect();
    let closed: Vec<&Heard> = sockets.iter().map(|heard| heard.last().unwrap()).collect();
    let bye = r#"{"type":"BYE","data":{"code":4012,"reason":"expired","reconnect":true}}"#;
    assert_eq!(texts[0][1..], [bye]);
    assert_eq!(closed[0], &Heard::Closed(Some(4012)));
    assert_eq!(texts[1][1..], [&format!("a{}", json!([bye])), r#"c[4012,"expired"]"#]);
    assert_eq!(texts[2][1..], [r#"c[4012,"expired"]"#]);
    // From a wire that just ends they come back.
    assert_eq!((texts[3].len(), texts[4].len()), (1, 1), "{texts:?}");

    let [named, native, php] = &streams[..] else {
        panic!("three streams: {streams:?}");
    };
    let names = |stream: &[String]| -> Vec<String> {
        let name = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
        stream.iter().map(name).collect()
    };
    assert_eq!(
        names(named),
        ["turted:welcome", "turted:expiring", "turted:bye"],
        "{named:?}"
    );
    assert!(
        native[1].contains("EXPIRING") && native[2].contains("4012"),
        "{native:?}"
    );
    assert!(names(php).iter().all(|name| name == "ping"), "{php:?}");
    assert_eq!(client.ask("PING", json!(null)).await["type"], "PONG");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_with_an_identity_that_has_ended_is_not_let_in() {
    let server = brief();
    let query = "?username=adam&token=past";
    for (method, path) in [("GET", "/events"), ("GET", "/sse"), ("POST", "/poll")] {
        let request = Request::new(method, &format!("{path}{query}"));
        let reply = request.send(wire(&server).await, &server.address).await;
        assert_eq!(
            (reply.status, &reply.value()["error"]["code"]),
            (401, &json!("expired")),
            "{path}"
        );
    }
    let mut client = Client::at(&server.address).await;
    let answer = client.ask("IDENT", json!({"username": "adam", "token": "past"})).await;
    assert_eq!(answer["data"]["code"], "expired", "{answer}");
}
