//! Keys of a provider that changes them, is slow, is down, or lies.
//!
//! In: answers, and clients with tokens. Out: who gets in, and how often the provider was asked. Time passes only when
//! everybody waits. Refuses to know: HTTP.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use serde_json::{Value, json};
use tokio::time::{Instant, advance, sleep};
use turted_core::shutdown::Trigger;
use turted_core::{Authenticator, Brought, ConnectorState, Refusal, Shutdown, Visitor};

use super::forge::*;
use super::*;

const KEYS: &str = "https://id.example.com/keys";

/// Answers what it is told to, or, without anything, never.
#[derive(Default)]
struct Provider {
    answers: Mutex<HashMap<String, Result<Fetched, String>>>,
    asked: AtomicUsize,
    last: Mutex<Option<Instant>>,
}

impl Provider {
    fn says(&self, url: &str, answer: Result<Fetched, String>) {
        self.answers.lock().unwrap().insert(url.to_owned(), answer);
    }

    fn shows(&self, keys: Vec<Value>) {
        self.says(KEYS, Ok(body(&json!({ "keys": keys }).to_string())));
    }

    fn is_down(&self) {
        self.says(KEYS, Err("it answered with status 500".into()));
    }

    fn count(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Fetch for Provider {
    fn get<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Fetched, String>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        *self.last.lock().unwrap() = Some(Instant::now());
        let answer = self.answers.lock().unwrap().get(url).cloned();
        Box::pin(async move {
            // Long enough for all who come at once.
            sleep(Duration::from_millis(100)).await;
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        })
    }
}

fn body(text: &str) -> Fetched {
    Fetched {
        body: text.to_owned().into(),
        max_age: None,
    }
}

struct Scene {
    provider: Arc<Provider>,
    jwks: Arc<Jwks>,
    jwt: Arc<Jwt>,
    pairs: Vec<Pair>,
    _trigger: Trigger,
}

impl Scene {
    /// A provider, and a door that begins to ask it.
    fn of(source: Source) -> Self {
        let provider = Arc::new(Provider::default());
        let jwks = Arc::new(Jwks::new(source));
        let rules = public(&[Algorithm::EdDSA]);
        let jwt = Arc::new(Jwt::new(rules, Keys::Fetched(Arc::clone(&jwks))));
        let (trigger, shutdown) = Shutdown::new();
        let (keeping, asked) = (Arc::clone(&jwks), Arc::clone(&provider));
        tokio::spawn(async move { keeping.keep(&*asked, &shutdown).await });
        Self {
            provider,
            jwks,
            jwt,
            pairs: vec![Pair::ed(), Pair::ed()],
            _trigger: trigger,
        }
    }

    fn at_address() -> Self {
        Self::of(Source::At(KEYS.into()))
    }

    fn key(&self, at: usize) -> Value {
        self.pairs[at].jwk(json!({"kid": format!("key-{at}")}))
    }

    fn token(&self, at: usize, kid: &str) -> String {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#);
        self.pairs[at].sign(&header, &of_provider(json!({})))
    }

    /// What somebody hears who brings a token of this key, under this name.
    async fn ask(&self, at: usize, kid: &str) -> &'static str {
        ask(&self.jwt, &self.token(at, kid)).await
    }
}

