//! JSON Web Tokens at the clients' door, and the keys of an identity provider over real sockets.
//!
//! In: tokens, and a provider that behaves or does not. Out: who gets in, what is told, and that no token and no
//! secret stands anywhere that a person or a program can read.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::harness::server::TURTED;
use crate::harness::stream::Stream;
use crate::harness::{Request, Server, Value, json, until_state};

const SECRET: &str = "a secret of at least thirty-two bytes";

fn by_secret(more: &str) -> Server {
    Server::with(&format!(
        "auth.clients = {{ type = \"jwt\", secret = \"{SECRET}\"{more} }}"
    ))
}

/// What `turted token` makes of these arguments, by the configuration of a server.
fn token(server: &Server, arguments: &[&str]) -> String {
    let config = server.config();
    let output = Command::new(TURTED)
        .arg("token")
        .args(arguments)
        .args(["--config", config.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn ident(server: &Server, token: &str) -> Value {
    server.client().await.ask("IDENT", json!({"token": token})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_says_who_it_is_what_it_may_and_what_it_joins() {
    let server = by_secret("");
    let made = token(&server, &["adam", "--may", "publish=room.7", "--join", "room.7"]);
    let mut client = server.client().await;
    let answer = client.ask("IDENT", json!({"token": made})).await;
    assert_eq!(
        (&answer["type"], &answer["data"]["username"]),
        (&json!("OK"), &json!("adam")),
        "{answer}"
    );
    let receipt = server
        .receipt(&crate::harness::to_channel("room.7", "E", json!(1)))
        .await;
    assert_eq!(receipt["recipients"], 1, "it has joined");
    assert_eq!(client.event().await["data"]["payload"], 1);

    let named = ident_as(&server, "eve", &made).await;
    assert_eq!(
        named["data"]["username"], "adam",
        "the token says the name, not the client: {named}"
    );
}

async fn ident_as(server: &Server, name: &str, token: &str) -> Value {
    server
        .client()
        .await
        .ask("IDENT", json!({"username": name, "token": token}))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_header_and_in_idents_but_not_in_a_url() {
    let server = by_secret("");
    let made = token(&server, &["adam"]);
    let by_header = Request::new("GET", "/events?channel=a").header("Authorization", &format!("Bearer {made}"));
    assert_eq!(Stream::open(&server, by_header).await.status(), 200);
    let in_url = server.get(&format!("/events?channel=a&token={made}")).await;
    assert_eq!(in_url.status, 401, "{}", in_url.text());
    let open = by_secret(", query = true");
    let in_url = Request::new("GET", &format!("/events?channel=a&token={made}"));
    assert_eq!(Stream::open(&open, in_url).await.status(), 200);
    let wrong = server
        .ask(Request::new("GET", "/events").header("Authorization", "Bearer a.b.c"))
        .await;
    assert_eq!(wrong.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_token_is_expired_and_a_wrong_one_denied_and_neither_is_told_more() {
    let server = by_secret(", leeway = \"0s\"");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let signed = |claims: Value, secret: &str| {
        let message = format!(
            "{}.{}",
            BASE64.encode(r#"{"alg":"HS256"}"#),
            BASE64.encode(claims.to_string())
        );
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        format!(
            "{message}.{}",
            BASE64.encode(ring::hmac::sign(&key, message.as_bytes()))
        )
    };
    let old = ident(&server, &signed(json!({"sub": "adam", "exp": now - 10}), SECRET)).await;
    assert_eq!(old["data"]["code"], "expired", "{old}");
    let forged = ident(
        &server,
        &signed(json!({"sub": "adam", "exp": now + 60}), "another secret"),
    )
    .await;
    assert_eq!(forged["data"]["code"], "ident_denied", "{forged}");
    assert_eq!(forged["data"]["message"], "IDENT not verified");
    let endless = ident(&server, &signed(json!({"sub": "adam"}), SECRET)).await;
    assert_eq!(endless["data"]["code"], "ident_denied", "{endless}");
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_tokens_nor_secrets_stand_anywhere() {
    let server = by_secret(", audience = \"turted\"");
    let good = token(&server, &["adam"]);
    let (head, tail) = good.split_at(good.len() - 4);
    let tokens = [
        good.clone(),
        format!("{head}AAAA"),
        format!("{tail}.{head}"),
        "a.b.c".to_owned(),
    ];
    let mut told = String::new();
    for one in &tokens {
        told += &ident(&server, one).await.to_string();
        let bearer = Request::new("GET", "/poll?channel=a").header("Authorization", &format!("Bearer {one}"));
        told += &server.ask(bearer).await.text();
        told += &server.get(&format!("/events?token={one}")).await.text();
        let config = server.config();
        let output = Command::new(TURTED)
            .args(["token", "--check", one, "--config", config.to_str().unwrap()])
            .output()
            .unwrap();
        assert_eq!(output.status.success(), *one == good);
        told += &format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let config = server.config();
    let shown = Command::new(TURTED)
        .args(["check", "--config", config.to_str().unwrap()])
        .output()
        .unwrap();
    told += &format!(
        "{}{}",
        String::from_utf8_lossy(&shown.stdout),
        String::from_utf8_lossy(&shown.stderr)
    );
    told += &server.get("/metrics").await.text();
    told += &server.get("/health/ready").await.text();
    told += &server.log();
    assert!(
        told.contains("the signature does not hold"),
        "the reason is in the log: {}",
        server.log()
    );
    assert!(!told.contains(SECRET), "the secret");
    for one in &tokens[..3] {
        for part in one.split('.').filter(|part| part.len() > 20) {
            assert!(!told.contains(part), "a part of a token is in:\n{told}");
        }
    }
}

/// An identity provider on a socket.
pub struct Provider {
    address: String,
    pair: Ed25519KeyPair,
    keys: Arc<Mutex<Vec<u8>>>,
    asked: Arc<AtomicUsize>,
}

const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n";

impl Provider {
    /// One whose keys are answered with whatever `keys` says.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (keys, asked) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (said, counted, issuer) = (Arc::clone(&keys), Arc::clone(&asked), address.clone());
        std::thread::spawn(move || {
            for wire in listener.incoming() {
                let (said, counted, issuer) = (Arc::clone(&said), Arc::clone(&counted), issuer.clone());
                std::thread::spawn(move || answer(wire.unwrap(), &issuer, &said, &counted));
            }
        });
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let provider = Self {
            address,
            pair,
            keys,
            asked,
        };
        provider.behave();
        provider
    }

    fn set(&self) -> String {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": BASE64.encode(self.pair.public_key())});
        json!({ "keys": [key] }).to_string()
    }

    fn behave(&self) {
        self.says(format!("{OK}\r\n{}", self.set()));
    }

    fn says(&self, answer: impl Into<Vec<u8>>) {
        *self.keys.lock().unwrap() = answer.into();
    }

    fn sign(&self, claims: Value) -> String {
        let header = BASE64.encode(r#"{"alg":"EdDSA","kid":"k"}"#);
        let message = format!("{header}.{}", BASE64.encode(claims.to_string()));
        format!("{message}.{}", BASE64.encode(self.pair.sign(message.as_bytes())))
    }

    fn token(&self) -> String {
        self.token_of("adam")
    }

    /// A token of this user, for five minutes.
    pub fn token_of(&self, user: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        self.sign(json!({"iss": self.address, "aud": "turted", "sub": user, "iat": now, "exp": now + 300}))
    }

    /// How often its keys were asked for.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn server(&self) -> Server {
        self.server_with("")
    }

    /// A server that takes its tokens, with further settings.
    pub fn server_with(&self, settings: &str) -> Server {
        let address = &self.address;
        Server::with(&format!(
            "auth.clients = {{ type = \"jwt\", issuer = \"{address}\", audience = \"turted\" }}\n{settings}"
        ))
    }
}

fn answer(mut wire: TcpStream, issuer: &str, keys: &Mutex<Vec<u8>>, asked: &AtomicUsize) {
    let mut request = [0; 4096];
    let read = wire.read(&mut request).unwrap_or_default();
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    if request.starts_with("GET /.well-known/openid-configuration ") {
        let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")});
        let _ = write!(wire, "{OK}\r\n{document}");
        return;
    }
    asked.fetch_add(1, Ordering::SeqCst);
    let said = keys.lock().unwrap().clone();
    if said == b"slowly" {
        // A byte now and then, for ever.
        let _ = write!(wire, "{OK}\r\n{{");
        while wire.write_all(b" ").is_ok() {
            // The thread is the provider's own, and slowness is the story.
            #[allow(clippy::disallowed_methods)]
            std::thread::sleep(Duration::from_millis(200));
        }
    } else if said == b"for ever" {
        let _ = write!(wire, "{OK}\r\n");
        while wire.write_all(&[b' '; 65536]).is_ok() {}
    } else {
        let _ = wire.write_all(&said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_provider_are_found_and_fetched_once() {
    let provider = Provider::start();
    let server = provider.server();
    let token = provider.token();
    for _ in 0..20 {
        let answer = ident(&server, &token).await;
        assert_eq!(
            (&answer["type"], &answer["data"]["username"]),
            (&json!("OK"), &json!("adam")),
            "{answer}"
        );
    }
    assert_eq!(provider.asked(), 1);
    let ready = server.get("/health/ready").await.value();
    assert_eq!(ready["connectors"]["jwks"]["state"], "running", "{ready}");
    let metrics = server.get("/metrics").await.text();
    let label = format!("turted_jwks_age_seconds{{issuer=\"{}\"}} ", provider.address);
    let age = metrics.lines().find_map(|line| line.strip_prefix(&label));
    let age: f64 = age.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap();
    assert!(age > 0.0 && age < 60.0, "{age}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_does_wrong_lets_nobody_in_and_hurts_nobody() {
    let elsewhere = Provider::start();
    let many = format!("{OK}\r\n{{\"keys\":[{}{{}}]}}", "{},".repeat(80_000));
    for (name, said) in [
        (
            "redirect",
            format!(
                "HTTP/1.1 302 Found\r\nlocation: {}/keys\r\ncontent-length: 0\r\n\r\n",
                elsewhere.address
            ),
        ),
        ("an end that never comes", "for ever".to_owned()),
        (
            "300 MB, announced",
            "HTTP/1.1 200 OK\r\ncontent-length: 314572800\r\n\r\n{".to_owned(),
        ),
        ("80,000 keys", many),
        ("no JSON", format!("{OK}\r\n<html>")),
        (
            "a secret",
            format!("{OK}\r\n{{\"keys\":[{{\"kty\":\"oct\",\"k\":\"c2VjcmV0\",\"kid\":\"k\"}}]}}"),
        ),
        ("500", "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_owned()),
        ("no HTTP", "hello".to_owned()),
        ("nothing", String::new()),
    ] {
        let provider = Provider::start();
        provider.says(said);
        let server = provider.server();
        until_state(&server.address, "jwks", "retrying").await;
        let answer = ident(&server, &provider.token()).await;
        assert_eq!(answer["data"]["code"], "unavailable", "{name}: {answer}");
        assert_eq!(elsewhere.asked(), 0, "{name}");
        server.still_serves().await;
        // And it comes back.
        provider.behave();
        until_state(&server.address, "jwks", "running").await;
        assert_eq!(ident(&server, &provider.token()).await["type"], "OK", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_answers_byte_by_byte_is_given_up_after_five_seconds() {
    let provider = Provider::start();
    provider.says("slowly");
    let server = provider.server();
    let answer = ident(&server, &provider.token()).await;
    assert_eq!(answer["data"]["code"], "unavailable", "{answer}");
    until_state(&server.address, "jwks", "retrying").await;
    server.still_serves().await;
}
