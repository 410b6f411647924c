//! Events over plain HTTP, as an `EventSource` sees them.

use crate::harness::{Request, Sent, Server, Stream, Value, json, three_ways, to_all, to_channel, to_user};

/// A stream whose first event has been read; gives it with its connection and its secret.
async fn open(server: &Server, query: &str) -> (Stream, String, String) {
    let mut stream = Stream::open(server, Request::new("GET", &format!("/events{query}"))).await;
    assert_eq!(stream.status(), 200, "{}", stream.rest().await);
    let welcome = stream.event().await.value();
    // A native message, or the data of a named event.
    let data = if welcome["data"].is_object() {
        &welcome["data"]
    } else {
        &welcome
    };
    let text = |member: &str| data[member].as_str().expect("a welcome").to_owned();
    (stream, text("connection"), text("resume"))
}

/// The answer to a command, with the secret in a header.
async fn command(server: &Server, connection: &str, secret: &str, command: Value) -> (u16, Value) {
    let request = Request::post(&format!("/events/{connection}"), command.to_string());
    let reply = server.ask(request.header("Turted-Secret", secret)).await;
    (reply.status, reply.value())
}

async fn join(server: &Server, (connection, secret): (&str, &str), channel: &str) {
    let answer = command(
        server,
        connection,
        secret,
        json!({"type": "JOIN", "data": {"channel": channel}}),
    )
    .await;
    assert_eq!(answer, (200, json!({"type": "OK", "data": {"channel": channel}})));
}

