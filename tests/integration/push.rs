//! Backend to server: the answers of the original byte for byte, and what was added to them.

use crate::harness::{Request, Server, Value, json, payloads, to_all, to_channel, to_user};

#[tokio::test(flavor = "multi_thread")]
async fn a_push_reaches_a_user_a_channel_and_everybody() {
    let server = Server::start();
    let (mut adam, mut chat, mut nobody) = (
        server.user("adam").await,
        server.member(&["chat"]).await,
        server.client().await,
    );
    for (targets, recipients) in [
        (json!({"users": "adam"}), 1),
        (json!({"users": ["adam", "eve"]}), 1),
        (json!({"channels": "chat"}), 1),
        (json!({"channels": ["chat", "news"]}), 1),
        (json!({"users": ["adam"], "channels": ["chat"]}), 2),
        (json!({"broadcast": true}), 3),
        (json!({"broadcast": "1"}), 3),
        (json!({"broadcast": null}), 0),
        (json!({"broadcast": false, "users": []}), 0),
        (json!({}), 0),
    ] {
        let push = json!({"event": "E", "targets": targets, "payload": targets});
        assert_eq!(server.receipt(&push).await["recipients"], recipients, "{targets}");
    }
    assert_eq!(adam.heard(&server).await.len(), 5);
    assert_eq!(chat.heard(&server).await.len(), 5);
    assert_eq!(nobody.heard(&server).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_and_a_user_in_the_singular_are_reached_as_well() {
    let server = Server::start();
    let (mut member, mut adam) = (server.member(&["chat", "news"]).await, server.user("adam").await);
    // As TURTED's Symfony bundle notifies a channel.
    for (targets, payload) in [
        (json!({"channel": "chat"}), 1),
        (json!({"channel": ["chat"], "channels": ["news"], "user": "adam"}), 2),
    ] {
        let push = json!({"event": "E", "targets": targets, "payload": payload, "auth": []});
        assert_eq!(server.push(&push).await.text(), "OK");
    }
    assert_eq!(payloads(&member.events(2).await), [json!(1), json!(2)]);
    assert_eq!(payloads(&adam.events(1).await), [json!(2)]);
    assert!(member.heard(&server).await.is_empty(), "once is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_are_those_of_the_original() {
    let server = Server::with("auth.backends.type = \"password\"\nauth.backends.password = \"s3cret\"");
    let good = json!({"event": "E", "targets": {"broadcast": true}, "auth": {"password": "s3cret"}});
    let bare = json!({"event": "E", "auth": "s3cret"});
    let wrong = json!({"event": "E", "auth": {"password": "guess"}});
    for (body, status, text) in [
        (good.to_string(), 200, "OK"),
        (bare.to_string(), 200, "OK"),
        ("{\"event\":".to_owned(), 400, "Data was not json"),
        (String::new(), 400, "Data was not json"),
        (wrong.to_string(), 401, "Wrong auth data"),
        ("{}".to_owned(), 401, "Wrong auth data"),
    ] {
        for path in ["/push/", "/push/any/where"] {
            let reply = server.ask(Request::new("POST", path).body(body.clone())).await;
            assert_eq!((reply.status, reply.text().as_str()), (status, text), "{path} {body}");
        }
    }
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let reply = server.ask(Request::new(method, "/push/")).await;
        assert_eq!(reply.status, 405, "{method}");
        assert_eq!(reply.header("allow"), Some("OPTIONS, POST"), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_content_type_is_taken() {
    let server = Server::start();
    for kind in [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "nonsense",
    ] {
        let request = Request::new("POST", "/push/").header("Content-Type", kind).body("{}");
        assert_eq!(server.ask(request).await.text(), "OK", "{kind}");
    }
    assert_eq!(server.ask(Request::new("POST", "/push/").body("{}")).await.text(), "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_names_methods_headers_and_an_allowed_origin() {
    let server = Server::public("server.origins = [\"https://app.example\"]");
    let preflight = |origin: &str| {
        Request::new("OPTIONS", "/push/")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
    };
    let reply = server.ask(preflight("https://app.example")).await;
    assert!(matches!(reply.status, 200 | 204), "{}", reply.status);
    assert_eq!(reply.header("access-control-allow-methods"), Some("OPTIONS, POST"));
    assert!(
        reply
            .header("access-control-allow-headers")
            .unwrap()
            .to_lowercase()
            .contains("content-type")
    );
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(
        server
            .ask(preflight("https://evil.example"))
            .await
            .header("access-control-allow-origin"),
        None
    );
    // The answer to the request itself must be readable by that page as well.
    let request = Request::new("POST", "/push/")
        .header("Origin", "https://app.example")
        .body("{}");
    let reply = server.ask(request).await;
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (200, Some("https://app.example"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_wants_json_gets_a_receipt_or_the_member_that_is_wrong() {
    let server = Server::start();
    let mut client = server.member(&["chat"]).await;
    let receipt = server.receipt(&to_channel("chat", "E", json!(1))).await;
    let event = client.event().await;
    assert_eq!(
        (&receipt["recipients"], &receipt["id"]),
        (&json!(1), &event["data"]["id"])
    );
    for (body, code) in [
        ("{", "not_json"),
        ("null", "not_an_object"),
        ("5", "not_an_object"),
        ("{\"event\":5}", "bad_event"),
        ("{\"targets\":{\"users\":5.5}}", "bad_target"),
        ("{\"targets\":{\"broadcast\":\"whatever\"}}", "bad_target"),
        ("{\"target\":{\"users\":\"adam\"}}", "unknown_member"),
        ("{\"targets\":{\"channels\":[\"\"]}}", "bad_target"),
        ("{\"exclude\":1}", "bad_exclude"),
        ("{\"id\":\"\"}", "bad_id"),
    ] {
        let reply = server.ask(Request::json("/push/", body)).await;
        let error = reply.value()["error"].clone();
        assert_eq!(
            (reply.status, error["code"].as_str()),
            (400, Some(code)),
            "{body}: {}",
            reply.text()
        );
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_header_wins_over_the_body() {
    let server = Server::with("auth.backends.type = \"password\"\nauth.backends.password = \"s3cret\"");
    let with = |bearer: &str, auth: &str| {
        Request::json("/push/", json!({"auth": auth})).header("Authorization", &format!("Bearer {bearer}"))
    };
    assert_eq!(server.ask(with("s3cret", "guess")).await.status, 200);
    let reply = server.ask(with("guess", "s3cret")).await;
    assert_eq!(reply.status, 401);
    assert!(reply.value()["error"]["code"].is_string(), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_dispatched_in_order_with_one_answer_each() {
    let server = Server::start();
    let mut client = server.member(&["chat"]).await;
    let mut batch: Vec<Value> = (0..50).map(|number| to_channel("chat", "E", json!(number))).collect();
    batch.insert(10, json!(null));
    let answers = server.receipt(&Value::Array(batch)).await;
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 51);
    assert_eq!(
        answers[10]["error"]["code"], "not_an_object",
        "a wrong push spoils only itself"
    );
    let events = client.heard(&server).await;
    assert_eq!(
        payloads(&events),
        (0..50).map(|number| json!(number)).collect::<Vec<_>>()
    );
    let receipts: Vec<&Value> = answers.iter().filter_map(|answer| answer.get("id")).collect();
    assert_eq!(
        receipts,
        events.iter().map(|event| &event["data"]["id"]).collect::<Vec<_>>()
    );
    let long = Value::Array(vec![json!({}); 1001]);
    assert_eq!(
        server.ask(Request::json("/push/", long)).await.value()["error"]["code"],
        "bad_batch"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_without_credentials_dispatches_nothing() {
    let server = Server::with("auth.backends.type = \"password\"\nauth.backends.password = \"s3cret\"");
    let mut client = server.client().await;
    client.join("chat").await;
    let push = |auth: &str| json!({"event": "E", "targets": {"channels": "chat"}, "auth": auth});
    let mixed = json!([push("s3cret"), push("guess"), push("s3cret")]);
    assert_eq!(server.push(&mixed).await.status, 401);
    let last = json!({"event": "LAST", "targets": {"channels": "chat"}, "auth": "s3cret"});
    assert_eq!(server.push(&last).await.text(), "OK");
    assert_eq!(client.event().await["data"]["event"], "LAST");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_can_be_left_out() {
    let server = Server::start();
    let (mut adam, mut twin, mut eve) = (
        server.user("adam").await,
        server.user("adam").await,
        server.user("eve").await,
    );
    let push =
        |exclude: Value| json!({"event": "E", "targets": {"broadcast": true}, "payload": exclude, "exclude": exclude});
    for (exclude, recipients) in [
        (json!({"connections": [adam.connection]}), 2),
        (json!({"connections": adam.connection}), 2),
        (json!({"users": ["adam"]}), 1),
        (json!({"users": "eve", "connections": [twin.connection]}), 1),
        (json!({"connections": ["unknown"]}), 3),
    ] {
        assert_eq!(
            server.receipt(&push(exclude.clone())).await["recipients"],
            recipients,
            "{exclude}"
        );
    }
    assert_eq!(adam.heard(&server).await.len(), 2);
    assert_eq!(twin.heard(&server).await.len(), 3);
    assert_eq!(eve.heard(&server).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_id_returns_the_first_receipt_and_dispatches_nothing() {
    let server = Server::start();
    let mut client = server.member(&["chat"]).await;
    let push = json!({"event": "E", "targets": {"channels": "chat"}, "payload": 1, "id": "order-4711"});
    let first = server.receipt(&push).await;
    let mut late = server.member(&["chat"]).await;
    assert_eq!(server.receipt(&push).await, first);
    // Two at once must not both win either.
    let other = json!({"event": "E", "targets": {"channels": "chat"}, "payload": 2, "id": "order-4712"});
    let (one, two) = tokio::join!(server.receipt(&other), server.receipt(&other));
    assert_eq!(one, two);
    assert_eq!(payloads(&client.heard(&server).await), [json!(1), json!(2)]);
    assert_eq!(payloads(&late.heard(&server).await), [json!(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_short_urls_take_the_whole_body_as_payload() {
    let server = Server::start();
    let mut client = server.user("adam smith").await;
    client.join("a/b").await;
    for (path, body) in [
        ("/push/user/adam%20smith/MESSAGE:NEW", "{\"n\":1}"),
        ("/push/channel/a%2Fb/MESSAGE:NEW", "[2]"),
        ("/push/all/MESSAGE:NEW", "\"three\""),
    ] {
        let reply = server.ask(Request::json(path, body)).await;
        assert_eq!(
            (reply.status, &reply.value()["recipients"]),
            (200, &json!(1)),
            "{path}: {}",
            reply.text()
        );
    }
    let events = client.heard(&server).await;
    assert_eq!(payloads(&events), [json!({"n": 1}), json!([2]), json!("three")]);
    assert!(events.iter().all(|event| event["data"]["event"] == "MESSAGE:NEW"));
    let vias: Vec<&Value> = events.iter().map(|event| &event["data"]["via"]).collect();
    assert_eq!(
        vias,
        [
            &json!({"user": "adam smith"}),
            &json!({"channel": "a/b"}),
            &json!({"broadcast": true})
        ]
    );
    let reply = server.ask(Request::json("/push/channel/chat/E", "{")).await;
    assert_eq!(reply.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_anybody_to_hear_it_is_a_success() {
    let server = Server::start();
    for push in [
        json!({}),
        to_user("nobody", "E", json!({})),
        to_channel("empty", "E", json!({})),
        to_all("E", json!({})),
    ] {
        assert_eq!(server.push(&push).await.text(), "OK");
        assert_eq!(server.receipt(&push).await["recipients"], 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pushes_share_one_connection() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Server::start();
    let mut wire = server.wire().await;
    let one = "POST /push/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";
    wire.write_all(one.repeat(20).as_bytes()).await.unwrap();
    let mut answers = String::new();
    while answers.matches("\r\n\r\nOK").count() < 20 {
        let mut bytes = [0; 4096];
        let count = crate::harness::within("twenty answers", wire.read(&mut bytes))
            .await
            .unwrap();
        assert!(count > 0, "the server hung up after {answers}");
        answers.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
}
