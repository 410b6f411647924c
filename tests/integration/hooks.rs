//! The user's backend says who somebody is and what it may: sessions, outages, and every wrong answer.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::backend::{Asked, Backend, answer, ok};
use crate::harness::{Client, Request, Server, Stream, Value, json, to_channel};

const SECRET: &str = "hush-hush-hush-hush";

/// A server whose clients' sessions this backend knows.
pub fn with(backend: &Backend, more: &str) -> Server {
    Server::with(&format!(
        "[auth.clients]\ntype = \"callback\"\nurl = {:?}\nsecret = {SECRET:?}\nforward = [\"cookie.session\", \"header.user-agent\"]\n{more}",
        backend.url
    ))
}

/// A browser of this session.
pub async fn browser(server: &Server, session: &str) -> Client {
    let cookie = format!("theme=dark; broken; session={session}; other=private");
    Client::bringing(server, &[("cookie", &cookie), ("user-agent", "Browser/1")]).await
}

fn events(session: &str) -> Request {
    Request::new("GET", "/events?channel=news").header("cookie", &format!("session={session}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_asked_about_in_a_signed_question_that_carries_no_more_than_it_may() {
    let backend = Backend::saying(json!({"user": "adam", "join": ["user.adam"]}));
    let server = with(&backend, "");
    let mut adam = browser(&server, "s-17%3D").await;
    let answer = adam.ask("IDENT", json!({"room": 7})).await;
    assert_eq!(answer["data"]["username"], "adam", "{answer}");
    server.receipt(&to_channel("user.adam", "HELLO", json!(1))).await;
    assert_eq!(adam.event().await["data"]["event"], "HELLO");

    let asked = &backend.asked()[0];
    assert!(asked.is_signed_with(SECRET) && !asked.is_signed_with("another"));
    assert!(asked.header("webhook-id").starts_with("msg_"));
    assert_eq!(
        asked.body,
        json!({
            "verb": "ident", "dialect": "native", "connection": adam.connection, "address": "127.0.0.1", "data": {"room": 7},
            "cookies": {"session": "s-17="}, "headers": {"user-agent": "Browser/1"},
        })
    );
    assert!(
        !server.log().contains(SECRET) && !server.log().contains("s-17"),
        "a secret in the log"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_secret_is_changed_both_sign() {
    let backend = Backend::saying(json!({"user": "adam"}));
    let server = Server::with(&format!(
        "[auth.clients]\ntype = \"callback\"\nurl = {:?}\nsecret = [\"new-new-new-new\", \"old-old-old-old\"]",
        backend.url
    ));
    browser(&server, "1").await.ask("IDENT", json!({})).await;
    let asked = &backend.asked()[0];
    assert!(asked.is_signed_with("new-new-new-new") && asked.is_signed_with("old-old-old-old"));
    assert_eq!(
        asked.body["cookies"],
        json!({"theme": "dark", "session": "1", "other": "private"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_nothing_is_nobody_and_asked_about_is_only_who_shows_something() {
    let backend = Backend::saying(json!({"user": "adam"}));
    let server = with(&backend, "");
    let stream = Stream::open(&server, Request::new("GET", "/events?channel=news")).await;
    assert_eq!(stream.status(), 200);
    assert!(backend.asked().is_empty());
    let mut nobody = Client::bringing(&server, &[("user-agent", "Browser/1")]).await;
    assert_eq!(nobody.ask("IDENT", json!({})).await["data"]["code"], "ident_denied");
    assert!(backend.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_of_a_backend_mean_what_the_table_says() {
    let backend = Backend::start(|asked| match asked.body["cookies"]["session"].as_str() {
        Some("nobody") => ok(&json!({"user": null})),
        Some("banned") => answer(403, r#"{"error":"banned"}"#),
        Some("wordy") => answer(401, r#"{"error":"<b>go away</b>"}"#),
        _ => answer(401, ""),
    });
    let server = with(&backend, "");
    for (session, code, message) in [
        ("nobody", None, Value::Null),
        ("banned", Some("ident_denied"), json!("banned")),
        ("wordy", Some("ident_denied"), json!("IDENT not verified")),
        ("x", Some("ident_denied"), json!("IDENT not verified")),
    ] {
        let said = browser(&server, session).await.ask("IDENT", json!({})).await;
        assert_eq!(said["data"]["code"].as_str(), code, "{said}");
        assert_eq!(said["data"]["message"], message, "{said}");
        let status = server.get_status(events(session)).await;
        assert_eq!(status, if code.is_some() { 401 } else { 200 }, "{session}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_answer_is_unavailable_and_makes_nobody_of_nobody() {
    let huge = || {
        let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n{\"user\":\"".to_vec();
        answer.resize(1_000_000, b'x');
        answer
    };
    let backend = Backend::start(move |asked| match asked.body["cookies"]["session"].as_str() {
        Some("metadata") => {
            b"HTTP/1.1 307 Go\r\nlocation: http://169.254.169.254/latest/\r\ncontent-length: 0\r\n\r\n".to_vec()
        }
        Some("moved") => b"HTTP/1.1 302 Go\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n".to_vec(),
        Some("empty") => b"HTTP/1.1 204 None\r\n\r\n".to_vec(),
        Some("html") => answer(200, "<html><body>login</body></html>"),
        Some("huge") => huge(),
        Some("number") => ok(&json!({"user": 7})),
        Some("list") => ok(&json!([])),
        Some("missing") => ok(&json!({"username": "adam"})),
        Some("failed") => answer(500, r#"{"user":"adam"}"#),
        Some("noise") => b"\0\0\0\0\r\n\r\n".to_vec(),
        Some("half") => b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"user\":\"adam\"}".to_vec(),
        _ => Vec::new(),
    });
    let server = with(&backend, "timeout = \"500ms\"");
    for session in [
        "metadata", "moved", "empty", "html", "huge", "number", "list", "missing", "failed", "noise", "half", "never",
    ] {
        let mut client = browser(&server, session).await;
        let said = client.ask("IDENT", json!({"username": "adam"})).await;
        assert_eq!(said["data"]["code"], "unavailable", "{session}: {said}");
        assert!(
            said["data"]["after"].as_u64().is_some_and(|after| after >= 1000),
            "{said}"
        );
        // It keeps its wire.
        client.join("news").await;
        assert_eq!(server.get_status(events(session)).await, 503, "{session}");
    }
    server.still_serves().await;
    let metrics = server.get("/metrics").await.text();
    assert!(
        metrics.contains(r#"turted_outbound_requests_total{purpose="ident",outcome="late"}"#),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_for_somebody_who_has_gone_disturbs_nobody() {
    let backend = Backend::start(|asked| match asked.body["cookies"]["session"].as_str() {
        Some("slow") => Vec::new(),
        _ => ok(&json!({"user": "eve"})),
    });
    let server = with(&backend, "at_once = 1\ntimeout = \"5s\"");
    let mut gone = browser(&server, "slow").await;
    gone.send(json!({"type": "IDENT", "data": {}})).await;
    backend.until_asked(1).await;
    gone.lose_wire();
    // Only one may be under way: whoever has gone gives its place back long before its time is over.
    let began = std::time::Instant::now();
    let said = browser(&server, "quick").await.ask("IDENT", json!({})).await;
    assert_eq!(said["data"]["username"], "eve", "{said} after {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_values_get_the_same_answer_for_a_while() {
    let backend = Backend::saying(json!({"user": "adam"}));
    let server = with(&backend, "cache = \"1m\"");
    for _ in 0..3 {
        browser(&server, "1").await.ask("IDENT", json!({})).await;
    }
    assert_eq!(backend.asked().len(), 1);
    browser(&server, "2").await.ask("IDENT", json!({})).await;
    assert_eq!(backend.asked().len(), 2);
}

/// Says adam, for a second, as often as this; then whatever `then` says.
fn fleeting(times: usize, then: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static) -> Backend {
    let count = AtomicUsize::new(0);
    Backend::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        number if number < times => ok(&json!({"user": "adam", "ttl": "1s"})),
        number => then(number - times),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_of_its_time_it_is_asked_again_with_the_newest_data_and_a_no_ends_it() {
    let backend = fleeting(3, |_| answer(403, ""));
    let server = with(&backend, "");
    let mut adam = browser(&server, "1").await;
    adam.ask("IDENT", json!({"version": 1})).await;
    adam.ask("IDENT", json!({"version": 2})).await;
    let (bye, code) = adam.until_closed().await;
    assert_eq!((bye.unwrap()["code"].as_u64(), code), (Some(4012), Some(4012)));
    let versions: Vec<_> = backend
        .asked()
        .iter()
        .map(|asked| asked.body["data"]["version"].clone())
        .collect();
    assert_eq!(versions, [json!(1), json!(2), json!(2), json!(2)]);
    assert!(
        adam.early.is_empty(),
        "nobody is told that nothing has changed: {:?}",
        adam.early
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_asked_about_again_as_well() {
    let backend = fleeting(2, |_| answer(401, ""));
    let server = with(&backend, "");
    let stream = Stream::open(&server, events("1")).await;
    assert_eq!(stream.status(), 200);
    let rest = stream.rest().await;
    assert!(rest.contains("4012"), "{rest}");
    assert_eq!(backend.asked().len(), 3);
    let sessions = backend
        .asked()
        .iter()
        .all(|asked| asked.body["cookies"]["session"] == "1");
    assert!(sessions);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_fails_meanwhile_ends_nobody() {
    let backend = fleeting(1, |number| match number {
        0 => answer(500, ""),
        1 => answer(502, "<html>"),
        _ => ok(&json!({"user": "adam", "ttl": "1h"})),
    });
    let server = with(&backend, "");
    let mut adam = browser(&server, "1").await;
    adam.ask("IDENT", json!({})).await;
    adam.join("news").await;
    backend.until_asked(4).await;
    server.receipt(&to_channel("news", "STILL", json!(1))).await;
    assert_eq!(adam.event().await["data"]["event"], "STILL");
    assert_eq!(backend.asked().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_resumes_is_asked_about_only_when_its_time_is_over() {
    let backend = Backend::saying(json!({"user": "adam", "ttl": "1h", "may": {"join": ["room.1"]}}));
    let server = with(&backend, "cache = \"0s\"");
    let mut adam = browser(&server, "1").await;
    adam.ask("IDENT", json!({})).await;
    adam.join("room.1").await;
    let token = adam.lose_wire();
    let mut back = browser(&server, "1").await;
    let answer = back.ask("RESUME", json!({"token": token})).await;
    assert_eq!(answer["data"]["recovered"], true, "{answer}");
    back.heard(&server).await;
    assert_eq!(backend.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_goes_on_is_not_asked_about_before_its_time_is_over() {
    let backend = Backend::start(|asked| match asked.body["cookies"]["session"].as_str() {
        Some("1") => ok(&json!({"user": "adam", "ttl": "1h"})),
        _ => answer(401, ""),
    });
    let server = with(&backend, "cache = \"0s\"");
    let mut stream = Stream::open(&server, events("1")).await;
    let welcome = stream.event().await.value();
    let secret = welcome["resume"].as_str().unwrap();
    let back = |secret: &str, session: &str| {
        let path = format!("/events?channel=news&resume={secret}");
        Request::new("GET", &path).header("cookie", &format!("session={session}"))
    };
    // While its wire is still there, and after it was lost.
    let mut second = Stream::open(&server, back(secret, "1")).await;
    assert_eq!(second.event().await.name(), "turted:welcome");
    let resumed = second.event().await.value();
    assert_eq!(resumed["recovered"], true, "{resumed}");
    drop(second);
    let mut third = Stream::open(&server, back(secret, "1")).await;
    third.event().await;
    assert_eq!(third.event().await.value()["recovered"], true);
    server
        .receipt(&crate::harness::to_user("adam", "HELLO", json!(1)))
        .await;
    assert_eq!(third.event().await.name(), "HELLO");
    assert_eq!(backend.count(), 1);
    // A secret that nobody knows opens nothing without a question.
    assert_eq!(server.get_status(back("unknown", "2")).await, 401);
    assert_eq!(backend.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_time_was_over_while_it_was_away_is_asked_about_first() {
    let backend = fleeting(1, |_| answer(401, ""));
    let server = with(&backend, "cache = \"0s\"");
    let mut stream = Stream::open(&server, events("1")).await;
    let welcome = stream.event().await.value();
    let secret = welcome["resume"].as_str().unwrap().to_owned();
    drop(stream);
    let path = format!("/events?channel=news&resume={secret}");
    let back = || Request::new("GET", &path).header("cookie", "session=1");
    let asked = async {
        // Until then it goes on.
        while server.get_status(back()).await == 200 {}
    };
    crate::harness::within("the end of its time", asked).await;
    assert_eq!(server.get_status(back()).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_while_its_wire_is_lost_ends_the_resumed_connection() {
    let backend = fleeting(1, |_| answer(401, ""));
    let server = with(&backend, "cache = \"0s\"");
    let mut adam = browser(&server, "1").await;
    adam.ask("IDENT", json!({"key": "a"})).await;
    let token = adam.lose_wire();
    let mut back = browser(&server, "2").await;
    back.send(json!({"type": "RESUME", "data": {"token": token}})).await;
    assert_eq!(back.until_closed().await.1, Some(4012));
    let asked = backend.asked();
    let last = &asked.last().unwrap().body;
    assert_eq!(
        (&last["cookies"]["session"], &last["data"]),
        (&json!("2"), &json!({"key": "a"})),
        "the newest cookie, and what was said before"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_not_forwarded_for_pages_of_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let check = |origins: &str, forward: &str| {
        let file = folder.path().join("turted.toml");
        let text = format!(
            "[server]\norigins = [{origins:?}]\n[auth.backends]\ntype = \"password\"\npassword = \"x\"\n[may.users]\njoin = [\"**\"]\n[auth.clients]\ntype = \"callback\"\n\
             url = \"http://127.0.0.1:1/\"\nsecret = {SECRET:?}\nforward = [{forward:?}]\n"
        );
        std::fs::write(&file, text).unwrap();
        let mut command = crate::harness::server::turted(folder.path());
        let output = command.args(["check", "--config"]).arg(file).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let (fits, said) = check("*", "cookie");
    assert!(
        !fits && said.contains("server.origins") && said.contains("forwards cookies"),
        "{said}"
    );
    assert!(!check("*", "cookie.session").0);
    assert!(
        check("*", "header.authorization").0,
        "{}",
        check("*", "header.authorization").1
    );
    let (fits, said) = check("https://app.example.com", "cookie");
    assert!(fits && !said.contains(SECRET), "{said}");
    let (fits, said) = check("https://app.example.com", "session");
    assert!(!fits && said.contains("auth.clients.forward"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rules_leave_open_the_backend_decides() {
    let backend = Backend::start(|asked: &Asked| match asked.body["name"].as_str() {
        Some("doc.7") => ok(&json!({"may": asked.body["user"] == "adam"})),
        Some("doc.8") => answer(403, ""),
        _ => answer(500, ""),
    });
    let server = Server::with(&format!(
        "[may.anyone]\njoin = [\"mark-*\"]\n[may.ask]\nurl = {:?}\nsecret = {SECRET:?}\njoin = [\"doc.*\"]",
        backend.url
    ));
    let mut adam = server.user("adam").await;
    let code = async |client: &mut Client, channel: &str| {
        let answer = client.ask("JOIN", json!({"channel": channel})).await;
        answer["data"]["code"].as_str().unwrap_or("ok").to_owned()
    };
    for (channel, expected) in [
        ("doc.7", "ok"),
        ("doc.8", "join_denied"),
        ("doc.9", "unavailable"),
        ("else", "join_denied"),
    ] {
        assert_eq!(code(&mut adam, channel).await, expected, "{channel}");
    }
    let mut nobody = server.client().await;
    assert_eq!(code(&mut nobody, "doc.7").await, "join_denied");
    let asked = backend.asked();
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|asked| asked.is_signed_with(SECRET)));
    assert_eq!(
        asked[0].body,
        json!({"verb": "join", "name": "doc.7", "user": "adam", "claims": {}})
    );
    // A yes holds for a while, for the same user.
    let mut again = server.user("adam").await;
    assert_eq!(code(&mut again, "doc.7").await, "ok");
    assert_eq!(backend.asked().len(), 4);
    server.receipt(&to_channel("doc.7", "CHANGED", json!(1))).await;
    assert_eq!(again.event().await["data"]["event"], "CHANGED");
}

/// An application with sessions, as PHP has them.
const SESSIONS: &str = r#"<?php
$body = file_get_contents('php://input');
$signed = $_SERVER['HTTP_WEBHOOK_ID'] . '.' . $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] . '.' . $body;
$expected = 'v1,' . base64_encode(hash_hmac('sha256', $signed, getenv('HOOK_SECRET'), true));
$known = array_filter(explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE']), fn ($one) => hash_equals($expected, $one));
if (!$known || abs(time() - (int) $_SERVER['HTTP_WEBHOOK_TIMESTAMP']) > 300) {
    http_response_code(500);
    exit;
}
session_save_path(__DIR__);
session_id(json_decode($body, true)['cookies']['PHPSESSID'] ?? 'none');
session_start(['read_and_close' => true, 'use_cookies' => false]);
if (!isset($_SESSION['user'])) {
    http_response_code(401);
    exit;
}
echo json_encode(['user' => $_SESSION['user'], 'may' => ['join' => ['user.' . $_SESSION['user']]]]);
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_php_is_an_identity() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ident.php"), SESSIONS).unwrap();
    std::fs::write(folder.path().join("sess_adams"), "user|s:4:\"adam\";").unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let php = Command::new("php")
        .args(["-S", &free.to_string(), "-t"])
        .arg(folder.path())
        .env("HOOK_SECRET", SECRET)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut php = php.expect("install php-cli");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while std::net::TcpStream::connect(free).is_err() {
        assert!(std::time::Instant::now() < deadline, "PHP does not listen");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let server = Server::with(&format!(
        "[auth.clients]\ntype = \"callback\"\nurl = \"http://{free}/ident.php\"\nsecret = {SECRET:?}\ntimeout = \"10s\""
    ));
    let mut adam = Client::bringing(&server, &[("cookie", "PHPSESSID=adams")]).await;
    let said = adam.ask("IDENT", json!({})).await;
    let mut stranger = Client::bringing(&server, &[("cookie", "PHPSESSID=guess")]).await;
    let refused = stranger.ask("IDENT", json!({})).await;
    let _ = (php.kill(), php.wait());
    assert_eq!(said["data"]["username"], "adam", "{said}\n{}", server.log());
    assert_eq!(refused["data"]["code"], "ident_denied", "{refused}");
}
