//! The server API: who may use it, who is thrown out by it, and what it makes of bad words.

use crate::harness::http::Reply;
use crate::harness::{Request, Server, Stream, Value, json, payloads, to_all, to_channel, until_state, within};

/// A backend that may everything, and three that may less.
const BACKENDS: &str = r#"
[[auth.backends]]
name = "root"
type = "password"
password = "rootkey"
[[auth.backends]]
name = "shop"
type = "password"
password = "shopkey"
push = ["shop.**"]
users = ["*"]
[[auth.backends]]
name = "eyes"
type = "password"
password = "eyeskey"
api = "read"
[[auth.backends]]
name = "shop"
type = "password"
password = "oldshopkey"
push = ["shop.**"]
users = ["*"]
"#;

pub fn api(method: &str, path: &str, key: &str, body: &str) -> Request {
    let request = Request::new(method, path).body(body);
    match key {
        "" => request,
        key => request.header("Authorization", &format!("Bearer {key}")),
    }
}

pub async fn code(server: &Server, request: Request) -> (u16, String) {
    let reply = server.ask(request).await;
    let code = reply.value()["error"]["code"].as_str().unwrap_or_default().to_owned();
    (reply.status, code)
}

async fn kick(server: &Server, user: &str, body: Value) -> Reply {
    let request = api("POST", &format!("/api/users/{user}/kick"), "", &body.to_string());
    server.ask(request).await
}

