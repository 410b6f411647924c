//! What those who watch the server see: the stream of notes, the numbers, the health.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

use crate::harness::{Request, Server, Value, json, to_channel, within};

/// An open event stream, read line by line.
struct Stream(Lines<BufReader<TcpStream>>);

impl Stream {
    /// Opens it and reads its head.
    async fn open(server: &Server, path: &str) -> Self {
        let mut wire = server.wire().await;
        let request = Request::new("GET", path).header("Accept", "text/event-stream");
        wire.write_all(&request.bytes(&server.address)).await.unwrap();
        let mut stream = Self(BufReader::new(wire).lines());
        let status = stream.line().await;
        assert!(status.contains(" 200 "), "{path}: {status}");
        let mut head = String::new();
        loop {
            match stream.line().await {
                line if line.is_empty() => break,
                line => head.push_str(&line.to_lowercase()),
            }
        }
        assert!(head.contains("text/event-stream"), "{head}");
        stream
    }

    async fn line(&mut self) -> String {
        within("a line of the stream", self.0.next_line())
            .await
            .unwrap()
            .expect("the stream is open")
    }

    /// The data of the next event that mentions `word`; the sizes of chunks stand on lines of their own and are passed
    /// over.
    async fn mention(&mut self, word: &str) -> Value {
        loop {
            if let Some(data) = self
                .line()
                .await
                .strip_prefix("data:")
                .filter(|data| data.contains(word))
            {
                return serde_json::from_str(data.trim()).unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_shows_every_dispatched_event_with_its_recipients() {
    let server = Server::start();
    let _member = server.member(&["chat"]).await;
    let mut stream = Stream::open(&server, "/observe").await;
    let receipt = server
        .receipt(&to_channel("chat", "MESSAGE:NEW", json!({"text": "hello"})))
        .await;
    let note = stream.mention("MESSAGE:NEW").await.to_string();
    assert!(note.contains(receipt["id"].as_str().unwrap()), "{note}");
    assert!(note.contains("\"recipients\":1"), "{note}");
    server.receipt(&to_channel("empty", "NOBODY:HEARS", json!({}))).await;
    let note = stream.mention("NOBODY:HEARS").await.to_string();
    assert!(
        note.contains("\"recipients\":0"),
        "whether or not anybody was reached: {note}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_can_be_narrowed_to_one_event() {
    let server = Server::start();
    let mut stream = Stream::open(&server, "/observe?event=WANTED").await;
    for number in 0..5 {
        server.receipt(&to_channel("chat", "OTHER", json!(number))).await;
    }
    server.receipt(&to_channel("chat", "WANTED", json!({}))).await;
    let note = stream.mention("{").await.to_string();
    assert!(note.contains("WANTED"), "{note}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_is_for_those_who_may_push() {
    let server = Server::with("auth.backends = { type = \"password\", password = \"s3cret\" }");
    assert_eq!(server.get("/observe").await.status, 401);
    let wrong = Request::new("GET", "/observe").header("Authorization", "Bearer guess");
    assert_eq!(server.ask(wrong).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_that_never_reads_delays_nobody() {
    let server = Server::start();
    let _stalled = Stream::open(&server, "/observe").await;
    let padding = "x".repeat(50_000);
    for number in 0..300 {
        server
            .receipt(&to_channel("chat", "BIG", json!([number, padding])))
            .await;
    }
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_count_connections_and_dispatches() {
    let server = Server::start();
    let _members = [server.member(&["chat"]).await, server.user("adam").await];
    for _ in 0..3 {
        server.receipt(&to_channel("chat", "E", json!({}))).await;
    }
    let reply = server.get("/metrics").await;
    assert_eq!(reply.status, 200);
    let text = reply.text();
    let number = |name: &str| -> f64 {
        let of = |line: &&str| line.split([' ', '{']).next() == Some(name);
        let found: Vec<_> = text
            .lines()
            .filter(of)
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .collect();
        assert!(!found.is_empty(), "no {name} in\n{text}");
        found.iter().sum()
    };
    assert_eq!(number("turted_connections"), 2.0, "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("turted_") || line.starts_with("process_"), "{line}");
    }
    let counts = text
        .lines()
        .any(|line| line.contains("dispatch") && line.ends_with(" 3"));
    assert!(counts, "three dispatches are nowhere in\n{text}");
    assert!(!text.contains("adam"), "a user is no label: there may be millions");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_answered_to_everybody() {
    let server = Server::with("auth.backends = { type = \"password\", password = \"s3cret\" }");
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_and_credentials_stay_out_of_the_log() {
    let server = Server::with("auth.backends = { type = \"password\", password = \"s3cret\" }");
    let mut client = server.client().await;
    client.join("chat").await;
    let mut push = to_channel("chat", "E", json!("private words"));
    push["auth"] = json!("s3cret");
    assert_eq!(server.push(&push).await.text(), "OK");
    client.event().await;
    push["auth"] = json!("almost-s3cret");
    assert_eq!(server.push(&push).await.status, 401);
    let log = server.log();
    assert!(
        !log.contains("private words") && !log.contains("s3cret") && !log.contains(&client.token),
        "{log}"
    );
}
