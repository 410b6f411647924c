//! The SASL login of nodefony: a challenge, its answer, and a cookie; and what whoever does not know a password tries.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};

use crate::api::{kicked, logged};
use crate::harness::http::Reply;
use crate::harness::{Request, Secure, Server, Socket, Value, json, to_channel, to_user};
use crate::nodefony::Client;

const PATH: &str = "/secure/realtime";

/// An entrance where tom logs in with `secret`; users may hear `members`.
fn entrance(settings: &str) -> String {
    format!(
        "{settings}may.users.join = [\"members\"]\nmay.anyone.join = [\"still-here\"]\n\
         [clients.secure]\ntype = \"nodefony\"\npath = \"{PATH}\"\n\
         services.members = {{ type = \"channel\", channel = \"members\" }}\n\
         login = {{ realm = \"house\", users = {{ tom = {{ password = \"secret\" }} }} }}\n"
    )
}

fn house(settings: &str) -> Server {
    Server::with(&entrance(settings))
}

fn hash(text: &str) -> String {
    hex::encode(Md5::digest(text))
}

/// The nonce of a challenge.
fn nonce(refused: &Reply) -> String {
    let challenge = refused.header("www-authenticate").unwrap();
    let (_, challenge) = challenge.split_once("SASL mechanisms=\"Digest\",challenge=\"").unwrap();
    let challenge = BASE64_STANDARD.decode(challenge.strip_suffix('"').unwrap()).unwrap();
    let challenge = String::from_utf8(challenge).unwrap();
    let rest = challenge.strip_suffix("\",realm=\"house\",qop=\"auth\"").unwrap();
    rest.strip_prefix("nonce=\"").unwrap().to_owned()
}

/// What stage answers to it.
fn answer(nonce: &str, user: &str, password: &str, host: &str) -> String {
    let (first, last) = (
        hash(&format!("{user}:house:{password}")),
        hash(&format!("POST:http/{host}")),
    );
    let response = hash(&format!("{first}:{nonce}:00000001:NTA=:auth:{last}"));
    let line = format!(
        "Digest username=\"{user}\",nonce=\"{nonce}\",realm=\"house\",response={response},\
         digest-uri=\"http/{host}\",cnonce=\"NTA=\",qop=auth,nc=00000001"
    );
    format!("SASL mechanism=\"Digest\",{}", BASE64_STANDARD.encode(line))
}

async fn asked(server: &Server) -> String {
    let refused = server.get(PATH).await;
    assert_eq!(refused.status, 401);
    nonce(&refused)
}

async fn said(server: &Server, answer: &str) -> Reply {
    server
        .ask(Request::post(PATH, "").header("Authorization", answer))
        .await
}

/// The cookie of whoever logs in.
async fn cookie(server: &Server, user: &str, password: &str) -> String {
    let nonce = asked(server).await;
    let entered = said(server, &answer(&nonce, user, password, &server.address)).await;
    assert_eq!((entered.status, entered.value()), (200, json!({"user": user})));
    let cookie = entered.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "which would not come back without TLS");
    cookie.split_once(';').unwrap().0.to_owned()
}

async fn client(server: &Server, cookie: &str) -> Client {
    let socket = Socket::bringing(server, PATH, ("cookie", cookie)).await;
    Client::on(socket.ok().unwrap()).await
}

