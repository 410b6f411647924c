//! RabbitMQ in front of the real server: what backends publish reaches clients, whoever is restarted meanwhile.
//!
//! In: a broker and backends that publish with confirms. Out: every message at a client, malformed ones in the
//! dead-letter queue, and the truth about the state in health and metrics.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::sync::watch;
use tokio::task::{JoinHandle, block_in_place};
use tokio::time::{sleep, timeout};
use turted_services::rabbitmq::Broker;

use crate::harness::{Client, Server, Value, json};

const MESSAGES: u64 = 20_000;
const PREFETCH: usize = 50;
/// Published at a time, before their confirms are awaited.
const WINDOW: usize = 200;

/// Long enough for brokers that start on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// A connector of `broker`, to the channel `orders`. A dead letter survives the death of the broker only with this
/// strategy; the pings keep a client that waits from losing its patience.
fn settings(broker: &Broker) -> String {
    format!(
        r#"
limits.ping = "1s"
[connectors.orders]
type = "rabbitmq"
url = "{}?connection_timeout=2000"
exchange = {{ name = "shop", type = "topic" }}
bindings = ["order.*"]
prefetch = {PREFETCH}
envelope = {{ event = "ORDER:{{routing_key.1}}", channels = "orders" }}
[connectors.orders.queue]
name = "orders"
type = "quorum"
dead_letter_exchange = ""
dead_letter_routing_key = "orders.dead"
arguments = {{ x-dead-letter-strategy = "at-least-once", x-overflow = "reject-publish" }}
"#,
        broker.url()
    )
}

async fn open(url: &str) -> lapin::Result<(Connection, Channel)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}

/// The numbers that came to any client.
type Heard = watch::Sender<BTreeSet<u64>>;

/// A body and its message id, if it has one.
type Letter = (String, Option<String>);

/// Every message, and a malformed one after each thousand.
fn letters() -> Vec<Letter> {
    let mut letters = Vec::new();
    for number in 0..MESSAGES {
        letters.push((json!({ "n": number }).to_string(), Some(format!("order-{number}"))));
        if number % 1000 == 999 {
            letters.push((format!("broken {number}"), None));
        }
    }
    letters
}

