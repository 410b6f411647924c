//! From Redis to a client: what arrives when the server is killed and when Redis is, while messages keep coming.
//!
//! The promises. **Streams**: every entry that Redis accepted is dispatched at least once; as long as the server lives,
//! none of them reaches a client twice, and they keep their order. An entry is acknowledged when it is queued to the
//! clients, so that a kill can take with it what is acknowledged and has not left the server yet: the last moment, and
//! nothing else. **Pub/Sub**: what is published while the server is subscribed arrives once and in order; what is
//! published while one of the two is away is lost, and nothing arrives twice.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use turted_services::redis::{Client as Wire, Redis, Reply};

use crate::harness::{Client, PATIENCE, Server, json, to_channel};

const STREAM: &str = r#"
connectors.orders.type = "redis"
connectors.orders.url = "redis://127.0.0.1:{port}"
connectors.orders.streams = ["orders"]
connectors.orders.body = "n"
connectors.orders.envelope = { event = "ORDER", channels = "{stream}" }
"#;

const PUBSUB: &str = r#"
connectors.orders.type = "redis"
connectors.orders.url = "redis://127.0.0.1:{port}"
connectors.orders.patterns = ["ord*"]
connectors.orders.envelope = { event = "ORDER", channels = "{channel}" }
"#;

fn settings(redis: &Redis, section: &str) -> String {
    section.replace("{port}", &redis.port.to_string())
}

/// Sends numbers to Redis, one after the other, for as long as it lives, whether or not anybody is there.
struct Producer {
    stop: Arc<AtomicBool>,
    sent: Arc<Mutex<Vec<Sent>>>,
    last: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

/// A number that Redis accepted.
#[derive(Clone, Copy)]
struct Sent {
    number: u64,
    /// The subscribers that were told; nothing for a stream.
    heard: usize,
}

impl Producer {
    fn start(redis: &Redis, command: &'static [&'static str]) -> Self {
        let (stop, sent, last) = (
            Arc::<AtomicBool>::default(),
            Arc::<Mutex<Vec<Sent>>>::default(),
            Arc::<AtomicU64>::default(),
        );
        let (port, stopped, accepted, counter) = (redis.port, stop.clone(), sent.clone(), last.clone());
        let thread = spawn(move || {
            let mut wire = None;
            while !stopped.load(Ordering::Relaxed) {
                let Some(client) = wire.as_mut() else {
                    wire = TcpStream::connect(("127.0.0.1", port)).ok().map(Wire::over);
                    std::thread::yield_now();
                    continue;
                };
                let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
                let text = number.to_string();
                let words: Vec<&str> = command.iter().copied().chain([text.as_str()]).collect();
                let answer = client.say(&words).and_then(|()| client.answer());
                match answer {
                    Ok(Reply::Error(_)) => {}
                    Ok(reply) => accepted.lock().unwrap().push(Sent {
                        number,
                        heard: if let Reply::Number(heard) = reply {
                            usize::try_from(heard).unwrap()
                        } else {
                            0
                        },
                    }),
                    Err(_) => wire = None,
                }
                // A steady stream, not a flood: the stories are about order and loss.
                std::thread::park_timeout(Duration::from_micros(500));
            }
        });
        Self {
            stop,
            sent,
            last,
            thread,
        }
    }

    /// How many numbers were sent so far.
    fn count(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    /// Ends it; gives what was accepted.
    fn end(self) -> Vec<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        Arc::into_inner(self.sent).unwrap().into_inner().unwrap()
    }
}

/// A client of the channel, and the numbers that it heard.
struct Listener {
    client: Client,
    heard: Vec<u64>,
}

impl Listener {
    async fn join(server: &Server) -> Self {
        Self {
            client: server.member(&["orders"]).await,
            heard: Vec::new(),
        }
    }

    async fn one(&mut self) {
        let event = self.client.event().await;
        self.heard.push(event["data"]["payload"].as_u64().unwrap());
    }

    /// Listens until it has heard this number or a later one.
    async fn until(&mut self, number: u64) {
        while self.heard.last().is_none_or(|last| *last < number) {
            self.one().await;
        }
    }

    /// Listens to `count` more.
    async fn more(&mut self, count: usize) {
        for _ in 0..count {
            self.one().await;
        }
    }

    /// What is left after everything that the server knows has arrived.
    async fn rest(mut self, server: &Server) -> Vec<u64> {
        let rest = self.client.heard(server).await;
        self.heard
            .extend(rest.iter().map(|event| event["data"]["payload"].as_u64().unwrap()));
        self.heard
    }
}

fn is_in_order_and_none_twice(heard: &[u64]) -> bool {
    heard.is_sorted_by(|one, next| one < next)
}

/// Waits until Redis has a subscriber, or none.
fn subscribed(redis: &Redis, is_there: bool) {
    let begun = Instant::now();
    while (redis.must(&["PUBSUB", "NUMPAT"]).number() > 0) != is_there {
        assert!(begun.elapsed() < PATIENCE, "subscribed: it is not {is_there}");
    }
}

