//! The end: nobody who has a receipt was lied to, everybody is told, and the process goes in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use turted::config::Sources;
use turted_core::{ConnectorContext, ConnectorError, ConnectorState, PushConnector};

use crate::harness::embedded::Embedded;
use crate::harness::page::ACTIONS;
use crate::harness::{Engine, Page, Request, Server, Value, json, to_channel, until_state, within};
use crate::tls;

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_to_come_back_and_the_process_ends_well() {
    let server = Server::start();
    let mut clients = vec![
        server.client().await,
        server.user("adam").await,
        server.member(&["chat"]).await,
    ];
    server.terminate();
    for client in &mut clients {
        let (bye, code) = client.until_closed().await;
        let bye = bye.expect("a BYE before the end");
        assert_eq!((&bye["code"], &bye["reconnect"]), (&json!(1001), &json!(true)), "{bye}");
        assert_eq!(code, Some(1001));
    }
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_with_a_receipt_arrives_before_the_end() {
    let server = Arc::new(Server::start());
    let mut client = server.member(&["chat"]).await;
    let counted = Arc::new(AtomicUsize::new(0));
    let publishers: Vec<_> = (0..4)
        .map(|publisher| {
            let (server, counted) = (server.clone(), counted.clone());
            tokio::spawn(async move {
                let mut receipts = Vec::new();
                for number in 0.. {
                    let push = to_channel("chat", "E", json!([publisher, number]));
                    match post(&server, &push).await {
                        Some(receipt) => receipts.push(receipt["id"].as_str().unwrap().to_owned()),
                        None => break,
                    }
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                receipts
            })
        })
        .collect();
    let mut heard = Vec::new();
    let (mut asked, mut code) = (false, None);
    while code.is_none() {
        let message = client.next().await;
        match message["type"].as_str() {
            Some("EVENT") => heard.push(message["data"]["id"].as_str().unwrap().to_owned()),
            Some("BYE") => assert_eq!(message["data"]["code"], 1001),
            Some("#close") => code = Some(message["code"].clone()),
            _ => panic!("{message}"),
        }
        if !asked && counted.load(Ordering::Relaxed) > 100 {
            server.terminate();
            asked = true;
        }
    }
    assert_eq!(code, Some(json!(1001)));
    let mut promised = 0;
    for publisher in publishers {
        for id in within("the publishers to notice", publisher).await.unwrap() {
            assert!(heard.contains(&id), "{id} has a receipt and never arrived");
            promised += 1;
        }
    }
    assert!(promised > 100);
    let server = Arc::into_inner(server).expect("nobody else holds the server");
    assert_eq!(server.ended().await.code(), Some(0));
}

/// The receipt, or nothing once the server refuses or is gone.
async fn post(server: &Server, push: &Value) -> Option<Value> {
    let wire = tokio::net::TcpStream::connect(&server.address).await.ok()?;
    let (mut reader, mut writer) = wire.into_split();
    let bytes = Request::json("/push/", push).bytes(&server.address);
    tokio::io::AsyncWriteExt::write_all(&mut writer, &bytes).await.ok()?;
    let mut answer = String::new();
    let read = tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut answer);
    within("an answer or an end", read).await.ok()?;
    let body = answer
        .strip_prefix("HTTP/1.1 200")
        .and_then(|rest| rest.split_once("\r\n\r\n"))?
        .1;
    serde_json::from_str(body).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_do_not_go_cannot_hold_the_process() {
    let server = Server::with("server.shutdown_timeout = \"2s\"");
    let _silent = server.wire().await;
    let _stalled = server.client().await;
    let mut half = server.wire().await;
    let head = b"POST /push/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{";
    half.write_all(head).await.unwrap();
    assert_eq!(server.get("/health/live").await.status, 200);
    server.terminate();
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
}

/// What a server may need when nobody answers, whatever it would wait for somebody who does.
const ALONE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_do_not_answer_are_not_waited_for() {
    let server = Server::start();
    let _silent = server.wire().await;
    let _deaf = server.client().await;
    let mut half = server.wire().await;
    let head = b"POST /push/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{";
    half.write_all(head).await.unwrap();
    let mut begun = server.wire().await;
    begun.write_all(b"GET /health/live HTTP/1.1\r\nHo").await.unwrap();
    let mut stream = server.wire().await;
    let request = Request::new("GET", "/events?channel=chat").bytes(&server.address);
    stream.write_all(&request).await.unwrap();
    let _ = within("the head of the stream", stream.read_u8()).await.unwrap();
    // Both workers have looked at what came before these.
    for _ in 0..4 {
        assert_eq!(server.get("/health/live").await.status, 200);
    }
    let asked = Instant::now();
    server.terminate();
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(asked.elapsed() < ALONE, "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_http2_connection_is_not_waited_for() {
    let (server, roots) = tls::secured();
    let mut wire = tls::connect(&server, roots, Some("h2")).await;
    // The preface of RFC 9113, 3.4: the magic, and settings without any.
    wire.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let mut head = [0; 9];
    within("the settings of the server", wire.read_exact(&mut head))
        .await
        .unwrap();
    assert_eq!(head[3], 4, "it is no SETTINGS frame: {head:?}");
    let asked = Instant::now();
    server.terminate();
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(asked.elapsed() < ALONE, "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_when_everybody_has_answered() {
    let server = Server::start();
    let mut clients = vec![server.client().await, server.member(&["chat"]).await];
    let mut idle = server.wire().await;
    idle.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let _ = within("an answer", idle.read_u8()).await.unwrap();
    let mut streams = Vec::new();
    for path in ["/events", "/events?format=native", "/sse"] {
        let mut wire = server.wire().await;
        wire.write_all(&Request::new("GET", path).bytes(&server.address))
            .await
            .unwrap();
        let _ = within("the head of the stream", wire.read_u8()).await.unwrap();
        streams.push(wire);
    }
    let asked = Instant::now();
    server.terminate();
    for client in &mut clients {
        assert_eq!(client.until_closed().await.1, Some(1001));
    }
    drop(clients);
    // A stream cannot be answered: its last chunk is the end, and nobody has to hang up.
    for wire in &mut streams {
        let mut rest = String::new();
        within("the end of a stream", wire.read_to_string(&mut rest))
            .await
            .unwrap();
        assert!(rest.ends_with("\r\n0\r\n\r\n"), "{rest}");
    }
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    // A server that looks once a second whether all have gone needs more.
    assert!(asked.elapsed() < Duration::from_millis(900), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_is_closed_does_not_end_the_server() {
    let server = Server::start();
    let mut client = server.member(&["chat"]).await;
    server.signal("HUP");
    server.receipt(&to_channel("chat", "E", json!(1))).await;
    assert_eq!(client.event().await["data"]["payload"], 1);
    server.still_serves().await;
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));
}

/// A connector that has something to write when the server stops, and needs somebody for it.
struct Slow {
    asked: Option<oneshot::Sender<()>>,
    written: Option<oneshot::Receiver<()>>,
    is_saved: Arc<AtomicBool>,
}

impl PushConnector for Slow {
    fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move {
            cx.report.state(ConnectorState::Running);
            cx.shutdown.wait().await;
            let _ = self.asked.take().unwrap().send(());
            let written = self.written.take().unwrap().await;
            self.is_saved.store(written.is_ok(), Ordering::SeqCst);
            Ok(())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_what_connectors_have_to_write() {
    let ((asked, hears), (write, written)) = (oneshot::channel(), oneshot::channel());
    let is_saved = Arc::new(AtomicBool::new(false));
    let slow = Slow {
        asked: Some(asked),
        written: Some(written),
        is_saved: Arc::clone(&is_saved),
    };
    let server = Embedded::start(|| {
        let sources = Sources {
            sets: vec!["server.listen=127.0.0.1:0".into(), "server.workers=1".into()],
            ..Sources::default()
        };
        let config = turted::Server::load(&sources).unwrap();
        let builder = turted::Server::builder().config(config).connector("slow", slow);
        builder.build().unwrap().start().unwrap()
    });
    until_state(&server.address, "slow", "running").await;
    let mut stopped = tokio::task::spawn_blocking(|| drop(server));
    within("the wish to stop", hears).await.unwrap();
    // Nobody else is here: a stop that does not wait is over long before.
    let early = tokio::time::timeout(Duration::from_millis(300), &mut stopped).await;
    assert!(early.is_err(), "it did not wait");
    let _ = write.send(());
    within("the end", stopped).await.unwrap();
    assert!(
        is_saved.load(Ordering::SeqCst),
        "what the connector had to write is lost"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_that_waits_is_answered_before_the_end() {
    let server = Server::start();
    let opened = server.ask(Request::post("/poll", "")).await.value();
    let (connection, secret) = (
        opened["connection"].as_str().unwrap(),
        opened["secret"].as_str().unwrap(),
    );
    let mut requests = vec![
        (
            Request::new("GET", &format!("/poll/{connection}?secret={secret}")),
            r#""code":1001"#,
        ),
        (
            Request::new("GET", "/events"),
            "event: turted:bye\ndata: {\"code\":1001",
        ),
        (Request::new("GET", "/events?format=native"), r#""code":1001"#),
    ];
    for (query, last) in [
        ("EIO=4", "\r\n\r\n1"),
        ("EIO=3", "1:1"),
        ("EIO=3&j=5", "___eio[5](\"1:1\")"),
    ] {
        requests.push((Engine::join(&server, query).await.0.request(), last));
    }
    for action in ACTIONS {
        let page = Page::open(&server, "/turted", &format!("end-{action}"), "xhr").await;
        drop(page);
        let page = Page::new(&server, "/turted", &format!("end-{action}"), action);
        let is_script = matches!(action, "htmlfile" | "jsonp");
        let last = if is_script {
            r#"c[1001,\"going away\"]"#
        } else {
            r#"c[1001,"going away"]"#
        };
        requests.push((page.request(), last));
    }
    let mut waiting = Vec::new();
    for (request, last) in requests {
        let mut wire = server.wire().await;
        tokio::io::AsyncWriteExt::write_all(&mut wire, &request.bytes(&server.address))
            .await
            .unwrap();
        waiting.push((wire, last));
    }
    // Both workers have looked at what came before these.
    for _ in 0..4 {
        assert_eq!(server.get("/health/live").await.status, 200);
    }
    let asked = std::time::Instant::now();
    server.terminate();
    for (wire, last) in &mut waiting {
        let mut answer = String::new();
        let read = tokio::io::AsyncReadExt::read_to_string(wire, &mut answer);
        within(last, read).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains(*last),
            "{last}: {answer}"
        );
    }
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(
        asked.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
}
