//! Thrown out: what each dialect says then, and that nothing brings anybody back while a ban holds.

use crate::api::{api, code, kicked, logged};
use crate::harness::server::turted;
use crate::harness::{Engine, Heard, Page, Request, Server, Socket, Stream, json, to_user};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_kicked_hears_it_in_the_words_of_its_dialect() {
    let server = Server::start();
    let mut native = server.user("adam").await;
    let stream = Stream::open(&server, Request::new("GET", "/events?username=adam&channel=chat")).await;
    assert_eq!(stream.status(), 200);
    let mut socketio = Socket::open(&server, "/socket.io/?EIO=4&transport=websocket").await;
    socketio.json("0").await;
    socketio.say("40").await;
    socketio.json("40").await;
    socketio.say(r#"42["IDENT",{"username":"adam"}]"#).await;
    socketio.json("42").await;
    let mut sockjs = Socket::open(&server, "/turted/000/any/websocket").await;
    sockjs.text().await;
    sockjs
        .say(r#"["{\"type\":\"ident\",\"data\":{\"username\":\"adam\"}}"]"#)
        .await;
    sockjs.json("a").await;
    let mut eve = server.user("eve").await;
    // The stream's IDENT is in its request, and is done when an event for the user arrives there.
    while server.receipt(&to_user("adam", "MARK", json!(1))).await["recipients"] != json!(4) {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        kicked(&server, "adam", json!({"reason": "away with you"})).await,
        json!(4)
    );
    let (bye, status) = native.until_closed().await;
    assert_eq!(status, Some(4010));
    let bye = bye.expect("a BYE");
    assert_eq!((&bye["code"], &bye["reconnect"]), (&json!(4010), &json!(false)));
    let rest = stream.rest().await;
    assert!(rest.contains("event: turted:bye") && rest.contains("4010"), "{rest}");
    let texts = |heard: Vec<Heard>| format!("{heard:?}");
    let (heard, _) = socketio.until_closed().await;
    assert!(texts(heard.clone()).contains("\"41\""), "{heard:?}");
    let (heard, _) = sockjs.until_closed().await;
    assert!(texts(heard.clone()).contains("c[4010"), "{heard:?}");
    assert_eq!(server.receipt(&to_user("adam", "E", json!(1))).await["recipients"], 0);
    assert_eq!(eve.ask("ECHO", json!(1)).await["type"], "ECHO");
    logged(&server, "kicked \"adam\": 4 connections, because \"away with you\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_ban_holds_nothing_brings_them_back() {
    let server = Server::start();
    let adam = server.user("adam").await;
    let mut second = server.user("adam").await;
    let token = adam.lose_wire();
    while server.get("/api").await.value()["parked"] != json!(1) {
        tokio::task::yield_now().await;
    }
    let except = json!({"except": [second.connection], "for": "10m"});
    assert_eq!(
        kicked(&server, "adam", except).await,
        json!(1),
        "the one without a wire"
    );
    assert_eq!(second.ask("ECHO", json!(1)).await["type"], "ECHO");
    // No secret, …
    let mut again = server.client().await;
    let answer = again.ask("RESUME", json!({"token": token})).await;
    assert_eq!(answer["data"]["recovered"], json!(false), "{answer}");
    assert_eq!(server.receipt(&to_user("adam", "E", json!(1))).await["recipients"], 1);
    // … no IDENT, …
    let answer = again.ask("IDENT", json!({"username": "adam"})).await;
    assert_eq!(
        (&answer["type"], &answer["data"]["code"]),
        (&json!("ERROR"), &json!("ident_denied"))
    );
    // … and no other dialect.
    for path in [
        "/events?username=adam&channel=chat",
        "/events?username=adam",
        "/sse?username=adam",
    ] {
        let reply = server.get(path).await;
        assert_eq!(reply.status, 403, "{path} {}", reply.text());
    }
    let reply = server.ask(Request::post("/poll?username=adam", "")).await;
    assert_eq!(
        (reply.status, &reply.value()["error"]["code"]),
        (403, &json!("ident_denied"))
    );
    let (mut engine, _) = Engine::join(&server, "EIO=4").await;
    engine.say(r#"42["IDENT",{"username":"adam"}]"#).await;
    let answer = engine.json("42").await.to_string();
    assert!(answer.starts_with(r#"["ERROR""#), "{answer}");
    assert_eq!(server.receipt(&to_user("adam", "E", json!(1))).await["recipients"], 1);
    // Others are not concerned, and it can be taken back.
    assert_eq!(again.ask("IDENT", json!({"username": "eve"})).await["type"], "OK");
    let list = server.get("/api/revoked?user=adam").await.value();
    assert_eq!(
        (&list["count"], &list["revoked"][0]["banned"]),
        (&json!(1), &json!(true)),
        "{list}"
    );
    let reply = server.ask(api("DELETE", "/api/revoked?user=adam", "", "")).await;
    assert_eq!(reply.value(), json!({"removed": 1}));
    assert_eq!(again.ask("IDENT", json!({"username": "adam"})).await["type"], "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_and_one_connection_are_ended() {
    let server = Server::start();
    let opened = server.ask(Request::post("/poll?username=adam", "")).await.value();
    let (id, secret) = (
        opened["connection"].as_str().unwrap(),
        opened["secret"].as_str().unwrap(),
    );
    while server.receipt(&to_user("adam", "MARK", json!(1))).await["recipients"] != json!(1) {
        tokio::task::yield_now().await;
    }
    assert_eq!(kicked(&server, "adam", json!({})).await, json!(1));
    let reply = server.get(&format!("/poll/{id}?secret={secret}")).await;
    assert!(reply.text().contains("4010"), "{}", reply.text());
    let mut client = server.client().await;
    let path = format!("/api/connections/{}", client.connection);
    let reply = server.ask(api("DELETE", &path, "", "")).await;
    assert_eq!((reply.status, reply.value()), (200, json!({"connections": 1})));
    assert_eq!(client.until_closed().await.1, Some(4010));
    assert_eq!(
        code(&server, api("DELETE", &path, "", "")).await,
        (404, "not_found".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_polls_hears_it_with_its_next_poll() {
    let server = Server::start();
    let (mut engine, _) = Engine::join(&server, "EIO=4").await;
    engine.say(r#"42["IDENT",{"username":"adam"}]"#).await;
    assert!(engine.json("42").await.to_string().contains("adam"));
    let mut page = Page::open(&server, "/turted", "kicked", "xhr").await;
    page.say("ident", json!({"username": "adam"})).await;
    assert_eq!(page.message().await["type"], "OK");
    assert_eq!(kicked(&server, "adam", json!({"for": "10m"})).await, json!(2));
    assert_eq!(engine.next().await, "41");
    assert!(page.frame().await.starts_with("c[4010,"));
    // Gone is gone: nothing comes of another word, and who polls on hears the same again.
    engine.post(r#"42["IDENT",{"username":"eve"}]"#).await;
    page.say("ident", json!({"username": "eve"})).await;
    assert!(page.frame().await.starts_with("c[4010,"));
    assert_eq!(server.receipt(&to_user("eve", "E", json!(1))).await["recipients"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_kicks() {
    let server = Server::with("[auth.backends]\ntype = \"password\"\npassword = \"sesame\"\n");
    let mut adam = server.user("adam@shop.example").await;
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], token: &str| {
        let mut command = turted(folder.path());
        command
            .args(["kick", "--url", &server.url()])
            .args(arguments)
            .env("TURTED_TOKEN", token);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (status, _, said) = run(&["adam@shop.example"], "guess");
    assert_eq!(status, Some(1));
    assert!(
        said.contains("credentials of a backend") && !said.contains("guess"),
        "{said}"
    );
    let spared = run(&["adam@shop.example", "--except", &adam.connection, "--json"], "sesame");
    assert_eq!((spared.0, spared.1.as_str()), (Some(0), "{\"connections\":0}"));
    let done = run(&["adam@shop.example", "--for", "10m", "--reason", "why not"], "sesame");
    assert_eq!((done.0, done.1.as_str()), (Some(0), "ended 1 connection"), "{}", done.2);
    assert_eq!(adam.until_closed().await.1, Some(4010));
    let mut again = server.client().await;
    assert_eq!(
        again.ask("IDENT", json!({"username": "adam@shop.example"})).await["type"],
        "ERROR"
    );
    assert_eq!(run(&["adam", "--for", "soon"], "sesame").0, Some(2));
}