pub async fn kicked(server: &Server, user: &str, body: Value) -> Value {
    let reply = kick(server, user, body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.value()["connections"].clone()
}

/// Waits until the log says this: its lines come a moment after the answer.
pub async fn logged(server: &Server, part: &str) {
    let found = async {
        while !server.log().contains(part) {
            tokio::task::yield_now().await;
        }
    };
    within(&format!("{part:?} in the log"), found).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_backend_does_what_it_may_and_no_more() {
    let server = Server::with(BACKENDS);
    let get = |path: &str, key: &str| api("GET", path, key, "");
    for (key, api_status, observe) in [
        ("", 401, 401),
        ("guess", 401, 401),
        ("shopkey", 403, 403),
        ("eyeskey", 200, 403),
    ] {
        assert_eq!(server.ask(get("/api", key)).await.status, api_status, "{key}");
        assert_eq!(server.ask(get("/observe", key)).await.status, observe, "{key}");
    }
    assert_eq!(server.ask(get("/api", "rootkey")).await.status, 200);
    let stream = Stream::open(&server, get("/observe", "rootkey")).await;
    assert_eq!(stream.status(), 200);
    for key in ["eyeskey", "shopkey", "oldshopkey"] {
        for (method, path) in [
            ("POST", "/api/users/adam/kick"),
            ("DELETE", "/api/connections/x"),
            ("POST", "/api/revoked"),
            ("DELETE", "/api/revoked?user=adam"),
        ] {
            let refused = code(&server, api(method, path, key, "")).await;
            assert_eq!(refused, (403, "forbidden".to_owned()), "{key} {method} {path}");
        }
    }
    assert_eq!(server.ask(get("/api/revoked", "eyeskey")).await.status, 200);
    let reply = server.ask(get("/api", "")).await;
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    logged(&server, "the backend shop has api = \"none\"").await;
    let log = server.log();
    assert!(!log.contains("shopkey") && !log.contains("rootkey") && !log.contains("eyeskey"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_out_of_bounds_is_refused_whole_by_http_and_tcp() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let tcp = format!("[connectors.lines]\ntype = \"tcp\"\naddress = \"0.0.0.0:{port}\"\nanswers = true\n");
    let narrow = "[connectors.narrow]\ntype = \"rest\"\npath = \"/narrow/\"\npush = [\"*.news\"]\n";
    let server = Server::with(&format!("{BACKENDS}{tcp}{narrow}"));
    until_state(&server.address, "lines", "running").await;
    let mut member = server.member(&["shop.news", "other"]).await;
    let push = |path: &str, key: &str, channels: &[&str]| {
        let body = json!({"event": "E", "targets": {"channels": channels}, "payload": key});
        Request::json(path, body).header("Authorization", &format!("Bearer {key}"))
    };
    for (path, key, channels, status) in [
        ("/push/", "rootkey", &["shop.news", "other"][..], 200),
        ("/push/", "shopkey", &["shop.news"], 200),
        ("/push/", "oldshopkey", &["shop.news"], 200),
        ("/push/", "shopkey", &["shop.news", "other"], 403),
        ("/push/", "eyeskey", &["shop.news"], 403),
        // The bounds of the connector hold for everybody, and add to those of the backend.
        ("/narrow/", "rootkey", &["shop.news"], 200),
        ("/narrow/", "rootkey", &["other"], 403),
        ("/narrow/", "shopkey", &["other.news"], 403),
    ] {
        let reply = server.ask(push(path, key, channels)).await;
        assert_eq!(reply.status, status, "{path} {key} {channels:?} {}", reply.text());
    }
    assert_eq!(member.events(4).await.len(), 4);
    let everybody = to_all("E", json!(1)).to_string();
    let other = to_channel("other", "E", json!(1));
    let mine = to_channel("shop.news", "E", json!(2));
    let batch = json!([mine, other]).to_string();
    let lines = format!("Bearer shopkey\n{everybody}\n{batch}\n{mine}\n");
    let mut peer = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut peer, lines.as_bytes())
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut peer).await.unwrap();
    let mut told = String::new();
    within(
        "the answers",
        tokio::io::AsyncReadExt::read_to_string(&mut peer, &mut told),
    )
    .await
    .unwrap();
    let answers: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let codes: Vec<&str> = answers
        .iter()
        .map(|one| one["error"]["code"].as_str().unwrap_or("ok"))
        .collect();
    assert_eq!(codes, ["ok", "forbidden", "forbidden", "ok"], "{told}");
    assert!(
        answers[2]["error"]["message"] == "the backend shop may not tell the channel \"other\"",
        "{told}"
    );
    let heard = member.events(1).await;
    assert_eq!(payloads(&heard), [json!(2)], "of the batch, nothing was dispatched");
    let numbers = server.get("/metrics").await.text();
    assert!(numbers.contains("why=\"forbidden\""), "{numbers}");
    logged(&server, "the backend shop may not tell").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_words_change_nothing_and_are_answered_in_one_shape() {
    let server = Server::start();
    let mut adam = server.user("adam").await;
    let long = "x".repeat(70_000);
    let many = json!({"except": vec!["a"; 1001]}).to_string();
    let deep = format!("{{\"except\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for (path, body, status, word) in [
        ("/api/users/adam/kick", "[]", 400, "bad_body"),
        ("/api/users/adam/kick", "{", 400, "bad_body"),
        ("/api/users/adam/kick", "null", 400, "bad_body"),
        ("/api/users/adam/kick", "{} {}", 400, "bad_body"),
        ("/api/users/adam/kick", "\u{0}", 400, "bad_body"),
        ("/api/users/adam/kick", r#"{"For":"1s"}"#, 400, "bad_body"),
        ("/api/users/adam/kick", r#"{"for":"1s","for":"2s"}"#, 400, "bad_body"),
        ("/api/users/adam/kick", r#"{"for":"0s"}"#, 400, "bad_body"),
        ("/api/users/adam/kick", r#"{"for":"-1s"}"#, 400, "bad_body"),
        (
            "/api/users/adam/kick",
            r#"{"for":"99999999999999999999y"}"#,
            400,
            "bad_body",
        ),
        ("/api/users/adam/kick", r#"{"for":"2y"}"#, 400, "bad_body"),
        ("/api/users/adam/kick", r#"{"for":10}"#, 400, "bad_body"),
        ("/api/users/adam/kick", r#"{"except":"c1"}"#, 400, "bad_body"),
        ("/api/users/adam/kick", r#"{"except":[""]}"#, 400, "bad_id"),
        ("/api/users/adam/kick", r#"{"except":["a\u0000"]}"#, 400, "bad_id"),
        ("/api/users/adam/kick", &many, 400, "too_many"),
        ("/api/users/adam/kick", &deep, 400, "bad_body"),
        (
            "/api/users/adam/kick",
            &format!("{{\"reason\":\"{}\"}}", "x".repeat(201)),
            400,
            "too_long",
        ),
        (
            "/api/users/adam/kick",
            &format!("{{\"reason\":\"{long}\"}}"),
            413,
            "too_large",
        ),
        ("/api/users/%00/kick", "", 400, "bad_name"),
        ("/api/users/%/kick", "", 400, "bad_name"),
        ("/api/users/%ff/kick", "", 400, "bad_name"),
        (&format!("/api/users/{}/kick", "x".repeat(201)), "", 400, "bad_name"),
        ("/api/users//kick", "", 404, "not_found"),
        ("/api/users/adam/dance", "", 404, "not_found"),
        ("/api/revoked", "{}", 400, "missing_field"),
        ("/api/revoked", r#"{"issued_before":1}"#, 400, "missing_field"),
        ("/api/revoked", r#"{"user":""}"#, 400, "bad_name"),
        ("/api/revoked", r#"{"jti":""}"#, 400, "bad_id"),
        ("/api/revoked", r#"{"jti":5}"#, 400, "bad_body"),
        (
            "/api/revoked",
            r#"{"user":"adam","issued_before":99999999999}"#,
            400,
            "bad_time",
        ),
        (
            "/api/revoked",
            r#"{"user":"adam","issued_before":18446744073709551615}"#,
            400,
            "bad_time",
        ),
        ("/api/revoked", r#"{"user":"adam","issued_before":-1}"#, 400, "bad_body"),
        (
            "/api/revoked",
            r#"{"user":"adam","issued_before":1.5}"#,
            400,
            "bad_body",
        ),
        (
            "/api/revoked",
            r#"{"user":"adam","issued_before":"yesterday"}"#,
            400,
            "bad_time",
        ),
    ] {
        let told = code(&server, api("POST", path, "", body)).await;
        assert_eq!(
            told,
            (status, word.to_owned()),
            "{path} {}",
            body.get(..60).unwrap_or(body)
        );
    }
    for path in [
        "/api/revoked?limit=0",
        "/api/revoked?limit=1001",
        "/api/revoked?limit=x",
        "/api/revoked?x=1",
    ] {
        assert_eq!(
            code(&server, api("GET", path, "", "")).await,
            (400, "bad_query".to_owned()),
            "{path}"
        );
    }
    let packed = api("POST", "/api/users/adam/kick", "", "x").header("Content-Encoding", "gzip");
    assert_eq!(code(&server, packed).await, (415, "encoded".to_owned()));
    let reply = server.ask(Request::new("PUT", "/api/users/adam/kick")).await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")));
    assert_eq!(adam.ask("ECHO", json!(1)).await["type"], "ECHO");
    let forged = json!({"reason": "a\nERROR forged"});
    assert_eq!(kicked(&server, "nobody%40shop.example%2F1", forged).await, json!(0));
    logged(&server, "kicked \"nobody@shop.example/1\"").await;
    assert!(!server.log().contains("\nERROR forged"), "{}", server.log());
    server.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_has_no_access() {
    let settings = "server.origins = [\"https://app.example\"]\nauth.backends = { type = \"accept_all\", anywhere = true }\n[may.anyone]\njoin = [\"**\"]\n[auth.clients]\ntype = \"accept_all\"\nanywhere = true\n";
    let server = Server::with(settings);
    let mut adam = server.user("adam").await;
    for origin in [
        "https://app.example",
        "https://evil.example",
        "http://localhost:3000",
        "null",
        "",
        "\u{ff}",
    ] {
        let request = api("POST", "/api/users/adam/kick", "", "").header("Origin", origin);
        let reply = server.ask(request).await;
        assert_eq!(reply.status, 403, "{origin}");
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    for site in ["cross-site", "same-site", "nonsense"] {
        let request = api("GET", "/api", "", "").header("Sec-Fetch-Site", site);
        assert_eq!(server.ask(request).await.status, 403, "{site}");
    }
    let preflight = Request::new("OPTIONS", "/api/users/adam/kick")
        .header("Origin", "https://app.example")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "authorization");
    let reply = server.ask(preflight).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (405, None));
    let rebound = api("POST", "/api/users/adam/kick", "", "").header("Origin", "http://evil.example");
    let wire = server.wire().await;
    assert_eq!(rebound.send(wire, "evil.example").await.status, 403);
    assert_eq!(adam.ask("ECHO", json!(1)).await["type"], "ECHO");
    let own = api("POST", "/api/users/adam/kick", "", "").header("Origin", &server.url());
    let reply = server.ask(own.header("Sec-Fetch-Site", "same-origin")).await;
    assert_eq!(reply.value(), json!({"connections": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_api_when_no_backend_may_use_it() {
    let server = Server::with("[auth.backends]\ntype = \"password\"\npassword = \"x\"\npush = [\"**\"]\n");
    for (method, path) in [
        ("GET", "/api"),
        ("POST", "/api/users/adam/kick"),
        ("GET", "/api/revoked"),
    ] {
        assert_eq!(server.ask(api(method, path, "x", "")).await.status, 404, "{path}");
    }
}

/// The blocks of a page in Markdown: language and text.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let parts = page.split("```").skip(1).step_by(2);
    parts.filter_map(|block| block.split_once('\n')).collect()
}

/// Whether two answers have the same members, whatever their values are.
fn is_like(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|there| is_like(value, there)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().all(|value| other.iter().any(|there| is_like(value, there)))
        }
        (Value::Number(_), Value::Number(_)) | (Value::String(_), Value::String(_)) => true,
        (one, other) => one == other,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_block_of_the_page_about_it_is_so() {
    let page = include_str!("../../docs/api.md");
    let blocks = blocks(page);
    let settings: Vec<_> = blocks.iter().filter(|(kind, _)| *kind == "toml").collect();
    assert_eq!((settings.len(), blocks.len()), (1, 14));
    let server = Server::with(settings[0].1);
    let _adam = server.user("adam").await;
    let folder = std::path::Path::new(crate::harness::server::TURTED).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut said = String::new();
    for (kind, text) in blocks {
        match kind {
            "sh" => {
                let script = text.replace("http://127.0.0.1:7117", &server.url());
                let mut command = std::process::Command::new("sh");
                command
                    .args(["-ec", &script])
                    .env("PATH", &path)
                    .env("TURTED_URL", server.url());
                let output = command.output().unwrap();
                said = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(
                    output.status.success(),
                    "{script}\n{}",
                    String::from_utf8_lossy(&output.stderr)
                );
            }
            "json" => {
                let wanted: Value = serde_json::from_str(text).unwrap();
                let told = serde_json::from_str(&said).unwrap_or(Value::Null);
                assert!(is_like(&wanted, &told), "the page says {text}\nand the server {said}");
            }
            _ => {}
        }
    }
}
