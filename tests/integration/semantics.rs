//! What a client may rely on: once, in order, unchanged, and exactly while it is a member.

use std::sync::Arc;

use crate::harness::{Server, Value, ids, json, payloads, to_all, to_channel, to_user};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_matches_everything_hears_once_and_why() {
    let server = Server::start();
    let mut client = server.user("adam").await;
    for channel in ["a", "b", "c"] {
        client.join(channel).await;
    }
    for (targets, via) in [
        (
            json!({"broadcast": true, "channels": ["a", "b"], "users": ["adam"]}),
            json!({"user": "adam"}),
        ),
        (
            json!({"broadcast": true, "channels": ["x", "b", "a"], "users": "eve"}),
            json!({"channel": "b"}),
        ),
        (
            json!({"broadcast": true, "channels": ["x"]}),
            json!({"broadcast": true}),
        ),
        (json!({"channels": ["a", "a", "a"]}), json!({"channel": "a"})),
    ] {
        let receipt = server.receipt(&json!({"event": "E", "targets": targets})).await;
        assert_eq!(receipt["recipients"], 1, "{targets}");
        let heard = client.heard(&server).await;
        assert_eq!(heard.len(), 1, "{targets}: {heard:?}");
        assert_eq!(heard[0]["data"]["via"], via, "{targets}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_subscribers_see_one_order_whoever_publishes() {
    const PUBLISHERS: usize = 8;
    const EACH: usize = 50;
    let server = Arc::new(Server::start());
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(server.member(&["chat"]).await);
    }
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let server = server.clone();
            tokio::spawn(async move {
                for number in 0..EACH {
                    server
                        .receipt(&to_channel("chat", "E", json!([publisher, number])))
                        .await;
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let mut orders = Vec::new();
    for client in &mut clients {
        let events = client.events(PUBLISHERS * EACH).await;
        orders.push((ids(&events), payloads(&events)));
    }
    assert!(
        orders.iter().all(|order| *order == orders[0]),
        "two subscribers saw different orders"
    );
    let sequence: Vec<u64> = orders[0]
        .0
        .iter()
        .map(|id| id.rsplit_once('-').unwrap().1.parse().unwrap())
        .collect();
    assert!(
        sequence.is_sorted_by(|earlier, later| earlier < later),
        "ids must grow: {sequence:?}"
    );
    for publisher in 0..PUBLISHERS {
        let of = |payload: &&Value| payload[0] == publisher;
        let numbers: Vec<_> = orders[0]
            .1
            .iter()
            .filter(of)
            .map(|payload| payload[1].clone())
            .collect();
        assert_eq!(
            numbers,
            (0..EACH).map(|number| json!(number)).collect::<Vec<_>>(),
            "of publisher {publisher}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_before_the_ok_of_join_and_nothing_after_the_ok_of_leave() {
    let server = Arc::new(Server::start());
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let storm: Vec<_> = (0..3)
        .map(|_| {
            let (server, stopped) = (server.clone(), stopped.clone());
            tokio::spawn(async move {
                while !*stopped.borrow() {
                    server.receipt(&to_channel("storm", "E", json!({}))).await;
                }
            })
        })
        .collect();
    let mut client = server.client().await;
    for round in 0..30 {
        client
            .send(json!({"type": "JOIN", "data": {"channel": "storm"}, "ref": round}))
            .await;
        let first = client.next().await;
        assert_eq!(
            (&first["type"], &first["ref"]),
            (&json!("OK"), &json!(round)),
            "before the OK of JOIN: {first}"
        );
        client.expect("EVENT").await;
        client
            .send(json!({"type": "LEAVE", "data": {"channel": "storm"}, "ref": "leave"}))
            .await;
        client.answer(json!("leave")).await;
        client.early.clear();
        let after = client.heard(&server).await;
        assert!(after.is_empty(), "after the OK of LEAVE: {after:?}");
    }
    stop.send_replace(true);
    for publisher in storm {
        publisher.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_arrives_byte_for_byte() {
    let server = Server::start();
    let mut client = server.member(&["chat"]).await;
    for payload in [
        "{\"z\":1,\"a\":2,\"m\":{\"b\":[],\"a\":{}}}",
        "12345678901234567890123456789012345678901234567890",
        "[1.0, 1e3,1E+3 , -0, 0.10000000000000000001]",
        "\"\\u00e9\\/\\ud83d\\ude00 é😀\\u0000\\u2028\"",
        "{\"__proto__\":{\"polluted\":true},\"a\":1,\"a\":2}",
        "{ \"spaces\" :  true }",
        "null",
        "false",
        "\"\"",
        "[]",
    ] {
        let body = format!("{{\"event\":\"E\",\"targets\":{{\"channels\":\"chat\"}},\"payload\":{payload}}}");
        let reply = server
            .ask(crate::harness::Request::new("POST", "/push/").body(body))
            .await;
        assert_eq!(reply.text(), "OK", "{payload}");
        let text = client.next_text().await;
        assert!(
            text.contains(&format!("\"payload\":{payload}")),
            "{payload} arrived as {text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_are_case_insensitive_and_refs_come_back() {
    let server = Server::start();
    let mut client = server.client().await;
    for (message, kind) in [
        (json!({"type": "join", "data": {"channel": "c"}, "ref": 1}), "OK"),
        (json!({"type": "Join", "data": {"channel": "c"}, "ref": "two"}), "OK"),
        (json!({"type": "pInG", "ref": 3}), "PONG"),
        (json!({"type": "echo", "data": [1], "ref": 4.5}), "ECHO"),
        (json!({"type": "leave", "data": {"channel": "c"}, "ref": 5}), "OK"),
        (json!({"type": "leave", "data": {"channel": "c"}, "ref": 6}), "ERROR"),
        (json!({"type": "ident", "data": {"user": "adam"}, "ref": 7}), "OK"),
    ] {
        client.send(message.clone()).await;
        let answer = client.next().await;
        assert_eq!(
            (&answer["type"], &answer["ref"]),
            (&json!(kind), &message["ref"]),
            "{message}: {answer}"
        );
    }
    client.send(json!({"type": "PING"})).await;
    assert!(client.next().await.get("ref").is_none(), "no ref, none back");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_is_the_same_json() {
    let server = Server::start();
    let mut client = server.client().await;
    for data in [
        "{\"z\":1,\"a\":12345678901234567890123}",
        "null",
        "[]",
        "\"\\ud83d\\ude00\"",
        "{ \"a\" : 1 }",
    ] {
        client.text(&format!("{{\"type\":\"ECHO\",\"data\":{data}}}")).await;
        let text = client.next_text().await;
        assert!(text.contains(&format!("\"data\":{data}")), "{data} came back as {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ident_replaces_the_user_and_keeps_the_channels() {
    let server = Server::start();
    let mut client = server.user("adam").await;
    client.join("chat").await;
    assert_eq!(
        client.ask("IDENT", json!({"username": "eve"})).await["data"]["username"],
        "eve"
    );
    assert_eq!(server.receipt(&to_user("adam", "E", json!(1))).await["recipients"], 0);
    assert_eq!(server.receipt(&to_user("eve", "E", json!(2))).await["recipients"], 1);
    assert_eq!(
        server.receipt(&to_channel("chat", "E", json!(3))).await["recipients"],
        1
    );
    assert_eq!(payloads(&client.heard(&server).await), [json!(2), json!(3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_may_hold_many_connections_and_goes_with_the_last() {
    let server = Server::start();
    let mut watcher = server.client().await;
    let (first, mut second) = (server.user("adam").await, server.user("adam").await);
    assert_eq!(server.receipt(&to_user("adam", "E", json!(1))).await["recipients"], 2);
    assert_eq!(second.event().await["data"]["via"], json!({"user": "adam"}));
    drop(first);
    assert!(watcher.heard(&server).await.is_empty());
    server.receipt(&to_user("adam", "E", json!(2))).await;
    assert_eq!(second.event().await["data"]["payload"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_twice_is_fine_and_leaving_what_was_not_joined_is_an_error() {
    let server = Server::start();
    let mut client = server.client().await;
    let answer = client.ask("LEAVE", json!({"channel": "chat"})).await;
    assert_eq!(
        (&answer["type"], &answer["data"]["code"]),
        (&json!("ERROR"), &json!("not_joined"))
    );
    client.join("chat").await;
    client.join("chat").await;
    server.receipt(&to_channel("chat", "E", json!(1))).await;
    assert_eq!(client.heard(&server).await.len(), 1);
    assert_eq!(client.ask("LEAVE", json!({"channel": "chat"})).await["type"], "OK");
    assert_eq!(
        client.ask("LEAVE", json!({"channel": "chat"})).await["data"]["code"],
        "not_joined"
    );
    assert_eq!(
        server.receipt(&to_channel("chat", "E", json!(2))).await["recipients"],
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_may_be_any_visible_text() {
    let server = Server::start();
    let mut client = server.client().await;
    for name in [
        "__proto__",
        "constructor",
        "Grüße 😀",
        "a/b?c#d",
        "\"quoted\\\"",
        "*",
        &"x".repeat(200),
    ] {
        client.join(name).await;
        let receipt = server.receipt(&to_channel(name, name, json!(name))).await;
        assert_eq!(receipt["recipients"], 1, "{name}");
        let event = client.event().await;
        assert_eq!(event["data"]["event"], name);
        assert_eq!(event["data"]["via"], json!({"channel": name}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_name_still_hears_everybody_and_its_channels() {
    let server = Server::start();
    let mut client = server.member(&["open"]).await;
    server.receipt(&to_all("ALL", json!(1))).await;
    server.receipt(&to_channel("open", "OPEN", json!(2))).await;
    assert_eq!(
        server.push(&to_user("", "E", json!(3))).await.status,
        400,
        "no name is nobody's name"
    );
    assert_eq!(payloads(&client.events(2).await), [json!(1), json!(2)]);
}
