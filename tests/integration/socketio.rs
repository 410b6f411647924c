//! Socket.IO: acknowledgements, attachments, and connection state recovery.

use crate::harness::{Engine, Heard, Server, Socket, Value, json, to_all, to_channel, to_user, within};

/// A socket of the newest generation, ready to join.
async fn socket(server: &Server) -> Socket {
    let mut socket = Socket::open(server, "/socket.io/?EIO=4&transport=websocket").await;
    socket.json("0").await;
    socket
}

/// The same, joined; gives what the server said.
async fn joined(server: &Server, auth: &str) -> (Socket, Value) {
    let mut socket = socket(server).await;
    socket.say(&format!("40{auth}")).await;
    let connected = socket.json("40").await;
    (socket, connected)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_an_acknowledgement_gets_one_besides_the_event() {
    let server = Server::start();
    let (mut socket, _) = joined(&server, "").await;
    for (said, event, acknowledged) in [
        (
            r#"420["IDENT",{"username":"adam"}]"#,
            json!(["OK", {"username": "adam"}]),
            r#"430[{"username":"adam"}]"#,
        ),
        (
            r#"42456["JOIN",{"channel":"chat"}]"#,
            json!(["OK", {"channel": "chat"}]),
            r#"43456[{"channel":"chat"}]"#,
        ),
        (
            r#"4218446744073709551615["ECHO",[1,2.0,1e3]]"#,
            json!(["ECHO", [1, 2.0, 1e3]]),
            "4318446744073709551615[[1,2.0,1e3]]",
        ),
        (
            r#"427["LEAVE",{"channel":"chat"}]"#,
            json!(["OK", {"channel": "chat"}]),
            r#"437[{"channel":"chat"}]"#,
        ),
    ] {
        socket.say(said).await;
        assert_eq!(socket.json("42").await, event, "{said}");
        assert_eq!(socket.text().await, acknowledged, "{said}");
    }
    socket.say(r#"428["JOIN",{"channel":""}]"#).await;
    assert_eq!(socket.json("42").await[0], "ERROR");
    assert_eq!(socket.json("438").await[0]["error"]["code"], "bad_name");
    // Nobody listens, but whoever waits shall not wait for ever.
    for said in [r#"421["whatever",1]"#, r#"421["message",{}]"#, r#"421["PING"]"#] {
        socket.say(said).await;
        assert_eq!(socket.text().await, "431[]", "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_come_back_as_they_were() {
    let server = Server::start();
    let (mut socket, _) = joined(&server, "").await;
    let packet = r#"452-7["ECHO",{"a":{"_placeholder":true,"num":1},"b":{"_placeholder":true,"num":0}}]"#;
    socket.say(packet).await;
    let (one, two) = (vec![1, 2, 3], vec![255; 50_000]);
    for bytes in [&one, &two] {
        socket
            .send(tokio_tungstenite::tungstenite::Message::binary(bytes.clone()))
            .await;
    }
    assert_eq!(socket.text().await, packet.replace("452-7", "452-"));
    assert_eq!(
        [socket.next().await, socket.next().await],
        [Heard::Binary(one.clone()), Heard::Binary(two.clone())]
    );
    assert!(socket.text().await.starts_with("462-7["));
    assert_eq!(
        [socket.next().await, socket.next().await],
        [Heard::Binary(one), Heard::Binary(two)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_namespaces_are_refused_and_the_root_lives_on() {
    let server = Server::start();
    let mut socket = socket(&server).await;
    for (said, heard) in [
        (r"40/admin,", r#"44/admin,{"message":"Invalid namespace"}"#),
        (
            r#"40/admin?x=1,{"token":"1"}"#,
            r#"44/admin?x=1,{"message":"Invalid namespace"}"#,
        ),
        (r"40/__proto__", r#"44/__proto__,{"message":"Invalid namespace"}"#),
    ] {
        socket.say(said).await;
        assert_eq!(socket.text().await, heard);
    }
    socket.say("40").await;
    assert!(socket.json("40").await["sid"].is_string());
    let (mut older, _) = Engine::join(&server, "EIO=3").await;
    older.say("40/nope,").await;
    assert_eq!(older.next().await, r#"44/nope,"Invalid namespace""#);
    older.say(r#"42/nope,["ECHO",1]"#).await;
    older.say(r#"42["ECHO",2]"#).await;
    assert_eq!(older.next().await, r#"42["ECHO",2]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_lost_its_socket_is_recovered_with_its_user_and_its_channels() {
    let server = Server::start();
    let (mut socket, first) = joined(&server, "").await;
    assert_ne!(first["sid"], first["pid"]);
    socket.say(r#"42["IDENT",{"username":"adam"}]"#).await;
    socket.say(r#"42["JOIN",{"channel":"chat"}]"#).await;
    socket.json("42").await;
    socket.json("42").await;
    server.receipt(&to_channel("chat", "E", json!(0))).await;
    let mut offset = socket.json("42").await[2].clone();
    // Twice, since what is recovered must be recoverable.
    for round in 1..3 {
        socket.cut();
        let pushes = [
            to_channel("chat", "E", json!([round, 1])),
            to_user("adam", "E", json!([round, 2])),
            to_all("E", json!([round, 3])),
        ];
        for push in &pushes {
            server.receipt(push).await;
        }
        socket = self::socket(&server).await;
        socket
            .say(&format!(
                "40{}",
                json!({"pid": first["pid"], "offset": offset, "token": "of the application"})
            ))
            .await;
        for number in 1..4 {
            let event = socket.json("42").await;
            assert_eq!(
                (&event[0], &event[1]["payload"]),
                (&json!("EVENT"), &json!([round, number]))
            );
            offset = event[2].clone();
        }
        assert_eq!(
            socket.json("40").await,
            json!({"sid": first["sid"], "pid": first["pid"]})
        );
        for push in [
            to_channel("chat", "E", json!("chat")),
            to_user("adam", "E", json!("adam")),
        ] {
            assert_eq!(server.receipt(&push).await["recipients"], 1);
            let event = socket.json("42").await;
            assert!(event[1]["payload"].is_string(), "{event}");
            offset = event[2].clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_nobody_or_an_offset_of_another_memory_recovers_nothing() {
    let server = Server::start();
    let (mut socket, first) = joined(&server, "").await;
    socket.say(r#"42["JOIN",{"channel":"chat"}]"#).await;
    socket.json("42").await;
    let offset = server.receipt(&to_channel("chat", "E", json!(0))).await["id"].clone();
    socket.cut();
    // CWE-639: the public id is not the secret.
    for pid in [json!("wrong"), json!(""), first["sid"].clone()] {
        let (mut thief, fresh) = joined(&server, &json!({"pid": pid, "offset": offset}).to_string()).await;
        assert!(
            fresh["sid"] != first["sid"] && fresh["pid"] != first["pid"] && fresh["pid"] != pid,
            "{fresh}"
        );
        server.receipt(&to_channel("chat", "E", json!("not for thieves"))).await;
        thief.say(r#"42["ECHO",1]"#).await;
        assert_eq!(thief.text().await, r#"42["ECHO",1]"#);
    }
    for odd in [
        r#"{"pid":5,"offset":"x"}"#,
        r#"{"pid":null}"#,
        r#"{"pid":["a"],"offset":{}}"#,
        "{}",
    ] {
        let (_, fresh) = joined(&server, odd).await;
        assert_ne!(fresh["sid"], first["sid"], "{odd}");
    }
    let (mut back, fresh) = joined(
        &server,
        &json!({"pid": first["pid"], "offset": "deadbeef-1"}).to_string(),
    )
    .await;
    assert_ne!(
        fresh["pid"], first["pid"],
        "another secret tells the client that something may be missing"
    );
    let events = async {
        let receipt = server.receipt(&to_channel("chat", "E", json!("live"))).await;
        assert_eq!(receipt["recipients"], 1, "the channel is back all the same");
        // All that there is comes first: nobody knows what was missed.
        let mut heard = Vec::new();
        while heard.last() != Some(&json!("live")) {
            heard.push(back.json("42").await[1]["payload"].clone());
        }
        heard
    };
    let heard = within("the events", events).await;
    let thieves = json!("not for thieves");
    assert_eq!(
        heard,
        [&json!(0), &thieves, &thieves, &thieves, &json!("live")].map(Clone::clone)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_said_goodbye_is_not_recovered_and_without_recovery_nobody_is() {
    let server = Server::start();
    let (mut socket, first) = joined(&server, "").await;
    socket.say(r#"42["JOIN",{"channel":"chat"}]"#).await;
    socket.json("42").await;
    socket.say("41").await;
    socket.until_closed().await;
    let gone = async { while server.receipt(&to_channel("chat", "E", json!(1))).await["recipients"] != 0 {} };
    within("the goodbye", gone).await;
    let (_, fresh) = joined(&server, &json!({"pid": first["pid"], "offset": "x"}).to_string()).await;
    assert_ne!(fresh["sid"], first["sid"]);

    let plain = Server::with("clients.socketio.recovery = false");
    let (mut socket, first) = joined(&plain, r#"{"pid":"x","offset":"y"}"#).await;
    assert_eq!(first.as_object().map(serde_json::Map::len), Some(1), "{first}");
    socket.say(r#"42["JOIN",{"channel":"chat"}]"#).await;
    socket.json("42").await;
    plain.receipt(&to_channel("chat", "E", json!(1))).await;
    assert_eq!(socket.json("42").await.as_array().map(Vec::len), Some(2), "no offset");
}
