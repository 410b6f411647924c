//! A crowd whose wires are cut, and that comes back at once: whoever knows who they are does not feel it.
//!
//! A thousand clients; ten thousand with `TURTED_LONG=1`, which takes about a minute.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::harness::backend::{Backend, ok};
use crate::harness::{Client, Server, Value, json};
use crate::hooks::{browser, with};
use crate::jwt::Provider;

const SECRET: &str = "hush-hush-hush-hush";
const ROOM: &str = "limits.connections = 12000\nlimits.connections_per_address = 12000\n";
/// As many sockets as a listening one holds until they are accepted.
const ON_THEIR_WAY: usize = 500;

fn crowd() -> usize {
    match std::env::var_os("TURTED_LONG") {
        Some(_) => 10_000,
        None => 1_000,
    }
}

/// What each of a crowd does, all of them at once.
async fn each<T, F>(crowd: impl IntoIterator<Item = T>, act: impl Fn(usize, T) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let on_their_way = Arc::new(Semaphore::new(ON_THEIR_WAY));
    let mut all = JoinSet::new();
    for (number, one) in crowd.into_iter().enumerate() {
        let (act, on_their_way) = (act(number, one), Arc::clone(&on_their_way));
        all.spawn(async move {
            let _place = on_their_way.acquire_owned().await;
            act.await
        });
    }
    all.join_all().await
}

/// What is left of a client whose wire was cut: who it was, and how it comes back.
type Cut = (String, String);

fn cut(client: Client) -> Cut {
    (client.connection.clone(), client.lose_wire())
}

/// It goes on as who it was. Whether it has missed nothing is told only if it says so within a second, which a crowd on
/// a busy machine does not always do.
async fn resume(client: &mut Client, (connection, token): Cut) {
    let answer = client.ask("RESUME", json!({"token": token})).await;
    assert_eq!(answer["data"]["connection"], connection, "{answer}");
    assert_eq!(answer["data"]["code"], Value::Null, "{answer}");
}

async fn ident(client: &mut Client, data: Value, user: &str) {
    let answer = client.ask("IDENT", data).await;
    assert_eq!(answer["data"]["username"], user, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_with_tokens_costs_one_request_for_keys_also_after_a_restart() {
    let provider = Arc::new(Provider::start());
    let arrive = |server: &Arc<Server>, number: usize, earlier: Option<Cut>| {
        let (provider, server) = (Arc::clone(&provider), Arc::clone(server));
        async move {
            let user = format!("u{number}");
            let mut client = server.client().await;
            match earlier {
                Some(token) => resume(&mut client, token).await,
                None => ident(&mut client, json!({"token": provider.token_of(&user)}), &user).await,
            }
            client
        }
    };
    let first = Arc::new(provider.server_with(ROOM));
    let clients = each(0..crowd(), |number, _| arrive(&first, number, None)).await;
    assert_eq!(provider.asked(), 1);
    // Every second one comes with its secret, the others with their tokens.
    let tokens = clients.into_iter().map(cut).enumerate();
    let tokens: Vec<_> = tokens
        .map(|(number, token)| (number % 2 == 0).then_some(token))
        .collect();
    let clients = each(tokens, |number, token| arrive(&first, number, token)).await;
    assert_eq!((clients.len(), provider.asked()), (crowd(), 1));
    drop((clients, first));
    // One that has just started knows no keys.
    let second = Arc::new(provider.server_with(ROOM));
    let clients = each(0..crowd(), |number, _| arrive(&second, number, None)).await;
    assert_eq!((clients.len(), provider.asked()), (crowd(), 2));
    second.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_resumes_costs_the_backend_no_question_before_its_time() {
    let backend = Backend::start(|asked| {
        let session = &asked.body["cookies"]["session"];
        ok(&json!({"user": session, "ttl": "1h"}))
    });
    let settings = format!(
        "{ROOM}[auth.clients]\ntype = \"callback\"\nurl = {:?}\nsecret = {SECRET:?}\ncache = \"0s\"\ntimeout = \"10s\"\n",
        backend.url
    );
    let server = Arc::new(Server::with(&settings));
    let arrive = |number: usize, earlier: Option<Cut>| {
        let server = Arc::clone(&server);
        async move {
            let session = format!("u{number}");
            let mut client = Client::bringing(&server, &[("cookie", &format!("session={session}"))]).await;
            match earlier {
                Some(token) => resume(&mut client, token).await,
                None => ident(&mut client, json!({}), &session).await,
            }
            client
        }
    };
    let clients = each(0..crowd(), |number, _| arrive(number, None)).await;
    assert_eq!(backend.count(), crowd());
    let tokens: Vec<Cut> = clients.into_iter().map(cut).collect();
    let clients = each(tokens, |number, token| arrive(number, Some(token))).await;
    // Whoever would be asked about has been by now: this question comes later.
    let late = arrive(crowd(), None).await;
    assert_eq!((clients.len(), backend.count()), (crowd(), crowd() + 1));
    drop(late);
    server.still_serves().await;
}

/// A backend that says this as soon as it is let, and the way to let it.
fn held_back(body: Value) -> (Backend, Sender<()>) {
    let (go, gate) = channel();
    let gate = Mutex::new(gate);
    let backend = Backend::start(move |_| {
        let _ = gate.lock().unwrap().recv();
        ok(&body)
    });
    (backend, go)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_question_of_many_at_the_same_moment_is_one() {
    let (backend, go) = held_back(json!({"user": "adam"}));
    let server = with(&backend, "");
    let mut browsers = Vec::new();
    for _ in 0..20 {
        browsers.push(browser(&server, "1").await);
    }
    for browser in &mut browsers {
        browser.send(json!({"type": "IDENT", "data": {}, "ref": "ident"})).await;
    }
    // None is answered before another has come that was sent later. Should one be later still, its answer is known.
    backend.until_asked(1).await;
    let mut last = browser(&server, "2").await;
    last.send(json!({"type": "IDENT", "data": {}, "ref": "ident"})).await;
    backend.until_asked(2).await;
    drop(go);
    browsers.push(last);
    for browser in &mut browsers {
        let answer = browser.answer(json!("ident")).await;
        assert_eq!(answer["data"]["username"], "adam", "{answer}");
    }
    let of_one = backend
        .asked()
        .iter()
        .filter(|asked| asked.body["cookies"]["session"] == "1")
        .count();
    assert_eq!(of_one, 1, "of twenty");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_wish_of_one_user_s_many_tabs_is_one_question() {
    let (backend, go) = held_back(json!({"may": true}));
    let server = Server::with(&format!(
        "auth.clients = {{ type = \"accept_all\" }}\n[may.ask]\njoin = [\"doc.*\"]\nurl = {:?}\nsecret = {SECRET:?}\n",
        backend.url
    ));
    let mut tabs = Vec::new();
    for _ in 0..20 {
        tabs.push(server.user("adam").await);
    }
    for tab in &mut tabs {
        tab.send(json!({"type": "JOIN", "data": {"channel": "doc.7"}, "ref": "join"}))
            .await;
    }
    let mut eve = server.user("eve").await;
    eve.send(json!({"type": "JOIN", "data": {"channel": "doc.7"}, "ref": "join"}))
        .await;
    backend.until_asked(2).await;
    drop(go);
    tabs.push(eve);
    for tab in &mut tabs {
        let answer = tab.answer(json!("join")).await;
        assert_eq!(answer["type"], "OK", "{answer}");
    }
    assert_eq!(backend.count(), 2, "one of adam, and one of eve");
}
