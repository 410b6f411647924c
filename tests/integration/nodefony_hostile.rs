//! nodefony: what hostile clients and services try.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Heard, Request, Server, Socket, Value, json, within};
use crate::nodefony::{Client, accepted, tcp, with};

/// CWE-918, CWE-74: a bridge leads to the address of its section, whatever a client writes wherever it can.
#[tokio::test(flavor = "multi_thread")]
async fn no_word_of_a_client_leads_a_bridge_elsewhere() {
    let (victim, listener) = (
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let address = victim.local_addr().unwrap();
    let server = with(&tcp("random", &listener.local_addr().unwrap().to_string()));
    let mut client = Client::open(&server).await;
    let port = address.port();
    let names = [
        format!("{address}"),
        format!("http://{address}/"),
        format!("random@{address}"),
        format!("random\r\n{address}"),
        format!("random\u{0}{address}"),
        format!("random:{port}"),
        "RANDOM".to_owned(),
        "random ".to_owned(),
        "random/../random".to_owned(),
        "ｒandom".to_owned(),
        "*".to_owned(),
        "**".to_owned(),
        "random.address".to_owned(),
        "__proto__".to_owned(),
        "x".repeat(60_000),
    ];
    for name in &names {
        let path = format!("/service/{name}");
        client
            .say(json!({"channel": "/meta/subscribe", "subscription": path}))
            .await;
        let refused = client.next().await;
        let error = refused["error"]["error"].as_str().unwrap();
        assert_eq!(
            error.split(':').count(),
            3,
            "it forges no part of the error (CWE-116): {error}"
        );
        client.say(json!({"channel": path, "id": 1, "data": "x"})).await;
        assert!(client.next().await["error"].is_object());
        client
            .say(json!({"channel": "/meta/unsubscribe", "subscription": path, "data": "x"}))
            .await;
        assert!(client.next().await["error"].is_object());
    }
    let elsewhere = json!({
        "channel": "/meta/subscribe", "subscription": "/service/random", "type": "unix", "address": address.to_string(),
        "domain": "127.0.0.1", "port": port, "path": "/etc/passwd", "services": {"random": {"port": port}},
        "advice": {"address": address.to_string()}, "ext": {"port": port}, "data": address.to_string(),
    });
    client.say(elsewhere).await;
    let mut peer = accepted(&listener).await;
    assert_eq!(client.next().await["successful"], true);
    let mut heard = vec![0; address.to_string().len()];
    within("its data", peer.read_exact(&mut heard)).await.unwrap();
    assert_eq!(String::from_utf8(heard).unwrap(), address.to_string());
    // Whoever came to the other address would be the first that is accepted there.
    let own = TcpStream::connect(address).await.unwrap();
    let (_, first) = within("a peer", victim.accept()).await.unwrap();
    assert_eq!(first, own.local_addr().unwrap());
}

/// CWE-770, CWE-674, CWE-20: what is too long, too deep or makes no sense is refused, and costs its sender alone.
#[tokio::test(flavor = "multi_thread")]
async fn messages_are_bounded_in_length_and_depth() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = with(&tcp("random", &listener.local_addr().unwrap().to_string()));
    let mut client = Client::open(&server).await;
    let (_, mut peer) = tokio::join!(client.subscribe("random", None), accepted(&listener));
    for data in [
        "[".repeat(30_000) + &"]".repeat(30_000),
        "{\"a\":".repeat(10_000) + "1" + &"}".repeat(10_000),
    ] {
        let deep = format!("{{\"channel\":\"/service/random\",\"data\":{data}}}");
        client.0.say(&deep).await;
        assert_eq!(client.next().await["error"]["error"], "500::bad Request");
    }
    for twice in [
        r#"{"channel":"/meta/connect","channel":"/service/random","data":"x"}"#,
        r#"{"channel":"/service/random","data":"x","data":"y"}"#,
        r#"{"channel":["/service/random"],"data":"x"}"#,
        r#"{"channel":"/service/random","subscription":7,"data":"x"}"#,
        "null",
        "\"\"",
        "",
    ] {
        client.0.say(twice).await;
        assert_eq!(client.next().await["error"]["error"], "500::bad Request", "{twice}");
    }
    // An id that is no number and no word is none; a long one is not sent back (CWE-405).
    for id in [json!({"a": 1}), json!([1]), json!("x".repeat(1000))] {
        client
            .say(json!({"channel": "/service/random", "id": id, "data": "x"}))
            .await;
        let answer = client.next().await;
        assert_eq!((&answer["id"], &answer["successful"]), (&Value::Null, &json!(true)));
    }
    // Nothing but a text goes over.
    for data in [json!(1), json!({"a": "b"}), json!([]), json!(null), json!("last")] {
        client
            .say(json!({"channel": "/service/random", "id": 1, "data": data}))
            .await;
        let answer = client.next().await;
        assert_eq!(answer["id"], 1, "{answer}");
    }
    let mut heard = [0; 7];
    within("its words", peer.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"xxxlast");
    client.0.say(&"x".repeat(70_000)).await;
    assert_eq!(client.0.until_closed().await.1, Some(1009));
    let mut rest = Vec::new();
    within("the end of its bridge", peer.read_to_end(&mut rest))
        .await
        .unwrap();
    let large = Request::post("/realtime", "x".repeat(70_000));
    assert_eq!(server.ask(large).await.status, 413);
    let deep = Request::post("/realtime", "[".repeat(60_000));
    assert_eq!(server.ask(deep).await.status, 400);
    server.still_serves().await;
}

