//! RackHD's on-wss: at `/` beside everything else, and below a path; sessions, watches, questions, and what is hostile.

use futures_util::future::{BoxFuture, FutureExt, ready};
use tokio::net::TcpStream;
use turted::config::Sources;
use turted_core::{Call, Caller, Failure, Limits, Line, Payload, Responder};

use crate::harness::embedded::Embedded;
use crate::harness::socket::{Heard, Socket};
use crate::harness::{Client, Request, Server, Value, json, to_all, to_channel};

const ON: &str = "[clients.rackhd]\nenabled = true\n";

/// A client, and its session.
struct Messenger {
    socket: Socket,
    id: String,
}

impl Messenger {
    async fn open(server: &Server, path: &str) -> Self {
        let mut messenger = Self {
            socket: Socket::open(server, path).await,
            id: String::new(),
        };
        messenger.id = messenger.session().await;
        messenger
    }

    async fn say(&mut self, message: Value) {
        self.socket.say(&message.to_string()).await;
    }

    async fn next(&mut self) -> Value {
        self.socket.json("").await
    }

    /// Everything that was said before is done when this is answered.
    async fn session(&mut self) -> String {
        self.socket.say(r#"{"handler": "init"}"#).await;
        let said = self.next().await;
        assert_eq!(said["handler"], "session", "{said}");
        said["id"].as_str().unwrap().to_owned()
    }

    async fn watch(&mut self, message: Value) {
        self.say(message).await;
        self.session().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_root_it_takes_upgrades_that_nobody_else_wants_and_nothing_more() {
    let server = Server::with(ON);
    let page = server.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("<html"), "the page of turted stays");
    let mut nodes = Messenger::open(&server, "/nodes").await;
    nodes.watch(json!({"handler": "watch"})).await;
    let mut below = Messenger::open(&server, "/any/prefix/nodes?x=/skus").await;
    below.watch(json!({"handler": "watch"})).await;
    let mut root = Messenger::open(&server, "/").await;
    root.watch(json!({"handler": "watch", "type": "nodes"})).await;
    // Those that others take stay theirs.
    let mut native = server.member(&["nodes"]).await;
    server
        .receipt(&to_channel(
            "nodes",
            "created",
            json!({"id": "n1", "record": {"a": "é"}}),
        ))
        .await;
    for messenger in [&mut nodes, &mut below, &mut root] {
        assert_eq!(
            messenger.next().await,
            json!({
                "handler": "item", "resource": "nodes", "type": "nodes", "via": {"channel": "nodes"},
                "id": ["created", "n1"], "data": {"a": "é"},
            })
        );
    }
    assert_eq!(native.event().await["data"]["via"], json!({"channel": "nodes"}));
    // Who is known at the root as anything else is answered as before.
    assert_eq!(server.get("/nodes").await.status, 404);
    assert_eq!(server.ask(Request::post("/", "{}")).await.status, 405);
    assert_eq!(server.get("/ws").await.status, 426);
    assert_eq!(server.get("/health/ready").await.status, 200);
    let foreign = Request::upgrade("/nodes").header("origin", "https://evil.example");
    assert_eq!(server.ask(foreign).await.status, 403, "CWE-1385");
}

#[tokio::test(flavor = "multi_thread")]
async fn below_a_path_of_its_own_it_says_what_it_is() {
    let server =
        Server::with("[clients.rackhd]\nenabled = true\npath = \"/rackhd\"\nchannel = \"hardware/{resource}\"\n");
    for path in ["/rackhd", "/rackhd/", "/rackhd/nodes"] {
        let told = server
            .ask(Request::new("GET", path).header("origin", "https://evil.example"))
            .await;
        assert_eq!(
            (told.status, told.text().as_str()),
            (200, "RackHD WebSocketServer"),
            "{path}"
        );
        assert_eq!(told.header("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(server.ask(Request::post("/rackhd", "{}")).await.status, 405);
    let mut nodes = Messenger::open(&server, "/rackhd/nodes").await;
    nodes.watch(json!({"handler": "watch"})).await;
    server
        .receipt(&to_channel("hardware/nodes", "destroyed", json!({"id": "n1"})))
        .await;
    let gone = nodes.next().await;
    assert_eq!((&gone["handler"], &gone["id"]), (&json!("remove"), &json!("n1")));
    assert_eq!(gone["via"], json!({"channel": "hardware/nodes"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_a_uuid_by_which_a_broadcast_leaves_its_client_out() {
    let server = Server::with(ON);
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(Messenger::open(&server, "/nodes").await);
    }
    let id = clients[0].id.clone();
    assert_eq!(clients[0].session().await, id, "the same every time");
    assert_eq!((id.len(), &id[14..15]), (36, "4"), "{id}");
    let frame = json!({"handler": "item", "resource": "nodes", "id": ["updated", "n1"], "data": {"n": 1}});
    let mut push = to_all("X", frame.clone());
    push["exclude"] = json!({"connections": [id, clients[1].id]});
    let receipt = server.receipt(&push).await;
    assert_eq!(receipt["recipients"], 1);
    assert_eq!(clients[2].next().await, frame);
    for skipped in &mut clients[..2] {
        skipped.session().await;
    }
}

/// Each distinct watch is told; what is watched twice, twice, in the order of the bus.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_watched_twice_comes_twice_and_in_order() {
    let server = Server::with(ON);
    let mut client = Messenger::open(&server, "/nodes").await;
    for params in [json!({}), json!({"a": 1}), json!({})] {
        client.watch(json!({"handler": "watch", "params": params})).await;
    }
    let mut other = Messenger::open(&server, "/nodes").await;
    other.watch(json!({"handler": "watch"})).await;
    for number in 0..50 {
        server
            .receipt(&to_channel("nodes", "updated", json!({"id": "n", "record": number})))
            .await;
    }
    for number in 0..50 {
        for _ in 0..3 {
            assert_eq!(client.next().await["data"], number);
        }
        assert_eq!(other.next().await["data"], number);
    }
    client.watch(json!({"handler": "stop"})).await;
    server
        .receipt(&to_channel("nodes", "updated", json!({"id": "n", "record": 50})))
        .await;
    assert_eq!(client.next().await["data"], 50);
    client.watch(json!({"handler": "stop", "params": {"a": 1}})).await;
    server
        .receipt(&to_channel("nodes", "updated", json!({"id": "n", "record": 51})))
        .await;
    client.session().await;
}

/// Answers `query`, `all` and `get` of a resource with what it was asked, or with nothing.
struct Shelf;

impl Responder for Shelf {
    fn answer(&self, call: Call, caller: Caller, _: Line) -> BoxFuture<'static, Result<Payload, Failure>> {
        let asked: Value = serde_json::from_str(call.params.as_str()).unwrap();
        let user = caller.identity.user.as_ref().map(ToString::to_string);
        let answer = match asked["params"]["id"].as_str() {
            Some("none") => json!(null),
            _ => json!([{"asked": asked, "by": user}]),
        };
        ready(Ok(
            Payload::parse(answer.to_string().into(), &Limits::default()).unwrap()
        ))
        .boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_reaches_whoever_answers_to_the_resource() {
    let server = Embedded::start(|| {
        let sources = Sources {
            sets: [
                "server.listen=127.0.0.1:0",
                "clients.rackhd.enabled=true",
                "may.anyone.join=[\"nodes\"]",
                "may.anyone.call=[\"nodes\", \"skus\"]",
            ]
            .map(str::to_owned)
            .to_vec(),
            ..Sources::default()
        };
        let builder = turted::Server::builder().config(turted::Server::load(&sources).unwrap());
        builder.responder("nodes", Shelf).build().unwrap().start().unwrap()
    });
    let wire = TcpStream::connect(&server.address).await.unwrap();
    let mut client = Socket::over(wire, &server.address, "/nodes?username=adam")
        .await
        .unwrap();
    for (message, expected) in [
        (
            json!({"handler": "query", "params": {"x": 1}}),
            json!({
                "handler": "list", "resource": "nodes", "type": "nodes",
                "items": [{"asked": {"handler": "query", "params": {"x": 1}}, "by": "adam"}],
            }),
        ),
        (
            json!({"handler": "get", "params": {"id": "none"}}),
            json!({
                "handler": "remove", "resource": "nodes", "type": "nodes", "id": "none", "params": {"id": "none"},
            }),
        ),
    ] {
        client.say(&message.to_string()).await;
        assert_eq!(client.json("").await, expected);
    }
    for (resource, code) in [("skus", "nobody_answers"), ("files", "call_denied")] {
        client
            .say(&json!({"handler": "all", "resource": resource}).to_string())
            .await;
        let refused = client.json("").await;
        assert_eq!(
            (&refused["handler"], &refused["params"]["code"]),
            (&json!("error"), &json!(code))
        );
    }
    client.say(r#"{"handler":"watch","resource":"skus"}"#).await;
    assert_eq!(client.json("").await["params"]["code"], "join_denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_messages_are_passed_over_and_end_their_client_alone() {
    let server = Server::with(ON);
    let mut client = Messenger::open(&server, "/nodes").await;
    // CWE-674, CWE-20, CWE-1321.
    let deep = format!(
        r#"{{"handler":"query","params":{}{}}}"#,
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    for text in [
        "",
        "null",
        "{",
        "[]",
        "7",
        r#"{"handler":"__proto__"}"#,
        r#"{"handler":"query","resource":"constructor"}"#,
        &deep,
    ] {
        client.socket.say(text).await;
    }
    client.session().await;
    // CWE-770: of each only so many, and so large.
    let large = json!({"handler": "watch", "params": {"x": "y".repeat(2_000)}});
    client.say(large).await;
    assert_eq!(client.next().await["params"]["code"], "bad_message");
    let long = json!({"handler": "watch", "resource": "mq", "params": {"exchange": "on.events", "routingKey": "x".repeat(300)}});
    client.say(long).await;
    assert_eq!(client.next().await["params"]["code"], "bad_name");
    // CWE-93: nothing but a name becomes one.
    let line = json!({"handler": "watch", "resource": "mq", "params": {"exchange": "on.events", "routingKey": "a\nb"}});
    client.say(line).await;
    assert_eq!(client.next().await["params"]["code"], "bad_name");
    for _ in 0..256 {
        client.say(json!({"handler": "watch"})).await;
    }
    client.say(json!({"handler": "watch"})).await;
    assert_eq!(client.next().await["params"]["code"], "too_many_channels");
    for _ in 0..20 {
        client.socket.say("{").await;
    }
    assert_eq!(client.next().await["params"]["code"], "too many bad messages");
    assert_eq!(client.socket.next().await, Heard::Closed(Some(4000)));
    let _: Client = server.client().await;
    server.still_serves().await;
}
