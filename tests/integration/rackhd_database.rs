//! RackHD's clients and the databases of its services: what they ask is found in MongoDB's collections, and what they
//! watch comes from RabbitMQ, while either goes and comes back.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{DateTime, Document, doc};
use tokio::task::block_in_place;
use tokio::time::{Duration, Instant, sleep, timeout};
use turted_services::ferretdb::Ferret;
use turted_services::rabbitmq::Broker;

use crate::harness::socket::Socket;
use crate::harness::{Server, Value, json, until_state};

/// Long enough for services that start on a busy machine.
const LONG: Duration = Duration::from_secs(120);
const ID: &str = "56173df732776c64852f8c91";

/// Every resource of RackHD, and the collection in which it is.
const RESOURCES: [(&str, &str); 12] = [
    ("catalogs", "catalogs"),
    ("files", "files"),
    ("graphDefs", "graphdefinitions"),
    ("graphObjs", "graphobjects"),
    ("logs", "logs"),
    ("lookups", "lookups"),
    ("nodes", "nodes"),
    ("pollers", "workitems"),
    ("profiles", "profiles"),
    ("skus", "skus"),
    ("taskDefs", "taskdefinitions"),
    ("templates", "templates"),
];

struct Messenger(Socket);

impl Messenger {
    async fn open(server: &Server, path: &str) -> Self {
        let mut messenger = Self(Socket::open(server, path).await);
        let session = messenger.ask(json!({"handler": "init"})).await;
        assert_eq!(session["handler"], "session");
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

    async fn ask(&mut self, message: Value) -> Value {
        self.say(message).await;
        self.next().await
    }

    /// The code of the error that is the answer.
    async fn refused(&mut self, message: Value) -> String {
        let said = self.ask(message).await;
        assert_eq!(said["handler"], "error", "{said}");
        assert!(said["params"]["message"].as_str().is_some_and(|why| !why.is_empty()));
        said["params"]["code"].as_str().unwrap().to_owned()
    }

    /// Asks again, as whoever is told that nobody can say now, until there is an answer.
    async fn until_answered(&mut self, message: Value) -> Value {
        let asks = async {
            loop {
                let said = self.ask(message.clone()).await;
                if said["handler"] != "error" {
                    return said;
                }
                assert_eq!(said["params"]["code"], "unavailable", "{said}");
                sleep(Duration::from_millis(200)).await;
            }
        };
        timeout(LONG, asks).await.unwrap()
    }
}

async fn put(ferret: &Ferret, collection: &str, documents: Vec<Document>) {
    let client = mongodb::Client::with_uri_str(ferret.url("pxe")).await.unwrap();
    let collection = client.database("pxe").collection::<Document>(collection);
    collection.insert_many(documents).await.unwrap();
}

fn settings(ferret: &Ferret, more: &str) -> String {
    format!(
        r#"
[clients.rackhd]
enabled = true
[responders.hardware]
type = "mongodb"
url = "{}"
collections = "rackhd"
{more}"#,
        ferret.url("pxe")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_resource_is_found_in_its_collection_by_who_may_ask() {
    let ferret = block_in_place(Ferret::start);
    for (resource, collection) in RESOURCES {
        let made = DateTime::parse_rfc3339_str("2016-01-31T12:30:00.120Z").unwrap();
        let documents = vec![
            doc! { "_id": ObjectId::parse_str(ID).unwrap(), "name": format!("{resource} é"), "n": 1, "createdAt": made },
            doc! { "_id": "second", "name": "other", "n": 2.5 },
        ];
        put(&ferret, collection, documents).await;
    }
    let server = Server::with(&settings(&ferret, "[may.anyone]\ncall = [\"**\"]\n"));
    let mut client = Messenger::open(&server, "/nodes").await;
    for (resource, _) in RESOURCES {
        let name = format!("{resource} é");
        // Some keep back what is not theirs to tell.
        let first = match resource {
            "files" | "graphDefs" | "taskDefs" => json!({"name": name, "n": 1}),
            _ => json!({"id": ID, "name": name, "n": 1, "createdAt": "2016-01-31T12:30:00.120Z"}),
        };
        let params = json!({"name": {"endsWith": "É"}});
        let list = client
            .ask(json!({"handler": "query", "resource": resource, "params": params}))
            .await;
        assert_eq!(list, json!({"handler": "list", "resource": resource, "items": [first]}));
        let all = client.ask(json!({"handler": "all", "resource": resource})).await;
        assert_eq!(all["items"].as_array().unwrap().len(), 2, "{all}");
        let got = client
            .ask(json!({"handler": "get", "type": resource, "params": {"id": ID}}))
            .await;
        assert_eq!(
            got,
            json!({"handler": "item", "resource": resource, "id": first, "data": first})
        );
        let none = client
            .ask(json!({"handler": "get", "resource": resource, "params": {"id": "none"}}))
            .await;
        let gone = json!({"handler": "remove", "resource": resource, "id": "none", "params": {"id": "none"}});
        assert_eq!(none, gone);
    }
    // By channel, and as Waterline takes it: an id that is null finds nothing, and is no mistake.
    let found = client.ask(json!({"handler": "query", "params": {"id": null}})).await;
    assert_eq!(found, json!({"handler": "list", "resource": "nodes", "items": []}));
    // Others ask in their own words.
    let mut native = server.client().await;
    let params = json!({"handler": "query", "params": {"where": {"n": {">": 1}}, "select": ["n"]}});
    let answer = native.ask("CALL", json!({"name": "nodes", "params": params})).await;
    assert_eq!(answer["data"], json!([{"id": "second", "n": 2.5}]), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_ask_is_told_so_and_hostile_criteria_have_an_answer_each() {
    let ferret = block_in_place(Ferret::start);
    put(&ferret, "nodes", vec![doc! { "_id": 1, "name": "n" }]).await;
    put(
        &ferret,
        "workitems",
        vec![doc! { "_id": 1, "config": { "password": "s3cret", "host": "h" } }],
    )
    .await;
    let server = Server::with(&settings(
        &ferret,
        "[may.anyone]\ncall = [\"nodes\", \"pollers\"]\njoin = [\"still-here\"]\n",
    ));
    let mut client = Messenger::open(&server, "/nodes").await;
    let skus = json!({"handler": "all", "resource": "skus"});
    assert_eq!(client.refused(skus).await, "call_denied");
    for criteria in [
        // CWE-943: operators, and programs.
        json!({"$where": "while (true) {}"}),
        json!({"name": {"$gt": ""}}),
        json!({"or": [{"$where": "1"}]}),
        json!({"sort": {"$natural": 1}}),
        // CWE-1333: expressions that take for ever.
        json!({"name": {"$regex": "^(a+)+$"}}),
        json!({"name": "%a%a%a%a%a%a%a%a%"}),
        // CWE-400, CWE-674, CWE-1321.
        json!({"name": vec![0; 2001]}),
        json!({"skip": 2_000_000}),
        json!({"a": {"!": {"!": {"!": {"!": {"!": {"!": {"!": {"!": {"!": {"!": 1}}}}}}}}}}}),
        json!({"a.__proto__.b": 1}),
        json!({"name": {"within": 1}}),
        json!({"groupBy": ["name"], "sum": ["n"]}),
    ] {
        let asked = json!({"handler": "query", "params": criteria});
        assert_eq!(client.refused(asked).await, "call_failed", "{criteria}");
    }
    // CWE-203: what is not told is not found out by asking.
    let guess = json!({"handler": "query", "resource": "pollers", "params": {"config.password": {"startsWith": "s"}}});
    assert_eq!(client.refused(guess).await, "call_failed");
    let polls = client.ask(json!({"handler": "all", "resource": "pollers"})).await;
    assert_eq!(polls["items"], json!([{"id": 1, "config": {"host": "h"}}]));
    // Each letter stands for itself.
    let literal = json!({"handler": "query", "params": {"name": {"contains": "(a+)+$"}}});
    assert_eq!(client.ask(literal).await["items"], json!([]));
    assert_eq!(
        client.ask(json!({"handler": "all"})).await["items"],
        json!([{"id": 1, "name": "n"}])
    );
    assert!(!server.log().contains("s3cret"), "{}", server.log());
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_cut_where_it_ends_and_the_log_says_by_which_key() {
    let ferret = block_in_place(Ferret::start);
    let many = (0..30)
        .map(|number| doc! { "_id": number, "name": format!("n{number}") })
        .collect();
    put(&ferret, "logs", many).await;
    let server = Server::with(&settings(&ferret, "limit = 10\n[may.anyone]\ncall = [\"logs\"]\n"));
    let mut client = Messenger::open(&server, "/logs").await;
    assert_eq!(
        client.ask(json!({"handler": "all"})).await["items"]
            .as_array()
            .unwrap()
            .len(),
        10
    );
    let rest = json!({"handler": "query", "params": {"where": {}, "sort": "id", "skip": 28, "limit": 5}});
    assert_eq!(
        client.ask(rest).await["items"],
        json!([{"id": 28, "name": "n28"}, {"id": 29, "name": "n29"}])
    );
    let cut = "responders.hardware, MongoDB at 127.0.0.1:";
    let log = server.log();
    assert!(
        log.contains(cut) && log.contains("more than 10 documents of logs fit, see limit and bytes"),
        "{log}"
    );
}

async fn publish(broker: &Broker, key: &str, body: Value) {
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default())
        .await
        .unwrap();
    let channel: Channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let properties = BasicProperties::default().with_content_type("application/json".into());
    let (options, body) = (BasicPublishOptions::default(), body.to_string());
    let published = channel.basic_publish("on.waterline".into(), key.into(), options, body.as_bytes(), properties);
    published.await.unwrap().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_goes_and_then_the_broker_and_whoever_watches_goes_on() {
    let (mut ferret, mut broker) = block_in_place(|| (Ferret::start(), Broker::start()));
    put(&ferret, "nodes", vec![doc! { "_id": "n1", "name": "a" }]).await;
    let connector = format!(
        "[connectors.on]\ntype = \"rabbitmq\"\nurl = \"{}?connection_timeout=2000\"\non_demand = \"rackhd\"\n",
        broker.url()
    );
    let may = "[may.anyone]\njoin = [\"nodes\"]\ncall = [\"nodes\"]\n";
    let server = Server::with(&settings(&ferret, &format!("{connector}{may}")));
    until_state(&server.address, "on", "running").await;
    let mut client = Messenger::open(&server, "/nodes").await;
    client.say(json!({"handler": "watch"})).await;
    let list = json!({"handler": "list", "resource": "nodes", "items": [{"id": "n1", "name": "a"}]});
    // A watch has no answer, but the next question has its turn when the watch is there.
    assert_eq!(client.ask(json!({"handler": "all"})).await, list);
    publish(
        &broker,
        "nodes.created.n2",
        json!({"event": "created", "record": {"id": "n2"}}),
    )
    .await;
    let created = json!({"handler": "item", "resource": "nodes", "id": ["created", "n2"], "data": {"id": "n2"}});
    assert_eq!(client.next().await, created);

    // Without the database nobody can say now, and watches go on.
    block_in_place(|| ferret.kill());
    let begun = Instant::now();
    assert_eq!(client.refused(json!({"handler": "all"})).await, "unavailable");
    assert!(begun.elapsed() < Duration::from_secs(30));
    publish(
        &broker,
        "nodes.destroyed.n2",
        json!({"event": "destroyed", "record": {"id": "n2"}}),
    )
    .await;
    let destroyed = json!({"handler": "remove", "resource": "nodes", "id": "n2", "data": {"id": "n2"}});
    assert_eq!(client.next().await, destroyed);
    block_in_place(|| ferret.start_again());
    assert_eq!(client.until_answered(json!({"handler": "all"})).await, list);
    assert!(server.log().contains("cannot be asked: "), "{}", server.log());
    assert!(server.log().contains("answers again"), "{}", server.log());

    // Without the broker questions are answered, and it is said who is missing.
    block_in_place(|| broker.kill());
    until_state(&server.address, "on", "retrying").await;
    assert_eq!(client.ask(json!({"handler": "all"})).await, list);
    block_in_place(|| broker.start_again());
    // The connector comes back after its pause, and the queue with it: what is published then is heard, by who watched
    // all the time.
    let heard = async {
        for number in 0.. {
            publish(&broker, "nodes.updated.n1", json!({"record": number})).await;
            if let Ok(said) = timeout(Duration::from_millis(500), client.next()).await {
                return said;
            }
        }
        unreachable!()
    };
    let said = timeout(LONG, heard).await.unwrap();
    assert_eq!(
        (&said["handler"], &said["id"]),
        (&json!("item"), &json!(["updated", "n1"]))
    );
}
