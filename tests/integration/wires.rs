//! Wires that break while events flow: every event arrives once, in order, whatever carries it.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::ferry::CUTS;
use crate::harness::{Ferry, Heard, Request, Server, Socket, Stream, Value, json, to_channel, within};

/// What is pushed: fifty events a second, for ten seconds.
const EVENTS: u64 = 500;
const PACE: Duration = Duration::from_millis(20);
/// How often the wires are cut.
const CALM: Duration = Duration::from_millis(1100);
/// A client that hears nothing for this long while others hear fifty events a second takes its wire for dead.
const SILENCE: Duration = Duration::from_millis(400);

/// What one client has seen.
struct Log {
    seen: Vec<u64>,
    last: Option<String>,
    ready: Option<Sender<()>>,
}

impl Log {
    fn new(ready: Sender<()>) -> Self {
        Self {
            seen: Vec::new(),
            last: None,
            ready: Some(ready),
        }
    }

    /// It is in the channel: the pushes may begin.
    fn ready(&mut self) {
        self.ready = None;
    }

    fn saw(&mut self, payload: &Value, id: &str) {
        self.seen.push(
            payload
                .as_u64()
                .unwrap_or_else(|| panic!("an event of ours: {payload}")),
        );
        self.last = Some(id.to_owned());
    }

    fn is_complete(&self) -> bool {
        self.seen.last() == Some(&EVENTS)
    }
}

/// The next text of a socket; `None` when the wire is dead.
async fn text(socket: &mut Socket) -> Option<String> {
    match socket.next_within(SILENCE).await? {
        Heard::Text(text) => Some(text),
        _ => None,
    }
}

async fn native(ferry: &Ferry, ready: Sender<()>) -> Vec<u64> {
    let (mut log, mut token) = (Log::new(ready), None::<Value>);
    while !log.is_complete() {
        let Some(mut socket) = Socket::over(ferry.wire().await, &ferry.address, "/ws").await else {
            continue;
        };
        while let Some(text) = text(&mut socket).await {
            let message: Value = serde_json::from_str(&text).unwrap();
            let data = &message["data"];
            match message["type"].as_str().unwrap() {
                "WELCOME" => {
                    let said = match &token {
                        None => json!({"type": "JOIN", "data": {"channel": "chat"}}),
                        Some(token) => json!({"type": "RESUME", "data": {"token": token, "last": log.last}}),
                    };
                    token.get_or_insert_with(|| data["resume"].clone());
                    socket.say(&said.to_string()).await;
                }
                "EVENT" => log.saw(&data["payload"], data["id"].as_str().unwrap()),
                "OK" if data["channel"].is_string() => log.ready(),
                "OK" if data["recovered"] == true => {}
                _ => panic!("{message}"),
            }
            if log.is_complete() {
                break;
            }
        }
    }
    log.seen
}

async fn event_source(ferry: &Ferry, ready: Sender<()>) -> Vec<u64> {
    let (mut log, mut secret) = (Log::new(ready), None::<String>);
    while !log.is_complete() {
        let query = secret
            .as_ref()
            .map_or("channel=chat".to_owned(), |secret| format!("resume={secret}"));
        let mut request = Request::new("GET", &format!("/events?{query}"));
        if let Some(last) = &log.last {
            request = request.header("Last-Event-ID", last);
        }
        let opened = Stream::over(ferry.wire().await, &ferry.address, request);
        let Some(mut stream) = tokio::time::timeout(SILENCE, opened).await.ok().flatten() else {
            continue;
        };
        assert_eq!(stream.status(), 200);
        while let Some(event) = stream.event_within(SILENCE).await {
            match event.name() {
                "E" => log.saw(&event.value(), event.id.as_deref().unwrap()),
                "turted:welcome" => {
                    secret.get_or_insert_with(|| event.value()["resume"].as_str().unwrap().to_owned());
                    log.ready();
                }
                "turted:ok" if event.value()["recovered"] == true => {}
                _ => panic!("{event:?}"),
            }
            if log.is_complete() {
                break;
            }
        }
    }
    log.seen
}

async fn polls(server: &Server, ferry: &Ferry, ready: Sender<()>) -> Vec<u64> {
    let mut log = Log::new(ready);
    let opened = server.ask(Request::post("/poll", "")).await.value();
    let (path, secret) = (
        format!("/poll/{}", opened["connection"].as_str().unwrap()),
        opened["secret"].as_str().unwrap(),
    );
    let join = Request::post(&path, json!({"type": "JOIN", "data": {"channel": "chat"}}).to_string());
    assert_eq!(
        server.ask(join.header("Turted-Secret", secret)).await.value()["type"],
        "OK"
    );
    log.ready();
    while !log.is_complete() {
        let after = log.last.as_deref().unwrap_or_default();
        let request = Request::new("GET", &format!("{path}?after={after}")).header("Turted-Secret", secret);
        let polled = async {
            Some(
                Stream::over(ferry.wire().await, &ferry.address, request)
                    .await?
                    .rest()
                    .await,
            )
        };
        let body = tokio::time::timeout(SILENCE, polled)
            .await
            .ok()
            .flatten()
            .unwrap_or_default();
        // Half of an answer is none.
        for message in serde_json::from_str::<Vec<Value>>(&body).unwrap_or_default() {
            assert_eq!(message["type"], "EVENT", "{message}");
            log.saw(&message["data"]["payload"], message["data"]["id"].as_str().unwrap());
        }
    }
    log.seen
}

