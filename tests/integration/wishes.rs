//! One wish after the other: what a client wants is granted in order, within a time limit, and nothing else stands
//! still meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use turted::config::Sources;
use turted_core::{Authenticator, Identity, Refusal, Visitor};

use crate::harness::embedded::Embedded;
use crate::harness::{Client, Request, json, to_channel, within};

/// An authenticator that lets nobody pass until it is told to; one that is asked about "nobody" panics.
#[derive(Clone)]
struct Slow(Arc<Semaphore>);

impl Authenticator for Slow {
    fn verify<'a>(&'a self, visitor: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>> {
        Box::pin(async move {
            assert_ne!(visitor.data["username"], "nobody", "an authenticator may be wrong");
            let passed = self.0.acquire().await.map_err(|_| Refusal::denied("nobody says"))?;
            passed.forget();
            Ok(Some(Identity::as_claimed()))
        })
    }
}

/// A server whose clients are confirmed by nobody before `add_permits`.
fn start(sets: &[&str]) -> (Embedded, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let slow = Slow(Arc::clone(&gate));
    let sets: Vec<String> = ["server.listen=127.0.0.1:0", "server.workers=1"]
        .iter()
        .chain(sets)
        .map(|set| (*set).to_owned())
        .collect();
    let server = Embedded::start(move || {
        let sources = Sources {
            sets,
            ..Sources::default()
        };
        let config = turted::Server::load(&sources).unwrap();
        let builder = turted::Server::builder().config(config).clients(slow);
        builder.build().unwrap().start().unwrap()
    });
    (server, gate)
}

async fn push(server: &Embedded, body: &str) {
    let wire = within("a TCP connection", tokio::net::TcpStream::connect(&server.address));
    let reply = Request::new("POST", "/push/")
        .body(body)
        .send(wire.await.unwrap(), &server.address);
    assert_eq!(reply.await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_authenticator_holds_up_the_wishes_behind_it_and_neither_events_nor_signs_of_life() {
    let (server, gate) = start(&["limits.ping=1s"]);
    let mut client = server.member(&["chat"]).await;
    client
        .send(json!({"type": "IDENT", "data": {"username": "adam"}, "ref": "i"}))
        .await;
    client
        .send(json!({"type": "JOIN", "data": {"channel": "more"}, "ref": "j"}))
        .await;
    client.send(json!({"type": "PING", "ref": "p"})).await;
    // Three intervals: whoever did not answer a question would be lifeless after two.
    let begun = Instant::now();
    for number in 0.. {
        push(&server, &to_channel("chat", "E", json!(number)).to_string()).await;
        let event = client.next().await;
        assert_eq!(event["data"]["payload"], number, "events go on: {event}");
        if begun.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    gate.add_permits(1);
    for (kind, reference) in [("OK", "i"), ("OK", "j"), ("PONG", "p")] {
        let answer = client.next().await;
        assert_eq!(
            (&answer["type"], &answer["ref"]),
            (&json!(kind), &json!(reference)),
            "{answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_an_authenticator_is_told_of_the_end_like_everybody() {
    let (server, _gate) = start(&["server.shutdown_timeout=10s"]);
    let mut client = server.member(&[]).await;
    client
        .send(json!({"type": "IDENT", "data": {"username": "adam"}}))
        .await;
    // Answered before the end begins, so that the wish is in work by then.
    let mut other = server.member(&["chat"]).await;
    other.ask("PING", json!(null)).await;
    let begun = Instant::now();
    let ended = tokio::task::spawn_blocking(move || drop(server));
    assert_eq!(client.expect("BYE").await["code"], 1001);
    ended.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_that_does_not_answer_is_neither_a_no_nor_a_yes() {
    let (server, gate) = start(&[]);
    let mut client = server.member(&[]).await;
    let begun = Instant::now();
    let answer = ident(&mut client, "adam").await;
    assert_eq!(answer["data"]["code"], "unavailable", "{answer}");
    assert!(begun.elapsed() >= Duration::from_secs(5));
    // One that panics is no better, and the client may ask again.
    let answer = ident(&mut client, "nobody").await;
    assert_eq!(answer["data"]["code"], "unavailable", "{answer}");
    gate.add_permits(1);
    assert_eq!(ident(&mut client, "adam").await["type"], "OK");
}

async fn ident(client: &mut Client, user: &str) -> serde_json::Value {
    client.send(json!({"type": "IDENT", "data": {"username": user}})).await;
    client.next().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_messages_at_once_are_answered_in_their_order() {
    let (server, _gate) = start(&["limits.messages_burst=5000", "limits.channels_per_connection=1000"]);
    let mut client = server.member(&[]).await;
    for number in 0..500 {
        client
            .send(json!({"type": "JOIN", "data": {"channel": format!("c{number}")}, "ref": 2 * number}))
            .await;
        client
            .send(json!({"type": "ECHO", "data": number, "ref": 2 * number + 1}))
            .await;
    }
    for number in 0..1000 {
        assert_eq!(client.next().await["ref"], number);
    }
}
