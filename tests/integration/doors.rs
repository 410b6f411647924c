//! What holds at every door: which hosts are believed, which methods are answered, how a path may be spelt.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::server::OPEN;
use crate::harness::{Request, Server, Stream, json, to_all, within};

/// A request for a host that is not where the test connects to.
async fn for_host(server: &Server, request: Request, host: &str) -> u16 {
    request.send(server.wire().await, host).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn on_loopback_a_name_that_anybody_can_point_here_is_not_believed() {
    // DNS rebinding (CWE-350): a page of evil.example whose name suddenly means 127.0.0.1 is of the same origin as
    // whatever answers there, and could read everything and push.
    let server = Server::start();
    let port = server.address.rsplit(':').next().unwrap();
    for path in [
        "/",
        "/turted.js",
        "/health/ready",
        "/metrics",
        "/observe",
        "/push/",
        "/poll",
        "/events?channel=a",
        "/turted/info",
        "/socket.io/?EIO=4&transport=polling",
        "/sse",
        "/bayeux",
        "/nowhere",
    ] {
        for host in [
            "evil.example".to_owned(),
            format!("evil.example:{port}"),
            "localhost.evil.example".into(),
            "127.0.0.1.evil.example".into(),
            "user@evil.example".into(),
        ] {
            let reply = Request::new("GET", path).send(server.wire().await, &host).await;
            assert_eq!(reply.status, 403, "{path} for {host}");
            assert!(
                reply.text().contains("server.origins"),
                "{path} for {host}: {}",
                reply.text()
            );
        }
    }
    assert_eq!(
        for_host(&server, Request::post("/push/", "{}"), "evil.example").await,
        403
    );
    assert_eq!(for_host(&server, Request::upgrade("/ws"), "evil.example").await, 403);
    for host in [
        format!("localhost:{port}"),
        "127.0.0.1".into(),
        format!("127.0.0.2:{port}"),
        "[::1]:1".into(),
        "app.localhost".into(),
        "LOCALHOST".into(),
        "localhost.".into(),
    ] {
        assert_eq!(
            for_host(&server, Request::new("GET", "/health/live"), &host).await,
            200,
            "{host}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_on_the_same_machine_may_pass_a_listed_host_on() {
    let server = Server::public("server.origins = [\"https://push.example.com\", \"https://*.example.org\"]");
    for (host, status) in [
        ("push.example.com", 200),
        ("push.example.com:443", 200),
        ("PUSH.example.com", 200),
        ("a.b.example.org", 200),
        ("example.org", 403),
        ("evilexample.org", 403),
        ("push.example.com.evil.example", 403),
    ] {
        assert_eq!(
            for_host(&server, Request::new("GET", "/"), host).await,
            status,
            "{host}"
        );
    }
    let page = Request::post("/push/", "{}").header("Origin", "https://push.example.com");
    assert_eq!(for_host(&server, page, "push.example.com").await, 200);
    let page = Request::upgrade("/ws").header("Origin", "https://push.example.com");
    assert_eq!(for_host(&server, page, "push.example.com").await, 101);
    let everybody = Server::public("server.origins = [\"*\"]");
    assert_eq!(for_host(&everybody, Request::new("GET", "/"), "any.example").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_more_than_this_machine_connects_any_host_may_be_named() {
    let settings = format!("{OPEN}auth.backends = {{ type = \"password\", password = \"x\" }}");
    let server = Server::with_env(&settings, &[("TURTED_SERVER__LISTEN", "0.0.0.0:0")]);
    let root = Request::new("GET", "/");
    assert_eq!(for_host(&server, root, "push.example.com").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_without_a_host_can_be_let_in() {
    let listed =
        "server.origins = [\"null\", \"file://\", \"capacitor://localhost\", \"app://-\", \"moz-extension://0a-b\"]";
    let (open, closed) = (
        Server::public(listed),
        Server::public("server.origins = [\"https://null\"]"),
    );
    for origin in [
        "null",
        "file://",
        "capacitor://localhost",
        "app://-",
        "moz-extension://0a-b",
    ] {
        let page = || Request::post("/push/", "{}").header("Origin", origin);
        let reply = open.ask(page()).await;
        assert_eq!(
            (reply.status, reply.header("access-control-allow-origin")),
            (200, Some(origin))
        );
        assert_eq!(closed.ask(page()).await.status, 403, "{origin}");
        assert_eq!(
            open.ask(Request::upgrade("/ws").header("Origin", origin)).await.status,
            101,
            "{origin}"
        );
    }
    assert_eq!(
        open.ask(Request::post("/push/", "{}").header("Origin", "app://x"))
            .await
            .status,
        403
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_answered_as_get_without_the_body() {
    // What uptime monitors and `wget --spider` send got 404.
    let server = Server::start();
    for path in [
        "/health/live",
        "/health/ready",
        "/",
        "/turted.js",
        "/log.html",
        "/metrics",
        "/nowhere",
        "/ws",
        "/poll",
        "/poll/x?secret=y",
        "/push/",
        "/socket.io/",
        "/socket.io/socket.io.js",
        "/turted",
        "/turted/info",
        "/turted/iframe.html",
    ] {
        let (get, head) = (server.get(path).await, server.ask(Request::new("HEAD", path)).await);
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("etag"), get.header("etag"), "{path}");
        assert_eq!(head.text(), "", "{path}");
    }
    // The connection goes on behind it: nothing of a body was written.
    let mut wire = server.wire().await;
    let head = Request::new("HEAD", "/turted.js").kept().bytes("localhost");
    wire.write_all(&head).await.unwrap();
    let mut told = Vec::new();
    while !told.ends_with(b"\r\n\r\n") {
        assert!(within("the head", wire.read_buf(&mut told)).await.unwrap() > 0);
    }
    assert!(String::from_utf8(told).unwrap().contains("content-length: "));
    let next = Request::new("GET", "/health/live").send(wire, "localhost").await;
    assert_eq!((next.status, next.text().as_str()), (200, "ok\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn head_opens_no_stream_and_takes_nothing_away() {
    let server = Server::with("limits.connections = 1");
    for (path, kind) in [
        ("/events?channel=a", "text/event-stream"),
        ("/sse", "text/event-stream"),
        ("/observe", "text/event-stream"),
        ("/socket.io/?EIO=4&transport=polling", "text/plain"),
        ("/turted/000/abc/eventsource", "text/event-stream"),
        ("/turted/000/abc/jsonp?c=cb", "application/javascript"),
    ] {
        // The bound is one: a stream that stayed would keep the next one out.
        let head = server.ask(Request::new("HEAD", path)).await;
        assert_eq!((head.status, head.text().as_str()), (200, ""), "{path}");
        assert!(
            head.header("content-type").unwrap_or_default().starts_with(kind),
            "{path}: {head:?}"
        );
    }
    let opened = server.ask(Request::post("/poll?channel=a", "")).await.value();
    let poll = format!(
        "/poll/{}?secret={}",
        opened["connection"].as_str().unwrap(),
        opened["secret"].as_str().unwrap()
    );
    server.receipt(&to_all("E", json!(1))).await;
    assert_eq!(server.ask(Request::new("HEAD", &poll)).await.status, 200);
    assert_eq!(server.get(&poll).await.value()[0]["data"]["payload"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_is_not_answered_is_told_which_are() {
    let server = Server::start();
    for (path, allow) in [
        ("/", "GET, HEAD"),
        ("/turted.js", "GET, HEAD"),
        ("/health/live", "GET, HEAD"),
        ("/health/ready", "GET, HEAD"),
        ("/metrics", "GET, HEAD"),
        ("/observe", "GET, HEAD"),
        ("/ws", "GET, HEAD"),
        ("/sse", "GET, HEAD, OPTIONS"),
        ("/events", "GET, HEAD, OPTIONS"),
        ("/events/x", "POST, DELETE, OPTIONS"),
        ("/poll", "POST, OPTIONS"),
        ("/poll/x", "GET, HEAD, POST, DELETE, OPTIONS"),
        ("/push/", "OPTIONS, POST"),
        ("/socket.io/socket.io.js", "GET, HEAD"),
    ] {
        for method in ["PUT", "PATCH", "TRACE", "BREW"] {
            let reply = server.ask(Request::new(method, path)).await;
            assert_eq!(
                (reply.status, reply.header("allow")),
                (405, Some(allow)),
                "{method} {path}"
            );
            assert!(reply.text().contains("allowed"), "{method} {path}: {}", reply.text());
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let public = folder.path().display().to_string();
    let server = Server::with(&format!("server.static_dir = {public:?}"));
    let reply = server.ask(Request::new("PUT", "/x")).await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_works_with_and_without_its_last_slash() {
    let server = Server::start();
    let mut client = server.client().await;
    for path in ["/push", "/push/"] {
        let push = to_all("E", json!(path)).to_string();
        assert_eq!(server.ask(Request::post(path, push)).await.text(), "OK", "{path}");
        assert_eq!(client.event().await["data"]["payload"], path);
    }
    assert_eq!(server.ask(Request::upgrade("/ws/")).await.status, 101);
    for path in [
        "/health/live",
        "/health/ready",
        "/metrics",
        "/turted",
        "/turted/info",
        "/socket.io",
    ] {
        let both = [server.get(path).await, server.get(&format!("{path}/")).await];
        assert_eq!(both[0].status, both[1].status, "{path}");
        assert_eq!(both[0].header("content-type"), both[1].header("content-type"), "{path}");
    }
    for path in ["/events/", "/sse/", "/observe/"] {
        let stream = Stream::open(&server, Request::new("GET", path)).await;
        assert_eq!(
            (stream.status(), stream.header("content-type")),
            (200, Some("text/event-stream")),
            "{path}"
        );
    }
    let opened = server.ask(Request::post("/poll/", "")).await.value();
    let (id, secret) = (
        opened["connection"].as_str().unwrap(),
        opened["secret"].as_str().unwrap(),
    );
    let said = Request::post(&format!("/poll/{id}/?secret={secret}"), r#"{"type":"PING"}"#);
    assert_eq!(server.ask(said).await.value()["type"], "PONG");
    assert_eq!(server.ask(Request::new("OPTIONS", "/events/x/")).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_nothing_a_sentence_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let public = folder.path().display().to_string();
    for settings in ["", "server.demo = false", &format!("server.static_dir = {public:?}")] {
        let server = Server::with(settings);
        for method in ["GET", "POST", "DELETE"] {
            let reply = server.ask(Request::new(method, "/nowhere")).await;
            // Files are only read.
            if reply.status == 405 && method != "GET" && settings.contains("static_dir") {
                continue;
            }
            assert_eq!(reply.status, 404, "{method} {settings}");
            assert!(
                reply.text().contains("nothing at this path"),
                "{method} {settings}: {}",
                reply.text()
            );
            assert_eq!(
                reply.header("content-type"),
                Some("text/plain; charset=utf-8"),
                "{settings}"
            );
        }
    }
}
