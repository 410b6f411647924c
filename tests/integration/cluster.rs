//! Several nodes with one order, which a real Redis keeps: the same events with the same ids in the same order on each,
//! receipts, keys and exclusions across nodes, and what happens when Redis or a node is gone.

use std::time::{Duration, Instant};

use turted_services::redis::Redis;

use crate::harness::{Client, PATIENCE, Request, Server, Stream, Value, ids, json, payloads, to_channel, to_user};

const CLUSTER: &str = r#"
cluster.url = "redis://127.0.0.1:{port}"
cluster.realm = "shop"
"#;

fn node(redis: &Redis) -> Server {
    Server::with(&CLUSTER.replace("{port}", &redis.port.to_string()))
}

/// The state of the cluster as `/health/ready` tells it, with the status of the answer.
async fn ready(server: &Server) -> (u16, Value) {
    let reply = server.get("/health/ready").await;
    (reply.status, reply.value()["cluster"].clone())
}

/// The id and the payload of the next event of a page.
async fn heard(page: &mut Stream) -> (String, Value) {
    loop {
        let sent = page.event().await;
        if let (Some(id), "E") = (sent.id.clone(), sent.name()) {
            return (id, sent.value());
        }
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < 3 * PATIENCE, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_are_heard_as_one() {
    let redis = Redis::start();
    let (a, b) = (node(&redis), node(&redis));
    assert!(b.log().contains("cluster    redis at 127.0.0.1:"), "{}", b.log());
    let (mut on_a, mut on_b) = (a.member(&["chat"]).await, b.member(&["chat"]).await);
    let mut page = Stream::open(&b, Request::new("GET", "/events?channel=chat")).await;
    let answer = on_b.ask("IDENT", json!({"username": "adam"})).await;
    assert_eq!(answer["type"], "OK", "{answer}");
    for number in 0..10 {
        let (server, push) = match number % 2 {
            0 => (&a, to_channel("chat", "E", json!(number))),
            _ => (&b, to_channel("chat", "E", json!(number))),
        };
        server.receipt(&push).await;
    }
    let (heard_a, heard_b) = (on_a.events(10).await, on_b.events(10).await);
    assert_eq!(
        payloads(&heard_a),
        (0..10).map(|number| json!(number)).collect::<Vec<_>>()
    );
    assert_eq!(ids(&heard_a), ids(&heard_b), "one order, one id for each");
    for event in &heard_a {
        assert_eq!(json!(heard(&mut page).await.0), event["data"]["id"]);
    }

    // To a user who is elsewhere, and not to whom it is not meant for.
    let push = json!({"event": "E", "payload": 1, "targets": {"users": "adam", "channels": "chat"},
        "exclude": {"connections": on_a.connection}});
    let receipt = a.receipt(&push).await;
    assert_eq!((&receipt["recipients"], &receipt["scope"]), (&json!(0), &json!("node")));
    let event = on_b.event().await;
    assert_eq!(
        (&event["data"]["id"], &event["data"]["via"]),
        (&receipt["id"], &json!({"user": "adam"}))
    );

    // A key holds on every node.
    let push = json!({"id": "order-7", "event": "E", "payload": 2, "targets": {"channels": "chat"}});
    let (first, again) = (a.receipt(&push).await, b.receipt(&push).await);
    assert_eq!(first["id"], again["id"]);
    assert_eq!(payloads(&on_a.heard(&a).await), [json!(2)]);
    assert_eq!(payloads(&on_b.heard(&b).await), [json!(2)]);

    until("the acquaintance of the nodes", async || {
        ready(&a).await.1["nodes"] == json!(2)
    })
    .await;
    let (status, cluster) = ready(&a).await;
    assert_eq!((status, &cluster["state"]), (200, &json!("joined")), "{cluster}");
    let numbers = a.get("/metrics").await.text();
    for line in [
        "turted_cluster_away 0",
        "turted_cluster_nodes 2",
        "turted_cluster_unreadable_total 0",
    ] {
        assert!(numbers.contains(line), "{line}: {numbers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_says_is_heard_on_every_node() {
    let redis = Redis::start();
    let settings =
        CLUSTER.replace("{port}", &redis.port.to_string()) + "[may.anyone]\njoin = [\"**\"]\npublish = [\"**\"]\n";
    let (a, b) = (Server::with(&settings), Server::with(&settings));
    let (mut on_a, mut on_b) = (a.member(&["chat"]).await, b.member(&["chat"]).await);
    for number in 0..20 {
        let said = json!({"channel": "chat", "event": "SAID", "payload": number});
        let answer = on_a.ask("PUBLISH", said).await;
        assert_eq!(answer["type"], "OK", "{answer}");
    }
    let (heard_a, heard_b) = (on_a.events(20).await, on_b.events(20).await);
    assert_eq!(ids(&heard_a), ids(&heard_b));
    assert_eq!(
        payloads(&heard_b),
        (0..20).map(|number| json!(number)).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_gone_nothing_is_taken_in_and_nobody_is_cut_off() {
    let mut redis = Redis::start();
    let (a, b) = (node(&redis), node(&redis));
    let (mut on_a, mut on_b) = (a.member(&["chat"]).await, b.member(&["chat"]).await);
    let push = |number: u64| to_channel("chat", "E", json!(number));
    a.receipt(&push(1)).await;
    redis.kill();
    until("the loss of Redis", async || ready(&a).await.1["state"] == "away").await;
    let refused = a.ask(Request::json("/push/", push(0))).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.value()["error"]["code"], "away");
    // Everything else goes on.
    on_a.join("other").await;
    until("the word that the node takes no new clients", async || {
        ready(&b).await.0 == 503
    })
    .await;
    redis.start_again();
    until("that pushes are taken in again", async || {
        b.push(&push(2)).await.status == 200
    })
    .await;
    until("that the node is ready", async || ready(&a).await.0 == 200).await;
    a.receipt(&push(3)).await;
    for client in [&mut on_a, &mut on_b] {
        // No word about a gap: nothing was lost.
        let heard = payloads(&client.events(3).await);
        assert_eq!(heard, [json!(1), json!(2), json!(3)]);
    }
    assert!(!a.log().contains("panicked") && !b.log().contains("panicked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_redis_begins_an_epoch_and_loses_nothing_that_was_heard() {
    let mut redis = Redis::start();
    let (a, b) = (node(&redis), node(&redis));
    let mut on_a = a.member(&["chat"]).await;
    let push = |number: u64| to_channel("chat", "E", json!(number));
    a.receipt(&push(1)).await;
    let mut page = Stream::open(&b, Request::new("GET", "/events?channel=chat")).await;
    a.receipt(&push(2)).await;
    let seen = heard(&mut page).await.0;
    page.cut();
    a.receipt(&push(3)).await;
    redis.kill();
    redis.lose_data();
    redis.start_again();
    until("that pushes are taken in again", async || {
        a.push(&push(4)).await.status == 200
    })
    .await;
    assert_eq!(
        payloads(&on_a.events(4).await),
        (1..=4).map(|number| json!(number)).collect::<Vec<_>>()
    );
    // An id of the old epoch still means its place.
    let request = Request::new("GET", "/events?channel=chat").header("Last-Event-ID", &seen);
    let mut page = Stream::open(&b, request).await;
    for number in [3, 4] {
        assert_eq!(heard(&mut page).await.1, json!(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_from_a_node_that_died_hears_the_rest_on_another() {
    let redis = Redis::start();
    let (a, b) = (node(&redis), node(&redis));
    let mut page = Stream::open(&b, Request::new("GET", "/events?channel=chat&username=adam")).await;
    a.receipt(&to_channel("chat", "E", json!(1))).await;
    let seen = heard(&mut page).await.0;
    b.signal("KILL");
    for number in 2..=50 {
        a.receipt(&to_channel("chat", "E", json!(number))).await;
    }
    a.receipt(&to_user("adam", "E", json!(51))).await;
    // A node that begins now knows the past of the others.
    let c = node(&redis);
    for server in [&a, &c] {
        let request = Request::new("GET", "/events?channel=chat&username=adam").header("Last-Event-ID", &seen);
        let mut page = Stream::open(server, request).await;
        for number in 2..=51 {
            assert_eq!(heard(&mut page).await.1, json!(number));
        }
    }
    until("the burial of the node", async || {
        ready(&a).await.1["nodes"] == json!(2)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_goes_in_good_order_is_gone_at_once() {
    let redis = Redis::start();
    let (a, b) = (node(&redis), node(&redis));
    b.receipt(&to_channel("chat", "E", json!(1))).await;
    b.terminate();
    assert!(b.ended().await.success());
    let begun = Instant::now();
    until("the farewell", async || ready(&a).await.1["nodes"] == json!(1)).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "a lease would last longer");
    let nodes = redis.must(&["HLEN", "turted:{shop}:nodes"]);
    assert_eq!(nodes.number(), 1);
}

/// Clients of a node that stood still and was given up keep their wires.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_slept_goes_on_under_another_name() {
    if std::env::var_os("TURTED_LONG").is_none() {
        return;
    }
    let redis = Redis::start();
    let (a, b) = (node(&redis), node(&redis));
    let mut on_b = b.member(&["chat"]).await;
    b.receipt(&to_channel("chat", "E", json!(1))).await;
    b.signal("STOP");
    until("the burial", async || ready(&a).await.1["nodes"] == json!(1)).await;
    a.receipt(&to_channel("chat", "E", json!(2))).await;
    b.signal("CONT");
    b.receipt(&to_channel("chat", "E", json!(3))).await;
    assert_eq!(payloads(&on_b.events(3).await), [json!(1), json!(2), json!(3)]);
    until("its return", async || ready(&a).await.1["nodes"] == json!(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_pushes_from_two_nodes_at_once_come_in_one_order() {
    let redis = Redis::start();
    let (a, b) = (node(&redis), node(&redis));
    let (mut on_a, mut on_b): (Client, Client) = (a.member(&["chat"]).await, b.member(&["chat"]).await);
    let batch = |from: u64| {
        let pushes: Vec<Value> = (from..from + 250)
            .map(|number| to_channel("chat", "E", json!(number)))
            .collect();
        Request::json("/push/", Value::Array(pushes))
    };
    let sent = tokio::join!(
        a.ask(batch(0)),
        b.ask(batch(1000)),
        a.ask(batch(2000)),
        b.ask(batch(3000))
    );
    for reply in [sent.0, sent.1, sent.2, sent.3] {
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let (heard_a, heard_b) = (on_a.events(1000).await, on_b.events(1000).await);
    assert_eq!(ids(&heard_a), ids(&heard_b));
    let numbers: Vec<u64> = payloads(&heard_a)
        .iter()
        .map(|number| number.as_u64().unwrap())
        .collect();
    for publisher in 0..4 {
        let own = numbers.iter().filter(|number| **number / 1000 == publisher);
        assert!(own.is_sorted(), "a batch keeps its order");
    }
}

#[test]
fn a_node_that_does_not_reach_the_log_does_not_start() {
    let redis = Redis::absent("requirepass secret-word");
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "server.listen = \"127.0.0.1:0\"\ncluster.url = \"{}\"\ncluster.realm = \"shop\"\n",
        redis.url()
    );
    std::fs::write(folder.path().join("turted.toml"), settings).unwrap();
    let output = crate::harness::server::turted(folder.path())
        .arg("serve")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("failed to join the cluster at redis at 127.0.0.1:"),
        "{said}"
    );
    assert!(!said.contains("secret-word"), "{said}");
}
