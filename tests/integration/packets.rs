//! Packets and bodies that break the rules of Socket.IO, Engine.IO and SockJS: each ends at most its own session, and
//! none the process.

use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Client, Engine, Heard, Page, Request, Server, Socket, Value, json, to_channel, to_user};

/// A Socket.IO client of the newest generation on a socket.
async fn joined(server: &Server) -> Socket {
    let mut socket = Socket::open(server, "/socket.io/?EIO=4&transport=websocket").await;
    socket.json("0").await;
    socket.say("40").await;
    socket.json("40").await;
    socket
}

/// Somebody else, who must not notice anything.
async fn undisturbed(witness: &mut Client) {
    assert_eq!(witness.ask("PING", Value::Null).await["type"], "PONG");
}

/// What must end a socket that has joined the root.
const FATAL: [&str; 66] = [
    // Engine.IO.
    "",
    "7",
    "x",
    "b!",
    "bAQ=I",
    "2",
    "2probe",
    "\u{1e}",
    "-1",
    // No type, or an unknown one.
    "4",
    "47",
    "49[\"x\"]",
    "4x",
    "4 2[\"x\"]",
    "4\u{1F600}",
    // No list, an empty one, or one that does not begin with a name.
    "42",
    "42[]",
    "42{}",
    "42\"x\"",
    "42null",
    "421",
    "42[null]",
    "42[{}]",
    "42[[\"x\"]]",
    "42[true]",
    // Names of the library.
    "42[\"connect\"]",
    "42[\"connect_error\"]",
    "42[\"disconnect\",1]",
    "42[\"disconnecting\"]",
    "42[\"newListener\"]",
    "42[\"removeListener\"]",
    "42[\"\\u0063onnect\"]",
    // Junk before and behind.
    "42abc[\"x\"]",
    "42[\"x\"]y",
    "42[\"x\"",
    "42[\"x\"][\"y\"]",
    "42[\"\\x\"]",
    "421234567890123456789012[\"x\"]",
    // Payloads of the wrong shape.
    "41{}",
    "41\"x\"",
    "43",
    "43{}",
    "431\"x\"",
    "44",
    "445",
    // Attachments.
    "45[\"x\"]",
    "450-[\"x\"]",
    "45-[\"x\"]",
    "45-1-[\"x\"]",
    "451.5-[\"x\"]",
    "4511-[\"x\"]",
    "4599999999999999999999-[\"x\"]",
    "451-[\"x\"]",
    "451-[\"x\",{\"_placeholder\":true}]",
    "451-[\"x\",{\"_placeholder\":true,\"num\":1}]",
    "451-[\"x\",{\"_placeholder\":true,\"num\":-1}]",
    "451-[\"x\",{\"_placeholder\":true,\"num\":\"0\"}]",
    "452-[\"x\",{\"_placeholder\":true,\"num\":0}]",
    "461-",
    "461-{\"_placeholder\":true,\"num\":0}",
    // Namespaces.
    "40",
    "40{}",
    "42/admin,[\"x\"]",
    "41/admin",
    "43/admin,1[]",
    "451-/admin,[\"x\"]",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_that_breaks_a_rule_ends_its_own_socket_and_nothing_else() {
    let server = Server::start();
    let mut witness = server.client().await;
    for packet in FATAL {
        let mut socket = joined(&server).await;
        socket.say(packet).await;
        let (heard, _) = socket.until_closed().await;
        assert!(heard.is_empty(), "{packet:?} was answered with {heard:?}");
        undisturbed(&mut witness).await;
    }
    // The older version reads packets by the same rules.
    let older = [
        "",
        "7",
        "4",
        "47",
        "42",
        "42[]",
        "42[null]",
        "42[\"connect\"]",
        "41{}",
        "45[\"x\"]",
        "451-[\"x\"]",
        "43",
        "b4!",
        "b2",
    ];
    for packet in older {
        let mut socket = Socket::open(&server, "/socket.io/?EIO=3&transport=websocket").await;
        socket.json("0").await;
        assert_eq!(socket.text().await, "40");
        socket.say(packet).await;
        let (heard, _) = socket.until_closed().await;
        assert!(heard.is_empty(), "{packet:?} was answered with {heard:?}");
        undisturbed(&mut witness).await;
    }
    let deep = format!("42[\"ECHO\",{}{}]", "[".repeat(30_000), "]".repeat(30_000));
    for packet in [&deep, &format!("40/{},", "n".repeat(500)), "40/a\u{7}b,"] {
        let mut socket = joined(&server).await;
        socket.say(packet).await;
        assert!(socket.until_closed().await.0.is_empty(), "{}", &packet[..20]);
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_nobody_announced_and_text_in_between_end_the_socket() {
    let server = Server::start();
    let announce = "452-[\"ECHO\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]";
    let (bytes, text) = (|| Message::binary(vec![1]), || Message::text("42[\"ECHO\",1]"));
    let conversations = [
        vec![bytes()],
        vec![Message::text(announce), text()],
        vec![Message::text(announce), bytes(), text()],
        vec![Message::text(announce), Message::text(announce)],
    ];
    for conversation in conversations {
        let mut socket = joined(&server).await;
        for message in conversation {
            socket.send(message).await;
        }
        assert!(socket.until_closed().await.0.is_empty());
    }
    // Signs of life may come in between.
    let mut socket = joined(&server).await;
    for message in [Message::text(announce), bytes(), Message::text("3"), bytes()] {
        socket.send(message).await;
    }
    assert!(socket.text().await.starts_with("452-"));
    assert_eq!(
        [socket.next().await, socket.next().await],
        [Heard::Binary(vec![1]), Heard::Binary(vec![1])]
    );
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_come_first_ends_a_socket_that_has_not_joined() {
    let server = Server::start();
    for packet in [
        "40\"abc\"",
        "40[]",
        "40null",
        "401",
        "40{",
        "42[\"ECHO\",1]",
        "41",
        "43[]",
        "451-[\"x\"]",
        "40,{}",
    ] {
        let mut socket = Socket::open(&server, "/socket.io/?EIO=4&transport=websocket").await;
        socket.json("0").await;
        socket.say(packet).await;
        let (heard, _) = socket.until_closed().await;
        assert!(heard.is_empty(), "{packet} was answered with {heard:?}");
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_killed_the_original_is_answered() {
    let server = Server::start();
    let mut witness = server.client().await;
    let mut socket = joined(&server).await;
    for packet in [
        r#"42["JOIN"]"#,
        r#"42["JOIN",null]"#,
        r#"42["JOIN",5]"#,
        r#"42["JOIN",{"channel":{"__proto__":1}}]"#,
        r#"42["IDENT"]"#,
        r#"42["IDENT",null]"#,
        r#"42["IDENT",{}]"#,
        r#"42["IDENT",{"username":[]}]"#,
        r#"42["LEAVE",{"channel":"__proto__"}]"#,
        r#"42["JOIN",{"channel":"a\nb"}]"#,
        r#"42["JOIN",{"channel":"\ud800"}]"#,
        r#"42["JOIN",{"__proto__":{"channel":"x"}}]"#,
    ] {
        socket.say(packet).await;
        let answer = socket.json("42").await;
        assert_eq!(
            (&answer[0], answer[1].is_string()),
            (&json!("ERROR"), true),
            "{packet}: {answer}"
        );
        // A good one in between: only bad ones in a row count.
        socket.say(r#"42["JOIN",{"channel":"ordinary"}]"#).await;
        assert_eq!(
            socket.json("42").await,
            json!(["OK", {"channel": "ordinary"}]),
            "after {packet}"
        );
    }
    // Nobody listens for these; an acknowledgement without a question is nobody's.
    for packet in [
        r#"42["message",{}]"#,
        r#"42["message"]"#,
        r#"42["__proto__",{}]"#,
        r#"42[5,1]"#,
        r#"42["toString"]"#,
        "43123[1]",
        "6",
        "5",
        "0",
    ] {
        socket.say(packet).await;
    }
    socket.say(r#"42["ECHO",{"\ud800":"\udfff","__proto__":1}]"#).await;
    assert_eq!(socket.text().await, r#"42["ECHO",{"\ud800":"\udfff","__proto__":1}]"#);
    // CWE-1321: names like any other.
    for name in ["__proto__", "constructor", "prototype", "hasOwnProperty", "toString"] {
        socket.say(&format!(r#"42["JOIN",{{"channel":"{name}"}}]"#)).await;
        assert_eq!(socket.json("42").await, json!(["OK", {"channel": name}]));
        socket.say(&format!(r#"42["IDENT",{{"username":"{name}"}}]"#)).await;
        assert_eq!(socket.json("42").await, json!(["OK", {"username": name}]));
        for push in [to_channel(name, name, json!({name: 1})), to_user(name, name, json!(2))] {
            assert_eq!(server.receipt(&push).await["recipients"], 1, "{push}");
            assert_eq!(socket.json("42").await[1]["event"], name);
        }
    }
    undisturbed(&mut witness).await;
    for body in [
        "null",
        r#"{"targets":null}"#,
        r#"{"event":"E","targets":{"users":null},"payload":1}"#,
    ] {
        let status = server.ask(Request::post("/push/", body)).await.status;
        assert!(matches!(status, 200 | 400), "{body}: {status}");
    }
    server.still_serves().await;
}

/// A body that must end its session, with the type that it claims.
type Body = (&'static str, &'static [u8], &'static str);

const TEXT: &str = "text/plain;charset=UTF-8";
const OCTETS: &str = "application/octet-stream";

const BODIES: [Body; 45] = [
    ("EIO=4", b"", TEXT),
    ("EIO=4", b"x", TEXT),
    ("EIO=4", b"7", TEXT),
    ("EIO=4", b"\x1e", TEXT),
    ("EIO=4", b"3\x1e", TEXT),
    ("EIO=4", b"\x1e3", TEXT),
    ("EIO=4", b"3\x1e\x1e3", TEXT),
    ("EIO=4", b"b!", TEXT),
    ("EIO=4", b"4\xff", TEXT),
    ("EIO=4", b"\xc3", TEXT),
    ("EIO=4", b"3", OCTETS),
    ("EIO=4", b"3\x1eb===", TEXT),
    ("EIO=3", b"", TEXT),
    ("EIO=3", b"x", TEXT),
    ("EIO=3", b":", TEXT),
    ("EIO=3", b"1", TEXT),
    ("EIO=3", b"1:", TEXT),
    ("EIO=3", b"0:", TEXT),
    ("EIO=3", b"-1:2", TEXT),
    ("EIO=3", b"+1:2", TEXT),
    ("EIO=3", b" 1:2", TEXT),
    ("EIO=3", b"1:9", TEXT),
    ("EIO=3", b"5:4a", TEXT),
    ("EIO=3", b"1:2junk", TEXT),
    ("EIO=3", b"1:21:", TEXT),
    ("EIO=3", b"99999999999:2", TEXT),
    ("EIO=3", b"18446744073709551617:2", TEXT),
    ("EIO=3", b"1.0:2", TEXT),
    ("EIO=3", b"4:b4!!", TEXT),
    ("EIO=3", b"1:b", TEXT),
    ("EIO=3", b"2:b2", TEXT),
    ("EIO=3", b"2:4\xf0\x9f\x98\x80", TEXT),
    ("EIO=3", b"2:4\xff", TEXT),
    ("EIO=3", b"2", OCTETS),
    ("EIO=3", b"\0\xff", OCTETS),
    ("EIO=3", b"\0\x01\xff", OCTETS),
    ("EIO=3", b"\0\x01", OCTETS),
    ("EIO=3", b"\x02\x01\xff2", OCTETS),
    ("EIO=3", b"\0\x0a\xff2", OCTETS),
    ("EIO=3", b"\0\x01\xff9", OCTETS),
    ("EIO=3", b"\x01\x01\xff\x02", OCTETS),
    ("EIO=3", b"\x01\x01\xff\x09", OCTETS),
    ("EIO=3", b"\0\x02\xff4\xff", OCTETS),
    ("EIO=3", b"\0\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff2", OCTETS),
    ("EIO=3&b64=1", b"1:22", TEXT),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_payload_ends_its_own_session_and_nothing_else() {
    let server = Server::start();
    let mut witness = server.client().await;
    for (query, body, media) in BODIES {
        let (engine, _) = Engine::join(&server, query).await;
        let post = Request::post(&engine.path(), body).header("Content-Type", media);
        let reply = server.ask(post).await;
        let answer = (reply.status, reply.text());
        let refused = json!({"code": 3, "message": "Bad request"}).to_string();
        assert_eq!(answer, (400, refused), "{query} {body:?}");
        let gone = engine.get().await;
        assert_eq!(
            (gone.status, &gone.value()["code"]),
            (400, &json!(1)),
            "{query} {body:?}"
        );
        undisturbed(&mut witness).await;
    }
    // Two bytes make a packet: CWE-770.
    let (many, _) = Engine::join(&server, "EIO=4").await;
    assert_eq!(many.post("3\u{1e}".repeat(100_000) + "3").await.status, 400);
    // Packets that can be read and break a rule: the waiting poll is told that the session is over.
    for packet in ["2", "42[]", "40", "49"] {
        let (mut engine, _) = Engine::join(&server, "EIO=4").await;
        let packets = [packet];
        let (last, _) = tokio::join!(engine.get(), engine.try_say(&packets));
        if last.status == 200 {
            engine.take(&last);
            assert_eq!(engine.next().await, "1", "{packet}");
        }
        assert_eq!(engine.get().await.value()["code"], 1, "{packet}");
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sockjs_body_that_cannot_be_read_is_refused_and_the_session_lives() {
    let server = Server::start();
    for (action, path, ok) in [("xhr", "xhr_send", 204), ("jsonp", "jsonp_send", 200)] {
        let mut page = Page::open(&server, "/turted", action, action).await;
        let send = |body: &[u8]| server.ask(Request::post(&format!("/turted/000/{action}/{path}"), body));
        let deep = "[".repeat(50_000);
        for (body, why) in [
            (&b""[..], "Payload expected."),
            (b"{}", "Payload expected."),
            (b"\"x\"", "Payload expected."),
            (b"null", "Payload expected."),
            (b"5", "Payload expected."),
            (b"[\"x", "Broken JSON encoding."),
            (b"[\"x\"]]", "Broken JSON encoding."),
            (b"['x']", "Broken JSON encoding."),
            (b"[\"\xff\"]", "Broken JSON encoding."),
            (deep.as_bytes(), "Broken JSON encoding."),
        ] {
            let reply = send(body).await;
            assert_eq!(
                (reply.status, reply.text().as_str()),
                (500, why),
                "{action} {:?}",
                &body[..body.len().min(20)]
            );
        }
        // Legal, and no text: numbers, objects, half of a pair.
        for body in ["[]", "[1,null,{\"a\":1},[2]]", "[\"\\ud800\"]", "[\"\",\"x\"]"] {
            assert_eq!(send(body.as_bytes()).await.status, ok, "{action} {body}");
        }
        page.say("echo", json!(1)).await;
        let mut last = page.message().await;
        while last["type"] == "ERROR" {
            last = page.message().await;
        }
        assert_eq!(last, json!({"type": "message", "data": 1}), "{action}");
    }
    for broken in ["[\"x", "nonsense", "{", "[1,", "[\"x\"] y"] {
        let mut socket = Socket::open(&server, "/turted/000/x/websocket").await;
        assert_eq!(socket.text().await, "o");
        // These are nothing at all.
        socket.say("").await;
        socket.say("[]").await;
        socket.say(broken).await;
        assert!(socket.until_closed().await.0.is_empty(), "{broken}");
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_refused_messages_in_a_row_end_a_client_of_any_dialect() {
    let server = Server::start();
    let mut socket = joined(&server).await;
    for _ in 0..20 {
        socket.say(r#"42["JOIN",{}]"#).await;
    }
    let (heard, code) = socket.until_closed().await;
    // Told to leave, it does not come back by itself.
    assert_eq!(
        (heard.len(), heard.last(), code),
        (21, Some(&Heard::Text("41".into())), Some(4000))
    );

    let mut page = Page::open(&server, "/turted", "refused", "xhr_streaming").await;
    let messages = json!(vec!["nonsense"; 20]).to_string();
    let sent = server
        .ask(Request::post("/turted/000/refused/xhr_send", messages))
        .await;
    assert!(matches!(sent.status, 204 | 404), "{}", sent.status);
    for _ in 0..20 {
        assert_eq!(page.message().await["type"], "ERROR");
    }
    assert_eq!(page.frame().await, r#"c[4000,"too many bad messages"]"#);
    server.still_serves().await;
}
