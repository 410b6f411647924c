//! Foreign pages, and words that would like to be more than words in a page.

use crate::harness::page::ACTIONS;
use crate::harness::{Engine, Page, Request, Server, Stream, Value, json, to_channel};

const OWN: &str = "https://app.example";
const EVIL: [&str; 4] = [
    "https://evil.example",
    "https://app.example.evil.example",
    "http://app.example",
    "null",
];

/// Every door for clients, with a request that would open it.
fn doors(connection: &str, secret: &str, session: &str) -> Vec<Request> {
    let mut doors: Vec<Request> = [
        "/ws",
        "/turted/websocket",
        "/turted/0/ws/websocket",
        "/sockjs/websocket",
        "/sockjs/0/ws/websocket",
    ]
    .iter()
    .map(|path| Request::upgrade(path))
    .collect();
    doors.push(Request::upgrade("/socket.io/?EIO=4&transport=websocket"));
    doors.push(Request::upgrade(&format!(
        "/socket.io/?EIO=4&transport=websocket&sid={session}"
    )));
    for path in [
        "/events",
        "/events?format=native",
        "/sse",
        "/turted/info",
        "/turted/0/a/eventsource",
        "/sockjs/0/a/htmlfile?c=f",
        "/sockjs/0/a/jsonp?c=f",
    ] {
        doors.push(Request::new("GET", path));
    }
    for path in ["/poll", "/turted/0/b/xhr", "/turted/0/b/xhr_streaming"] {
        doors.push(Request::post(path, ""));
    }
    for path in ["/turted/0/c/xhr_send", "/turted/0/c/jsonp_send"] {
        doors.push(Request::post(path, "[]"));
    }
    for folder in ["/events", "/poll"] {
        let path = format!("{folder}/{connection}?secret={secret}");
        doors.push(Request::post(&path, r#"{"type":"PING"}"#).header("Turted-Secret", secret));
        doors.push(Request::new("DELETE", &path));
        doors.push(Request::new("OPTIONS", &path));
    }
    doors.push(Request::new("GET", &format!("/poll/{connection}?secret={secret}")));
    let engine = "/socket.io/?EIO=4&transport=polling";
    doors.push(Request::new("GET", engine));
    doors.push(Request::new("GET", &format!("{engine}&sid={session}")));
    doors.push(Request::post(&format!("{engine}&sid={session}"), "3"));
    doors.push(Request::new("OPTIONS", engine).header("Access-Control-Request-Method", "POST"));
    doors.push(Request::new("GET", "/socket.io/?EIO=3&transport=polling&j=0"));
    doors.push(Request::new("OPTIONS", "/turted/0/b/xhr"));
    doors
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_is_kept_out_at_every_door() {
    let server = Server::public(&format!("server.origins = [\"{OWN}\"]"));
    let opened = server.ask(Request::post("/poll", "")).await.value();
    let (connection, secret) = (
        opened["connection"].as_str().unwrap(),
        opened["secret"].as_str().unwrap(),
    );
    let (engine, _) = Engine::join(&server, "EIO=4").await;
    // CWE-1385 for sockets, CWE-942 for what the answer would let a page read.
    for evil in EVIL {
        for (number, door) in doors(connection, secret, &engine.sid).into_iter().enumerate() {
            let reply = server.ask(door.header("Origin", evil)).await;
            assert_eq!(reply.status, 403, "door {number} for {evil}: {}", reply.text());
        }
    }
    // Nothing of it reached the sessions.
    engine.say("42[\"ECHO\",1]").await;
    let ping = Request::post(&format!("/poll/{connection}"), r#"{"type":"PING"}"#);
    let reply = server
        .ask(ping.header("Origin", OWN).header("Turted-Secret", secret))
        .await;
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (200, Some(OWN))
    );
    assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_and_frames_of_foreign_pages_are_kept_out_by_their_referer() {
    let server = Server::public(&format!("server.origins = [\"{OWN}\"]"));
    let (engine, _) = Engine::join(&server, "EIO=3&j=1").await;
    let doors = [
        "/turted/0/a/htmlfile?c=f".to_owned(),
        "/turted/0/a/jsonp?c=f".to_owned(),
        "/sockjs/0/a/jsonp?c=f".to_owned(),
        "/socket.io/?EIO=3&transport=polling&j=0".to_owned(),
        "/socket.io/?EIO=4&transport=polling&j=0".to_owned(),
        engine.path(),
    ];
    // CWE-352: a browser sends no Origin for them, so that the page is all that tells friend from foe.
    for door in &doors {
        for evil in [
            "https://evil.example/",
            "https://evil.example/?https://app.example/",
            "https://app.example@evil.example/x",
            "http://app.example/page",
            // A page may forbid its browser to say where it is (CWE-1385).
            "",
        ] {
            let reply = server.ask(Request::new("GET", door).header("Referer", evil)).await;
            assert_eq!(reply.status, 403, "{door} for {evil}");
        }
    }
    for (number, friend) in [&format!("{OWN}/page?x#y"), &format!("{}/", server.url())]
        .iter()
        .enumerate()
    {
        let reply = server
            .ask(Request::new("GET", &format!("/turted/0/friend{number}/jsonp?c=f")).header("Referer", friend))
            .await;
        assert_eq!(reply.status, 200, "{friend}");
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_is_a_name_and_nothing_else() {
    let server = Server::start();
    let long = "f".repeat(65);
    // CWE-79, and CWE-113 for line breaks.
    let callbacks = [
        "alert(1)//",
        "f;alert(1)",
        "f%3Balert(1)",
        "f(alert",
        "%3C/script%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "f%0d%0aSet-Cookie:%20alert=1",
        "f%E2%80%A8alert",
        "f[0]",
        "f%00alert",
        "alert%20x",
        "alert%2B1",
        "%22alert",
        "%ff",
        "\u{fe}alert",
        &long,
    ];
    for action in ["htmlfile", "jsonp"] {
        for callback in callbacks {
            let reply = server.get(&format!("/turted/0/x/{action}?c={callback}")).await;
            assert!(
                matches!(reply.status, 400 | 500),
                "{action} {callback}: {}",
                reply.status
            );
            assert!(
                !reply.text().contains("alert") && reply.header("set-cookie").is_none(),
                "{action} {callback}: {}",
                reply.text()
            );
        }
        for none in ["", "?c=", "?d=f"] {
            let reply = server.get(&format!("/turted/0/x/{action}{none}")).await;
            assert_eq!(
                (reply.status, reply.text().as_str()),
                (500, "\"callback\" parameter required")
            );
        }
    }
    for index in [
        "0](alert(1));//",
        "alert",
        "-1",
        "0;alert",
        "1e3",
        "99999999999999999999",
        "0x1",
        "%200",
    ] {
        let reply = server
            .get(&format!("/socket.io/?EIO=3&transport=polling&j={index}"))
            .await;
        assert!(
            !reply.text().contains("alert") && !reply.text().contains("___eio"),
            "{index}: {}",
            reply.text()
        );
    }
    let reply = server.get("/socket.io/?EIO=3&transport=polling&j=7").await;
    assert!(reply.text().starts_with("___eio[7](\""), "{}", reply.text());
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        server
            .get("/turted/0/x/jsonp?c=f")
            .await
            .header("x-content-type-options"),
        Some("nosniff")
    );
}

/// What a name or a text may try. JSON escapes some of it, and some not.
const WORDS: [&str; 9] = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "\u{2028}alert(1)\u{2029}",
    "\");alert(1);//",
    "data: forged",
    "%0A%0Ddata: forged",
    "]]>&lt;'\\",
    "\u{feff}\u{200e}\u{fffe}",
    "a\u{1F600}\\u003c",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_word_of_a_push_leaves_its_place_in_a_page_or_in_a_stream() {
    let server = Server::start();
    let mut named = Stream::open(&server, Request::new("GET", "/events?username=adam")).await;
    let mut native = Stream::open(&server, Request::new("GET", "/events?format=native&username=adam")).await;
    for stream in [&mut named, &mut native] {
        stream.event().await;
    }
    let mut pages = Vec::new();
    for action in ACTIONS {
        let mut page = Page::open(&server, "/turted", &format!("words-{action}"), action).await;
        page.say("ident", json!({"username": "adam"})).await;
        page.message().await;
        pages.push((action, page));
    }
    let mut scripts = Vec::new();
    for query in ["EIO=3&j=0", "EIO=4&j=0", "EIO=4"] {
        let (mut engine, _) = Engine::join(&server, query).await;
        engine.say(r#"42["IDENT",{"username":"adam"}]"#).await;
        engine.json("42").await;
        scripts.push(engine);
    }
    for word in WORDS {
        // CWE-93: between its tokens JSON may hold line breaks, and payloads travel as they are.
        let spaced = format!("{{\r\n\"w\"\r:\n{}\n\n,\r\r\"n\":\t[]\r\n\r\n}}", json!(word));
        let body = format!(
            r#"{{"event":{},"targets":{{"users":"adam"}},"payload":{spaced}}}"#,
            json!(word)
        );
        let reply = server.ask(Request::json("/push/", &body)).await;
        assert_eq!(reply.status, 200, "{word}: {}", reply.text());
        let payload = json!({"w": word, "n": []});
        let event = named.event().await;
        assert_eq!((event.name(), event.value()), (word, payload.clone()));
        assert_eq!(native.event().await.value()["data"]["payload"], payload);
        for (action, page) in &mut pages {
            let whole = json!({"type": word, "data": payload, "via": {"user": "adam"}});
            assert_eq!(page.message().await, whole, "{action}");
        }
        for engine in &mut scripts {
            let event = engine.json("42").await;
            assert_eq!((&event[1]["event"], &event[1]["payload"]), (&json!(word), &payload));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_control_characters_are_refused_and_what_comes_back_is_escaped() {
    let server = Server::start();
    let mut stream = Stream::open(&server, Request::new("GET", "/events?channel=chat")).await;
    stream.event().await;
    for name in [
        "a\nevent: forged",
        "a\rdata: forged",
        "a\r\n\r\n",
        "\0",
        "a\u{85}b",
        "\u{1b}[2J",
    ] {
        for push in [
            to_channel("chat", name, Value::Null),
            to_channel(name, "E", Value::Null),
            json!({"event": "E", "targets": {"users": name}}),
        ] {
            assert_eq!(server.ask(Request::json("/push/", &push)).await.status, 400, "{push}");
        }
    }
    server.receipt(&to_channel("chat", "E", json!("next"))).await;
    assert_eq!(stream.event().await.value(), "next", "and nothing before");
    // What a client says of the past comes back to it.
    for last in ["x%0Adata:%20forged%0A%0A", "x%0D%0Devent:%20forged", "%00", "%E2%80%A8"] {
        let mut stream = Stream::open(
            &server,
            Request::new("GET", &format!("/events?channel=chat&last={last}")),
        )
        .await;
        assert_eq!(
            [stream.event().await.name(), stream.event().await.name()],
            ["turted:welcome", "turted:gap"],
            "{last}"
        );
        // And then everything since the start: nothing forged is among it.
        server.receipt(&to_channel("chat", "E", json!(last))).await;
        loop {
            let event = stream.event().await;
            assert_eq!(event.name(), "E", "{last}");
            if event.value() == last {
                break;
            }
        }
    }
}
