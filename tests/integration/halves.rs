//! Peers that close their half of the socket: whoever asked gets the answer, whoever waits is taken for gone.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::harness::{Request, Secure, Server, Value, json, payloads, to_channel, within};

/// What a peer gets that says this and then closes its half; a reset is the end as well.
async fn answered(mut wire: impl AsyncRead + AsyncWrite + Unpin, said: &[u8]) -> String {
    wire.write_all(said).await.unwrap();
    wire.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = within("the end of the answer", wire.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_gets_its_answer_though_its_sender_says_nothing_more() {
    let server = Server::start();
    let mut client = server.member(&["chat"]).await;
    // A quarter of them had no answer, and were repeated.
    for number in 0..200 {
        let request = Request::post("/push/", to_channel("chat", "E", json!(number)).to_string()).kept();
        let answer = answered(server.wire().await, &request.bytes(&server.address)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "push {number}: {answer:?}");
        assert!(answer.ends_with("OK"), "push {number}: {answer:?}");
    }
    let all: Vec<Value> = (0..200).map(Value::from).collect();
    assert_eq!(payloads(&client.events(200).await), all);
    // The last of several on one connection, too.
    let one = Request::post("/push/", "{}").kept().bytes(&server.address);
    let answer = answered(server.wire().await, &one.repeat(5)).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 5, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_one_behind_tls_and_every_other_request_that_waits_for_nothing() {
    let (server, secure) = (Server::start(), Secure::with("limits.push_bytes = \"1 MiB\""));
    let large = to_channel("chat", "E", json!("x".repeat(900_000))).to_string();
    for number in 0..20 {
        for request in [
            Request::post("/push/", large.clone()),
            Request::post("/push/", "{}"),
            Request::post("/poll", ""),
            Request::new("GET", "/health/ready"),
            Request::new("GET", "/metrics"),
            Request::new("GET", "/turted.js"),
            Request::new("GET", "/socket.io/?EIO=4&transport=polling"),
        ] {
            let (path, host) = (request.path().to_owned(), "127.0.0.1");
            let request = request.kept().bytes(host);
            let plain = answered(server.wire().await, &request).await;
            assert!(plain.starts_with("HTTP/1.1 200"), "{number}, {path}: {plain:?}");
            let secret = answered(secure.wire(&["http/1.1"]).await, &request).await;
            assert!(
                secret.starts_with("HTTP/1.1 200"),
                "{number}, {path} behind TLS: {secret:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_request_and_a_request_that_waits_end_with_their_half() {
    let server = Server::start();
    let half = b"POST /push/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n{";
    let answer = answered(server.wire().await, half).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");

    let waits = [
        Request::new("GET", "/events?channel=chat"),
        Request::post("/turted/000/a/xhr_streaming", ""),
        Request::upgrade("/ws"),
    ];
    for request in waits {
        // It ends: `answered` waits for that.
        answered(server.wire().await, &request.kept().bytes("127.0.0.1")).await;
    }
    let xhr = || Request::post("/turted/000/b/xhr", "");
    assert_eq!(server.ask(xhr()).await.text(), "o\n");
    let begun = std::time::Instant::now();
    let answer = answered(server.wire().await, &xhr().kept().bytes("127.0.0.1")).await;
    assert_eq!(answer, "", "nobody reads the poll any more");
    assert!(begun.elapsed() < crate::harness::PATIENCE / 2, "{:?}", begun.elapsed());
    server.still_serves().await;
}
