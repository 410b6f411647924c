//! Clients that do not read: each is ended at the bound of its outbox, or when it is one of the heaviest at the bound
//! of all, and told so, and the others hear everything.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Client, Engine, Heard, Page, Request, Server, Socket, Stream, json, to_channel, within};

const SMALL: &str = "limits.push_bytes = \"256 KiB\"\nlimits.outbox_bytes = \"256 KiB\"\nhistory.bytes = \"1 MiB\"";

/// A wire with little room for what is not read.
async fn narrow(server: &Server) -> TcpStream {
    let wire = server.wire().await;
    socket2::SockRef::from(&wire).set_recv_buffer_size(128 << 10).unwrap();
    wire
}

/// An event stream that is open and will not be read.
async fn stream(server: &Server, query: &str) -> Stream {
    let request = Request::new("GET", &format!("/events?channel={query}"));
    let mut stream = Stream::over(narrow(server).await, &server.address, request)
        .await
        .unwrap();
    stream.event().await;
    stream
}

/// A WebSocket that will not be read, after it has said this and heard so many texts.
async fn socket(server: &Server, path: &str, said: &[&str], heard: usize) -> Socket {
    let mut socket = Socket::over(narrow(server).await, &server.address, path).await.unwrap();
    for text in said {
        socket.say(text).await;
    }
    for _ in 0..heard {
        socket.text().await;
    }
    socket
}