async fn socketio(ferry: &Ferry, ready: Sender<()>) -> Vec<u64> {
    let (mut log, mut pid) = (Log::new(ready), None::<Value>);
    let path = "/socket.io/?EIO=4&transport=websocket";
    while !log.is_complete() {
        let Some(mut socket) = Socket::over(ferry.wire().await, &ferry.address, path).await else {
            continue;
        };
        let auth = pid.as_ref().map(|pid| match &log.last {
            Some(last) => json!({"pid": pid, "offset": last}),
            None => json!({ "pid": pid }),
        });
        socket.say(&format!("40{}", auth.unwrap_or(json!({})))).await;
        while let Some(text) = text(&mut socket).await {
            match text.split_at(2) {
                ("40", connected) => {
                    let connected: Value = serde_json::from_str(connected).unwrap();
                    if *pid.get_or_insert(connected["pid"].clone()) != connected["pid"] {
                        panic!("not recovered: {connected}");
                    }
                    if log.ready.is_some() {
                        socket.say(r#"42["JOIN",{"channel":"chat"}]"#).await;
                    }
                }
                ("42", event) => {
                    let event: Value = serde_json::from_str(event).unwrap();
                    match event[0].as_str() {
                        Some("EVENT") => log.saw(&event[1]["payload"], event[2].as_str().unwrap()),
                        _ => log.ready(),
                    }
                }
                (open, _) => assert!(open.starts_with('0'), "{text}"),
            }
            if log.is_complete() {
                break;
            }
        }
    }
    log.seen
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_arrives_once_and_in_order_however_often_the_wires_are_cut() {
    let server = Server::start();
    let mut ferries = Vec::new();
    for _ in 0..4 {
        ferries.push(Ferry::to(&server.address).await);
    }
    let (ready, mut waiting) = tokio::sync::mpsc::channel(1);
    let travels = async {
        tokio::join!(
            native(&ferries[0], ready.clone()),
            event_source(&ferries[1], ready.clone()),
            polls(&server, &ferries[2], ready.clone()),
            socketio(&ferries[3], ready),
        )
    };
    let weather = async {
        // All are in the channel when nobody holds a sender any more.
        within("the clients to join", async { while waiting.recv().await.is_some() {} }).await;
        let publish = async {
            let mut pace = tokio::time::interval(PACE);
            for number in 1..=EVENTS {
                pace.tick().await;
                server.receipt(&to_channel("chat", "E", json!(number))).await;
            }
        };
        let cut = async {
            let mut pace = tokio::time::interval(CALM);
            for how in CUTS.iter().cycle() {
                pace.tick().await;
                ferries.iter().for_each(|ferry| ferry.cut(*how));
            }
        };
        // The pace is the story: there is nothing to wait for.
        tokio::select! { () = publish => {}, () = cut => {} }
    };
    let limit = PACE * u32::try_from(EVENTS).unwrap() + crate::harness::PATIENCE;
    let both = async { tokio::join!(travels, weather).0 };
    let (native, events, polls, socketio) = tokio::time::timeout(limit, both).await.expect("every event arrives");
    let all: Vec<u64> = (1..=EVENTS).collect();
    for (carrier, seen, ferry) in [
        ("WebSocket", native, &ferries[0]),
        ("server-sent events", events, &ferries[1]),
        ("long-polling", polls, &ferries[2]),
        ("Socket.IO", socketio, &ferries[3]),
    ] {
        let odd = all.iter().zip(&seen).find(|(expected, seen)| expected != seen);
        assert_eq!((seen.len(), odd), (all.len(), None), "{carrier}");
        assert!(ferry.carried() > 6, "{carrier}: {} wires", ferry.carried());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_over_when_both_have_said_so() {
    let server = Server::start();
    // RFC 6455, section 7.1.1: the server closes the connection at once.
    for _ in 0..5 {
        let mut client = server.client().await;
        client.frame(Message::Close(None)).await;
        let begun = Instant::now();
        let closed = client.next().await;
        assert_eq!(closed["type"], "#close", "{closed}");
        assert_eq!(
            client.next().await,
            json!({"type": "#close"}),
            "and then the end of the connection"
        );
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    // The same when the server begins, with words that it cannot read.
    let mut client = server.client().await;
    client.frame(Message::binary(vec![0; 200_000])).await;
    let begun = Instant::now();
    assert_eq!(client.until_closed().await.1, Some(1009));
    client.next().await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
