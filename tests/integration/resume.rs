//! A connection outlives its wire: nothing is lost, nothing comes twice, nothing goes to the wrong one.

use std::sync::Arc;

use crate::harness::{Client, Server, Value, ids, json, payloads, to_all, to_channel, to_user};

/// RESUME as the first command of a new wire.
async fn resume(server: &Server, token: &str, last: &str) -> Client {
    let mut client = server.client().await;
    client
        .send(json!({"type": "RESUME", "data": {"token": token, "last": last}, "ref": "resume"}))
        .await;
    client
}

/// One event on `channel`, so that there is a last id to name.
async fn anchor(server: &Server, client: &mut Client, channel: &str) -> String {
    server.receipt(&to_channel(channel, "ANCHOR", json!(0))).await;
    ids(&[client.event().await]).remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_comes_once_in_order_and_then_it_is_live() {
    let server = Server::start();
    let mut client = server.user("adam").await;
    client.join("chat").await;
    let (connection, last) = (client.connection.clone(), anchor(&server, &mut client, "chat").await);
    let token = client.lose_wire();
    for push in [
        to_channel("chat", "E", json!(1)),
        to_channel("elsewhere", "E", json!("not mine")),
        to_user("adam", "E", json!(2)),
        to_user("eve", "E", json!("not mine")),
        json!({"event": "E", "targets": {"broadcast": true}, "exclude": {"users": "adam"}, "payload": "not mine"}),
        to_all("E", json!(3)),
    ] {
        server.receipt(&push).await;
    }
    let mut back = resume(&server, &token, &last).await;
    let answer = back.answer(json!("resume")).await;
    let data = &answer["data"];
    assert_eq!(answer["type"], "OK", "{answer}");
    assert_eq!(
        (&data["recovered"], &data["replayed"]),
        (&json!(true), &json!(3)),
        "{answer}"
    );
    assert_eq!(data["connection"], connection.as_str(), "it is the same connection");
    let missed: Vec<Value> = back.early.drain(..).collect();
    assert_eq!(payloads(&missed), [json!(1), json!(2), json!(3)]);
    let vias: Vec<&Value> = missed.iter().map(|event| &event["data"]["via"]).collect();
    assert_eq!(
        vias,
        [
            &json!({"channel": "chat"}),
            &json!({"user": "adam"}),
            &json!({"broadcast": true})
        ]
    );
    assert_eq!(server.receipt(&to_user("adam", "E", json!(4))).await["recipients"], 1);
    assert_eq!(
        server.receipt(&to_channel("chat", "E", json!(5))).await["recipients"],
        1
    );
    assert_eq!(payloads(&back.events(2).await), [json!(4), json!(5)]);
    let own = json!({"event": "E", "targets": {"channels": "chat"}, "exclude": {"connections": connection}});
    assert_eq!(
        server.receipt(&own).await["recipients"],
        0,
        "it is still known by its id"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replayed_events_keep_their_ids() {
    let server = Server::start();
    let mut client = server.member(&["chat"]).await;
    let last = anchor(&server, &mut client, "chat").await;
    let mut other = server.member(&["chat"]).await;
    let token = client.lose_wire();
    for number in 0..5 {
        server.receipt(&to_channel("chat", "E", json!(number))).await;
    }
    let mut back = resume(&server, &token, &last).await;
    assert_eq!(back.answer(json!("resume")).await["data"]["replayed"], 5);
    let missed: Vec<Value> = back.early.drain(..).collect();
    assert_eq!(ids(&missed), ids(&other.events(5).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_gap_and_no_double_when_it_comes_back_in_a_storm() {
    let server = Arc::new(Server::start());
    let mut client = server.member(&["chat"]).await;
    let mut last = anchor(&server, &mut client, "chat").await;
    let publisher = {
        let server = server.clone();
        tokio::spawn(async move {
            for number in 1..=400 {
                server.receipt(&to_channel("chat", "E", json!(number))).await;
            }
        })
    };
    let mut seen: Vec<u64> = Vec::new();
    while seen.last() != Some(&400) {
        let token = client.lose_wire();
        client = resume(&server, &token, &last).await;
        let answer = client.answer(json!("resume")).await;
        assert_eq!(answer["data"]["recovered"], true, "{answer}");
        let mut events: Vec<Value> = client.early.drain(..).collect();
        if events.last().is_none_or(|event| event["data"]["payload"] != 400) {
            events.push(client.event().await);
        }
        last = ids(&events).pop().unwrap();
        seen.extend(payloads(&events).iter().map(|payload| payload.as_u64().unwrap()));
    }
    publisher.await.unwrap();
    assert_eq!(seen, (1..=400).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_gets_nothing_of_anybody() {
    let server = Server::start();
    let mut adam = server.user("adam").await;
    adam.join("chat").await;
    let last = anchor(&server, &mut adam, "chat").await;
    let connection = adam.connection.clone();
    adam.lose_wire();
    server.receipt(&to_user("adam", "SECRET", json!("s3cret"))).await;
    for token in ["wrong", "", &connection] {
        let mut thief = resume(&server, token, &last).await;
        let answer = loop {
            let message = thief.next().await;
            assert_ne!(message["type"], "EVENT", "{message}");
            if message["ref"] == "resume" {
                break message;
            }
        };
        assert!(
            answer["type"] == "ERROR" || answer["data"]["recovered"] == false,
            "{token}: {answer}"
        );
        server.receipt(&to_channel("chat", "SECRET", json!("s3cret"))).await;
        server.receipt(&to_user("adam", "SECRET", json!("s3cret"))).await;
        assert!(
            thief
                .heard(&server)
                .await
                .iter()
                .all(|message| message["type"] != "EVENT"),
            "{token}"
        );
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_is_too_short_is_admitted() {
    let server = Server::with("history.count = 2");
    let mut client = server.user("adam").await;
    client.join("chat").await;
    let last = anchor(&server, &mut client, "chat").await;
    let token = client.lose_wire();
    for number in 0..5 {
        server.receipt(&to_channel("chat", "E", json!(number))).await;
    }
    let mut back = resume(&server, &token, &last).await;
    let (mut answer, mut gap) = (Value::Null, Value::Null);
    while answer.is_null() || gap.is_null() {
        let message = back.next().await;
        match message["type"].as_str() {
            Some("GAP") => gap = message,
            Some("OK") => answer = message,
            _ => assert_eq!(message["type"], "EVENT", "{message}"),
        }
    }
    assert_eq!(answer["data"]["recovered"], false, "{answer}");
    assert_eq!(gap["data"]["since"], last.as_str(), "{gap}");
    assert_eq!(
        server.receipt(&to_user("adam", "E", json!("user"))).await["recipients"],
        1,
        "the user is back"
    );
    assert_eq!(
        server.receipt(&to_channel("chat", "E", json!("chat"))).await["recipients"],
        1,
        "the channel is back"
    );
    let heard = payloads(&back.heard(&server).await);
    assert!(heard.ends_with(&[json!("user"), json!("chat")]), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_wire_wins_and_the_older_one_is_told() {
    let server = Server::start();
    let mut old = server.user("adam").await;
    old.join("chat").await;
    let last = anchor(&server, &mut old, "chat").await;
    let mut new = resume(&server, &old.token.clone(), &last).await;
    assert_eq!(new.answer(json!("resume")).await["data"]["recovered"], true);
    let (bye, code) = old.until_closed().await;
    let bye = bye.expect("a BYE before the end");
    assert_eq!(
        (&bye["code"], &bye["reconnect"]),
        (&json!(4011), &json!(false)),
        "{bye}"
    );
    assert_eq!(code, Some(4011));
    assert_eq!(
        server.receipt(&to_channel("chat", "E", json!(1))).await["recipients"],
        1
    );
    assert_eq!(payloads(&new.events(1).await), [json!(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_left_before_the_tunnel_stays_left() {
    let server = Server::start();
    let mut client = server.member(&["chat", "news"]).await;
    let last = anchor(&server, &mut client, "chat").await;
    assert_eq!(client.ask("LEAVE", json!({"channel": "news"})).await["type"], "OK");
    let token = client.lose_wire();
    server.receipt(&to_channel("news", "E", json!("left"))).await;
    server.receipt(&to_channel("chat", "E", json!("mine"))).await;
    let mut back = resume(&server, &token, &last).await;
    back.answer(json!("resume")).await;
    assert_eq!(payloads(&back.heard(&server).await), [json!("mine")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_from_before_a_join_are_not_replayed() {
    let server = Server::start();
    let mut client = server.member(&["chat"]).await;
    let last = anchor(&server, &mut client, "chat").await;
    server.receipt(&to_channel("news", "E", json!("before"))).await;
    client.join("news").await;
    server.receipt(&to_channel("news", "E", json!("after"))).await;
    let token = client.lose_wire();
    let mut back = resume(&server, &token, &last).await;
    back.answer(json!("resume")).await;
    assert_eq!(payloads(&back.heard(&server).await), [json!("after")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn resume_is_refused_later_than_first_and_with_nonsense() {
    let server = Server::start();
    let mut client = server.user("adam").await;
    let token = client.token.clone();
    let answer = client.ask("RESUME", json!({"token": token, "last": "x-1"})).await;
    assert_eq!(answer["type"], "ERROR", "{answer}");
    for data in [
        json!(null),
        json!({}),
        json!({"token": 5}),
        json!([]),
        json!({"token": {}, "last": []}),
    ] {
        let mut client = server.client().await;
        let answer = client.ask("RESUME", data.clone()).await;
        assert!(
            answer["type"] == "ERROR" || answer["data"]["recovered"] == false,
            "{data}: {answer}"
        );
    }
    for last in ["", "no-such-epoch-5", "-1", "99999999999999999999999", "\u{1F600}"] {
        let token = server.user("adam").await.lose_wire();
        let mut client = resume(&server, &token, last).await;
        let message = client.next().await;
        assert!(
            matches!(message["type"].as_str(), Some("ERROR" | "OK" | "GAP")),
            "{last}: {message}"
        );
        assert_ne!(message["data"]["recovered"], true, "{last}: {message}");
    }
    server.still_serves().await;
}