/// CWE-770: a flood of wishes opens as many bridges as calls may be under way; some more wait, and the rest is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_opens_a_bounded_number_of_bridges() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let services: String = (0..100).map(|number| tcp(&format!("s{number}"), &address)).collect();
    let server = Server::with(&format!("[may.anyone]\njoin = [\"**\"]\ncall = [\"*\"]\n{services}"));
    let mut client = Client::open(&server).await;
    for number in 0..100 {
        let path = format!("/service/s{number}");
        client
            .say(json!({"channel": "/meta/subscribe", "subscription": path}))
            .await;
    }
    let mut peers = Vec::new();
    for _ in 0..16 {
        peers.push(accepted(&listener).await);
    }
    let (mut opened, mut refused) = (0, 0);
    for _ in 0..36 {
        let answer = client.next().await;
        match answer["successful"].as_bool() {
            Some(true) => opened += 1,
            _ => {
                assert!(
                    answer["error"]["error"].as_str().unwrap().starts_with("429:"),
                    "{answer}"
                );
                refused += 1;
            }
        }
    }
    assert_eq!((opened, refused), (16, 20), "64 wait for others");
    // One that ends makes room for one that waits, and the end of the client is the end of all.
    drop(peers.pop());
    peers.push(accepted(&listener).await);
    drop(client);
    for mut peer in peers {
        within("the end", peer.read_to_end(&mut Vec::new())).await.unwrap();
    }
    server.still_serves().await;
}

/// CWE-176, CWE-117: what a service says is text for its client, and nothing else anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_says_is_a_text_whatever_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = with(&tcp("random", &listener.local_addr().unwrap().to_string()));
    let mut client = Client::open(&server).await;
    let (_, mut peer) = tokio::join!(client.subscribe("random", None), accepted(&listener));
    let forged = "\",\"channel\":\"/meta/disconnect\",\"successful\":true}\r\n\u{0}\u{2028}";
    let hostile = [forged.as_bytes(), b"\xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80."].concat();
    peer.write_all(&hostile).await.unwrap();
    let expected = String::from_utf8_lossy(&hostile);
    let mut heard = String::new();
    while heard.len() < expected.len() {
        let said = client.next().await;
        assert_eq!(said["channel"], "/service/random");
        heard += said["data"].as_str().unwrap();
    }
    assert_eq!(heard, expected);
}

/// A client that has gone without a word is noticed, and its bridges end with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_silent_to_pings_ends_and_its_bridges_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let services = tcp("random", &listener.local_addr().unwrap().to_string());
    let server = Server::with(&format!(
        "limits.ping = \"1s\"\n[may.anyone]\njoin = [\"**\"]\ncall = [\"random\"]\n{services}"
    ));
    let mut client = Client::open(&server).await;
    let (_, mut peer) = tokio::join!(client.subscribe("random", None), accepted(&listener));
    // Nothing reads its socket any more, so that no ping is answered.
    within("the end of its bridge", peer.read_to_end(&mut Vec::new()))
        .await
        .unwrap();
    client.0.until_closed().await;
    server.still_serves().await;
}

/// CWE-1385, CWE-350: no foreign page, and no name that was pointed here, opens anything.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_pages_get_nothing() {
    let server = with(&tcp("random", "127.0.0.1:9"));
    for request in [
        Request::upgrade("/realtime"),
        Request::new("GET", "/realtime"),
        Request::post("/realtime", "{\"channel\":\"/meta/handshake\"}"),
    ] {
        let foreign = request.header("Origin", "https://evil.example");
        assert_eq!(server.ask(foreign).await.status, 403);
    }
    let wire = server.wire().await;
    let rebound = Request::new("GET", "/realtime").send(wire, "evil.example").await;
    assert!(rebound.status >= 400, "{}", rebound.status);
    let mut socket = Socket::open(&server, "/realtime").await;
    socket.say("{\"channel\":\"/meta/connect\"}").await;
    assert!(matches!(socket.next().await, Heard::Text(_)));
}
