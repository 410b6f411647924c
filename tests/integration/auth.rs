//! Who may enter by which door: the three authenticators of the original, seen from outside.

use std::process::Command;

use crate::harness::{Server, Value, json, to_user};

/// Standard output of a program that is on every Debian, e.g. `md5sum`, for `text` on its input: an independent judge.
fn digest(program: &str, text: &str) -> String {
    let script = format!("printf %s \"$1\" | {program}");
    let output = Command::new("sh").args(["-c", &script, "sh", text]).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned()
}

async fn ident(server: &Server, data: Value) -> Value {
    server.client().await.ask("IDENT", data).await
}

fn is_denied(answer: &Value) -> bool {
    answer["type"] == "ERROR"
        && answer["data"]["code"] == "ident_denied"
        && answer["data"]["message"] == "IDENT not verified"
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_believed_unless_told_otherwise() {
    let server = Server::start();
    for data in [
        json!({"username": "adam"}),
        json!({"user": "adam", "token": "x"}),
        json!({"username": "adam", "user": "eve"}),
    ] {
        assert_eq!(ident(&server, data.clone()).await["data"]["username"], "adam", "{data}");
    }
    for data in [
        json!({}),
        json!(null),
        json!([]),
        json!("adam"),
        json!({"username": 5}),
        json!({"token": "x"}),
    ] {
        assert_eq!(ident(&server, data.clone()).await["type"], "ERROR", "{data}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_the_door_for_clients() {
    let server = Server::with("auth.clients.type = \"password\"\nauth.clients.password = \"s3cret\"");
    assert_eq!(
        ident(&server, json!({"username": "adam", "password": "s3cret"})).await["type"],
        "OK"
    );
    for password in [
        json!("guess"),
        json!(""),
        json!(null),
        json!(["s3cret"]),
        json!("s3cret\u{0}"),
    ] {
        let answer = ident(&server, json!({"username": "adam", "password": password})).await;
        assert!(is_denied(&answer), "{password}: {answer}");
    }
    assert!(is_denied(&ident(&server, json!({"username": "adam"})).await));
    assert!(!server.log().contains("s3cret"), "a password in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_belongs_to_one_name() {
    for (hash, program) in [
        ("md5", "md5sum"),
        ("sha1", "sha1sum"),
        ("sha256", "sha256sum"),
        ("sha512", "sha512sum"),
    ] {
        let server = Server::with(&format!(
            "auth.clients = {{ type = \"token\", hash = \"{hash}\", prefix = \"pre\", suffix = \"post\" }}"
        ));
        let token = digest(program, "preadampost");
        let good = json!({"username": "adam", "token": token});
        assert_eq!(ident(&server, good).await["data"]["username"], "adam", "{hash}");
        assert!(
            is_denied(&ident(&server, json!({"username": "eve", "token": token})).await),
            "{hash}"
        );
        assert!(
            is_denied(&ident(&server, json!({"username": "adam", "token": digest(program, "adam")})).await),
            "{hash}"
        );
        assert!(is_denied(&ident(&server, json!({"username": "adam"})).await), "{hash}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_denied_keeps_what_it_had() {
    let server = Server::with("auth.clients = { type = \"token\", hash = \"md5\", prefix = \"pre\" }");
    let mut client = server.client().await;
    let token = digest("md5sum", "preadam");
    assert_eq!(
        client.ask("IDENT", json!({"username": "adam", "token": token})).await["type"],
        "OK"
    );
    assert!(is_denied(
        &client.ask("IDENT", json!({"username": "eve", "token": token})).await
    ));
    assert_eq!(server.receipt(&to_user("eve", "E", json!(1))).await["recipients"], 0);
    assert_eq!(server.receipt(&to_user("adam", "E", json!(2))).await["recipients"], 1);
    assert_eq!(client.event().await["data"]["payload"], 2);
    client.join("open").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_of_a_backend_dispatch_nothing() {
    let server = Server::with("auth.backends = { type = \"password\", password = \"s3cret\" }");
    let mut client = server.client().await;
    let push = |auth: Value| json!({"event": auth, "targets": {"broadcast": true}, "auth": auth});
    for auth in [json!("guess"), json!("s3cre"), json!("s3crets"), json!("")] {
        let reply = server
            .push(&json!({"event": "E", "targets": {"broadcast": true}, "auth": {"password": auth}}))
            .await;
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (401, "Wrong auth data"),
            "{auth}"
        );
    }
    assert_eq!(server.push(&push(json!("s3cret"))).await.text(), "OK");
    assert_eq!(client.event().await["data"]["event"], "s3cret");
}
