//! RackHD's clients and the RabbitMQ of its services: what they watch is heard of the broker while they do.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::task::block_in_place;
use tokio::time::{Duration, sleep, timeout};
use turted_services::rabbitmq::Broker;

use crate::harness::socket::Socket;
use crate::harness::{Server, Value, json};

/// Long enough for brokers that start on a busy machine.
const LONG: Duration = Duration::from_secs(120);

struct Messenger(Socket);

impl Messenger {
    async fn open(server: &Server, path: &str) -> Self {
        let mut messenger = Self(Socket::open(server, path).await);
        messenger.say(json!({"handler": "init"})).await;
        assert_eq!(messenger.next().await["handler"], "session");
        messenger
    }

    async fn say(&mut self, message: Value) {
        self.0.say(&message.to_string()).await;
    }

    async fn next(&mut self) -> Value {
        let mut said = self.0.json("").await;
        said.as_object_mut().unwrap().remove("type");
        said.as_object_mut().unwrap().remove("via");
        said
    }
}

fn started(broker: &Broker) -> Server {
    Server::with(&format!(
        r#"
[clients.rackhd]
enabled = true
[connectors.on]
type = "rabbitmq"
url = "{}?connection_timeout=2000"
on_demand = "rackhd"
[may.anyone]
join = ["nodes", "pollers", "mq:on.events:**"]
"#,
        broker.url()
    ))
}

async fn open(broker: &Broker) -> (Connection, Channel) {
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    (connection, channel)
}

async fn publish(channel: &Channel, exchange: &str, key: &str, body: Value) {
    let properties = BasicProperties::default().with_content_type("application/json".into());
    let (options, body) = (BasicPublishOptions::default(), body.to_string());
    let published = channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties);
    published.await.unwrap().await.unwrap();
}

/// What is bound, and by which key, without what makes each queue the only one.
fn queues(broker: &Broker) -> Vec<String> {
    let rows =
        block_in_place(|| broker.ctl(&["list_bindings", "--no-table-headers", "source_name", "destination_name"]));
    let bound = rows.lines().filter(|row| !row.starts_with('\t'));
    let bound = bound.filter_map(|row| row.split_once('\t')?.1.trim().strip_prefix("turted:"));
    let mut names: Vec<String> = bound
        .filter_map(|name| Some(name.rsplit_once(':')?.0.to_owned()))
        .collect();
    names.sort();
    names
}

async fn until_queues(broker: &Broker, wanted: &[&str]) {
    let wait = async {
        while queues(broker) != wanted {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, wait)
        .await
        .unwrap_or_else(|_| panic!("the queues are {:?}, not {wanted:?}", queues(broker)));
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_share_one_queue_which_goes_with_the_last_and_comes_back_with_the_broker() {
    let mut broker = block_in_place(Broker::start);
    let server = started(&broker);
    let mut one = Messenger::open(&server, "/nodes").await;
    let mut two = Messenger::open(&server, "/nodes").await;
    for client in [&mut one, &mut two] {
        client.say(json!({"handler": "watch"})).await;
        client.say(json!({"handler": "watch", "resource": "pollers"})).await;
    }
    let topic = json!({"exchange": "on.events", "routingKey": "a.#"});
    two.say(json!({"handler": "watch", "resource": "mq", "params": topic}))
        .await;
    until_queues(
        &broker,
        &["on.events:a.#", "on.waterline:nodes.#", "on.waterline:workitems.#"],
    )
    .await;
    let (wire, channel) = open(&broker).await;
    publish(
        &channel,
        "on.waterline",
        "nodes.created.n1",
        json!({"event": "created", "record": {"a": "é"}}),
    )
    .await;
    for client in [&mut one, &mut two] {
        let item = json!({"handler": "item", "resource": "nodes", "id": ["created", "n1"], "data": {"a": "é"}});
        assert_eq!(client.next().await, item);
    }
    publish(
        &channel,
        "on.waterline",
        "workitems.destroyed.w1",
        json!({"event": "destroyed", "record": {"id": "w1"}}),
    )
    .await;
    for client in [&mut one, &mut two] {
        let gone = json!({"handler": "remove", "resource": "pollers", "id": "w1", "data": {"id": "w1"}});
        assert_eq!(client.next().await, gone);
    }
    publish(&channel, "on.events", "a.b", json!([1])).await;
    assert_eq!(
        two.next().await,
        json!({"handler": "item", "resource": "mq", "id": "a.b", "data": [1]})
    );
    // Denied is denied, also at the broker.
    let denied = json!({"exchange": "on.logging", "routingKey": "#"});
    two.say(json!({"handler": "watch", "resource": "mq", "params": denied}))
        .await;
    assert_eq!(two.next().await["params"]["code"], "join_denied");
    drop(wire);
    // One goes: the other goes on, through the same queue.
    drop(one);
    two.say(json!({"handler": "stop", "resource": "pollers"})).await;
    until_queues(&broker, &["on.events:a.#", "on.waterline:nodes.#"]).await;
    block_in_place(|| broker.kill());
    // Nobody is sent away meanwhile, and who comes is let in.
    let mut three = Messenger::open(&server, "/nodes").await;
    three.say(json!({"handler": "watch"})).await;
    block_in_place(|| broker.start_again());
    until_queues(&broker, &["on.events:a.#", "on.waterline:nodes.#"]).await;
    let (_wire, channel) = open(&broker).await;
    publish(&channel, "on.waterline", "nodes.updated.n1", json!({"record": 2})).await;
    let said = two.next().await;
    assert_eq!(
        said,
        json!({"handler": "item", "resource": "nodes", "id": ["updated", "n1"], "data": 2})
    );
    assert_eq!(three.next().await, said);
    drop((two, three));
    until_queues(&broker, &[]).await;
}
