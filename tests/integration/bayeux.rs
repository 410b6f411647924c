//! Bayeux: sessions over requests and sockets, from one to the other and back, and what hostile clients try.

use tokio_tungstenite::tungstenite::Message;

use crate::api::kicked;
use crate::harness::backend::{Backend, ok};
use crate::harness::{Engine, Request, Server, Socket, Value, json, three_ways, to_channel, to_user};

/// Everybody may say anything, connects are held for two seconds.
pub const OPEN: &str =
    "may.anyone = { join = [\"**\"], publish = [\"**\"], call = [\"orders\"] }\nclients.bayeux.timeout = \"2s\"\n";

pub fn open() -> Server {
    Server::with(OPEN)
}

/// What a batch is answered.
pub async fn say(server: &Server, batch: &Value) -> Value {
    let request = Request::post("/bayeux", batch.to_string()).header("Content-Type", "application/json");
    let reply = server.ask(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    serde_json::from_slice(&reply.body).expect("an array")
}

/// The clientId in the answer to a handshake.
pub async fn shaken(server: &Server, ext: Value) -> String {
    let batch = json!([{"channel": "/meta/handshake", "version": "1.0", "id": "h", "ext": ext}]);
    let answer = say(server, &batch).await;
    assert_eq!(answer[0]["successful"], true, "{answer}");
    answer[0]["clientId"].as_str().unwrap().to_owned()
}

pub fn connect(client: &str, id: i32) -> Value {
    json!({"channel": "/meta/connect", "clientId": client, "connectionType": "long-polling", "id": id})
}

pub fn subscribe(client: &str, channel: &str) -> Value {
    json!({"channel": "/meta/subscribe", "clientId": client, "subscription": channel, "id": "s"})
}

/// A session that has connected and hears the channel `chat`.
pub async fn settled(server: &Server, ext: Value) -> String {
    let client = shaken(server, ext).await;
    let answer = say(server, &json!([connect(&client, 1), subscribe(&client, "/chat")])).await;
    assert_eq!(
        (&answer[0]["id"], &answer[1]["id"]),
        (&json!("s"), &json!(1)),
        "{answer}"
    );
    client
}

/// The data of the events in an answer.
pub fn heard(answer: &Value) -> Vec<Value> {
    let events = answer
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["ext"]["turted"].is_object());
    events
        .map(|event| {
            assert!(event["id"].is_null() && event["clientId"].is_null(), "{event}");
            event["data"].clone()
        })
        .collect()
}

/// A socket that carries a session, and what had waited for it.
pub async fn plugged(server: &Server, client: &str) -> (Socket, Vec<Value>) {
    let mut socket = Socket::open(server, "/bayeux").await;
    socket.say(&json!([{"channel": "/meta/connect", "clientId": client, "connectionType": "websocket", "advice": {"timeout": 0}, "id": 0}]).to_string()).await;
    let mut waited = Vec::new();
    loop {
        let said = socket.json("").await;
        if said[0]["id"] == 0 {
            assert_eq!(said[0]["successful"], true);
            return (socket, waited);
        }
        waited.extend(heard(&said));
    }
}