/// Pushes large events to `chat` until nobody but the witness hears them; gives the most that did.
async fn flood(server: &Server, witness: &mut Client) -> u64 {
    let (before, payload) = (server.memory(), "x".repeat(200_000));
    let (mut most, mut pushed) = (0, 0);
    let flood = async {
        loop {
            let receipt = server.receipt(&to_channel("chat", "E", json!([pushed, payload]))).await;
            assert_eq!(witness.event().await["data"]["payload"][0], pushed);
            let recipients = receipt["recipients"].as_u64().unwrap();
            if recipients == 1 {
                break;
            }
            most = recipients.max(most);
            pushed += 1;
        }
    };
    within("all but the witness to be ended", flood).await;
    // CWE-400: clients that read nothing hold their outboxes, and not what was pushed.
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes after {pushed} pushes");
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_read_is_ended_and_told_and_the_others_hear_everything() {
    let server = Server::with(SMALL);
    let mut witness = server.member(&["chat"]).await;
    let (named, native) = (
        stream(&server, "chat").await,
        stream(&server, "chat&format=native").await,
    );
    let join = r#"42["JOIN",{"channel":"chat"}]"#;
    let mut socketio = socket(&server, "/socket.io/?EIO=4&transport=websocket", &["40", join], 3).await;
    let join = r#"["{\"type\":\"join\",\"data\":{\"channel\":\"chat\"}}"]"#;
    let mut sockjs = socket(&server, "/turted/0/slow/websocket", &[join], 2).await;
    assert_eq!(flood(&server, &mut witness).await, 5);
    for stream in [named, native] {
        assert!(stream.rest().await.contains("\"code\":4008"), "a goodbye");
    }
    assert_eq!(socketio.until_closed().await.1, Some(4008));
    let (heard, _) = sockjs.until_closed().await;
    assert_eq!(heard.last(), Some(&Heard::Text(r#"c[4008,"slow"]"#.into())));
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_come_for_what_waits_is_ended_and_told_when_it_comes() {
    let server = Server::with(SMALL);
    let mut witness = server.member(&["chat"]).await;
    let (mut engine, _) = Engine::join(&server, "EIO=4").await;
    engine.say(r#"42["JOIN",{"channel":"chat"}]"#).await;
    engine.json("42").await;
    let opened = server.ask(Request::post("/poll", "")).await.value();
    let (connection, secret) = (
        opened["connection"].as_str().unwrap(),
        opened["secret"].as_str().unwrap(),
    );
    let poll = format!("/poll/{connection}?secret={secret}");
    let command = Request::post(&poll, r#"{"type":"JOIN","data":{"channel":"chat"}}"#);
    assert_eq!(server.ask(command.header("Turted-Secret", secret)).await.status, 200);
    let mut page = Page::open(&server, "/turted", "slow-poll", "xhr").await;
    // Its response ends at the limit of responses, read or not; from then on it is as one that polls.
    let mut streaming = Page::open(&server, "/turted", "slow-stream", "xhr_streaming").await;
    for page in [&mut page, &mut streaming] {
        page.say("join", json!({"channel": "chat"})).await;
        page.message().await;
    }
    assert_eq!(flood(&server, &mut witness).await, 5);
    assert_eq!(page.frame().await, r#"c[4008,"slow"]"#);
    let mut again = Page::new(&server, "/turted", "slow-stream", "xhr_streaming");
    assert_eq!(again.frame().await, r#"c[4008,"slow"]"#);
    assert_eq!(engine.next().await, "1");
    let told = server.get(&poll).await.value();
    assert_eq!(
        (&told[0]["type"], &told[0]["data"]["code"]),
        (&json!("BYE"), &json!(4008))
    );
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_for_good_loses_its_place_although_its_socket_stays() {
    let server = Server::with(SMALL);
    let _stalled = [stream(&server, "chat").await, stream(&server, "chat").await];
    let payload = "x".repeat(200_000);
    let flood = async { while server.receipt(&to_channel("chat", "E", json!(payload))).await["recipients"] != 0 {} };
    within("the readers to be ended", flood).await;
    // Their sockets are open and full; it is a matter of the kernel now, and takes nothing from the others.
    server.still_serves().await;
}

/// The bytes that wait for all clients.
async fn waiting(server: &Server) -> usize {
    let numbers = server.get("/metrics").await.text();
    let line = numbers
        .lines()
        .find_map(|line| line.strip_prefix("turted_outbox_bytes "));
    line.expect("the number is there").parse().unwrap()
}

// CWE-400: the bound of each times the number of clients was all there was.
#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_bound_of_all_the_heaviest_are_ended_and_whoever_reads_or_holds_little_stays() {
    let (most, payload) = (4 << 20, "x".repeat(500_000));
    let bounds = "limits.outbox_bytes = \"4 MiB\"\nlimits.outbox_total = \"4 MiB\"\nlimits.slow = \"drop\"";
    let server = Server::with(&format!("{bounds}\nhistory.bytes = \"1 MiB\""));
    let mut witness = server.member(&["read"]).await;
    let light = stream(&server, "light").await;
    let fill = async {
        while waiting(&server).await < payload.len() {
            server.receipt(&to_channel("light", "E", json!(payload))).await;
        }
    };
    within("something to wait for the light one", fill).await;
    let (mut heavy, mut left) = (Vec::new(), vec!["heavy-0", "heavy-1", "heavy-2"]);
    for channel in &left {
        heavy.push((*channel, stream(&server, channel).await));
    }
    for round in 0.. {
        assert!(round < 100, "{left:?} are never ended");
        if round % 10 == 9 {
            // What waited for the light one may have gone into its socket: alone, a heavy one fills the total and no
            // more.
            server.receipt(&to_channel("light", "E", json!(payload))).await;
        }
        let mut here = Vec::new();
        for channel in left {
            let receipt = server.receipt(&to_channel(channel, "E", json!(payload))).await;
            here.extend((receipt["recipients"] == 1).then_some(channel));
            within("the total to fall", async { while waiting(&server).await > most {} }).await;
        }
        server.receipt(&to_channel("read", "E", json!(round))).await;
        assert_eq!(witness.event().await["data"]["payload"], round);
        left = here;
        if left.is_empty() {
            break;
        }
    }
    for (channel, stream) in heavy {
        assert!(stream.rest().await.contains("\"code\":4008"), "{channel} is told");
    }
    let receipt = server.receipt(&to_channel("light", "E", json!(1))).await;
    assert_eq!(receipt["recipients"], 1, "what holds little is not ended");
    assert!(server.log().contains("limits.outbox_total"), "nothing in silence");
    drop(light);
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_come_behind_one_that_waits_cost_nothing() {
    // More of them than actix-http keeps: it was busy with each such connection, even after its end.
    let server = Server::start();
    let mut witness = server.member(&["chat"]).await;
    let mut wires = Vec::new();
    for first in ["/events?channel=chat", "/observe", "/sse"] {
        let mut wire = server.wire().await;
        let one = |path: &str| Request::new("GET", path).kept().bytes(&server.address);
        wire.write_all(&one(first)).await.unwrap();
        let more = one("/health/live").repeat(5000);
        // As much as there is room for.
        let _ = tokio::time::timeout(Duration::from_millis(500), wire.write_all(&more)).await;
        wires.push(wire);
    }
    let (before, begun) = (server.cpu(), Instant::now());
    let mut pace = tokio::time::interval(Duration::from_millis(40));
    for number in 0..50 {
        // The pace is the story: this much time passes while little is to be done.
        pace.tick().await;
        server.receipt(&to_channel("chat", "E", json!(number))).await;
        witness.event().await;
    }
    let (cost, time) = (server.cpu() - before, begun.elapsed());
    assert!(cost < time / 4, "{cost:?} of {time:?}");
    // And each of them hears what it has asked for.
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("event: E\n") {
        assert_ne!(within("the stream", wires[0].read_buf(&mut heard)).await.unwrap(), 0);
    }
}
