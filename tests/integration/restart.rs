//! A restart in the flow: what a durable source kept reaches whoever comes back, once and in order.
//!
//! In: five hundred messages a second into a queue of RabbitMQ, a server that is told to stop and started again, and
//! clients of every dialect that resumes. Out: the word about the gap, and behind it every message of the new server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::block_in_place;
use tokio::time::{MissedTickBehavior, interval, timeout};
use turted_services::rabbitmq::Broker;

use crate::harness::{Client, Heard, Request, Server, Socket, Stream, Value, json, until_state, within};

/// How many a second, in how many parcels.
const RATE: (u64, u64) = (500, 50);
/// Published in the end.
const MESSAGES: u64 = 2500;
/// What every client has heard when the server is told to stop.
const ENOUGH: usize = 200;
/// Longer than all this takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// Numbers go to one of these, the even ones to the first.
const CHANNELS: [&str; 2] = ["even", "odd"];

async fn publish(channel: Channel, published: &AtomicU64) {
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(RATE.1).unwrap());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0..MESSAGES {
        if number % (RATE.0 / RATE.1) == 0 {
            ticks.tick().await;
        }
        let to = CHANNELS[usize::from(number % 2 == 1)];
        let push = json!({"event": "E", "targets": {"channels": to}, "payload": number}).to_string();
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        let published_one = channel.basic_publish("".into(), "flow".into(), options, push.as_bytes(), properties);
        published_one.await.unwrap().await.unwrap();
        published.store(number + 1, Ordering::Relaxed);
    }
}

/// What a client keeps over the restart.
#[derive(Default)]
struct Past {
    last: String,
    secret: String,
}

/// What a client hears.
#[derive(Default)]
struct Log {
    numbers: Vec<u64>,
    last: String,
    gaps: usize,
    enough: Option<Sender<()>>,
}

impl Log {
    fn before(enough: &Sender<()>) -> Self {
        let enough = Some(enough.clone());
        Self {
            enough,
            ..Self::default()
        }
    }

    fn saw(&mut self, payload: &Value, id: &Value) {
        self.numbers.push(payload.as_u64().unwrap());
        self.last = id.as_str().unwrap().to_owned();
        if self.numbers.len() >= ENOUGH
            && let Some(enough) = self.enough.take()
        {
            enough.try_send(()).unwrap();
        }
    }

    fn saw_message(&mut self, message: &Value) {
        match message["type"].as_str().unwrap() {
            "EVENT" => self.saw(&message["data"]["payload"], &message["data"]["id"]),
            "GAP" => self.gaps += 1,
            _ => assert_eq!(message["type"], "OK", "{message}"),
        }
    }

    fn has_enough(&self) -> bool {
        self.enough.is_none()
    }

    /// The end of each channel.
    fn is_complete(&self) -> bool {
        (MESSAGES - 2..MESSAGES).all(|end| self.numbers.contains(&end))
    }

    fn past(self, secret: &str) -> Past {
        let (last, secret) = (self.last, secret.to_owned());
        Past { last, secret }
    }
}

async fn native_before(server: &Server, enough: &Sender<()>) -> Past {
    let mut client = server.member(&CHANNELS).await;
    let mut log = Log::before(enough);
    loop {
        let message = match client.early.pop_front() {
            Some(message) => message,
            None => client.next().await,
        };
        match message["type"].as_str() {
            Some("EVENT") => log.saw_message(&message),
            Some("#close") => return log.past(&client.token),
            _ => assert_eq!(message["type"], "BYE", "{message}"),
        }
    }
}

async fn native_after(server: &Server, past: &Past) -> Log {
    let (mut client, mut log) = (Client::connect(server).await, Log::default());
    let resume = json!({"token": past.secret, "last": past.last});
    let answer = client.ask("RESUME", resume).await;
    assert_eq!(answer["data"]["recovered"], false, "{answer}");
    for name in CHANNELS {
        client.join(name).await;
    }
    while !log.is_complete() {
        let message = match client.early.pop_front() {
            Some(message) => message,
            None => client.next().await,
        };
        log.saw_message(&message);
    }
    log
}