/// Waits until nothing is left unacknowledged.
fn acknowledged(redis: &Redis) {
    let begun = Instant::now();
    while redis.pending("orders", "turted") > 0 {
        assert!(begun.elapsed() < PATIENCE, "the server does not acknowledge");
    }
}

/// The last number that a server which is dead now has acknowledged, and everything before it.
fn acknowledged_up_to(redis: &Redis) -> u64 {
    let begun = Instant::now();
    // Whoever is left is the producer, and this question.
    while redis.must(&["CLIENT", "LIST"]).text().lines().count() > 2 {
        assert!(
            begun.elapsed() < PATIENCE,
            "redis does not notice that the server is dead"
        );
    }
    let pending = redis.must(&["XPENDING", "orders", "turted", "-", "+", "1"]);
    match pending.list() {
        [first, ..] => number_of(redis, &first.list()[0].text()) - 1,
        [] => {
            let groups = redis.must(&["XINFO", "GROUPS", "orders"]);
            let mut about = groups.list()[0].list().iter();
            about.find(|word| **word == Reply::Text(b"last-delivered-id".to_vec()));
            number_of(redis, &about.next().unwrap().text())
        }
    }
}

fn number_of(redis: &Redis, id: &str) -> u64 {
    let entries = redis.must(&["XRANGE", "orders", id, id]);
    entries.list()[0].list()[1].list()[1].text().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_arrives_once_and_in_order_while_redis_is_killed_and_restarted() {
    let mut redis = Redis::start();
    let server = Server::with(&settings(&redis, STREAM));
    let mut listener = Listener::join(&server).await;
    group(&redis);
    let producer = Producer::start(&redis, &["XADD", "orders", "*", "n"]);
    for round in 0..3 {
        listener.more(300).await;
        if round == 1 {
            redis.stop();
        } else {
            redis.kill();
        }
        redis.start_again();
    }
    listener.more(300).await;
    let sent = producer.end();
    listener.until(sent.last().unwrap().number).await;
    acknowledged(&redis);
    let heard = listener.rest(&server).await;
    let missing: Vec<u64> = sent
        .iter()
        .map(|sent| sent.number)
        .filter(|number| !heard.contains(number))
        .collect();
    assert!(missing.is_empty(), "{missing:?} of {} are missing", sent.len());
    assert!(is_in_order_and_none_twice(&heard));
}

/// Waits until so many reads wait for entries; gives their connections.
fn waiting(redis: &Redis, count: usize) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let list = redis.must(&["CLIENT", "LIST"]).text();
        let waits = |line: &&str| line.contains("cmd=xreadgroup") && line.contains("flags=b");
        let id = |line: &str| {
            line.split(' ')
                .find_map(|word| word.strip_prefix("id="))
                .map(str::to_owned)
        };
        let ids: Vec<String> = list.lines().filter(waits).filter_map(id).collect();
        if ids.len() == count {
            return ids;
        }
        assert!(begun.elapsed() < PATIENCE, "{ids:?} wait, not {count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_connection_is_still_given_arrives_long_before_it_would_be_claimed() {
    let redis = Redis::start();
    let server = Server::with(&settings(&redis, STREAM));
    let mut listener = Listener::join(&server).await;
    group(&redis);
    let read = waiting(&redis, 1).remove(0);
    // For Redis, a connection that is cut without a word is alive, and its read waits on: this one stands for it.
    let mut lost = redis.client();
    let command = "XREADGROUP GROUP turted turted BLOCK 0 STREAMS orders >";
    lost.say(&command.split(' ').collect::<Vec<_>>()).unwrap();
    waiting(&redis, 2);
    redis.must(&["CLIENT", "KILL", "ID", &read]);
    waiting(&redis, 2);
    for number in ["1", "2"] {
        redis.must(&["XADD", "orders", "*", "n", number]);
    }
    let given = lost.answer().unwrap();
    assert_eq!(
        given.list().len(),
        1,
        "the first is given to the lost connection: {given:?}"
    );
    // By a claim it would come after 30 s, and nobody waits for an event that long.
    listener.more(2).await;
    acknowledged(&redis);
    let mut heard = listener.rest(&server).await;
    heard.sort_unstable();
    assert_eq!(heard, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_dispatched_at_least_once_while_the_server_is_killed() {
    let redis = Redis::start();
    let mut server = Server::with(&settings(&redis, STREAM));
    let mut listener = Listener::join(&server).await;
    group(&redis);
    let producer = Producer::start(&redis, &["XADD", "orders", "*", "n"]);
    let (mut heard, mut on_the_way) = (Vec::<Vec<u64>>::new(), Vec::new());
    for _ in 0..2 {
        listener.more(300).await;
        drop(server);
        let acknowledged = acknowledged_up_to(&redis);
        let count = producer.count();
        while producer.count() < count + 100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Redis stands still until there is a client again: what reaches a server without clients is not theirs.
        redis.freeze(true);
        server = Server::with(&settings(&redis, STREAM));
        let next = Listener::join(&server).await;
        redis.freeze(false);
        let before = std::mem::replace(&mut listener, next).until_the_end().await;
        on_the_way.push(before.last().unwrap() + 1..=acknowledged);
        heard.push(before);
    }
    listener.more(300).await;
    let sent = producer.end();
    listener.until(sent.last().unwrap().number).await;
    acknowledged(&redis);
    heard.push(listener.rest(&server).await);
    let all: std::collections::HashSet<u64> = heard.iter().flatten().copied().collect();
    let missing: Vec<u64> = sent
        .iter()
        .map(|sent| sent.number)
        .filter(|number| !all.contains(number) && !on_the_way.iter().any(|lost| lost.contains(number)))
        .collect();
    assert!(missing.is_empty(), "{missing:?} of {} are missing", sent.len());
    assert!(
        heard.iter().all(|heard| is_in_order_and_none_twice(heard)),
        "none comes twice from one server"
    );
}

// The process ended while acknowledgements were still on their way: what a client had heard came again.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_dispatched_before_an_orderly_stop_is_acknowledged_and_nothing_else() {
    let redis = Redis::start();
    let server = Server::with(&settings(&redis, STREAM));
    let mut listener = Listener::join(&server).await;
    group(&redis);
    let producer = Producer::start(&redis, &["XADD", "orders", "*", "n"]);
    listener.more(300).await;
    server.terminate();
    let heard = listener.until_the_end().await;
    assert_eq!(server.ended().await.code(), Some(0));
    producer.end();
    assert!(is_in_order_and_none_twice(&heard));
    assert_eq!(acknowledged_up_to(&redis), *heard.last().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn pubsub_arrives_once_and_in_order_whenever_both_are_there() {
    let mut redis = Redis::start();
    let mut server = Server::with(&settings(&redis, PUBSUB));
    let mut listener = Listener::join(&server).await;
    subscribed(&redis, true);
    let producer = Producer::start(&redis, &["PUBLISH", "orders"]);
    let mut heard = Vec::new();
    let mut promised = Vec::new();
    for round in 0..4 {
        // Between these two, server and Redis are there and the client has joined.
        let from = producer.count() + 1;
        listener.more(200).await;
        let to = producer.count();
        promised.push(from..=to);
        listener.until(to).await;
        match round {
            0 | 2 => {
                redis.kill();
                redis.start_again();
            }
            1 => {
                drop(server);
                subscribed(&redis, false);
                server = Server::with(&settings(&redis, PUBSUB));
                let next = Listener::join(&server).await;
                heard.push(std::mem::replace(&mut listener, next).until_the_end().await);
            }
            _ => break,
        }
        subscribed(&redis, true);
    }
    let sent = producer.end();
    heard.push(listener.rest(&server).await);
    for sent in sent
        .iter()
        .filter(|sent| promised.iter().any(|range| range.contains(&sent.number)))
    {
        assert_eq!(sent.heard, 1, "{} was published to us", sent.number);
        let times = heard.iter().flatten().filter(|number| **number == sent.number).count();
        assert_eq!(times, 1, "{} came", sent.number);
    }
    assert!(is_in_order_and_none_twice(&heard.concat()));
    assert!(
        sent.len() > heard.concat().len(),
        "while nobody is subscribed, Redis keeps nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_in_the_log_without_its_name_and_the_server_serves_others() {
    let redis = Redis::with("requirepass right");
    let section = STREAM.replace("redis://", "redis://:wr0ng-s3cret@");
    let server = Server::with(&settings(&redis, &section));
    let mut listener = server.member(&["orders"]).await;
    let begun = Instant::now();
    while !server.log().contains("refused the user name or the password") {
        assert!(begun.elapsed() < PATIENCE, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!server.log().contains("wr0ng-s3cret"), "{}", server.log());
    server.receipt(&to_channel("orders", "ORDER", json!(1))).await;
    assert_eq!(listener.event().await["data"]["payload"], 1);
}

/// Waits until the server has made its group.
fn group(redis: &Redis) {
    let begun = Instant::now();
    while matches!(redis.ask(&["XPENDING", "orders", "turted"]), Reply::Error(_)) {
        assert!(begun.elapsed() < PATIENCE, "the server does not make its group");
    }
}

impl Listener {
    /// Everything up to the end of the connection.
    async fn until_the_end(mut self) -> Vec<u64> {
        loop {
            let message = match self.client.early.pop_front() {
                Some(message) => message,
                None => self.client.next().await,
            };
            match message["type"].as_str() {
                Some("EVENT") => self.heard.push(message["data"]["payload"].as_u64().unwrap()),
                _ => return self.heard,
            }
        }
    }
}