/// The data of the next `count` events.
async fn values(stream: &mut Stream, count: usize) -> Vec<Value> {
    let mut values = Vec::new();
    while values.len() < count {
        values.push(stream.event().await.value());
    }
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_source_hears_its_user_its_channels_and_everybody_each_event_once() {
    let server = Server::start();
    let mut stream = Stream::open(
        &server,
        Request::new("GET", "/events?channel=chat&channel=news&username=adam"),
    )
    .await;
    assert_eq!(
        (stream.status(), stream.header("content-type")),
        (200, Some("text/event-stream"))
    );
    assert_eq!(stream.header("cache-control"), Some("no-store, no-transform"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    assert!(stream.until("\n\n").await.starts_with("retry: "));
    let welcome = stream.event().await;
    assert_eq!(welcome.name(), "turted:welcome");
    let welcome = welcome.value();
    assert!(
        welcome["connection"].is_string() && welcome["resume"].is_string(),
        "{welcome}"
    );

    let receipt = server.receipt(&three_ways(json!({"a": "ü"}))).await;
    assert_eq!(receipt["recipients"], 1);
    let event = Sent {
        id: receipt["id"].as_str().map(str::to_owned),
        name: Some("E".into()),
        data: "{\"a\":\"ü\"}".into(),
    };
    assert_eq!(stream.event().await, event);
    for number in 0..60 {
        let push = match number % 3 {
            0 => to_user("adam", "E", json!(number)),
            1 => to_channel("news", "E", json!(number)),
            _ => to_all("E", json!(number)),
        };
        server.receipt(&push).await;
    }
    let expected: Vec<Value> = (0..60).map(|number| json!(number)).collect();
    assert_eq!(values(&mut stream, 60).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_come_by_post_and_the_native_form_carries_whole_messages() {
    let server = Server::start();
    let (mut stream, connection, secret) = open(&server, "?format=native").await;
    let who = (connection.as_str(), secret.as_str());
    let ident = json!({"type": "IDENT", "data": {"username": "adam"}, "ref": 7});
    let answer = command(&server, who.0, who.1, ident).await;
    assert_eq!(
        answer,
        (200, json!({"type": "OK", "data": {"username": "adam"}, "ref": 7}))
    );
    join(&server, who, "chat").await;
    let echo = command(&server, who.0, who.1, json!({"type": "ECHO", "data": [1]})).await;
    assert_eq!(echo, (200, json!({"type": "ECHO", "data": [1]})));

    let receipt = server.receipt(&three_ways(json!(1))).await;
    let event = stream.event().await;
    assert_eq!((event.name(), event.id.as_deref()), ("", receipt["id"].as_str()));
    let data = json!({"event": "E", "payload": 1, "via": {"user": "adam"}, "id": receipt["id"]});
    assert_eq!(event.value(), json!({"type": "EVENT", "data": data}));

    let leave = json!({"type": "LEAVE", "data": {"channel": "chat"}});
    assert_eq!(command(&server, who.0, who.1, leave).await.0, 200);
    server.receipt(&to_channel("chat", "E", json!("left"))).await;
    server.receipt(&to_user("adam", "E", json!(2))).await;
    assert_eq!(stream.event().await.value()["data"]["payload"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_names_the_last_event_hears_what_came_after_it_however_it_is_spelled() {
    let server = Server::start();
    let mut ids = Vec::new();
    for number in 0..4 {
        let receipt = server.receipt(&to_channel("chat", "E", json!(number))).await;
        ids.push(receipt["id"].as_str().unwrap().to_owned());
    }
    let after = |last: &str| format!("/events?channel=chat&{last}");
    let mut requests: Vec<Request> = [
        "last",
        "lastEventId",
        "LASTEVENTID",
        "last-event-id",
        "Last-Event-ID",
        "evs_last_event_id",
    ]
    .iter()
    .map(|name| Request::new("GET", &after(&format!("{name}={}", ids[1]))))
    .collect();
    for name in ["Last-Event-ID", "last-event-id"] {
        requests.push(Request::new("GET", "/events?channel=chat").header(name, &ids[1]));
    }
    // The header wins: a browser writes it, and the query is as old as the page.
    requests.push(Request::new("GET", &after(&format!("last={}", ids[0]))).header("Last-Event-ID", &ids[1]));
    for request in requests {
        let mut stream = Stream::open(&server, request).await;
        let mut events = Vec::new();
        while events.len() < 3 {
            events.push(stream.event().await);
        }
        assert_eq!(events[0].name(), "turted:welcome");
        let heard: Vec<_> = events[1..]
            .iter()
            .map(|event| (event.id.clone(), event.value()))
            .collect();
        let missed = [(Some(ids[2].clone()), json!(2)), (Some(ids[3].clone()), json!(3))];
        assert_eq!(heard, missed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_another_memory_is_answered_with_a_gap_and_then_with_all_that_there_is() {
    let server = Server::start();
    let mut there = vec![json!("before")];
    server.receipt(&to_channel("chat", "E", json!("before"))).await;
    server.receipt(&to_channel("news", "E", json!("for others"))).await;
    for last in ["deadbeef-1", "nonsense", "-", "deadbeef-99999999999999999999999"] {
        let request = Request::new("GET", "/events?channel=chat").header("Last-Event-ID", last);
        let mut stream = Stream::open(&server, request).await;
        assert_eq!(stream.event().await.name(), "turted:welcome");
        let gap = stream.event().await;
        assert_eq!((gap.name(), gap.value()), ("turted:gap", json!({"since": last})));
        there.push(json!(last));
        server.receipt(&to_channel("chat", "E", json!(last))).await;
        for payload in &there {
            assert_eq!(stream.event().await.value(), *payload, "after {last}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_brings_its_secret_is_the_same_connection_again() {
    let server = Server::start();
    let (mut stream, connection, secret) = open(&server, "?username=adam").await;
    join(&server, (&connection, &secret), "chat").await;
    server.receipt(&to_channel("chat", "E", json!(1))).await;
    let last = stream.event().await.id.unwrap();
    stream.cut();
    for (number, push) in [to_channel("chat", "E", json!(2)), to_user("adam", "E", json!(3))]
        .iter()
        .enumerate()
    {
        assert!(server.receipt(push).await["id"].is_string(), "{number}");
    }
    let request = Request::new("GET", &format!("/events?resume={secret}")).header("Last-Event-ID", &last);
    let mut back = Stream::open(&server, request).await;
    let welcome = back.event().await.value();
    assert_eq!(values(&mut back, 2).await, [json!(2), json!(3)]);
    let resumed = back.event().await;
    let data = json!({"connection": connection, "recovered": true, "replayed": 2});
    assert_eq!((resumed.name(), resumed.value()), ("turted:ok", data));
    // Commands go to where the new stream says; the memberships are the old ones.
    let who = (
        welcome["connection"].as_str().unwrap(),
        welcome["resume"].as_str().unwrap(),
    );
    join(&server, who, "news").await;
    for channel in ["chat", "news"] {
        assert_eq!(
            server.receipt(&to_channel(channel, "E", json!(channel))).await["recipients"],
            1
        );
    }
    assert_eq!(values(&mut back, 2).await, [json!("chat"), json!("news")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_an_event_source_keeps_for_itself_travel_under_another() {
    let server = Server::start();
    let (mut stream, ..) = open(&server, "?channel=chat").await;
    for name in [
        "open",
        "error",
        "message",
        "turted:welcome",
        "turted:bye",
        "turted:",
        "",
    ] {
        let receipt = server.receipt(&to_channel("chat", name, json!({"n": name}))).await;
        let event = stream.event().await;
        assert_eq!(
            (event.name(), event.id.as_deref()),
            ("turted:event", receipt["id"].as_str())
        );
        let whole = json!({"event": name, "payload": {"n": name}, "via": {"channel": "chat"}, "id": receipt["id"]});
        assert_eq!(event.value(), whole);
    }
    for name in ["OPEN", "opened", "Turted:x", "turted", "message:new"] {
        server.receipt(&to_channel("chat", name, json!(1))).await;
        assert_eq!(stream.event().await.name(), name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_commands_a_connection_without_its_secret() {
    let server = Server::start();
    let (mut stream, connection, secret) = open(&server, "?channel=chat").await;
    let (_other, _, foreign) = open(&server, "").await;
    let join = json!({"type": "JOIN", "data": {"channel": "other"}});
    let path = format!("/events/{connection}");
    // CWE-639: the id is public, so that backends can exclude a sender.
    for wrong in ["", "wrong", &foreign, &secret[1..], &format!("{secret}0"), &connection] {
        let (status, error) = command(&server, &connection, wrong, join.clone()).await;
        assert_eq!(
            (status, &error["error"]["code"]),
            (403, &json!("wrong_secret")),
            "{wrong}"
        );
        let delete = Request::new("DELETE", &path).header("Turted-Secret", wrong);
        assert_eq!(server.ask(delete).await.status, 403, "{wrong}");
    }
    assert_eq!(server.ask(Request::post(&path, join.to_string())).await.status, 403);
    let (status, error) = command(&server, "nobody", &secret, join.clone()).await;
    assert_eq!((status, &error["error"]["code"]), (404, &json!("unknown_connection")));
    // As a member, for pages that must not set a header.
    let mut guarded = join.clone();
    guarded["secret"] = json!(secret);
    assert_eq!(server.ask(Request::post(&path, guarded.to_string())).await.status, 200);

    assert_eq!(
        server
            .ask(Request::new("DELETE", &format!("{path}?secret={secret}")))
            .await
            .status,
        200
    );
    let bye = stream.event().await;
    assert_eq!((bye.name(), &bye.value()["code"]), ("turted:bye", &json!(1000)));
    assert_eq!(stream.rest().await, "");
    assert_eq!(command(&server, &connection, &secret, join).await.0, 404);
    assert_eq!(
        server.receipt(&to_channel("chat", "E", json!(1))).await["recipients"],
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_is_refused_with_a_reason() {
    let server = Server::start();
    for (query, status, code) in [
        ("?format=xml", 400, "bad_format"),
        ("?channel=", 400, "bad_name"),
        ("?channel=a%0Ab", 400, "bad_name"),
        ("?username=a%0Db", 400, "bad_name"),
    ] {
        let reply = server.get(&format!("/events{query}")).await;
        assert_eq!(
            (reply.status, &reply.value()["error"]["code"]),
            (status, &json!(code)),
            "{query}"
        );
    }
    let many: String = (0..129).map(|number| format!("channel=c{number}&")).collect();
    assert_eq!(
        server.get(&format!("/events?{many}")).await.value()["error"]["code"],
        "too_many_channels"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_secret_nobody_knows_any_more_begins_anew_with_what_its_url_says() {
    let server = Server::start();
    let (mut stream, connection, secret) = open(&server, "?channel=chat&username=adam&resume=forgotten").await;
    let told = values(&mut stream, 2).await;
    assert_eq!(
        (&told[0]["recovered"], &told[1]),
        (&json!(false), &json!({"since": null}))
    );
    server.receipt(&three_ways(json!(1))).await;
    assert_eq!(values(&mut stream, 1).await, [json!(1)]);
    // The secret may stand in the query as well.
    let path = format!("/events/{connection}?secret={secret}");
    let answer = server.ask(Request::post(&path, r#"{"type":"PING"}"#)).await;
    assert_eq!(answer.value()["type"], "PONG", "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_and_backends_of_the_php_server_find_what_they_know() {
    let server = Server::with(
        "[connectors.php]\ntype = \"rest\"\npath = \"/sse\"\nanswers = \"php\"\n\
         [auth.backends]\ntype = \"password\"\npassword = \"sesame\"",
    );
    let mut stream = Stream::open(&server, Request::new("GET", "/sse?username=adam")).await;
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.until("\n\n").await, "retry: 8000\n\n");
    let push = |password: &str, event: &str| {
        let push =
            json!({"event": event, "targets": {"users": "adam"}, "payload": [1], "auth": {"password": password}});
        server.ask(Request::post("/sse", push.to_string()))
    };
    let denied = push("guess", "A").await;
    assert_eq!((denied.status, denied.text().as_str()), (403, "FORBIDDEN"));
    // An event without a name is not sent.
    for event in ["", "A"] {
        let taken = push("sesame", event).await;
        assert_eq!((taken.status, taken.text().as_str()), (200, "ok"));
    }
    assert_eq!(stream.until("\n\n").await, ":\n\n");
    let event = stream.until("\n\n").await;
    assert!(event.ends_with("\nevent: A\ndata: [1]\n\n"), "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_source_that_is_refused_for_now_is_told_to_come_back() {
    // Any status but 200 ends an EventSource for good (HTML Living Standard, section 9.2.3).
    let server = Server::with("limits.connections = 1");
    let held = server.client().await;
    for path in ["/events?channel=a", "/sse?channel=a"] {
        let source = Request::new("GET", path).header("Accept", "text/event-stream");
        let stream = Stream::open(&server, source).await;
        assert_eq!(
            (stream.status(), stream.header("content-type")),
            (200, Some("text/event-stream")),
            "{path}"
        );
        let said = stream.rest().await;
        let retry = said
            .strip_prefix("retry: ")
            .and_then(|rest| rest.split('\n').next())
            .unwrap();
        assert!(
            (10_000..=20_000).contains(&retry.parse::<u32>().unwrap()),
            "{path}: {said}"
        );
        assert!(said.contains("as many connections as it may have"), "{path}: {said}");
        assert_eq!(
            said.contains("event: turted:error\ndata: {\"code\":\"full\""),
            path.starts_with("/events"),
            "{said}"
        );
        assert_eq!(server.get(path).await.status, 503, "{path}: others can read a status");
        let native = Request::new("GET", "/events?format=native").header("Accept", "text/event-stream");
        assert_eq!(server.ask(native).await.status, 503);
    }
    // What is refused for good is no stream.
    let foreign = Request::new("GET", "/events").header("Accept", "text/event-stream");
    assert_eq!(
        server
            .ask(foreign.header("Origin", "https://evil.example"))
            .await
            .status,
        403
    );
    drop(held);
    crate::harness::within("a free place", async {
        loop {
            let source = Request::new("GET", "/events").header("Accept", "text/event-stream");
            let mut stream = Stream::open(&server, source).await;
            if stream.event().await.name() == "turted:welcome" {
                break;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_with_carriage_returns_stays_what_it_is_between_its_lines() {
    let server = Server::start();
    let (mut stream, ..) = open(&server, "?channel=a").await;
    let push = "{\"event\":\"A\",\"targets\":{\"channels\":\"a\"},\"payload\":{\r\n\t\"a\":\r[1.0,\n\n2]\r}}";
    assert_eq!(server.ask(Request::post("/push/", push)).await.text(), "OK");
    assert_eq!(stream.event().await.data, "{ \n\t\"a\": [1.0,\n\n2] }");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_allows_what_polyfills_of_event_sources_send() {
    let server = Server::start();
    for path in ["/events", "/sse", "/poll"] {
        let preflight = Request::new("OPTIONS", path)
            .header("Origin", "http://localhost:3000")
            .header("Access-Control-Request-Method", "GET")
            .header("Access-Control-Request-Headers", "cache-control,last-event-id");
        let reply = server.ask(preflight).await;
        let allowed = reply.header("access-control-allow-headers").unwrap_or_default();
        for wanted in ["cache-control", "last-event-id"] {
            assert!(allowed.split(", ").any(|name| name == wanted), "{path}: {allowed}");
        }
    }
}