fn stream(past: Option<&Past>) -> Request {
    let query = format!("/events?channel={}&channel={}", CHANNELS[0], CHANNELS[1]);
    match past {
        None => Request::new("GET", &query),
        Some(past) => {
            Request::new("GET", &format!("{query}&resume={}", past.secret)).header("Last-Event-ID", &past.last)
        }
    }
}

async fn stream_before(server: &Server, enough: &Sender<()>) -> Past {
    let mut stream = Stream::open(server, stream(None)).await;
    let welcome = stream.event().await.value();
    let mut log = Log::before(enough);
    while let Some(event) = within("an event", stream.try_event()).await {
        if event.name() == "E" {
            log.saw(&event.value(), &json!(event.id));
        }
    }
    log.past(welcome["resume"].as_str().unwrap())
}

async fn stream_after(server: &Server, past: &Past) -> Log {
    let (mut stream, mut log) = (Stream::open(server, stream(Some(past))).await, Log::default());
    while !log.is_complete() {
        let event = stream.event().await;
        match event.name() {
            "E" => log.saw(&event.value(), &json!(event.id)),
            "turted:gap" => log.gaps += 1,
            name => assert_eq!(name, "turted:welcome", "{event:?}"),
        }
    }
    log
}

/// A connection that is polled: its path and its secret.
struct Polled<'a>(&'a Server, String, String);

impl<'a> Polled<'a> {
    async fn open(server: &'a Server, query: &str) -> Self {
        let opened = server.ask(Request::post(&format!("/poll{query}"), "")).await.value();
        let text = |member: &str| opened[member].as_str().unwrap().to_owned();
        Self(server, format!("/poll/{}", text("connection")), text("secret"))
    }

    async fn join(&self, name: &str) {
        let join = json!({"type": "JOIN", "data": {"channel": name}}).to_string();
        let request = Request::post(&self.1, join).header("Turted-Secret", &self.2);
        assert_eq!(self.0.ask(request).await.value()["type"], "OK");
    }

    async fn poll(&self, after: &str) -> Vec<Value> {
        let request = Request::new("GET", &format!("{}?after={after}", self.1)).header("Turted-Secret", &self.2);
        let reply = self.0.ask(request).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        serde_json::from_slice(&reply.body).unwrap()
    }
}

async fn poll_before(server: &Server, enough: &Sender<()>) -> Past {
    let polled = Polled::open(server, "").await;
    for name in CHANNELS {
        polled.join(name).await;
    }
    let mut log = Log::before(enough);
    while !log.has_enough() {
        for message in polled.poll(&log.last).await {
            log.saw_message(&message);
        }
    }
    log.past("")
}

/// It names its channels when it comes.
async fn poll_with_channels_after(server: &Server, past: &Past) -> Log {
    let query = format!("?channel={}&channel={}", CHANNELS[0], CHANNELS[1]);
    let (polled, mut log) = (Polled::open(server, &query).await, Log::default());
    log.last = past.last.clone();
    while !log.is_complete() {
        for message in polled.poll(&log.last).await {
            log.saw_message(&message);
        }
    }
    log
}

/// It joins one channel after the other while it polls, and every third answer is lost.
async fn poll_that_joins_after(server: &Server, past: &Past) -> Log {
    let (polled, mut log) = (Polled::open(server, "").await, Log::default());
    log.last = past.last.clone();
    let (mut names, mut count) = (CHANNELS.iter(), 0);
    while !log.is_complete() {
        count += 1;
        let answer = polled.poll(&log.last).await;
        if count % 3 != 2 {
            answer.iter().for_each(|message| log.saw_message(message));
        }
        if let Some(name) = names.next() {
            polled.join(name).await;
        }
    }
    log
}