async fn ask(jwt: &Jwt, token: &str) -> &'static str {
    let (data, brought) = (json!({"token": token}), Brought::default());
    match jwt.verify(&Visitor::new(&data, &brought)).await {
        Ok(Some(_)) => "in",
        Err(Refusal::Denied(_)) => "denied",
        Err(Refusal::Unavailable { after }) => {
            assert!(
                after >= Duration::from_secs(1) && after <= Duration::from_secs(30),
                "{after:?}"
            );
            "unavailable"
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_who_come_at_once_make_for_one_request() {
    let scene = Scene::at_address();
    scene.provider.shows(vec![scene.key(0)]);
    let token = scene.token(0, "key-0");
    let all = join_all((0..10_000).map(|_| ask(&scene.jwt, &token))).await;
    assert!(all.iter().all(|one| *one == "in"));
    assert_eq!(scene.provider.count(), 1);
    assert_eq!(scene.jwks.report().current(), ConnectorState::Running);
}

#[tokio::test(start_paused = true)]
async fn names_of_keys_that_nobody_has_make_for_one_request_in_half_a_minute() {
    let scene = Scene::at_address();
    scene.provider.shows(vec![scene.key(0)]);
    assert_eq!(scene.ask(0, "key-0").await, "in");
    for round in 1..4 {
        for name in ["a", "../../dev/null", "' OR 1=1 --", "a\u{fffd}b", "key-1"] {
            assert_eq!(scene.ask(0, name).await, "denied", "{name}");
        }
        assert_eq!(scene.ask(0, "key-0").await, "in", "the others are not disturbed");
        assert!(
            scene.provider.count() <= round,
            "round {round}: {} requests",
            scene.provider.count()
        );
        advance(Duration::from_secs(30)).await;
        let waiting = (0..100).map(|at| scene.ask(0, ["x", "y"][at % 2]));
        assert!(join_all(waiting).await.iter().all(|one| *one == "denied"));
        assert_eq!(scene.provider.count(), round + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_there_for_the_first_who_brings_it_and_an_old_one_goes() {
    let scene = Scene::at_address();
    scene.provider.shows(vec![scene.key(0)]);
    assert_eq!(scene.ask(0, "key-0").await, "in");
    scene.provider.shows(vec![scene.key(1)]);
    assert_eq!(scene.ask(1, "key-1").await, "denied", "it was asked a moment ago");
    advance(Duration::from_secs(31)).await;
    assert_eq!(scene.ask(1, "key-1").await, "in");
    assert_eq!(scene.ask(0, "key-0").await, "denied", "a key that was taken out");
    assert_eq!(scene.ask(0, "key-1").await, "denied", "the name of another key");
    assert_eq!(scene.provider.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_hold_for_a_day_while_the_provider_is_down() {
    let scene = Scene::at_address();
    scene.provider.shows(vec![scene.key(0)]);
    assert_eq!(scene.ask(0, "key-0").await, "in");
    scene.provider.is_down();
    advance(Duration::from_secs(11 * 60)).await;
    assert_eq!(scene.ask(0, "key-0").await, "in");
    scene
        .jwks
        .report()
        .until(|state| matches!(state, ConnectorState::Retrying { .. }))
        .await;
    assert_eq!(
        scene.ask(1, "key-1").await,
        "unavailable",
        "nobody has said that there is no such key"
    );
    let before = scene.provider.count();
    for _ in 0..60 {
        assert_eq!(scene.ask(1, "key-1").await, "unavailable");
        sleep(Duration::from_secs(1)).await;
    }
    let asked = scene.provider.count() - before;
    assert!((1..=12).contains(&asked), "{asked} requests in a minute");
    sleep(Duration::from_secs(23 * 3600)).await;
    assert_eq!(scene.ask(0, "key-0").await, "in");
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(scene.ask(0, "key-0").await, "unavailable", "after a day");
    scene.provider.shows(vec![scene.key(1)]);
    scene
        .jwks
        .report()
        .until(|state| *state == ConnectorState::Running)
        .await;
    assert_eq!(scene.ask(1, "key-1").await, "in");
    assert_eq!(scene.ask(0, "key-0").await, "denied");
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_none_leave_what_there_was() {
    let scene = Scene::at_address();
    scene.provider.shows(vec![scene.key(0)]);
    assert_eq!(scene.ask(0, "key-0").await, "in");
    let many = format!(r#"{{"keys":[{}{{}}]}}"#, "{},".repeat(1_000));
    for (name, answer) in [
        ("no JSON", Ok(body("<html>"))),
        ("cut off", Ok(body(r#"{"keys":["#))),
        ("no keys", Ok(body(r#"{"keys":[]}"#))),
        (
            "only a secret",
            Ok(body(r#"{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"key-0"}]}"#)),
        ),
        ("1,001 keys", Ok(body(&many))),
        ("too long", Ok(body(&" ".repeat(MOST_BYTES + 1)))),
        ("a redirect", Err("it answered with status 302".into())),
        ("500", Err("it answered with status 500".into())),
    ] {
        scene.provider.says(KEYS, answer);
        sleep(Duration::from_secs(11 * 60)).await;
        scene
            .jwks
            .report()
            .until(|state| matches!(state, ConnectorState::Retrying { .. }))
            .await;
        assert_eq!(scene.ask(0, "key-0").await, "in", "{name}");
        scene.provider.shows(vec![scene.key(0)]);
        scene
            .jwks
            .report()
            .until(|state| *state == ConnectorState::Running)
            .await;
        assert_eq!(scene.ask(0, "key-0").await, "in", "{name}, and back");
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_answers_keeps_nobody_waiting_for_longer_than_five_seconds() {
    let scene = Scene::at_address();
    let began = Instant::now();
    assert_eq!(scene.ask(0, "key-0").await, "unavailable");
    assert!(began.elapsed() <= Duration::from_millis(5500), "{:?}", began.elapsed());
    scene
        .jwks
        .report()
        .until(|state| matches!(state, ConnectorState::Retrying { .. }))
        .await;
    scene.provider.shows(vec![scene.key(0)]);
    scene
        .jwks
        .report()
        .until(|state| *state == ConnectorState::Running)
        .await;
    assert_eq!(scene.ask(0, "key-0").await, "in");
}

#[tokio::test(start_paused = true)]
async fn a_provider_says_how_long_its_keys_hold_within_bounds() {
    for (said, expected) in [
        (None, 600),
        (Some(0), 60),
        (Some(1), 60),
        (Some(300), 300),
        (Some(u64::MAX / 2), 24 * 3600),
    ] {
        let scene = Scene::at_address();
        let answer = Fetched {
            max_age: said.map(Duration::from_secs),
            ..body(&json!({"keys": [scene.key(0)]}).to_string())
        };
        scene.provider.says(KEYS, Ok(answer));
        assert_eq!(scene.ask(0, "key-0").await, "in");
        let first = scene.provider.last.lock().unwrap().unwrap();
        sleep(Duration::from_secs(expected - 1)).await;
        assert_eq!(scene.provider.count(), 1, "{said:?}");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(scene.provider.count(), 2, "{said:?}");
        let second = scene.provider.last.lock().unwrap().unwrap();
        assert_eq!((second - first).as_secs(), expected, "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_says_once_where_its_keys_are() {
    let document = "https://id.example.com/.well-known/openid-configuration";
    let scene = Scene::of(Source::Issuer("https://id.example.com".into()));
    for wrong in [
        "<html>".to_owned(),
        "{}".to_owned(),
        json!({"issuer": "https://evil.example.com", "jwks_uri": KEYS}).to_string(),
        json!({"issuer": "https://id.example.com/", "jwks_uri": KEYS}).to_string(),
        json!({"issuer": "https://id.example.com", "jwks_uri": 5}).to_string(),
        json!({"issuer": "https://id.example.com"}).to_string(),
    ] {
        scene.provider.says(document, Ok(body(&wrong)));
        scene.provider.shows(vec![scene.key(0)]);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(scene.ask(0, "key-0").await, "unavailable", "{wrong}");
    }
    let right = json!({"issuer": "https://id.example.com", "jwks_uri": KEYS}).to_string();
    scene.provider.says(document, Ok(body(&right)));
    scene
        .jwks
        .report()
        .until(|state| *state == ConnectorState::Running)
        .await;
    assert_eq!(scene.ask(0, "key-0").await, "in");
    let before = scene.provider.count();
    sleep(Duration::from_secs(601)).await;
    assert_eq!(scene.provider.count(), before + 1, "only the keys are asked for again");
}

#[tokio::test(start_paused = true)]
async fn what_a_token_says_about_keys_is_not_asked_for() {
    let scene = Scene::at_address();
    scene.provider.shows(vec![scene.key(0)]);
    assert_eq!(scene.ask(0, "key-0").await, "in");
    let evil = "https://evil.example.com/keys";
    scene
        .provider
        .says(evil, Ok(body(&json!({"keys": [scene.key(1)]}).to_string())));
    for header in [
        json!({"alg": "EdDSA", "jku": evil}),
        json!({"alg": "EdDSA", "jku": evil, "kid": "key-1"}),
        json!({"alg": "EdDSA", "x5u": evil}),
        json!({"alg": "EdDSA", "jwk": scene.key(1)}),
        json!({"alg": "EdDSA", "x5c": ["AAAA"]}),
    ] {
        let token = scene.pairs[1].sign(&header.to_string(), &of_provider(json!({})));
        assert_eq!(ask(&scene.jwt, &token).await, "denied", "{header}");
    }
    let odd = json!({"alg": "EdDSA", "jku": evil, "x5u": 5, "jwk": "x"});
    let token = scene.pairs[0].sign(&odd.to_string(), &of_provider(json!({})));
    assert_eq!(
        ask(&scene.jwt, &token).await,
        "in",
        "they are not looked at, whatever they are"
    );
    assert_eq!(scene.provider.count(), 1);
}
