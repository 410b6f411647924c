//! Bayeux: what hostile clients and pages try.

use crate::bayeux::{OPEN, connect, form, heard, open, say, settled, shaken, socket, subscribe};
use crate::harness::{Request, Server, Socket, Value, json};

/// CWE-79, CWE-352: nothing but the name of a function gets into a script, and no foreign page is given one.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_calls_a_function_and_no_foreign_page_gets_one() {
    let server = open();
    let ask = |function: &str, page: &str| {
        let path = format!("/bayeux?{}&jsonp={function}", form("[]"));
        Request::new("GET", &path).header("Referer", page)
    };
    let own = server.url();
    for evil in [
        "alert(1)%2f%2f",
        "a%20b",
        "a%3cscript%3e",
        "a;b",
        "",
        "1",
        "%e2%80%a8",
        "a%5b0%5d",
        "a%0d%0aX:1",
        &"x".repeat(200),
    ] {
        assert_eq!(server.ask(ask(evil, &own)).await.status, 400, "{evil}");
    }
    assert_eq!(server.ask(ask("f", &own)).await.text(), "/**/f([]);");
    for page in ["null", "https://evil.example/"] {
        assert_eq!(server.ask(ask("f", page)).await.status, 403);
    }
    let foreign = Request::post("/bayeux", "[]").header("Origin", "https://evil.example");
    assert_eq!(server.ask(foreign).await.status, 403);
    let socket = Request::upgrade("/bayeux").header("Origin", "https://evil.example");
    assert_eq!(server.ask(socket).await.status, 403);
}

/// CWE-770, CWE-674: a batch has a bound, and so has its depth; sessions are clients, with or without a wire.
#[tokio::test(flavor = "multi_thread")]
async fn batches_and_sessions_are_bounded() {
    let server = Server::with(&format!(
        "{OPEN}limits.message_bytes = \"2 MiB\"\nlimits.connections_per_address = 20\n"
    ));
    let client = settled(&server, json!({})).await;
    let many: Vec<Value> = (0..10_000).map(|n| subscribe(&client, &format!("/c{n}"))).collect();
    assert_eq!(
        server
            .ask(Request::post("/bayeux", json!(many).to_string()))
            .await
            .status,
        400
    );
    let names: Vec<String> = (0..10_000).map(|n| format!("/c{n}")).collect();
    let wide = json!([{"channel": "/meta/subscribe", "clientId": client, "subscription": names, "id": 1}]);
    assert!(
        say(&server, &wide).await[0]["error"]
            .as_str()
            .unwrap()
            .starts_with("429:")
    );
    // Each of them counts for the pace, and the connection may have its share.
    let begun = std::time::Instant::now();
    let answer = say(&server, &json!(many[..300])).await;
    let granted = answer
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["successful"] == true)
        .count();
    assert_eq!((answer.as_array().unwrap().len(), granted), (300, 127));
    assert!(begun.elapsed().as_millis() > 900, "200 at once, and 100 in a second");
    let deep = format!("[{{\"data\":{}{}}}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(server.ask(Request::post("/bayeux", deep.clone())).await.status, 400);
    let mut socket = socket(&server, &client).await;
    socket.say(&deep).await;
    socket
        .say(&json!([{"channel": "/chat", "data": 1, "clientId": client, "id": "alive"}]).to_string())
        .await;
    assert_eq!(heard(&socket.json("").await), [json!(1)]);
    // A flood of sessions ends at the bound, also when their sockets are gone at once.
    let mut refused = 0;
    for _ in 0..40 {
        let mut socket = Socket::open(&server, "/bayeux").await;
        socket.say(r#"[{"channel":"/meta/handshake","id":1}]"#).await;
        let answer = socket.json("").await;
        match answer[0]["clientId"].as_str() {
            Some(client) => {
                socket.say(&json!([connect(client, 1)]).to_string()).await;
                socket.json("").await;
            }
            None => {
                assert_eq!(answer[0]["advice"]["reconnect"], "handshake", "{answer}");
                refused += 1;
            }
        }
        socket.cut();
    }
    assert_eq!(refused, 40 - 19);
}

/// CWE-639: a clientId is all that it takes, and nobody guesses it; CWE-290: nobody forges words of the server.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_speaks_for_another_session_nor_for_the_server() {
    let server = open();
    let client = settled(&server, json!({})).await;
    assert!(client.len() >= 32);
    for foreign in [
        String::new(),
        "x".repeat(100_000 / 4),
        client[1..].to_owned(),
        format!("{client} "),
        client.to_uppercase(),
    ] {
        let answer = say(&server, &json!([connect(&foreign, 1), subscribe(&foreign, "/chat")])).await;
        assert_eq!(
            (&answer[0]["error"], &answer[1]["error"]),
            (&json!("402::Unknown client"), &json!("402::Unknown client"))
        );
    }
    // The public id, which others see, is not it.
    let mut native = server.client().await;
    let public = native.welcome["connection"].as_str().unwrap().to_owned();
    assert_eq!(
        say(&server, &json!([connect(&public, 1)])).await[0]["successful"],
        false
    );
    // Another session on a socket that has one already.
    let mut socket = socket(&server, &client).await;
    let other = shaken(&server, json!({})).await;
    socket.say(&json!([subscribe(&other, "/b")]).to_string()).await;
    assert_eq!(socket.json("").await[0]["error"], "402::Unknown client");
    // A channel that is called like a word of the server is heard elsewhere.
    socket.say(&json!([subscribe(&client, "/**")]).to_string()).await;
    socket.json("").await;
    native
        .text(r#"{"type":"PUBLISH","data":{"channel":"meta/connect","event":"E","payload":{"successful":false}}}"#)
        .await;
    let event = socket.json("").await[0].clone();
    assert_eq!(
        (&event["channel"], &event["ext"]["turted"]["via"]["channel"]),
        (&json!("/service/channel"), &json!("meta/connect"))
    );
}
