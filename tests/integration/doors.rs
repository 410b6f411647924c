//! What holds at every door: which hosts are believed, which methods are answered, how a path may be spelt.

use crate::harness::{Request, Server, json};

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
    let server = Server::with("server.origins = [\"https://push.example.com\", \"https://*.example.org\"]");
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
    let everybody = Server::with("server.origins = [\"*\"]");
    assert_eq!(for_host(&everybody, Request::new("GET", "/"), "any.example").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_more_than_this_machine_connects_any_host_may_be_named() {
    let settings = "auth.backends = { type = \"password\", password = \"x\" }";
    let server = Server::with_env(settings, &[("TURTED_SERVER__LISTEN", "0.0.0.0:0")]);
    let root = Request::new("GET", "/");
    assert_eq!(for_host(&server, root, "push.example.com").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_without_a_host_can_be_let_in() {
    let listed =
        "server.origins = [\"null\", \"file://\", \"capacitor://localhost\", \"app://-\", \"moz-extension://0a-b\"]";
    let (open, closed) = (
        Server::with(listed),
        Server::with("server.origins = [\"https://null\"]"),
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
