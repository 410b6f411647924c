//! Behind a proxy: whose word counts about who somebody is and where somebody comes from.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Client, Request, Server, Stream, json};

const SETTINGS: &str = "server.proxies = [\"127.0.0.1\"]\nauth.backends = { type = \"accept_all\", anywhere = true }\nlimits.connections_per_address = 2\n\
    [auth.clients]\ntype = \"headers\"\nuser = \"{header.x-user}\"\nclaims = { zone = \"{header.x-zone}\" }\n\
    [may.users]\njoin = [\"zone.{claim.zone}\"]\n[may.anyone]\njoin = [\"news\", \"mark-*\"]\n";

fn news() -> Request {
    Request::new("GET", "/events?channel=news")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_says_who_somebody_is() {
    let server = Server::with(SETTINGS);
    let mut adam = Client::bringing(&server, &[("x-user", "adam"), ("x-zone", "north")]).await;
    let said = adam.ask("IDENT", json!({"username": "eve"})).await;
    assert_eq!(said["data"]["username"], "adam", "{said}");
    adam.join("zone.north").await;
    let denied = adam.ask("JOIN", json!({"channel": "zone.south"})).await;
    assert_eq!(denied["data"]["code"], "join_denied", "{denied}");
    let zone = Request::new("GET", "/events?channel=zone.north").header("x-user", "adam");
    assert_eq!(server.get_status(zone.header("X-Zone", "north")).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_be_read_in_two_ways_is_refused_and_counted() {
    let server = Server::with(SETTINGS);
    let cases: [(&str, &[(&str, &str)]); 7] = [
        ("twice", &[("x-user", "adam"), ("x-user", "eve")]),
        ("underscore", &[("x-user", "adam"), ("x_user", "eve")]),
        ("underscore", &[("X_User", "eve")]),
        ("hop_by_hop", &[("x-user", "adam"), ("connection", "close, X-User")]),
        ("comma", &[("x-user", "adam, eve")]),
        ("no_text", &[("x-user", "adam\u{85}")]),
        ("twice", &[("x-zone", "a"), ("x-user", "adam"), ("x-zone", "b")]),
    ];
    for (why, headers) in cases {
        for path in ["/events?channel=news", "/poll"] {
            let method = if path == "/poll" { "POST" } else { "GET" };
            let request = headers
                .iter()
                .fold(Request::new(method, path), |request, (name, value)| {
                    request.header(name, value)
                });
            assert_eq!(server.get_status(request).await, 400, "{path} {headers:?}");
        }
        let metrics = server.get("/metrics").await.text();
        assert!(
            metrics.contains(&format!("turted_refused_total{{what=\"header\",why=\"{why}\"}}")),
            "{why}: {metrics}"
        );
    }
    server.get_status(news()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_anybody_else_the_headers_are_dropped() {
    let server = Server::with(&SETTINGS.replace("127.0.0.1", "10.0.0.0/8"));
    let zone = Request::new("GET", "/events?channel=zone.north").header("x-user", "adam");
    assert_eq!(server.get_status(zone.header("x-zone", "north")).await, 403);
    let mut nobody = Client::bringing(&server, &[("x-user", "adam"), ("x_user", "adam")]).await;
    let said = nobody.ask("IDENT", json!({"username": "adam"})).await;
    assert_eq!(said["data"]["code"], "ident_denied", "{said}");
    let metrics = server.get("/metrics").await.text();
    assert!(metrics.contains("what=\"header\",why=\"untrusted_peer\""), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_behind_a_proxy_has_its_own_address() {
    let server = Server::with(SETTINGS);
    let from = |address: &str| news().header("x-forwarded-for", address);
    let mut here = Vec::new();
    for address in ["203.0.113.1", "203.0.113.1", "203.0.113.2", "1.2.3.4, 203.0.113.2"] {
        let stream = Stream::open(&server, from(address)).await;
        assert_eq!(stream.status(), 200, "{address}");
        here.push(stream);
    }
    assert_eq!(server.get_status(from("203.0.113.1")).await, 429);
    assert_eq!(
        server.get_status(from("9.9.9.9, 203.0.113.2")).await,
        429,
        "the client cannot choose"
    );
    assert_eq!(server.get_status(from("203.0.113.3")).await, 200);
    assert!(
        server.log().contains("from 203.0.113.1"),
        "the log has the real address"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_server_that_is_asked_by_a_proxy_says_so_once() {
    let server = Server::start();
    for _ in 0..3 {
        server
            .ask(Request::new("GET", "/health/live").header("x-forwarded-for", "203.0.113.1"))
            .await;
    }
    assert_eq!(server.log().matches("server.proxies").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_behind_a_proxy_is_public_and_believes_nobody_by_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        let file = folder.path().join("turted.toml");
        std::fs::write(&file, text).unwrap();
        let mut command = crate::harness::server::turted(folder.path());
        let output = command.args(["check", "--config"]).arg(file).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let open = check("[server]\nproxies = [\"127.0.0.1\"]\n");
    assert!(
        open.contains("this server is public, since server.proxies is set"),
        "{open}"
    );
    let lacking = check("[auth.clients]\ntype = \"headers\"\nuser = \"{header.x-user}\"\n");
    assert!(
        lacking.contains("server.proxies must name the proxy") || lacking.contains("must name the proxy"),
        "{lacking}"
    );
    for (proxies, why) in [
        ("10.0.0.0/33", "must be an address or a network"),
        ("proxy.example.com", "must be an address or a network"),
        ("10.0.0.1/8", "has bits beyond its prefix"),
        ("0.0.0.0/0", "is everybody"),
    ] {
        let said = check(&format!("[server]\nproxies = [{proxies:?}]\n"));
        assert!(
            said.contains(why) && said.contains("server.proxies"),
            "{proxies}: {said}"
        );
    }
    for (user, why) in [
        ("adam", "has no header in it"),
        ("{user}", "may hold headers"),
        ("{header.x_user}", "may hold headers"),
        ("{header.x-user", "brace without its partner"),
    ] {
        let text =
            format!("[server]\nproxies = [\"127.0.0.1\"]\n[auth.clients]\ntype = \"headers\"\nuser = {user:?}\n");
        let said = check(&text);
        assert!(
            said.contains(why) && said.contains("auth.clients.user"),
            "{user}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_in_front_says_who_somebody_is_and_where_from() {
    let server = Server::with(SETTINGS);
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let settings = format!(
        "daemon off; pid {0}/pid; error_log {0}/error; events {{}}\nhttp {{ access_log off; client_body_temp_path {0}/a; \
         proxy_temp_path {0}/b; fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;\n\
         server {{ listen {free}; location / {{ proxy_pass http://{1}; proxy_http_version 1.1; proxy_set_header Host {1};\n\
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
         proxy_set_header X-User adam; proxy_set_header X-Zone north; }} }} }}\n",
        folder.path().display(),
        server.address
    );
    std::fs::write(folder.path().join("nginx.conf"), settings).unwrap();
    let nginx = Command::new("nginx")
        .arg("-c")
        .arg(folder.path().join("nginx.conf"))
        .args(["-p"])
        .arg(folder.path())
        .args(["-g", "master_process off;"])
        .stderr(Stdio::null())
        .spawn();
    let mut nginx = nginx.expect("install nginx");
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(free).is_err() {
        assert!(Instant::now() < deadline, "nginx does not listen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let wire = tokio::net::TcpStream::connect(free).await.unwrap();
    // What the client says of itself is replaced.
    let request = Request::new("GET", "/events?channel=zone.north")
        .header("x-user", "eve")
        .header("x-zone", "south");
    let stream = Stream::over(wire, &free.to_string(), request).await.unwrap();
    let mut adam = Client::at(&free.to_string()).await;
    let said = adam.ask("IDENT", json!({})).await;
    let _ = (nginx.kill(), nginx.wait());
    assert_eq!(stream.status(), 200, "{}", server.log());
    assert_eq!(said["data"]["username"], "adam", "{said}");
}
