//! Tickets: for pages that cannot say who they are in a header.

use std::time::Instant;

use crate::harness::{Engine, PATIENCE, Request, Server, Socket, Stream, Value, json, to_user};

const SETTINGS: &str = "[auth.clients]\ntype = \"password\"\npassword = \"sesame\"\n[auth.backends]\ntype = \"password\"\n\
    password = \"backend\"\n[may.users]\njoin = [\"user.{user}\", \"org.{claim.org}\"]\n[may.anyone]\njoin = [\"news\", \"mark-*\"]\n";

async fn order(server: &Server, body: Value) -> Value {
    let request = Request::json("/api/tickets", &body).header("authorization", "Bearer backend");
    let reply = server.ask(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.value()
}

async fn tell(server: &Server, push: &Value) {
    let request = Request::json("/push/", push).header("authorization", "Bearer backend");
    assert_eq!(server.ask(request).await.status, 200);
}

/// The same as soon as somebody is there: an `o` of SockJS, or the end of a handshake, is no word about who it is.
async fn reach(server: &Server, push: &Value) {
    let deadline = Instant::now() + PATIENCE;
    let request = || {
        let request = Request::json("/push/", push).header("authorization", "Bearer backend");
        request.header("accept", "application/json")
    };
    while server.ask(request()).await.value()["recipients"] != 1 {
        assert!(Instant::now() < deadline, "nobody hears {push}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_a_stream_once_and_leads_it_back_to_itself() {
    let server = Server::with(SETTINGS);
    let issued = order(&server, json!({"user": "adam", "claims": {"org": "acme"}})).await;
    assert_eq!(issued["expires_in"], 30);
    let ticket = issued["ticket"].as_str().unwrap();
    assert!(ticket.starts_with("tk_") && ticket.len() == 35, "{ticket}");
    let request = || Request::new("GET", &format!("/events?ticket={ticket}&channel=org.acme"));
    let mut stream = Stream::open(&server, request()).await;
    assert_eq!(stream.status(), 200);
    tell(&server, &to_user("adam", "ONE", json!(1))).await;
    while stream.event().await.name() != "ONE" {}
    stream.cut();
    tell(&server, &to_user("adam", "TWO", json!(2))).await;
    // As an EventSource does: the same URL again.
    let mut back = Stream::open(&server, request()).await;
    assert_eq!(back.status(), 200);
    while back.event().await.name() != "TWO" {}
    assert!(!server.log().contains(ticket), "a ticket in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_ticket_opens_nothing_when_its_connection_has_ended() {
    let server = Server::with(&format!("history.age = \"0s\"\n{SETTINGS}"));
    let issued = order(&server, json!({"user": "adam"})).await;
    let path = format!("/events?ticket={}&channel=news", issued["ticket"].as_str().unwrap());
    let stream = Stream::open(&server, Request::new("GET", &path)).await;
    assert_eq!(stream.status(), 200);
    stream.cut();
    let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
    while server.get_status(Request::new("GET", &path)).await != 401 {
        assert!(std::time::Instant::now() < deadline, "the ticket still opens");
    }
    for wrong in ["tk_", "tk_00000000000000000000000000000000", "x"] {
        let path = format!("/events?ticket={wrong}&channel=news");
        assert_eq!(server.get_status(Request::new("GET", &path)).await, 401, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_data_of_ident_as_well_and_ends_with_its_time() {
    let server = Server::with(SETTINGS);
    let issued = order(
        &server,
        json!({"user": "adam", "expires": "1s", "may": {"join": ["room.7"]}}),
    )
    .await;
    let mut adam = server.client().await;
    let said = adam.ask("IDENT", json!({"ticket": issued["ticket"]})).await;
    assert_eq!(said["data"]["username"], "adam", "{said}");
    adam.join("room.7").await;
    let mut other = server.client().await;
    for data in [
        json!({"ticket": issued["ticket"]}),
        json!({"ticket": 7}),
        json!({"ticket": "tk_", "password": "sesame"}),
    ] {
        let said = other.ask("IDENT", data).await;
        assert_eq!(said["data"]["code"], "ident_denied", "{said}");
    }
    assert_eq!(
        adam.expect("EXPIRING").await["in"].as_u64().map(|left| left <= 1),
        Some(true)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_backend_orders_tickets_for_others_and_a_mistake_is_named() {
    let server = Server::with(SETTINGS);
    let body = json!({"user": "adam"});
    assert_eq!(server.ask(Request::json("/api/tickets", &body)).await.status, 401);
    for (body, why) in [
        (json!({}), "user"),
        (json!({"user": 7}), "user"),
        (json!({"user": "adam", "ttl": 30}), "ttl"),
        (json!({"user": "adam", "expires": "soon"}), "expires"),
        (json!({"user": "adam", "may": {"fly": []}}), "fly"),
        (json!([]), "JSON object"),
    ] {
        let request = Request::json("/api/tickets", &body).header("authorization", "Bearer backend");
        let reply = server.ask(request).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(reply.text().contains(why), "{body}: {}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_token_gets_a_ticket_for_itself() {
    let server = Server::with("auth.clients.type = \"token\"\nauth.clients.secret = \"hush\"");
    let token = {
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"hush").unwrap();
        mac.update(b"adam");
        hex::encode(mac.finalize().into_bytes())
    };
    let ask = |bearer: String| Request::new("POST", "/ticket").header("authorization", &format!("Bearer {bearer}"));
    let reply = server.ask(ask(format!("adam:{token}"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let path = format!(
        "/events?ticket={}&channel=news",
        reply.value()["ticket"].as_str().unwrap()
    );
    let mut stream = Stream::open(&server, Request::new("GET", &path)).await;
    assert_eq!(stream.status(), 200);
    server.receipt(&to_user("adam", "HELLO", json!(1))).await;
    while stream.event().await.name() != "HELLO" {}
    assert_eq!(server.ask(ask(format!("eve:{token}"))).await.status, 401);
    assert_eq!(server.ask(Request::new("POST", "/ticket")).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_is_over_grants_nothing_new_on_the_wire() {
    let server = Server::with(SETTINGS);
    let issued = order(&server, json!({"user": "adam", "expires": "1s"})).await;
    let mut adam = server.client().await;
    let said = adam.ask("IDENT", json!({"ticket": issued["ticket"]})).await;
    assert_eq!(said["data"]["username"], "adam", "{said}");
    adam.join("user.adam").await;
    let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
    let refused = loop {
        let said = adam.ask("JOIN", json!({"channel": "news"})).await;
        if said["type"] == "ERROR" {
            break said;
        }
        assert!(std::time::Instant::now() < deadline, "it may still join");
        adam.ask("LEAVE", json!({"channel": "news"})).await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(refused["data"]["code"], "expired", "{refused}");
    tell(&server, &crate::harness::to_channel("user.adam", "STILL", json!(1))).await;
    assert_eq!(adam.expect("EVENT").await["event"], "STILL");
}

/// Whether a request with this ticket may come in.
async fn status(server: &Server, request: Request) -> u16 {
    let reply = server.ask(request).await;
    reply.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_a_socket_of_each_dialect_once() {
    let server = Server::with(SETTINGS);
    for (path, opens) in [
        ("/ws?", ""),
        ("/socket.io/?EIO=4&transport=websocket&", "40"),
        ("/socket.io/?EIO=3&transport=websocket&", ""),
        ("/sockjs/000/ticket/websocket?", ""),
        ("/sockjs/websocket?", ""),
        ("/turted/000/ticket/websocket?", ""),
    ] {
        let issued = order(&server, json!({"user": "adam"})).await;
        let path = format!("{path}ticket={}", issued["ticket"].as_str().unwrap());
        let mut socket = Socket::open(&server, &path).await;
        if !opens.is_empty() {
            socket.say(opens).await;
        }
        let name = format!("T{}", path.len());
        // Who comes with a ticket needs no turn of the client: pushes reach it as soon as it is ready.
        let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
        loop {
            tell(&server, &to_user("adam", &name, json!(1))).await;
            let heard = socket.next_within(std::time::Duration::from_millis(100)).await;
            if format!("{heard:?}").contains(&name) {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "{path} hears nothing");
        }
        assert_eq!(status(&server, Request::upgrade(&path)).await, 401, "{path}");
        assert!(!server.log().contains("tk_"), "a ticket in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_a_session_over_requests_once_and_is_not_looked_at_again_within_it() {
    let server = Server::with(SETTINGS);
    let issued = order(&server, json!({"user": "adam"})).await;
    let query = format!("EIO=4&ticket={}", issued["ticket"].as_str().unwrap());
    let (mut engine, _) = Engine::join(&server, &query).await;
    tell(&server, &to_user("adam", "ONE", json!(1))).await;
    assert_eq!(engine.json("42").await[1]["event"], "ONE");
    let again = Request::new("GET", &format!("/socket.io/?transport=polling&{query}"));
    assert_eq!(status(&server, again).await, 401);

    let issued = order(&server, json!({"user": "eve"})).await;
    let query = format!("ticket={}", issued["ticket"].as_str().unwrap());
    let xhr = |session: &str| Request::new("POST", &format!("/turted/000/{session}/xhr?{query}"));
    assert_eq!(server.ask(xhr("one")).await.text(), "o\n");
    reach(&server, &to_user("eve", "TWO", json!(2))).await;
    assert!(server.ask(xhr("one")).await.text().contains("TWO"));
    assert_eq!(status(&server, xhr("two")).await, 401);
    assert!(!server.log().contains("tk_"), "a ticket in the log");
}
