//! Every bound of `[limits]`: what reaches it is told so, and nobody else notices.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Client, Request, Server, Stream, Value, json, to_channel, within};
use crate::polls::Polls;

#[tokio::test(flavor = "multi_thread")]
async fn the_channel_after_the_last_allowed_is_refused() {
    let server = Server::with("limits.messages_burst = 1000");
    let mut client = server.client().await;
    for number in 0..128 {
        client.join(&format!("channel-{number}")).await;
    }
    let answer = client.ask("JOIN", json!({"channel": "one-more"})).await;
    assert_eq!(
        (&answer["type"], &answer["data"]["code"]),
        (&json!("ERROR"), &json!("too_many_channels"))
    );
    client.join("channel-0").await;
    assert_eq!(
        server.receipt(&to_channel("one-more", "E", json!(1))).await["recipients"],
        0
    );
    assert_eq!(client.ask("LEAVE", json!({"channel": "channel-0"})).await["type"], "OK");
    client.join("one-more").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_in_a_hurry_is_slowed_down_and_every_command_has_its_effect() {
    let server = Server::with("limits.messages_per_second = 10\nlimits.messages_burst = 5\nlimits.bad_messages = 3");
    let mut client = server.client().await;
    let begun = Instant::now();
    for number in 0..15 {
        client
            .send(json!({"type": "JOIN", "data": {"channel": format!("c{number}")}, "ref": number}))
            .await;
    }
    for number in 0..15 {
        let answer = client.answer(json!(number)).await;
        assert_eq!(answer["type"], "OK", "{answer}");
    }
    // Five at once, then ten a second.
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    for channel in ["c0", "c14"] {
        assert_eq!(
            server.receipt(&to_channel(channel, "E", json!(1))).await["recipients"],
            1
        );
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_flood_of_well_formed_messages_ends_a_client_whatever_it_speaks() {
    let server = Server::with("limits.messages_per_second = 1000\nlimits.messages_burst = 10\nlimits.bad_messages = 3");
    let mut client = server.client().await;
    for number in 0..1000 {
        client.send(json!({"type": "PING", "ref": number})).await;
    }
    for number in 0..1000 {
        assert_eq!(client.next().await["ref"], number);
    }
    // Commands in requests of their own, side by side.
    let polls = Polls::open(&server, "").await;
    let joins = (0..50).map(|number| polls.command("JOIN", json!({"channel": format!("c{number}")})));
    for answer in futures_util::future::join_all(joins).await {
        assert_eq!(answer["type"], "OK", "{answer}");
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversize_message_ends_the_connection_with_1009() {
    let server = Server::with("limits.message_bytes = \"4 KiB\"");
    let echo = |size: usize| json!({"type": "ECHO", "data": "x".repeat(size)}).to_string();
    let mut client = server.client().await;
    client.text(&echo(4000)).await;
    client.expect("ECHO").await;
    client.text(&echo(5000)).await;
    assert_eq!(client.until_closed().await.1, Some(1009));
    // The same in pieces, each of them small.
    let mut client = server.client().await;
    client.try_text(&echo(100_000)).await;
    assert_eq!(client.until_closed().await.1, Some(1009));
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_message_is_answered_or_refused() {
    let server = Server::start();
    let mut client = server.client().await;
    client.frame(Message::binary(vec![0, 159, 146, 150])).await;
    let answer = client.next().await;
    assert!(
        matches!(answer["type"].as_str(), Some("ERROR" | "BYE" | "#close")),
        "{answer}"
    );
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_after_the_last_allowed_is_refused() {
    for setting in ["limits.connections = 3", "limits.connections_per_address = 3"] {
        let server = Server::with(setting);
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(server.client().await);
        }
        let status = server.ask(Request::upgrade("/ws")).await.status;
        assert!(matches!(status, 429 | 503), "{setting}: {status}");
        assert_eq!(
            server.push(&json!({})).await.text(),
            "OK",
            "{setting}: backends are not clients"
        );
        assert_eq!(clients[0].ask("PING", Value::Null).await["type"], "PONG");
        // A place that becomes free is given away again.
        drop(clients.pop());
        within("a free place", async {
            while server.ask(Request::upgrade("/ws")).await.status != 101 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_is_dropped_and_the_others_hear_everything() {
    const EVENTS: usize = 300;
    let server = Arc::new(Server::with(
        "limits.push_bytes = \"128 KiB\"\nlimits.outbox_bytes = \"256 KiB\"\nlimits.outbox_frames = 100000",
    ));
    let mut stalled = server.member(&["chat"]).await;
    let mut reader = server.member(&["chat"]).await;
    let reading = tokio::spawn(async move {
        let events = reader.events(EVENTS).await;
        (
            reader,
            events
                .iter()
                .map(|event| event["data"]["payload"]["n"].clone())
                .collect::<Vec<_>>(),
        )
    });
    let padding = "x".repeat(100_000);
    let mut recipients = Vec::new();
    for number in 0..EVENTS {
        let push = to_channel("chat", "E", json!({"n": number, "x": padding}));
        recipients.push(server.receipt(&push).await["recipients"].as_u64().unwrap());
    }
    assert_eq!(recipients.first(), Some(&2));
    assert_eq!(recipients.last(), Some(&1), "the stalled one must be gone");
    let (mut reader, numbers) = reading.await.unwrap();
    assert_eq!(numbers, (0..EVENTS).map(|number| json!(number)).collect::<Vec<_>>());
    assert_eq!(reader.ask("PING", Value::Null).await["type"], "PONG");
    // What was on its way to the stalled one ends; whether a BYE still fitted depends on the buffers in between.
    let (bye, code) = stalled.until_closed().await;
    assert!(code.is_none_or(|code| code == 4008), "{code:?}");
    assert!(bye.is_none_or(|bye| bye["code"] == 4008 && bye["reconnect"] == true));
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_that_is_forgiven_misses_events_and_stays() {
    let server =
        Server::with("limits.push_bytes = \"128 KiB\"\nlimits.outbox_bytes = \"256 KiB\"\nlimits.slow = \"drop\"");
    let mut client = server.member(&["chat"]).await;
    let padding = "x".repeat(100_000);
    for number in 0..300 {
        server
            .receipt(&to_channel("chat", "E", json!({"n": number, "x": padding})))
            .await;
    }
    client
        .send(json!({"type": "ECHO", "data": "here", "ref": "still"}))
        .await;
    let mut heard = Vec::new();
    loop {
        let message = client.next().await;
        if message["ref"] == "still" {
            break;
        }
        heard.push(message["data"]["payload"]["n"].as_u64().unwrap());
    }
    assert!(heard.len() < 300, "something must have been dropped");
    assert!(
        heard.is_sorted_by(|earlier, later| earlier < later),
        "what came is in order, once: {heard:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_sign_of_life_is_dropped() {
    let server = Server::with("limits.ping = \"1s\"");
    // It is connected and reads nothing, so it answers no ping either.
    let silent = server.member(&["chat"]).await;
    let mut lively = server.member(&["chat"]).await;
    within("the silent one to go", async {
        while server.receipt(&to_channel("chat", "E", json!(1))).await["recipients"] != 1 {
            lively.event().await;
        }
    })
    .await;
    drop(silent);
    assert_eq!(lively.ask("PING", Value::Null).await["type"], "PONG");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_is_given_up() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Server::with("limits.header_timeout = \"1s\"");
    let mut wire = server.wire().await;
    wire.write_all(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = within("the server to give up", wire.read_to_end(&mut answer)).await;
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_welcome_says_how_often_a_ping_comes_and_how_long_one_may_be_away() {
    let server = Server::with("limits.ping = \"7s\"\nhistory.age = \"33s\"");
    let client = Client::connect(&server).await;
    assert_eq!(
        (&client.welcome["ping"], &client.welcome["window"]),
        (&json!(7), &json!(33))
    );
    assert!(client.welcome["server"].as_str().unwrap().starts_with("turted/"));
    assert_ne!(client.connection, client.token, "the public id is not the secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stood_still_ends_nobody_for_its_own_silence() {
    let fast = "limits.messages_per_second = 100000\nlimits.messages_burst = 100000";
    let server = Server::with(&format!("limits.ping = \"1s\"\n{fast}"));
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(server.member(&["chat"]).await);
    }
    let polls = Polls::open(&server, "").await;
    polls.command("JOIN", json!({"channel": "chat"})).await;
    server.signal("STOP");
    // A machine is paused; patience is two intervals.
    tokio::time::sleep(Duration::from_secs(6)).await;
    server.signal("CONT");
    // Whoever would be ended would be ended by the next look, which comes within an interval; clients that read answer
    // questions.
    let (begun, mut after) = (Instant::now(), String::new());
    for number in 0.. {
        let receipt = server.receipt(&to_channel("chat", "E", json!(number))).await;
        assert_eq!(receipt["recipients"], 21, "after {:?}", begun.elapsed());
        for client in &mut clients {
            assert_eq!(client.events(1).await[0]["data"]["payload"], number);
        }
        assert_eq!(polls.events(&mut after, 1).await[0]["payload"], number);
        if begun.elapsed() > Duration::from_millis(2500) {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_break_off_again_and_again_cost_no_more_than_is_kept_of_them() {
    let server = Server::with("limits.parked_bytes = \"256 KiB\"\nlimits.messages_burst = 1000000");
    let name = |number: usize| format!("{number:0>180}");
    let mut most = 0;
    for round in 0..40 {
        let mut client = server.client().await;
        for number in 0..100 {
            client
                .send(json!({"type": "JOIN", "data": {"channel": name(number)}, "ref": number}))
                .await;
        }
        client.answer(json!(99)).await;
        // Without a goodbye.
        drop(client);
        let shown = server.get("/metrics").await.text();
        let waiting = shown.lines().find_map(|line| line.strip_prefix("turted_parked "));
        most = most.max(waiting.unwrap().parse::<usize>().unwrap());
        // A hundred names of 180 bytes are more than 24 KiB.
        assert!(most <= 11, "{most} are waited for after {round} rounds");
    }
    assert!(most >= 5, "they are waited for: {most}");
    server.still_serves().await;
}

/// The beginning of what is answered to a head, and nothing else, on one connection.
async fn answered(wire: &mut TcpStream, bytes: usize) -> String {
    let mut answer = vec![0; bytes];
    let count = within("an answer", wire.read(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_before_a_body_that_is_too_large_need_not_send_it() {
    let server = Server::start();
    for (path, length, said) in [
        ("/push/", 100, "HTTP/1.1 100 Continue\r\n"),
        ("/push/", 1 << 20, "HTTP/1.1 100 Continue\r\n"),
        ("/push/", (1 << 20) + 1, "HTTP/1.1 413 Payload Too Large\r\n"),
        ("/push", (1 << 20) + 1, "HTTP/1.1 413 Payload Too Large\r\n"),
        ("/poll/x", 1 << 30, "HTTP/1.1 413 Payload Too Large\r\n"),
        ("/nowhere", usize::MAX, "HTTP/1.1 413 Payload Too Large\r\n"),
    ] {
        let mut wire = server.wire().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        );
        wire.write_all(head.as_bytes()).await.unwrap();
        let answer = answered(&mut wire, 1024).await;
        assert!(answer.starts_with(said), "{path} {length}: {answer}");
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_bodies_under_way_together_have_a_bound() {
    let server = Server::with("limits.bodies_total = \"1 MiB\"");
    let mut creeping = server.wire().await;
    let head = "POST /push/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n";
    creeping.write_all(head.as_bytes()).await.unwrap();
    creeping.write_all(&vec![b' '; 999_998]).await.unwrap();
    within("the body to be read so far", async {
        while !server
            .get("/metrics")
            .await
            .text()
            .contains("\nturted_body_bytes 999998\n")
        {}
    })
    .await;
    let push = || Request::post("/push/", format!("{{}}{}", " ".repeat(200_000)));
    let refused = server.ask(push()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(refused.text().contains("try again"), "{}", refused.text());
    creeping.write_all(b"{}").await.unwrap();
    let answer = answered(&mut creeping, 1024).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(server.ask(push()).await.status, 200, "there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_carry_nobody_are_counted_and_bounded() {
    let server = Server::with("limits.connections_per_address = 1\nlimits.header_timeout = \"60s\"");
    let mut idle = Vec::new();
    for _ in 0..102 {
        idle.push(server.wire().await);
    }
    within("a refusal", async {
        loop {
            let mut wire = server.wire().await;
            let mut said = [0; 1024];
            let read = tokio::time::timeout(std::time::Duration::from_millis(200), wire.read(&mut said)).await;
            if let Ok(Ok(count)) = read {
                let said = String::from_utf8_lossy(&said[..count]).into_owned();
                assert!(
                    said.starts_with("HTTP/1.1 503") && said.ends_with("too many open connections"),
                    "{said}"
                );
                break;
            }
        }
    })
    .await;
    idle.clear();
    within("room for a request", async {
        loop {
            let mut wire = server.wire().await;
            let bytes = Request::new("GET", "/metrics").bytes("localhost");
            let mut said = Vec::new();
            let _ = wire.write_all(&bytes).await;
            let _ = wire.read_to_end(&mut said).await;
            let said = String::from_utf8_lossy(&said).into_owned();
            if said.contains("\nturted_sockets 1\n") {
                break;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_are_counted_and_bounded() {
    let server = Server::with("observe.viewers = 1");
    let first = Stream::open(&server, Request::new("GET", "/observe")).await;
    assert_eq!(first.status(), 200);
    let refused = server.get("/observe").await;
    assert_eq!(
        (refused.status, &refused.value()["error"]["code"]),
        (503, &json!("full"))
    );
    assert!(server.get("/metrics").await.text().contains("\nturted_viewers 1\n"));
    first.cut();
    within("a free place", async {
        while Stream::open(&server, Request::new("GET", "/observe")).await.status() != 200 {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_breaks_off_is_gone_with_all_that_it_still_wanted() {
    let server = Server::with("limits.messages_per_second = 10\nlimits.messages_burst = 20\nlimits.connections = 30");
    let connections = async || {
        let shown = server.get("/metrics").await.text();
        let line = shown.lines().find_map(|line| line.strip_prefix("turted_connections "));
        line.unwrap().parse::<usize>().unwrap()
    };
    for _ in 0..3 {
        for _ in 0..20 {
            // Its messages would take a minute.
            let mut client = server.client().await;
            for number in 0..600 {
                let join = json!({"type": "JOIN", "data": {"channel": format!("c{number}")}});
                client.try_text(&join.to_string()).await;
            }
            drop(client);
        }
        within("the end of all", async { while connections().await > 0 {} }).await;
    }
    server.still_serves().await;
}
