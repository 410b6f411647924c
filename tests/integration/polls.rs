//! Long-polling: every request is a new one, and the connection is the same.

use crate::harness::{Request, Server, Stream, Value, json, three_ways, to_channel, to_user};

/// A connection that is polled.
pub struct Polls<'a> {
    server: &'a Server,
    connection: String,
    secret: String,
}

impl<'a> Polls<'a> {
    pub async fn open(server: &'a Server, query: &str) -> Self {
        let reply = server.ask(Request::post(&format!("/poll{query}"), "")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let opened = reply.value();
        let text = |member: &str| opened[member].as_str().expect("an answer").to_owned();
        Self {
            server,
            connection: text("connection"),
            secret: text("secret"),
        }
    }

    fn path(&self) -> String {
        format!("/poll/{}", self.connection)
    }

    fn request(&self, query: &str) -> Request {
        Request::new("GET", &format!("{}{query}", self.path())).header("Turted-Secret", &self.secret)
    }

    /// The messages of one poll.
    async fn poll(&self, query: &str) -> Vec<Value> {
        let reply = self.server.ask(self.request(query)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        serde_json::from_slice(&reply.body).expect("an array")
    }

    /// Polls from `after` on until there are `count` events, each poll after the last one seen.
    pub async fn events(&self, after: &mut String, count: usize) -> Vec<Value> {
        let mut events: Vec<Value> = Vec::new();
        while events.len() < count {
            for message in self.poll(&format!("?after={after}")).await {
                assert_eq!(message["type"], "EVENT", "{message}");
                *after = message["data"]["id"].as_str().unwrap().to_owned();
                events.push(message["data"].clone());
            }
        }
        events
    }

    /// The answers to commands that are sent side by side.
    async fn commands(&self, count: usize) -> Vec<(u16, Value)> {
        let ask = |number: usize| async move {
            let command = json!({"type": "PING", "ref": number}).to_string();
            let request = Request::post(&self.path(), command).header("Turted-Secret", &self.secret);
            let reply = self.server.ask(request).await;
            let answer = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
            (reply.status, answer)
        };
        futures_util::future::join_all((0..count).map(ask)).await
    }

    pub async fn command(&self, kind: &str, data: Value) -> Value {
        let command = json!({"type": kind, "data": data, "ref": "r"});
        let request = Request::post(&self.path(), command.to_string()).header("Turted-Secret", &self.secret);
        let reply = self.server.ask(request).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answer = reply.value();
        assert_eq!(answer["ref"], "r", "{answer}");
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_hears_its_user_its_channels_and_everybody_each_event_once() {
    let server = Server::start();
    let polls = Polls::open(&server, "").await;
    assert_eq!(
        polls.command("IDENT", json!({"username": "adam"})).await["data"]["username"],
        "adam"
    );
    assert_eq!(polls.command("JOIN", json!({"channel": "chat"})).await["type"], "OK");
    assert_eq!(polls.command("ECHO", json!([1])).await["data"], json!([1]));

    let receipt = server.receipt(&three_ways(json!(0))).await;
    assert_eq!(receipt["recipients"], 1);
    for number in 1..30 {
        server.receipt(&to_channel("chat", "E", json!(number))).await;
    }
    let mut after = String::new();
    let events = polls.events(&mut after, 30).await;
    assert_eq!(
        (&events[0]["via"], &events[0]["id"]),
        (&json!({"user": "adam"}), &receipt["id"])
    );
    let heard: Vec<Value> = events.iter().map(|event| event["payload"].clone()).collect();
    assert_eq!(heard, (0..30).map(|number| json!(number)).collect::<Vec<_>>());

    assert_eq!(polls.command("LEAVE", json!({"channel": "chat"})).await["type"], "OK");
    server.receipt(&to_channel("chat", "E", json!("left"))).await;
    server.receipt(&to_user("adam", "E", json!("mine"))).await;
    assert_eq!(polls.events(&mut after, 1).await[0]["payload"], "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_is_given_again() {
    let server = Server::start();
    let polls = Polls::open(&server, "?username=adam").await;
    polls.command("JOIN", json!({"channel": "chat"})).await;
    server.receipt(&to_channel("chat", "E", json!(1))).await;
    let mut after = String::new();
    polls.events(&mut after, 1).await;
    for round in 0..3 {
        server.receipt(&to_channel("chat", "E", json!([round, 1]))).await;
        server.receipt(&to_user("adam", "E", json!([round, 2]))).await;
        // The head is here, so the server has given the answer away; the client never sees it.
        let lost = Stream::open(&server, polls.request(&format!("?after={after}"))).await;
        assert_eq!(lost.status(), 200);
        lost.cut();
    }
    let heard: Vec<Value> = polls
        .events(&mut after, 6)
        .await
        .iter()
        .map(|event| event["payload"].clone())
        .collect();
    let expected: Vec<Value> = (0..3)
        .flat_map(|round| [json!([round, 1]), json!([round, 2])])
        .collect();
    assert_eq!(heard, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_is_given_up_takes_nothing_along() {
    let server = Server::start();
    let polls = Polls::open(&server, "").await;
    polls.command("JOIN", json!({"channel": "chat"})).await;
    for number in 0..5 {
        let mut wire = server.wire().await;
        let request = polls.request("").bytes(&server.address);
        tokio::io::AsyncWriteExt::write_all(&mut wire, &request).await.unwrap();
        // An answer to a later request on another wire: the poll is waiting, or still on its way.
        assert_eq!(polls.command("PING", Value::Null).await["type"], "PONG");
        drop(wire);
        assert_eq!(
            server.receipt(&to_channel("chat", "E", json!(number))).await["recipients"],
            1
        );
    }
    let events = polls.events(&mut String::new(), 5).await;
    let heard: Vec<Value> = events.iter().map(|event| event["payload"].clone()).collect();
    assert_eq!(heard, (0..5).map(|number| json!(number)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_poll_takes_the_place_of_the_first() {
    let server = Server::start();
    let polls = Polls::open(&server, "").await;
    polls.command("JOIN", json!({"channel": "chat"})).await;
    let mut wires = Vec::new();
    for _ in 0..3 {
        let mut wire = server.wire().await;
        let request = polls.request("").bytes(&server.address);
        tokio::io::AsyncWriteExt::write_all(&mut wire, &request).await.unwrap();
        wires.push(wire);
    }
    // All but one are sent away at once; which is the newest the network decides.
    let mut answered = Vec::new();
    let mut waiting: Vec<_> = wires.into_iter().map(|wire| Box::pin(read(wire))).collect();
    while waiting.len() > 1 {
        let (answer, _, rest) = futures_util::future::select_all(waiting).await;
        answered.push(answer);
        waiting = rest;
    }
    assert!(
        answered.iter().all(|answer| answer.ends_with("\r\n\r\n[]")),
        "{answered:?}"
    );
    server.receipt(&to_channel("chat", "E", json!("once"))).await;
    let last = waiting.remove(0).await;
    assert!(last.contains("\"once\""), "{last}");
}

/// The answer on a wire.
async fn read(mut wire: tokio::net::TcpStream) -> String {
    let mut answer = String::new();
    let read = tokio::io::AsyncReadExt::read_to_string(&mut wire, &mut answer);
    crate::harness::within("the answer to a poll", read).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_comes_in_a_header_in_the_query_or_in_the_body_and_must_be_right() {
    let server = Server::start();
    let polls = Polls::open(&server, "").await;
    let (path, secret) = (polls.path(), &polls.secret);
    polls.command("JOIN", json!({"channel": "chat"})).await;
    server.receipt(&to_channel("chat", "E", json!(1))).await;
    let by_query = server.get(&format!("{path}?secret={secret}")).await;
    assert_eq!((by_query.status, &by_query.value()[0]["type"]), (200, &json!("EVENT")));
    let ping = json!({"type": "PING", "secret": secret});
    assert_eq!(
        server.ask(Request::post(&path, ping.to_string())).await.value()["type"],
        "PONG"
    );

    let other = Polls::open(&server, "").await;
    // CWE-639: another connection's secret opens nothing here.
    for wrong in ["", "wrong", &other.secret, &polls.connection] {
        assert_eq!(
            server.get(&format!("{path}?secret={wrong}")).await.status,
            403,
            "{wrong}"
        );
        let header = |method| Request::new(method, &path).header("Turted-Secret", wrong);
        assert_eq!(server.ask(header("GET")).await.status, 403, "{wrong}");
        assert_eq!(server.ask(header("DELETE")).await.status, 403, "{wrong}");
        let ping = json!({"type": "PING", "secret": wrong});
        let reply = server.ask(Request::post(&path, ping.to_string())).await;
        assert_eq!(
            (reply.status, &reply.value()["error"]["code"]),
            (403, &json!("wrong_secret")),
            "{wrong}"
        );
    }
    // The header wins.
    let both = Request::new("GET", &format!("{path}?secret={secret}")).header("Turted-Secret", "wrong");
    assert_eq!(server.ask(both).await.status, 403);
    for unknown in ["/poll/nobody", "/poll/%2Fturted%20abc", "/poll/..%2f"] {
        let reply = server
            .ask(Request::new("GET", unknown).header("Turted-Secret", secret))
            .await;
        assert_eq!(reply.status, 404, "{unknown}");
    }
    let goodbye = |path: &str| Request::new("DELETE", path).header("Turted-Secret", secret);
    assert_eq!(server.ask(goodbye(&path)).await.status, 200);
    assert_eq!(server.ask(goodbye(&path)).await.status, 404);
    assert_eq!(server.ask(polls.request("")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_another_memory_is_answered_with_a_gap() {
    let server = Server::start();
    let polls = Polls::open(&server, "?username=adam").await;
    for after in ["deadbeef-1", "nonsense", "\u{1F600}"] {
        let encoded: String = after.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let heard = polls.poll(&format!("?after={encoded}")).await;
        let gap = heard.last().expect("a message");
        assert_eq!(*gap, json!({"type": "GAP", "data": {"since": after}}), "{heard:?}");
    }
    server.receipt(&to_user("adam", "E", json!(1))).await;
    assert_eq!(polls.events(&mut String::new(), 1).await[0]["payload"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_an_earlier_server_is_told_once_and_then_waits_for_events() {
    let server = Server::start();
    let polls = Polls::open(&server, "").await;
    polls.command("JOIN", json!({"channel": "chat"})).await;
    server.receipt(&to_channel("chat", "E", json!(1))).await;
    let gap = json!({"type": "GAP", "data": {"since": "0badc0de-7"}});
    // As often as the answer may have been lost, and the event behind the word about the gap.
    for _ in 0..2 {
        let told = polls.poll("?after=0badc0de-7").await;
        assert_eq!((told.len(), &told[0]), (2, &gap), "{told:?}");
        assert_eq!(told[1]["data"]["payload"], 1, "{told:?}");
    }
    let polls = Polls::open(&server, "?username=adam").await;
    assert_eq!(polls.poll("?after=0badc0de-7").await, std::slice::from_ref(&gap));
    // It stays with its old id: nothing but an event answers it.
    let waiting = async { polls.poll("?after=0badc0de-7").await };
    let push = async { server.receipt(&to_user("adam", "E", json!(2))).await };
    let (mut heard, _) = tokio::join!(waiting, push);
    // The push may be there before the poll: then the event has a second word about the gap before it.
    heard.retain(|message| *message != gap);
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0]["data"]["payload"], 2, "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_pauses_between_polls_is_not_given_up_for_having_waited_before() {
    // Patience is two pings, far less than a poll may wait.
    let server = Server::with("limits.ping = \"1s\"");
    let polls = Polls::open(&server, "").await;
    polls.command("JOIN", json!({"channel": "chat"})).await;
    let mut after = String::new();
    for number in 0..3 {
        // One that comes second takes the place of the first, and is there for as long as it waits.
        let replaced = Stream::open(&server, polls.request(&format!("?after={after}")));
        let event = async {
            let replaced = replaced.await;
            tokio::time::sleep(std::time::Duration::from_millis(1900)).await;
            server.receipt(&to_channel("chat", "E", json!(number))).await;
            replaced
        };
        let (_, heard) = tokio::join!(event, polls.events(&mut after, 1));
        assert_eq!(heard[0]["payload"], number);
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_joins_the_channels_of_its_query_as_a_stream_does() {
    let server = Server::start();
    let opened = server
        .ask(Request::post("/poll?channel=a&channel=b&username=adam", ""))
        .await
        .value();
    let (connection, secret) = (
        opened["connection"].as_str().unwrap(),
        opened["secret"].as_str().unwrap(),
    );
    for (push, via) in [
        (to_channel("a", "E", json!(1)), json!({"channel": "a"})),
        (to_channel("b", "E", json!(2)), json!({"channel": "b"})),
        (crate::harness::to_user("adam", "E", json!(3)), json!({"user": "adam"})),
    ] {
        assert_eq!(server.receipt(&push).await["recipients"], 1, "{push}");
        let heard = server.get(&format!("/poll/{connection}?secret={secret}")).await.value();
        assert_eq!(heard[0]["data"]["via"], via, "{heard}");
    }
    let long = format!("/poll?channel={}", "x".repeat(201));
    assert_eq!(
        server.ask(Request::post(&long, "")).await.value()["error"]["code"],
        "bad_name"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_too_many_is_told_so_itself() {
    // It got 404, as if the connection were gone, and the words for it went to whoever asked next.
    let server = Server::with("limits.messages_per_second = 20\nlimits.messages_burst = 1");
    let polls = Polls::open(&server, "").await;
    let answers = polls.commands(120).await;
    let mut too_many = 0;
    for (number, (status, answer)) in answers.iter().enumerate() {
        assert_eq!((*status, &answer["ref"]), (200, &json!(number)), "{answer}");
        match answer["type"].as_str() {
            Some("PONG") => {}
            Some("ERROR") => {
                assert_eq!(answer["data"]["code"], "too_fast", "{answer}");
                too_many += 1;
            }
            _ => panic!("{answer}"),
        }
    }
    assert!(too_many > 0);
}