fn handshake() -> Request {
    Request::post(PATH, json!({"channel": "/meta/handshake"}).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_logs_in_is_that_user_and_hears_what_is_for_it() {
    let server = house("");
    // Each of the three requests asks for a session.
    let upgrade = Request::upgrade(PATH);
    for request in [Request::new("GET", PATH), handshake(), upgrade] {
        let refused = server.ask(request).await;
        assert_eq!(
            (refused.status, &refused.value()["error"]["code"]),
            (401, &json!("ident_denied"))
        );
        assert!(!nonce(&refused).is_empty());
        let told: Value = serde_json::from_str(refused.header("x-json").unwrap()).unwrap();
        assert_eq!(told["code"], 401);
    }
    let cookie = cookie(&server, "tom", "secret").await;
    for request in [Request::new("GET", PATH), handshake()] {
        assert_eq!(server.ask(request.header("cookie", &cookie)).await.status, 200);
    }
    let mut client = client(&server, &cookie).await;
    assert_eq!(client.subscribe("members", None).await["successful"], true);
    server.receipt(&to_channel("members", "A", json!("for members"))).await;
    assert_eq!(client.next().await["data"], "for members");
    server.receipt(&to_user("tom", "B", json!("for tom"))).await;
    let heard = client.next().await;
    assert_eq!(
        (&heard["channel"], &heard["data"]),
        (&json!("/service/user"), &json!("for tom"))
    );
    // The entrance without a login is as it was.
    assert_eq!(server.get("/realtime").await.status, 200);
    logged(&server, "it has no session of this login").await;
    let log = server.log();
    assert!(
        !log.contains("secret") && !log.contains(cookie_value(&cookie)),
        "CWE-532"
    );
}

fn cookie_value(cookie: &str) -> &str {
    cookie.split_once('=').unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_an_unknown_user_and_an_answer_that_was_used_open_nothing() {
    let server = house("");
    let mut told = Vec::new();
    for (user, password) in [("tom", "Secret"), ("eve", "secret"), ("", "")] {
        let nonce = asked(&server).await;
        let refused = said(&server, &answer(&nonce, user, password, &server.address)).await;
        assert!(refused.header("set-cookie").is_none());
        told.push((
            refused.status,
            refused.text(),
            refused.header("x-json").map(str::to_owned),
        ));
    }
    assert_eq!(told[0].0, 401);
    assert!(told.iter().all(|one| *one == told[0]), "CWE-204: {told:?}");
    let right = answer(&asked(&server).await, "tom", "secret", &server.address);
    assert_eq!(said(&server, &right).await.status, 200);
    assert_eq!(said(&server, &right).await.status, 401, "CWE-294");
    let elsewhere = answer(&asked(&server).await, "tom", "secret", "other.example");
    assert_eq!(said(&server, &elsewhere).await.status, 401, "CWE-294");
    let own = answer("1795233069.00.00", "tom", "secret", &server.address);
    assert_eq!(said(&server, &own).await.status, 401, "CWE-330");
    logged(&server, "a login does not hold").await;
    assert!(!server.log().contains("ecret\""), "CWE-532");
    let metrics = server.get("/metrics").await.text();
    assert!(metrics.contains("turted_refused_total{what=\"ident\",why=\"ident_denied\"} 6"));
}

/// CWE-307.
#[tokio::test(flavor = "multi_thread")]
async fn after_too_many_attempts_nobody_is_judged_for_a_while() {
    let server = house("");
    let nonce = asked(&server).await;
    let right = answer(&nonce, "tom", "secret", &server.address);
    for guess in 0..10 {
        let guess = answer(&nonce, "tom", &guess.to_string(), &server.address);
        assert_eq!(said(&server, &guess).await.status, 401);
    }
    let late = said(&server, &right).await;
    assert_eq!((late.status, late.header("retry-after")), (429, Some("60")));
    assert!(late.header("set-cookie").is_none());
    assert_eq!(late.value()["error"]["code"], "too_many_attempts");
    server.still_serves().await;
}

/// CWE-1385, CWE-352, CWE-565: a browser sends a cookie along for every page.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_nothing_to_foreign_pages_nor_when_it_is_changed_or_banned() {
    let server = house(
        "server.origins = [\"*\"]\nauth.clients = { type = \"accept_all\", anywhere = true }\n\
         auth.backends = { type = \"accept_all\", anywhere = true }\n",
    );
    let cookie = cookie(&server, "tom", "secret").await;
    let foreign = || Request::upgrade(PATH).header("Origin", "https://evil.example");
    assert_eq!(server.ask(foreign().header("Cookie", &cookie)).await.status, 401);
    let own = Request::upgrade(PATH).header("Origin", &server.url());
    assert_eq!(server.get_status(own.header("Cookie", &cookie)).await, 101);
    let (name, value) = cookie.split_once('=').unwrap();
    let eve = value.replacen(&hex::encode("tom"), &hex::encode("eve"), 1);
    for value in ["", "x", &value[1..], &eve, &"x".repeat(4000)] {
        let refused = Socket::bringing(&server, PATH, ("cookie", &format!("{name}={value}"))).await;
        assert_eq!(refused.err(), Some(401), "{value}");
    }
    kicked(&server, "tom", json!({"for": "10m"})).await;
    let banned = Socket::bringing(&server, PATH, ("cookie", &cookie)).await;
    assert_eq!(banned.err(), Some(403));
}

/// Behind TLS clients were sent to `ws:`, where nobody is and no page of HTTPS may go.
#[tokio::test(flavor = "multi_thread")]
async fn behind_tls_its_clients_are_told_so_and_the_session_stays_there() {
    let secure = Secure::with(&entrance(""));
    let host = format!("localhost:{}", secure.port());
    let ask = async |request: Request| request.send(secure.wire(&["http/1.1"]).await, &host).await;
    let refused = ask(Request::new("GET", PATH)).await;
    let answer = answer(&nonce(&refused), "tom", "secret", &host);
    let entered = ask(Request::post(PATH, "").header("Authorization", &answer)).await;
    let cookie = entered.header("set-cookie").unwrap();
    assert!(cookie.contains("; Secure"), "CWE-614: {cookie}");
    let cookie = cookie.split_once(';').unwrap().0;
    let shaken = ask(handshake().header("Cookie", cookie)).await.value();
    let url = &shaken["ext"]["url"];
    assert_eq!((&url["protocol"], &url["host"]), (&json!("wss:"), &json!(host)));
}
