//! Clients ask, and a backend answers: beside everything else, within bounds, and nobody who may not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use turted::config::Sources;
use turted::turted_core::{Call, Caller, Failure, Line, Payload, Responder};

use crate::harness::backend::{Backend, answer, ok};
use crate::harness::embedded::Embedded;
use crate::harness::{Client, PATIENCE, Request, Server, Value, json, to_channel};

const SECRET: &str = "hush-hush-hush-hush";

/// A server on which everybody may ask this backend for `orders`.
fn with(backend: &Backend, more: &str) -> Server {
    Server::with(&format!(
        "[may.anyone]\njoin = [\"**\"]\ncall = [\"orders\", \"ghost\"]\n\
         [responders.orders]\ntype = \"http\"\nurl = {:?}\nsecret = {SECRET:?}\n{more}",
        backend.url
    ))
}

fn call(name: &str, params: Value, reference: i32) -> Value {
    json!({"type": "CALL", "data": {"name": name, "params": params}, "ref": reference})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_answers_a_signed_question_that_says_who_asks() {
    let backend = Backend::start(|asked| match asked.body["params"]["id"].as_u64() {
        Some(1) => ok(&json!({"total": [1, 2]})),
        Some(2) => answer(404, r#"{"error":"no such order"}"#),
        Some(3) => answer(204, ""),
        _ => answer(500, r#"{"error":"inner"}"#),
    });
    let server = with(&backend, "");
    let mut client = Client::connect(&server).await;
    client.ask("IDENT", json!({"username": "adam"})).await;
    let ask = async |client: &mut Client, id: u64| {
        client
            .ask("CALL", json!({"name": "orders", "params": {"id": id}}))
            .await
    };
    let first = ask(&mut client, 1).await;
    assert_eq!(
        (&first["type"], &first["data"]),
        (&json!("ANSWER"), &json!({"total": [1, 2]}))
    );
    let refused = ask(&mut client, 2).await;
    assert_eq!(
        refused["data"],
        json!({"code": "call_failed", "message": "no such order"})
    );
    assert_eq!(ask(&mut client, 3).await["data"], json!(null));
    let failed = ask(&mut client, 4).await;
    assert_eq!(failed["data"]["code"], "unavailable", "{failed}");
    assert_eq!(failed["data"]["after"], 1000);

    let asked = &backend.asked()[0];
    assert!(asked.is_signed_with(SECRET));
    assert_eq!(
        asked.body,
        json!({
            "verb": "call", "name": "orders", "params": {"id": 1}, "user": "adam", "claims": {},
            "connection": client.connection, "address": "127.0.0.1",
        })
    );
    let denied = client.ask("CALL", json!({"name": "others"})).await;
    assert_eq!(denied["data"]["code"], "call_denied");
    let nobody = client.ask("CALL", json!({"name": "ghost"})).await;
    assert_eq!(nobody["data"]["code"], "nobody_answers");
    assert_eq!(backend.asked().len(), 4);
    assert!(!server.log().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_asks_where_no_rule_says_so() {
    let backend = Backend::saying(json!(1));
    let server = Server::with(&format!(
        "[responders.orders]\ntype = \"http\"\nurl = {:?}\nsecret = {SECRET:?}",
        backend.url
    ));
    let mut client = Client::connect(&server).await;
    let denied = client.ask("CALL", json!({"name": "orders"})).await;
    assert_eq!(denied["data"]["code"], "call_denied");
    assert!(backend.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_holds_nothing_up_and_sixteen_are_asked_at_once() {
    // It answers nobody before sixteen have asked, and the first of them last.
    let gate = Arc::new((std::sync::Mutex::new(0), std::sync::Condvar::new()));
    let backend = Backend::start(move |asked| {
        let (count, changed) = &*gate;
        let mut count = count.lock().unwrap();
        *count += 1;
        changed.notify_all();
        drop(changed.wait_while(count, |count| *count < 16).unwrap());
        ok(&asked.body["params"])
    });
    let server = with(&backend, "");
    let mut client = Client::connect(&server).await;
    for number in 0..40 {
        client.send(call("orders", json!(number), number)).await;
    }
    client
        .send(json!({"type": "JOIN", "data": {"channel": "news"}, "ref": "j"}))
        .await;
    let mut answered: Vec<i64> = Vec::new();
    let mut has_joined = false;
    while answered.len() < 40 {
        let said = client.next().await;
        match said["type"].as_str() {
            Some("OK") => has_joined = said["ref"] == "j",
            Some("ANSWER") => {
                assert_eq!(said["data"], said["ref"]);
                answered.push(said["ref"].as_i64().unwrap());
            }
            _ => panic!("{said}"),
        }
    }
    assert!(has_joined);
    answered.sort_unstable();
    assert_eq!(answered, (0..40).collect::<Vec<_>>());
    server.receipt(&to_channel("news", "A", json!(1))).await;
    assert_eq!(client.event().await["data"]["event"], "A");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_may_wait_are_refused_and_the_others_are_unavailable_in_time() {
    let backend = Backend::start(|_| Vec::new());
    let server = with(
        &backend,
        "timeout = \"1s\"\n[limits]\nmessages_per_second = 1000\nmessages_burst = 1000",
    );
    let mut client = Client::connect(&server).await;
    for number in 0..81 {
        client.send(call("orders", json!({}), number)).await;
    }
    let first = client.next().await;
    assert_eq!(
        (&first["data"]["code"], &first["ref"]),
        (&json!("too_many_calls"), &json!(80))
    );
    let second = client.next().await;
    assert_eq!(second["data"]["code"], "unavailable", "{second}");
    backend.until_asked(17).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_a_request_waits_for_its_answer() {
    let backend = Backend::start(|asked| ok(&asked.body["params"]));
    let server = with(&backend, "");
    let opened = server.ask(Request::post("/poll", "")).await.value();
    let (id, secret) = (
        opened["connection"].as_str().unwrap(),
        opened["secret"].as_str().unwrap(),
    );
    let command = Request::post(&format!("/poll/{id}"), call("orders", json!([7]), 1).to_string());
    let said = server.ask(command.header("turted-secret", secret)).await.value();
    assert_eq!(said, json!({"type": "ANSWER", "data": [7], "ref": 1}));
}

/// Tells what it is asked for, and notes whom it forgot.
struct Narrator(Arc<AtomicUsize>);

struct Forgotten(Arc<AtomicUsize>);

impl Drop for Forgotten {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Responder for Narrator {
    fn answer(&self, call: Call, _: Caller, line: Line) -> BoxFuture<'static, Result<Payload, Failure>> {
        let forgotten = Forgotten(Arc::clone(&self.0));
        Box::pin(async move {
            let _forgotten = forgotten;
            match call.params.as_str() {
                "\"panic\"" => panic!("a responder may be wrong"),
                "\"for ever\"" => {
                    line.told.tell(call.params).await;
                    std::future::pending().await
                }
                "\"never\"" => std::future::pending().await,
                _ => {
                    for _ in 0..1000 {
                        line.told.tell(call.params.clone()).await;
                    }
                    Ok(Payload::null())
                }
            }
        })
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(300)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_responder_of_the_program_tells_before_it_answers_and_is_dropped_with_its_client() {
    let forgotten = Arc::new(AtomicUsize::new(0));
    let narrator = Narrator(Arc::clone(&forgotten));
    let server = Embedded::start(move || {
        let sources = Sources {
            sets: ["server.listen=127.0.0.1:0", "may.anyone.call=[\"story\"]"]
                .map(str::to_owned)
                .to_vec(),
            ..Sources::default()
        };
        let builder = turted::Server::builder().config(turted::Server::load(&sources).unwrap());
        builder.responder("story", narrator).build().unwrap().start().unwrap()
    });
    let mut client = server.member(&[]).await;
    client.send(call("story", json!("once"), 1)).await;
    for _ in 0..1000 {
        assert_eq!(client.next().await, json!({"type": "TOLD", "data": "once", "ref": 1}));
    }
    assert_eq!(client.next().await, json!({"type": "ANSWER", "data": null, "ref": 1}));
    for (params, reference) in [("panic", 2), ("never", 3)] {
        client.send(call("story", json!(params), reference)).await;
        let said = client.next().await;
        assert_eq!(
            (&said["ref"], &said["data"]["code"]),
            (&json!(reference), &json!("unavailable"))
        );
    }
    // Whoever has said something has all the time there is, and ends with its client.
    client.send(call("story", json!("for ever"), 4)).await;
    assert_eq!(client.next().await["type"], "TOLD");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(forgotten.load(Ordering::SeqCst), 3);
    client.lose_wire();
    let deadline = std::time::Instant::now() + PATIENCE;
    while forgotten.load(Ordering::SeqCst) < 4 {
        assert!(std::time::Instant::now() < deadline, "the call outlives its client");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