pub async fn socket(server: &Server, client: &str) -> Socket {
    plugged(server, client).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_come_as_json_as_forms_as_text_as_scripts_and_at_every_path_of_cometd() {
    let server = open();
    let handshake = r#"{"channel":"/meta/handshake","id":"€ &=+"}"#;
    for suffix in ["", "/", "/handshake", "/connect", "/disconnect"] {
        for (media, body) in [
            ("application/json", format!("[{handshake}]")),
            ("application/json;charset=UTF-8", handshake.to_owned()),
            ("application/x-www-form-urlencoded", form(&format!("[{handshake}]"))),
            ("text/plain;charset=UTF-8", form(handshake)),
            ("text/plain", format!("[{handshake}]")),
        ] {
            let request = Request::post(&format!("/bayeux{suffix}"), body).header("Content-Type", media);
            let reply = server.ask(request.header("Origin", "http://localhost:9")).await;
            assert_eq!(reply.header("access-control-allow-origin"), Some("http://localhost:9"));
            assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
            assert_eq!(reply.value()[0]["id"], "€ &=+", "{media}");
        }
    }
    let twice = format!("{}&{}", form(handshake), form(&format!("[{handshake}]")));
    let request = Request::post("/bayeux", twice).header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(
        server.ask(request).await.value().as_array().unwrap().len(),
        2,
        "a field may be repeated"
    );
    let script = format!("/bayeux?{}&jsonp=__jsonp1__", form(handshake));
    let reply = server
        .ask(Request::new("GET", &script).header("Referer", &server.url()))
        .await;
    assert_eq!(reply.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert!(reply.text().starts_with("/**/__jsonp1__([{\"id\":\"€ &=+\"") && reply.text().ends_with("}]);"));
    let preflight = Request::new("OPTIONS", "/bayeux").header("Origin", "http://localhost:9");
    let reply = server
        .ask(preflight.header("Access-Control-Request-Headers", "pragma"))
        .await;
    assert!(reply.status < 300);
    assert_eq!(reply.header("access-control-allow-headers"), Some("pragma"));
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("7", 400),
        ("null", 400),
        ("[1]", 400),
        ("[]", 200),
        ("\u{0}", 400),
    ] {
        assert_eq!(
            server.ask(Request::post("/bayeux", body)).await.status,
            status,
            "{body}"
        );
    }
    assert_eq!(server.ask(Request::new("GET", "/bayeux")).await.status, 400);
    assert_eq!(server.ask(Request::new("PUT", "/bayeux")).await.status, 405);
    assert_eq!(server.ask(Request::post("/bayeux/dance", "[]")).await.status, 404);
}

pub fn form(text: &str) -> String {
    let escaped: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!("message={escaped}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_is_held_when_it_is_alone_and_not_the_first() {
    let server = open();
    let client = shaken(&server, json!({})).await;
    let begun = std::time::Instant::now();
    say(&server, &json!([connect(&client, 1)])).await;
    let answer = say(&server, &json!([connect(&client, 2), subscribe(&client, "/chat")])).await;
    assert_eq!(answer.as_array().unwrap().len(), 2);
    let hurry = json!([{"channel": "/meta/connect", "clientId": client, "id": 3, "advice": {"timeout": 0}}]);
    assert_eq!(say(&server, &hurry).await[0]["advice"]["timeout"], 2000);
    assert!(begun.elapsed().as_millis() < 1_900);
    assert_eq!(
        say(&server, &json!([connect(&client, 4)])).await,
        json!([{"id": 4, "channel": "/meta/connect", "successful": true}])
    );
    assert!(begun.elapsed().as_millis() > 1_900);
    // An event ends it. The answer to the connect comes last.
    let held = json!([connect(&client, 5)]);
    let (answer, _) = tokio::join!(say(&server, &held), async {
        let said = json!([{"channel": "/chat", "data": [1], "clientId": client, "id": "p"}]);
        assert_eq!(
            say(&server, &said).await,
            json!([{"id": "p", "channel": "/chat", "successful": true}])
        );
    });
    assert_eq!((heard(&answer), &answer[1]["id"]), (vec![json!([1])], &json!(5)));
    // A newer one takes its place.
    let both = tokio::join!(say(&server, &held), async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let (newer, push) = (json!([connect(&client, 6)]), to_channel("chat", "E", json!(2)));
        tokio::join!(say(&server, &newer), server.receipt(&push)).0
    });
    assert_eq!(heard(&both.0).len() + heard(&both.1).len(), 1, "{both:?}");
    // A goodbye answers it, too.
    let (answer, _) = tokio::join!(say(&server, &held), async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        say(
            &server,
            &json!([{"channel": "/meta/disconnect", "clientId": client, "id": "d"}]),
        )
        .await
    });
    assert_eq!(answer[0]["advice"]["reconnect"], "none", "{answer}");
    let answer = say(
        &server,
        &json!([connect(&client, 7), {"channel": "/meta/disconnect", "clientId": client}]),
    )
    .await;
    assert_eq!(answer[0]["error"], "402::Unknown client");
    assert_eq!(answer[0]["advice"], json!({"reconnect": "handshake", "interval": 0}));
    assert_eq!(
        (&answer[1]["error"], &answer[1]["advice"]),
        (&json!("402::Unknown client"), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_from_wire_to_wire_and_takes_what_waits_along() {
    let server = open();
    let client = settled(&server, json!({})).await;
    let mut next = 0;
    let mut push = async || {
        next += 1;
        let receipt = server.receipt(&to_channel("chat", "E", json!(next))).await;
        assert_eq!(receipt["recipients"], 1, "there is one of it, always");
    };
    push().await;
    let (mut first, waited) = plugged(&server, &client).await;
    assert_eq!(waited, [json!(1)]);
    push().await;
    assert_eq!(heard(&first.json("").await), [json!(2)]);
    // The wire breaks. What comes meanwhile waits for the next one, which is a request here.
    first.cut();
    push().await;
    push().await;
    let mut all = Vec::new();
    while all.len() < 2 {
        all.extend(heard(&say(&server, &json!([connect(&client, 2)])).await));
    }
    assert_eq!(all, [json!(3), json!(4)]);
    push().await;
    // From socket to socket: the newest counts, and the other is told.
    let (mut second, waited) = plugged(&server, &client).await;
    assert_eq!(waited, [json!(5)]);
    let mut third = socket(&server, &client).await;
    assert_eq!(second.until_closed().await.1, Some(4011));
    push().await;
    assert_eq!(heard(&third.json("").await), [json!(6)]);
    // To requests, while the socket is well.
    let held = json!([connect(&client, 3)]);
    let (answer, _) = tokio::join!(say(&server, &held), async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        push().await;
    });
    assert_eq!(heard(&answer), [json!(7)]);
    assert_eq!(third.until_closed().await.1, Some(4011));
    // A socket that closes in good order is no goodbye either.
    let mut last = socket(&server, &client).await;
    last.send(Message::Close(None)).await;
    let _ = last.until_closed().await;
    push().await;
    let (mut last, waited) = plugged(&server, &client).await;
    assert_eq!(waited, [json!(8)]);
    last.say(&json!([{"channel": "/meta/connect", "clientId": client, "id": 9}]).to_string())
        .await;
    last.say(&json!([{"channel": "/meta/disconnect", "clientId": client, "id": 10}]).to_string())
        .await;
    let answer = last.json("").await;
    assert_eq!(
        (&answer[0]["id"], &answer[1]["id"]),
        (&json!(10), &json!(9)),
        "{answer}"
    );
    assert_eq!(last.until_closed().await.1, Some(1000));
    assert_eq!(
        server.receipt(&to_channel("chat", "E", json!(0))).await["recipients"],
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_acknowledged_comes_again() {
    let server = open();
    let client = shaken(&server, json!({"ack": true})).await;
    let connect =
        |id: i32, seen: u64| json!([{"channel": "/meta/connect", "clientId": client, "id": id, "ext": {"ack": seen}}]);
    let answer = say(&server, &connect(1, 0)).await;
    assert_eq!(answer[0]["ext"]["ack"], 1);
    say(&server, &json!([subscribe(&client, "/chat")])).await;
    server.receipt(&to_channel("chat", "E", json!("one"))).await;
    let expect = async |id: i32, seen: u64, events: &[&str], ack: u64| {
        let answer = say(&server, &connect(id, seen)).await;
        let last = answer.as_array().unwrap().last().unwrap().clone();
        assert_eq!(
            (heard(&answer), &last["ext"]["ack"]),
            (events.iter().map(|&one| json!(one)).collect(), &json!(ack)),
            "{answer}"
        );
    };
    expect(2, 1, &["one"], 2).await;
    expect(3, 1, &["one"], 3).await;
    server.receipt(&to_channel("chat", "E", json!("two"))).await;
    // Answers to anything else never bring events.
    let said = say(
        &server,
        &json!([{"channel": "/chat", "data": "three", "clientId": client, "id": "p"}]),
    )
    .await;
    assert_eq!(said.as_array().unwrap().len(), 1);
    expect(4, 1, &["one", "two", "three"], 4).await;
    // On a socket it is the same, and only together with the answer to a connect.
    let mut socket = Socket::open(&server, "/bayeux").await;
    socket.say(&connect(5, 1).to_string()).await;
    let answer = socket.json("").await;
    assert_eq!((heard(&answer).len(), &answer[3]["ext"]["ack"]), (3, &json!(5)));
    socket.cut();
    let mut socket = Socket::open(&server, "/bayeux").await;
    socket.say(&connect(6, 5).to_string()).await;
    server.receipt(&to_channel("chat", "E", json!("four"))).await;
    let answer = socket.json("").await;
    assert_eq!(
        (heard(&answer), &answer[1]["id"], &answer[1]["ext"]["ack"]),
        (vec![json!("four")], &json!(6), &json!(6))
    );
    // While one is held everything else is answered.
    socket.say(&connect(7, 6).to_string()).await;
    socket
        .say(&json!([{"channel": "/x", "data": 1, "clientId": client, "id": "p"}]).to_string())
        .await;
    assert_eq!(socket.json("").await[0]["id"], "p");
    let answer = socket.json("").await;
    assert_eq!(
        (&answer[0]["id"], &answer[0]["ext"]["ack"]),
        (&json!(7), &json!(7)),
        "its time was over"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_push_is_heard_by_every_dialect_at_once_each_with_its_via() {
    let server = open();
    let client = settled(&server, json!({"authentication": {"username": "adam"}})).await;
    let mut bayeux = socket(&server, &client).await;
    let mut native = server.client().await;
    native.join("chat").await;
    let (mut engine, _) = Engine::join(&server, "EIO=4").await;
    engine.say(r#"42["JOIN",{"channel":"chat"}]"#).await;
    engine.json("42").await;
    assert_eq!(server.receipt(&three_ways(json!({"a": 1}))).await["recipients"], 3);
    let event = bayeux.json("").await[0].clone();
    assert_eq!(
        (&event["channel"], &event["data"]),
        (&json!("/service/user"), &json!({"a": 1}))
    );
    assert_eq!(event["ext"]["turted"]["via"], json!({"user": "adam"}));
    assert_eq!(event["ext"]["turted"]["event"], "E");
    assert_eq!(native.event().await["data"]["via"], json!({"channel": "chat"}));
    assert_eq!(engine.json("42").await[1]["via"], json!({"channel": "chat"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_kicked_or_comes_too_late_is_told_what_to_do() {
    let server = Server::with(&format!("{OPEN}clients.bayeux.expiry = \"1s\"\n"));
    let adam = json!({"authentication": {"username": "adam"}});
    let client = settled(&server, adam.clone()).await;
    let held = json!([connect(&client, 2)]);
    let (answer, _) = tokio::join!(say(&server, &held), async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        kicked(&server, "adam", json!({"for": "10m"})).await
    });
    assert_eq!(answer[0]["error"], "402::Unknown client");
    assert_eq!(answer[0]["advice"], json!({"reconnect": "none"}));
    // It is banned for a while, and does not come in.
    let again = json!([{"channel": "/meta/handshake", "ext": adam, "id": 1}]);
    let answer = say(&server, &again).await;
    assert_eq!(
        (&answer[0]["error"], &answer[0]["advice"]),
        (&json!("403::handshake_denied"), &json!({"reconnect": "none"}))
    );
    // Without a connect nobody is waited for for ever, nor without a socket.
    let eve = settled(&server, json!({"authentication": {"username": "eve"}})).await;
    socket(&server, &eve).await.cut();
    let gone = async {
        while server.receipt(&to_user("eve", "E", json!(1))).await["recipients"] != 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    crate::harness::within("eve to be given up", gone).await;
    let answer = say(&server, &json!([connect(&eve, 3)])).await;
    assert_eq!(answer[0]["advice"]["reconnect"], "handshake");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_asked_and_answers_by_whichever_wire() {
    let backend = Backend::start(|asked| ok(&json!({"asked": asked.body["params"]})));
    let server = Server::with(&format!(
        "{OPEN}[responders.orders]\ntype = \"http\"\nurl = {:?}\nsecret = \"hush-hush-hush-hush\"\n",
        backend.url
    ));
    let client = settled(&server, json!({})).await;
    let ask = json!([{"channel": "/service/orders", "data": 7, "clientId": client, "id": "q"}]);
    assert_eq!(
        say(&server, &ask).await,
        json!([{"id": "q", "channel": "/service/orders", "successful": true}])
    );
    let answer = say(&server, &json!([connect(&client, 2)])).await;
    let expected = json!({"id": "q", "channel": "/service/orders", "data": {"asked": 7}, "successful": true});
    assert_eq!(answer[0], expected, "{answer}");
    let mut socket = socket(&server, &client).await;
    socket.say(&ask.to_string()).await;
    assert_eq!(socket.json("").await[0]["data"], Value::Null);
    assert_eq!(socket.json("").await[0], expected);
}