async fn socketio(server: &Server, auth: &Value) -> (Socket, Value) {
    let mut socket = Socket::open(server, "/socket.io/?EIO=4&transport=websocket").await;
    socket.json("0").await;
    socket.say(&format!("40{auth}")).await;
    let connected = socket.json("40").await;
    for name in CHANNELS {
        socket.say(&format!(r#"42["JOIN",{}]"#, json!({"channel": name}))).await;
    }
    (socket, connected["pid"].clone())
}

/// The next event, or nothing when the socket has closed.
async fn hear(socket: &mut Socket, log: &mut Log) -> Option<()> {
    let Heard::Text(text) = within("a message", socket.next()).await else {
        return None;
    };
    if let Some(event) = text.strip_prefix("42") {
        let event: Value = serde_json::from_str(event).unwrap();
        match event[0].as_str().unwrap() {
            "EVENT" => log.saw(&event[1]["payload"], &event[2]),
            name => assert_eq!(name, "OK", "{event}"),
        }
    }
    Some(())
}

async fn socketio_before(server: &Server, enough: &Sender<()>) -> Past {
    let (mut socket, pid) = socketio(server, &json!({})).await;
    let mut log = Log::before(enough);
    while hear(&mut socket, &mut log).await.is_some() {}
    log.past(pid.as_str().unwrap())
}

async fn socketio_after(server: &Server, past: &Past) -> Log {
    let auth = json!({"pid": past.secret, "offset": past.last});
    let (mut socket, pid) = socketio(server, &auth).await;
    let mut log = Log::default();
    // Another secret than its own says that something may be missing.
    log.gaps += usize::from(pid != past.secret.as_str());
    while !log.is_complete() {
        hear(&mut socket, &mut log).await.expect("the socket stays open");
    }
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_kept_over_a_restart_reaches_whoever_comes_back_once_and_in_order() {
    let broker = block_in_place(Broker::start);
    let settings = format!(
        "connectors.flow.type = \"rabbitmq\"\nconnectors.flow.url = \"{}\"\nconnectors.flow.queue = \"flow\"\n\
         connectors.flow.prefetch = 50\nlimits.outbox_frames = 16384\n\
         limits.messages_per_second = 1000",
        broker.url()
    );
    let first = Server::with(&settings);
    until_state(&first.address, "flow", "running").await;
    let url = broker.url();
    let connection = Connection::connect(&url, ConnectionProperties::default())
        .await
        .unwrap();
    let published = AtomicU64::new(0);
    let publisher = publish(connection.create_channel().await.unwrap(), &published);

    let story = async {
        let (enough, mut all) = channel(4);
        let stop = async {
            for _ in 0..4 {
                timeout(LONG, all.recv()).await.expect("every client hears something");
            }
            assert!(
                published.load(Ordering::Relaxed) < MESSAGES,
                "it is stopped in the flow"
            );
            first.terminate();
        };
        let (native, stream, poll, socketio, ()) = tokio::join!(
            native_before(&first, &enough),
            stream_before(&first, &enough),
            poll_before(&first, &enough),
            socketio_before(&first, &enough),
            stop,
        );
        assert_eq!(first.ended().await.code(), Some(0));

        let second = Server::with(&settings);
        let (native, stream, with_channels, that_joins, socketio) = tokio::join!(
            native_after(&second, &native),
            stream_after(&second, &stream),
            poll_with_channels_after(&second, &poll),
            poll_that_joins_after(&second, &poll),
            socketio_after(&second, &socketio),
        );
        let dispatched = until_state(&second.address, "flow", "running").await["events"].clone();
        let kept = MESSAGES - dispatched.as_u64().unwrap();
        assert!(kept < MESSAGES - 1, "the broker had something for the second server");
        for (name, log) in [
            ("native", native),
            ("events", stream),
            ("poll", with_channels),
            ("poll that joins", that_joins),
            ("Socket.IO", socketio),
        ] {
            for parity in 0..2 {
                let heard: Vec<u64> = log
                    .numbers
                    .iter()
                    .copied()
                    .filter(|number| number % 2 == parity)
                    .collect();
                let expected: Vec<u64> = (kept..MESSAGES).filter(|number| number % 2 == parity).collect();
                assert_eq!(heard, expected, "{name}");
            }
            assert!(log.gaps > 0, "{name} is told");
        }
    };
    tokio::join!(publisher, async { timeout(LONG, story).await.expect("it ends") });
}
