//! What HTTP/2 writes differently: the host stands in `:authority`, cookies in several fields, and many requests share
//! one connection.

use std::time::{Duration, Instant};

use crate::harness::http2::{Http2, NAME};
use crate::harness::{Request, Secure, json, to_all, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_server_itself_may_call_whichever_http_it_speaks() {
    // Browsers say `:authority` and no `Host`: their own pages were foreign to the server (403).
    let secure = Secure::public(&format!("server.origins = [\"http://{NAME}\"]"));
    let mut browser = secure.connect().await;
    let origin = browser.base.clone();
    let own = [("origin", origin.as_str()), ("referer", origin.as_str())];
    for (method, path) in [
        ("POST", "/poll"),
        ("POST", "/push/"),
        ("POST", "/turted/000/abc{}/xhr"),
        ("POST", "/events/x"),
        ("GET", "/turted/info"),
        ("GET", "/turted/000/abd{}/jsonp?c=cb"),
        ("GET", "/socket.io/?EIO=4&transport=polling"),
        ("GET", "/socket.io/?EIO=3&transport=polling&j=0"),
    ] {
        let two = browser.ask(method, &path.replace("{}", "2"), &own, b"{}").await;
        // A session of its own: the second poll of one waits.
        let mut one = Request::new(method, &path.replace("{}", "1"));
        for (name, value) in own {
            one = one.header(name, value);
        }
        let host = format!("{NAME}:{}", secure.port());
        let one = one.body("{}").send(secure.wire(&["http/1.1"]).await, &host).await;
        let said = String::from_utf8_lossy(&two.body);
        assert_ne!(one.status, 403, "{method} {path}: HTTP/1.1: {}", one.text());
        assert_ne!(two.status, 403, "{method} {path}: {said}");
    }
    let foreign = [("origin", "https://evil.example")];
    assert_eq!(browser.ask("POST", "/push/", &foreign, b"{}").await.status, 403);
    // A page of the same name behind another port is another page.
    let other = [("origin", "https://push.example.test:1")];
    assert_eq!(browser.ask("POST", "/push/", &other, b"{}").await.status, 403);
    let said = to_all("E", json!(1)).to_string();
    let pushed = browser.ask("POST", "/push/", &own, said.as_bytes()).await;
    assert_eq!((pushed.status, pushed.body.as_slice()), (200, &b"OK"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_has_a_bounded_number_of_requests_under_way() {
    // One connection without credentials held 210 MiB of bodies that never ended.
    let secure = Secure::public(&format!(
        "limits.requests_per_connection = 3\nserver.origins = [\"https://{NAME}\"]"
    ));
    let mut peer = secure.connect().await;
    let mut half = Vec::new();
    for _ in 0..3 {
        half.push(peer.begin("POST", "/push/", &[], None).await);
    }
    let more = peer.ask("POST", "/push/", &[], b"{}").await;
    assert_eq!(more.status, 503, "{}", String::from_utf8_lossy(&more.body));
    assert!(String::from_utf8_lossy(&more.body).contains("too many requests"));
    let mut other = secure.connect().await;
    assert_eq!(
        other.ask("POST", "/push/", &[], b"{}").await.status,
        200,
        "another connection has its own"
    );
    let (answer, mut stream) = half.pop().unwrap();
    stream.send_data("{}".into(), true).unwrap();
    assert_eq!(Http2::answer(answer).await.status, 200);
    within("room for one more", async {
        while peer.ask("POST", "/push/", &[], b"{}").await.status != 200 {}
    })
    .await;
}

/// Waits until a number among the metrics is this.
async fn until(peer: &mut Http2, name: &str, count: usize) {
    let seen = async {
        loop {
            let metrics = peer.ask("GET", "/metrics", &[], b"").await.body;
            if String::from_utf8_lossy(&metrics).contains(&format!("\nturted_{name} {count}\n")) {
                return;
            }
        }
    };
    within(&format!("{name} to be {count}"), seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_its_client_takes_back_is_over() {
    let secure = Secure::public(&format!(
        "server.origins = [\"https://{NAME}\"]\nlimits.requests_per_connection = 3"
    ));
    let mut witness = secure.connect().await;
    let mut peer = secure.connect().await;
    let origin = peer.base.clone();
    let own = [("referer", origin.as_str())];
    for (method, path, name) in [
        ("GET", "/events?channel=chat", "connections"),
        ("GET", "/turted/000/a/eventsource", "connections"),
        ("POST", "/turted/000/b/xhr_streaming", "connections"),
        // One that waits for its answer, not within it.
        ("POST", "/turted/000/c/xhr", "connections"),
        ("GET", "/turted/000/d/jsonp?c=cb", "connections"),
        ("GET", "/observe", "viewers"),
    ] {
        if path.contains("xhr") && !path.contains("streaming") || path.contains("jsonp") {
            // The first opens the session.
            assert_eq!(peer.ask(method, path, &own, b"").await.status, 200, "{path}");
        }
        let body: Option<&[u8]> = (method == "POST").then_some(b"");
        let under_way = peer.begin(method, path, &own, body).await;
        until(&mut witness, name, 1).await;
        // Behind the request on the same connection: when it is answered, the request has been seen.
        assert_eq!(peer.ask("GET", "/health/live", &[], b"").await.status, 200);
        let begun = Instant::now();
        drop(under_way);
        until(&mut witness, name, 0).await;
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{path}: {:?}",
            begun.elapsed()
        );
    }
    // They count as little as they are waited for.
    for _ in 0..3 {
        drop(peer.begin("GET", "/events?channel=chat", &[], None).await);
    }
    within("room for one more", async {
        while peer.ask("POST", "/push/", &[], b"{}").await.status != 200 {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_end_with_the_connection_that_they_came_on() {
    let secure = Secure::public(&format!("server.origins = [\"https://{NAME}\"]"));
    let mut witness = secure.connect().await;
    let mut peer = secure.connect().await;
    assert_eq!(peer.ask("POST", "/turted/000/a/xhr", &[], b"").await.status, 200);
    let _poll = peer.begin("POST", "/turted/000/a/xhr", &[], Some(b"")).await;
    let _stream = peer.begin("GET", "/events?channel=chat", &[], None).await;
    until(&mut witness, "connections", 2).await;
    let begun = Instant::now();
    peer.cut().await;
    until(&mut witness, "connections", 0).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_slowly_is_read_whole() {
    // Whoever looks whether a request is still wanted takes nothing of its body away.
    let secure = Secure::public(&format!("server.origins = [\"https://{NAME}\"]"));
    let mut peer = secure.connect().await;
    let (answer, mut stream) = peer.begin("POST", "/push/", &[], None).await;
    let said = to_all("E", json!([1, 2, 3, 4, 5, 6, 7])).to_string();
    let mut pace = tokio::time::interval(Duration::from_millis(700));
    for part in said.as_bytes().chunks(said.len().div_ceil(6)) {
        // The pace is the story: the server looks several times meanwhile.
        pace.tick().await;
        stream.send_data(part.to_vec().into(), false).unwrap();
    }
    stream.send_data("".into(), true).unwrap();
    let answer = Http2::answer(answer).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"OK"[..]));
}
