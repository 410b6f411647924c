//! Nothing is refused in silence: each refusal has a word for the client, a count, and a line that says what was
//! compared and which key changes it.

use crate::harness::{Request, Server, json, to_all, within};

const GUARDED: &str = r#"
auth.backends = { type = "password", password = "s3cret" }
auth.clients = { type = "password", password = "cl1ent" }
limits.connections = 1
observe.metrics_auth = true
"#;

/// How often something was refused, as the numbers say.
async fn count(server: &Server, what: &str, why: &str) -> u64 {
    let numbers = Request::new("GET", "/metrics").header("Authorization", "Bearer s3cret");
    let text = server.ask(numbers).await.text();
    let name = format!("turted_refused_total{{what=\"{what}\",why=\"{why}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&name));
    value.map_or(0, |value| value.parse().unwrap())
}

/// The line of the log that holds this; it may come a moment after the answer.
async fn line(server: &Server, part: &str) -> String {
    let found = async {
        loop {
            if let Some(line) = server.log().lines().find(|line| line.contains(part)) {
                return line.to_owned();
            }
            tokio::task::yield_now().await;
        }
    };
    within(&format!("{part:?} in the log"), found).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_at_a_door_is_counted_and_told_with_the_key_that_changes_it() {
    let server = Server::with(GUARDED);
    let opened = Request::post("/poll?username=adam&password=cl1ent", "");
    let opened = server.ask(opened).await.value();
    let connection = opened["connection"].as_str().unwrap();
    let command = |secret: &str| Request::post(&format!("/poll/{connection}?secret={secret}"), "{}");
    let page = |path: &str| Request::post(path, "{}").header("Origin", "https://evil.example");
    let mut push = to_all("E", json!(1));
    push["auth"] = json!("almost-s3cret");
    let large = Request::post("/push/", vec![b' '; 2 << 20]);
    let script = Request::new("GET", "/turted/0/a/jsonp?c=f").header("Referer", "https://evil.example/a?token=t0ken");
    let host = server.address.clone();
    for (request, host, status, what, why, told) in [
        (
            Request::new("GET", "/"),
            "evil.example",
            403,
            "host",
            "bad_host",
            "\"evil.example\" is no loopback name",
        ),
        (
            page("/push/"),
            &host,
            403,
            "origin",
            "bad_origin",
            "origin \"https://evil.example\" is not this host",
        ),
        (
            script,
            &host,
            403,
            "origin",
            "bad_referer",
            "the page \"https://evil.example\"",
        ),
        (
            Request::new("GET", "/events?username=eva&password=wr0ng"),
            &host,
            401,
            "ident",
            "ident_denied",
            "[auth.clients]",
        ),
        (
            Request::upgrade("/ws"),
            &host,
            503,
            "connection",
            "full",
            "limits.connections",
        ),
        (
            Request::post("/push/", push.to_string()),
            &host,
            401,
            "push",
            "denied",
            "[auth.backends]",
        ),
        (
            large,
            &host,
            413,
            "body",
            "too_large",
            "1048576 bytes of limits.push_bytes",
        ),
        (command("wr0ng"), &host, 403, "command", "wrong_secret", connection),
        (
            Request::new("GET", "/observe"),
            &host,
            401,
            "viewer",
            "denied",
            "[auth.backends]",
        ),
        (
            Request::new("GET", "/metrics"),
            &host,
            401,
            "metrics",
            "denied",
            "[auth.backends]",
        ),
    ] {
        let reply = request.send(server.wire().await, host).await;
        assert_eq!(reply.status, status, "{what} {why}: {}", reply.text());
        assert!(!reply.text().is_empty(), "{what} {why} has no word for the client");
        assert_eq!(count(&server, what, why).await, 1, "{what} {why}");
        let line = line(&server, &format!("refused {what} ({why}) from 127.0.0.1")).await;
        assert!(line.contains("WARN") && line.contains(told), "{line}");
    }
    for secret in ["s3cret", "cl1ent", "wr0ng", "t0ken"] {
        assert!(!server.log().contains(secret), "{secret} is in\n{}", server.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_was_only_announced_is_refused_as_one_that_came() {
    // The library answered before any door was asked, and nobody but the client heard of it.
    let server = Server::start();
    let announced = Request::post("/push/", vec![b' '; 2 << 20]).header("Expect", "100-continue");
    assert_eq!(server.ask(announced).await.status, 413);
    assert_eq!(count(&server, "body", "too_large").await, 1);
    let line = line(&server, "refused body (too_large) from 127.0.0.1").await;
    assert!(line.contains("1048576 bytes of limits.push_bytes"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_again_and_again_is_counted_and_told_once() {
    let server = Server::start();
    for _ in 0..20 {
        let page = Request::upgrade("/ws").header("Origin", "https://evil.example");
        assert_eq!(server.ask(page).await.status, 403);
    }
    assert_eq!(count(&server, "origin", "bad_origin").await, 20);
    // Another kind comes later: until then nothing more was told of this one.
    let other = Request::new("GET", "/").send(server.wire().await, "evil.example").await;
    assert_eq!(other.status, 403);
    line(&server, "refused host (bad_host)").await;
    let log = server.log();
    assert_eq!(log.matches("refused origin (bad_origin)").count(), 1, "{log}");
    let host = format!("is not this host \"{}\": does the proxy pass Host on?", server.address);
    assert!(log.contains(&host), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_push_is_counted_once_and_told_in_one_line() {
    let server = Server::with(GUARDED);
    let mut denied = to_all("E", json!(1));
    denied["auth"] = json!("almost-s3cret");
    for (body, what, why) in [
        (denied.to_string().into_bytes(), "push", "denied"),
        (b"{".to_vec(), "push", "not_json"),
        (vec![b' '; 2 << 20], "body", "too_large"),
    ] {
        server.ask(Request::post("/push/", body)).await;
        assert_eq!(count(&server, what, why).await, 1, "{what} {why}");
        line(&server, &format!("refused {what} ({why}) from 127.0.0.1")).await;
    }
    let numbers = Request::new("GET", "/metrics").header("Authorization", "Bearer s3cret");
    let numbers = server.ask(numbers).await.text();
    let counts = numbers.lines().filter(|line| line.starts_with("turted_refused_total{"));
    assert_eq!(counts.count(), 3, "{numbers}");
    // The next kind is told behind all that was told before.
    let other = Request::new("GET", "/").send(server.wire().await, "evil.example").await;
    assert_eq!(other.status, 403);
    line(&server, "refused host (bad_host)").await;
    let log = server.log();
    let warned: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warned.len(), 4, "{warned:#?}");
}
