//! What HTTP/2 writes differently: the host stands in `:authority`, cookies in several fields, and many requests share
//! one connection.

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
