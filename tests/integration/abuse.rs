//! Malformed, hostile and broken peers: each is answered or dropped, and the next one is served as if nothing had
//! happened.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Engine, Request, Server, Value, json, to_all, to_channel, within};

/// A WebSocket whose frames are written by hand; the WELCOME has been read.
async fn raw_websocket(server: &Server) -> TcpStream {
    let mut wire = server.wire().await;
    wire.write_all(&Request::upgrade("/ws").bytes(&server.address))
        .await
        .unwrap();
    let mut seen = Vec::new();
    while !seen.windows(7).any(|window| window == b"WELCOME") {
        let mut bytes = [0; 1024];
        let count = within("the WELCOME", wire.read(&mut bytes)).await.unwrap();
        assert!(count > 0, "no WELCOME: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&bytes[..count]);
    }
    wire
}

/// Everything up to the end of the connection.
async fn rest(wire: &mut TcpStream) -> Vec<u8> {
    let mut seen = Vec::new();
    // A reset is an end as well.
    let _ = within("the server to hang up", wire.read_to_end(&mut seen)).await;
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_push_is_refused_and_forgotten() {
    let server = Server::start();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: [&[u8]; 12] = [
        b"",
        b"null",
        b"{",
        b"[",
        b"{\"event\":}",
        b"\xff\xfe",
        b"{\"payload\":\"\xff\"}",
        b"{} {}",
        b"NaN",
        b"'{}'",
        b"{\"targets\":{\"channels\":[{\"__proto__\":1}]}}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let reply = server.ask(Request::new("POST", "/push/").body(body)).await;
        assert_eq!(
            reply.status,
            400,
            "{:?}",
            String::from_utf8_lossy(&body[..body.len().min(60)])
        );
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversize_push_is_answered_with_413() {
    let server = Server::with("limits.push_bytes = \"64 KiB\"");
    let mut client = server.client().await;
    for size in [65 * 1024, 4 << 20] {
        let push = to_all("BIG", json!("x".repeat(size)));
        assert_eq!(server.push(&push).await.status, 413, "{size}");
        let reply = server.ask(Request::json("/push/", &push)).await;
        assert_eq!(
            (reply.status, reply.value()["error"]["code"].is_string()),
            (413, true),
            "{size}"
        );
    }
    assert!(client.heard(&server).await.is_empty());
    assert_eq!(
        server.receipt(&to_all("BIG", json!("x".repeat(60 * 1024)))).await["recipients"],
        1
    );
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_lies_about_its_length_harms_nobody() {
    let server = Server::start();
    for head in [
        "Content-Length: 18446744073709551615",
        "Content-Length: -1",
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: nonsense",
    ] {
        let mut wire = server.wire().await;
        let request = format!("POST /push/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}\r\n\r\n{{}}");
        wire.write_all(request.as_bytes()).await.unwrap();
        wire.shutdown().await.unwrap();
        let answer = rest(&mut wire).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(
            !text.starts_with("HTTP/1.1 2") && !text.starts_with("HTTP/1.1 5"),
            "{head}: {text}"
        );
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_commands_are_answered_with_what_is_wrong() {
    let server = Server::start();
    let mut client = server.client().await;
    for (text, code) in [
        ("nonsense", "bad_message"),
        ("", "bad_message"),
        ("null", "bad_message"),
        ("5", "bad_message"),
        ("[]", "bad_message"),
        ("{}", "bad_message"),
        ("{\"type\":5}", "bad_message"),
        ("{\"type\":\"DESTROY\"}", "unknown_type"),
        ("{\"type\":\"\"}", "unknown_type"),
        ("{\"type\":\"JOIN\"}", "missing_field"),
        ("{\"type\":\"JOIN\",\"data\":null}", "missing_field"),
        ("{\"type\":\"JOIN\",\"data\":{}}", "missing_field"),
        ("{\"type\":\"JOIN\",\"data\":{\"channel\":\"\"}}", "bad_name"),
        ("{\"type\":\"JOIN\",\"data\":{\"channel\":\"a\\nb\"}}", "bad_name"),
        ("{\"type\":\"LEAVE\",\"data\":{\"channel\":\"a\\u0000b\"}}", "bad_name"),
        ("{\"type\":\"IDENT\",\"data\":{\"username\":\"a\\nb\"}}", "bad_name"),
        ("{\"type\":\"LEAVE\",\"data\":{\"channel\":\"never\"}}", "not_joined"),
    ] {
        client.text(text).await;
        let answer = client.next().await;
        assert_eq!(
            (&answer["type"], &answer["data"]["code"]),
            (&json!("ERROR"), &json!(code)),
            "{text}: {answer}"
        );
        assert!(
            answer["data"]["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{text}: {answer}"
        );
        // A good one in between: only bad messages in a row count.
        assert_eq!(client.ask("PING", Value::Null).await["type"], "PONG", "after {text}");
    }
    let long = client.ask("JOIN", json!({"channel": "x".repeat(201)})).await;
    assert_eq!(long["data"]["code"], "bad_name");
    for data in [
        json!({"channel": 5}),
        json!({"channel": null}),
        json!({"channel": ["a"]}),
        json!("chat"),
        json!([]),
    ] {
        assert_eq!(client.ask("JOIN", data.clone()).await["type"], "ERROR", "{data}");
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_or_long_message_is_refused_without_harm() {
    let server = Server::start();
    let mut client = server.client().await;
    let deep = format!(
        "{{\"type\":\"ECHO\",\"data\":{}{}}}",
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    client.text(&deep).await;
    assert_eq!(client.next().await["data"]["code"], "bad_message");
    client
        .text(&format!("{{\"type\":\"PING\",\"ref\":\"{}\"}}", "r".repeat(65)))
        .await;
    let answer = client.next().await;
    assert!(answer["ref"].as_str().is_none_or(|text| text.len() <= 64), "{answer}");
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_bad_messages_in_a_row_end_the_connection() {
    let server = Server::start();
    let mut client = server.client().await;
    for _ in 0..19 {
        client.text("nonsense").await;
        client.expect("ERROR").await;
    }
    assert_eq!(
        client.ask("PING", Value::Null).await["type"],
        "PONG",
        "nineteen are forgiven"
    );
    for _ in 0..20 {
        if !client.try_text("nonsense").await {
            break;
        }
    }
    let (bye, code) = client.until_closed().await;
    assert_eq!(code, Some(4000));
    assert_eq!(bye.expect("a BYE")["code"], 4000);
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_frame_ends_only_its_own_connection() {
    let server = Server::start();
    let mut witness = server.client().await;
    let long_ping = [&[0x89, 0xfe, 0x00, 0x80][..], &[0; 4 + 128]].concat();
    let frames: [(&str, &[u8]); 6] = [
        ("a text that is not UTF-8", &[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]),
        ("an unmasked text", &[0x81, 0x02, b'{', b'}']),
        ("a reserved opcode", &[0x83, 0x80, 0, 0, 0, 0]),
        ("reserved bits", &[0xf1, 0x80, 0, 0, 0, 0]),
        ("a ping that is too long", &long_ping),
        ("a continuation of nothing", &[0x80, 0x80, 0, 0, 0, 0]),
    ];
    let mut wires = Vec::new();
    for (what, frame) in frames {
        let mut wire = raw_websocket(&server).await;
        wire.write_all(frame).await.unwrap();
        wires.push(wire);
        assert_eq!(witness.ask("PING", Value::Null).await["type"], "PONG", "after {what}");
    }
    // Together, because the server grants each of them a moment to answer its goodbye.
    futures_util::future::join_all(wires.iter_mut().map(rest)).await;
    server.still_serves().await;
}

/// The code with which the server closes a WebSocket at this path that says these frames.
async fn close_code(server: &Server, path: &str, frames: &[u8]) -> u16 {
    let mut wire = server.wire().await;
    let upgrade = Request::upgrade(path).bytes(&server.address);
    wire.write_all(&[&upgrade, frames].concat()).await.unwrap();
    let mut seen = Vec::new();
    loop {
        let read = within("a close frame", wire.read_buf(&mut seen)).await.unwrap();
        assert!(read > 0, "{path}: no close frame: {}", String::from_utf8_lossy(&seen));
        let Some(head) = seen.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let mut rest = &seen[head + 4..];
        while let [first, length, payload @ ..] = rest {
            assert!(*length < 127, "no frame here is that long");
            let (length, payload) = match (*length, payload) {
                (126, [high, low, payload @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), payload),
                (length, payload) => (length.into(), payload),
            };
            match payload.get(..length) {
                None => break,
                Some([high, low, ..]) if *first == 0x88 => return u16::from_be_bytes([*high, *low]),
                Some(_) => rest = &payload[length..],
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_breaks_the_rules_of_the_websocket_is_told_which_kind() {
    let server = Server::start();
    let masked = |head: u8, payload: &[u8]| {
        let length = 0x80 | u8::try_from(payload.len()).unwrap();
        [&[head, length, 0, 0, 0, 0], payload].concat()
    };
    let cut = [masked(0x01, b"caf\xc3"), masked(0x80, b"\xa9\xc3")].concat();
    let between = [
        masked(0x01, b"\xf0\x9f"),
        masked(0x89, b"?"),
        masked(0x00, b"x"),
        masked(0x80, b""),
    ]
    .concat();
    // 80,000 bytes, which is more than a message may have.
    let long = |head: u8, mask: u8| [&[head, mask | 127][..], &80_000_u64.to_be_bytes(), &[0; 4]].concat();
    for (what, frames, code) in [
        ("a text that is not UTF-8", masked(0x81, b"\xff\xfe"), 1007),
        ("half a surrogate pair", masked(0x81, b"\xed\xa0\x80"), 1007),
        ("a text that ends within a character", masked(0x81, b"caf\xc3"), 1007),
        ("the same in fragments", cut, 1007),
        ("fragments with a ping between them", between, 1007),
        ("a reserved bit", masked(0xc1, b"{}"), 1002),
        ("reserved bits of a control frame", masked(0xf9, b""), 1002),
        ("a reserved opcode", masked(0x83, b""), 1002),
        ("a reserved control opcode", masked(0x8b, b""), 1002),
        ("an unmasked text", vec![0x81, 2, b'{', b'}'], 1002),
        ("a ping in fragments", masked(0x09, b""), 1002),
        (
            "a ping that is too long",
            [&[0x89, 0xfe, 0, 126][..], &[0; 4 + 126]].concat(),
            1002,
        ),
        ("a continuation of nothing", masked(0x80, b""), 1002),
        (
            "a text within another",
            [masked(0x01, b"{"), masked(0x81, b"}")].concat(),
            1002,
        ),
        ("a close frame of one byte", masked(0x88, b"x"), 1002),
        (
            "a close code that nobody may send",
            masked(0x88, &1005_u16.to_be_bytes()),
            1002,
        ),
        ("a text that is too large", long(0x81, 0x80), 1009),
        ("a compressed one", long(0xc1, 0x80), 1002),
        ("an unmasked one", long(0x81, 0), 1002),
        ("a ping of that size", long(0x89, 0x80), 1002),
    ] {
        for path in [
            "/ws",
            "/turted/websocket",
            "/turted/000/a/websocket",
            "/socket.io/?EIO=4&transport=websocket",
            "/socket.io/?EIO=3&transport=websocket",
        ] {
            // A session of SockJS says itself that a message was too large, and then closes normally.
            let is_said = code == 1009 && path.ends_with("a/websocket");
            let expected = if is_said { 1000 } else { code };
            assert_eq!(close_code(&server, path, &frames).await, expected, "{what} at {path}");
        }
        let session = Engine::open(&server, "EIO=4").await;
        let trial = close_code(&server, &session.socket_path(), &frames).await;
        assert_eq!(trial, code, "{what} of a socket on trial");
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_claims_to_be_huge_is_not_collected() {
    let server = Server::start();
    let before = server.memory();
    for length in [1 << 30, (1_u64 << 63) - 1, u64::MAX] {
        let mut wire = raw_websocket(&server).await;
        let head = [&[0x81, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
        wire.write_all(&head).await.unwrap();
        let chunk = vec![b' '; 1 << 20];
        let mut most = 0;
        let refused = async {
            // The server reads and drops what is under way, so that its goodbye is not lost, and then hangs up.
            while wire.write_all(&chunk).await.is_ok() {
                most = most.max(server.memory());
            }
        };
        within("the server to hang up", refused).await;
        assert!(
            most < before + (64 << 20),
            "{most} bytes for a frame of {length}, {before} before"
        );
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_handshake_and_half_a_frame_harm_nobody() {
    let server = Server::start();
    for part in [
        "",
        "GET",
        "GET /ws HTTP/1.1\r\n",
        "\r\n\r\n\r\n",
        "POST /push/ HTTP/1.1\r\nContent-Length: 10\r\n\r\n{",
    ] {
        let mut wire = server.wire().await;
        wire.write_all(part.as_bytes()).await.unwrap();
    }
    let mut wire = raw_websocket(&server).await;
    wire.write_all(&[0x81, 0xfe]).await.unwrap();
    drop(wire);
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragmented_message_is_put_together() {
    let server = Server::start();
    let mut wire = raw_websocket(&server).await;
    let (first, last) = (b"{\"type\":\"EC", b"HO\",\"data\":\"whole\"}");
    let frame = |head: u8, part: &[u8]| [&[head, 0x80 | part.len() as u8, 0, 0, 0, 0], part].concat();
    let ping = frame(0x89, b"");
    wire.write_all(&[frame(0x01, first), ping, frame(0x80, last)].concat())
        .await
        .unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("whole") {
        let mut bytes = [0; 256];
        let count = within("the echo", wire.read(&mut bytes)).await.unwrap();
        assert!(count > 0, "closed instead");
        seen.extend_from_slice(&bytes[..count]);
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_is_kept_out_at_both_doors() {
    let server = Server::public("server.origins = [\"https://app.example\"]");
    let upgrade = |origin: &str| Request::upgrade("/ws").header("Origin", origin);
    for origin in [
        "https://evil.example",
        "https://app.example.evil.example",
        "http://app.example",
        "null",
    ] {
        assert_eq!(server.ask(upgrade(origin)).await.status, 403, "/ws for {origin}");
        let push = Request::new("POST", "/push/").header("Origin", origin).body("{}");
        assert_eq!(server.ask(push).await.status, 403, "/push/ for {origin}");
    }
    for origin in ["https://app.example", &server.url()] {
        let push = Request::new("POST", "/push/").header("Origin", origin).body("{}");
        assert_eq!(server.ask(push).await.status, 200, "/push/ for {origin}");
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_the_pages() {
    let server = Server::start();
    for path in [
        "/../Cargo.toml",
        "/static/../../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/..%2fCargo.toml",
        "/..%5cCargo.toml",
        "//etc/passwd",
        "/%00",
        "/turted.toml",
    ] {
        let reply = server.get(path).await;
        assert!(!(200..300).contains(&reply.status), "{path}: {}", reply.status);
        assert!(
            !reply.text().contains("[package]") && !reply.text().contains("root:"),
            "{path}"
        );
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_vanish_are_forgotten() {
    let server = Server::start();
    for _ in 0..50 {
        server.member(&["chat"]).await.lose_wire();
    }
    let mut client = server.member(&["chat"]).await;
    server
        .receipt(&to_channel("chat", "E", json!("x".repeat(10_000))))
        .await;
    client.event().await;
    server.still_serves().await;
}