/// Publishes until the broker has confirmed everything; what it has not confirmed is published again, with the same id.
async fn publish(url: String, letters: Vec<Letter>) {
    let mut left = letters.as_slice();
    while !left.is_empty() {
        if let Ok((_connection, channel)) = open(&url).await {
            while let Some(window) = left.chunks(WINDOW).next() {
                match timeout(LONG, publish_window(&channel, window)).await {
                    Ok(Ok(())) => left = &left[window.len()..],
                    _ => break,
                }
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn publish_window(channel: &Channel, window: &[Letter]) -> lapin::Result<()> {
    let mut confirms = Vec::new();
    for (body, id) in window {
        let mut properties = BasicProperties::default().with_delivery_mode(2);
        if let Some(id) = id {
            properties = properties.with_message_id(id.as_str().into());
        }
        let options = BasicPublishOptions::default();
        confirms.push(
            channel
                .basic_publish("shop".into(), "order.new".into(), options, body.as_bytes(), properties)
                .await?,
        );
    }
    for confirm in confirms {
        confirm.await?;
    }
    Ok(())
}

/// Reads events until the wire ends; gives their numbers in order, and adds them to what is `heard`.
fn read(mut client: Client, heard: &Arc<Heard>) -> JoinHandle<Vec<u64>> {
    let heard = heard.clone();
    tokio::spawn(async move {
        let mut numbers = Vec::new();
        loop {
            let message = client.next().await;
            if message["type"] != "EVENT" {
                return numbers;
            }
            if message["data"]["event"] == "ORDER:new" {
                let number = message["data"]["payload"]["n"].as_u64().unwrap();
                numbers.push(number);
                heard.send_modify(|all| all.extend([number]));
            }
        }
    })
}

async fn until(heard: &Heard, count: usize) {
    let mut receiver = heard.subscribe();
    let enough = timeout(LONG, receiver.wait_for(|all| all.len() >= count)).await.is_ok();
    assert!(enough, "of {count} numbers only {} came", heard.borrow().len());
}

/// What `/health/ready` says of the connector, once it is in this state: after a pause of the supervisor, perhaps.
async fn becomes(server: &Server, state: &str) -> Value {
    let seen = async {
        loop {
            let shown = server.get("/health/ready").await.value()["connectors"]["orders"].clone();
            if shown["state"] == state {
                return shown;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, seen)
        .await
        .unwrap_or_else(|_| panic!("it never was {state}"))
}

async fn metric(server: &Server, line: &str) -> bool {
    server.get("/metrics").await.text().lines().any(|found| found == line)
}

fn count(broker: &Broker, what: &str) -> usize {
    block_in_place(|| broker.count("orders", what)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_arrives_though_the_broker_is_restarted_twice_and_the_server_once() {
    let mut broker = block_in_place(Broker::start);
    let (_connection, channel) = open(&broker.url()).await.unwrap();
    let (durable, plain) = (QueueDeclareOptions::durable(), FieldTable::default());
    channel
        .queue_declare("orders.dead".into(), durable, plain)
        .await
        .unwrap();
    let heard = Arc::new(Heard::default());

    let server = Server::with(&settings(&broker));
    let first = read(server.member(&["orders"]).await, &heard);
    becomes(&server, "running").await;
    let publisher = tokio::spawn(publish(broker.url(), letters()));
    until(&heard, 3000).await;
    assert!(count(&broker, "messages_unacknowledged") <= PREFETCH);

    // Both are killed; the server is back before the broker.
    until(&heard, 6000).await;
    block_in_place(|| broker.kill());
    becomes(&server, "retrying").await;
    drop(server);
    let first = first.await.unwrap();
    let server = Server::with(&settings(&broker));
    let _deaf = server.member(&["orders"]).await;
    let second = read(server.member(&["orders"]).await, &heard);
    becomes(&server, "retrying").await;
    assert!(
        metric(
            &server,
            "turted_connector_state{connector=\"orders\",state=\"retrying\"} 1"
        )
        .await
    );
    server.still_serves().await;
    block_in_place(|| broker.start_again());
    becomes(&server, "running").await;

    // The broker alone, in good order.
    until(&heard, first.len() + 6000).await;
    assert!(count(&broker, "messages_unacknowledged") <= PREFETCH);
    block_in_place(|| broker.stop());
    becomes(&server, "retrying").await;
    block_in_place(|| broker.start_again());
    becomes(&server, "running").await;
    timeout(LONG, publisher)
        .await
        .expect("everything is published")
        .unwrap();

    until(&heard, MESSAGES as usize).await;

    let broken: BTreeSet<String> = letters()
        .into_iter()
        .filter(|(_, id)| id.is_none())
        .map(|(body, _)| body)
        .collect();
    let dead = timeout(LONG, dead_letters(&broker, broken.len())).await;
    assert_eq!(dead.expect("each malformed message is a dead letter"), broken);
    let state = becomes(&server, "running").await;
    let events = format!(
        "turted_connector_events_total{{connector=\"orders\"}} {}",
        state["events"]
    );
    assert!(
        metric(&server, &events).await,
        "{}",
        server.get("/metrics").await.text()
    );
    // It says goodbye to its clients when they have everything.
    server.terminate();
    let second = second.await.unwrap();
    assert_eq!(server.ended().await.code(), Some(0));

    for (life, numbers) in [("first", &first), ("second", &second)] {
        let once: HashSet<u64> = numbers.iter().copied().collect();
        assert_eq!(
            once.len(),
            numbers.len(),
            "in its {life} life the server dispatched an id twice"
        );
    }
}

/// The bodies in the dead-letter queue, once it has had so many different ones.
async fn dead_letters(broker: &Broker, count: usize) -> BTreeSet<String> {
    let (_connection, channel) = open(&broker.url()).await.unwrap();
    let mut bodies = BTreeSet::new();
    while bodies.len() < count {
        let options = BasicGetOptions { no_ack: true };
        match channel.basic_get("orders.dead".into(), options).await.unwrap() {
            Some(message) => bodies.extend(String::from_utf8(message.delivery.data)),
            None => sleep(Duration::from_millis(20)).await,
        }
    }
    bodies
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_behind_tls_is_trusted_when_the_system_trusts_it_and_secrets_stay_in_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let certificates = format!(
        "listeners.ssl.default = {{tls_port}}\nssl_options.certfile = {}\nssl_options.keyfile = {}",
        path("cert.pem"),
        path("key.pem")
    );
    let broker = block_in_place(|| Broker::with(&certificates));
    block_in_place(|| broker.ctl(&["add_user", "turted", "open sesame"]));
    block_in_place(|| broker.ctl(&["set_permissions", "turted", ".*", ".*", ".*"]));
    let settings = format!(
        "connectors.orders.type = \"rabbitmq\"\nconnectors.orders.queue = \"orders\"\n\
         connectors.orders.url = \"amqps://turted:${{SESAME}}@localhost:{}\"",
        broker.tls_port
    );

    let stranger = Server::with_env(&settings, &[("SESAME", "open%20sesame")]);
    let state = becomes(&stranger, "retrying").await;
    assert!(
        state.get("error").is_none_or(Value::is_null),
        "errors are not for everybody: {state}"
    );
    assert!(stranger.log().contains("certificate"), "the log says what is wrong");

    let trusted = path("cert.pem");
    let wrong = Server::with_env(&settings, &[("SESAME", "shut"), ("SSL_CERT_FILE", &trusted)]);
    becomes(&wrong, "retrying").await;
    assert!(wrong.log().contains("ACCESS_REFUSED"), "{}", wrong.log());

    let right = Server::with_env(&settings, &[("SESAME", "open%20sesame"), ("SSL_CERT_FILE", &trusted)]);
    let mut member = right.member(&["chat"]).await;
    becomes(&right, "running").await;
    let (_connection, channel) = open(&broker.url()).await.unwrap();
    let push = json!({"event": "OVER:TLS", "targets": {"channels": "chat"}}).to_string();
    let options = BasicPublishOptions::default();
    let published = channel.basic_publish(
        "".into(),
        "orders".into(),
        options,
        push.as_bytes(),
        BasicProperties::default(),
    );
    published.await.unwrap().await.unwrap();
    assert_eq!(member.event().await["data"]["event"], "OVER:TLS");
    for server in [&stranger, &wrong, &right] {
        assert!(
            !server.log().contains("sesame") && !server.log().contains("shut\""),
            "{}",
            server.log()
        );
    }
}
