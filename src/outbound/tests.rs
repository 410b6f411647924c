//! What an answer may do to whoever asked: nothing but answer.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix::System;
use bytes::Bytes;
use http::Method;

use super::destination::{OutboundError, Request};
use super::*;

const BOUNDS: Bounds = Bounds {
    at_once: 2,
    waiting: 1,
    bytes: 1024,
    timeout: Duration::from_secs(5),
};

/// Answers each connection with these bytes, and closes it; gives its URL, and counts those who came.
fn peer(answer: impl Into<Vec<u8>>) -> (String, Arc<AtomicUsize>) {
    let answer: Vec<u8> = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?key=hush", listener.local_addr().unwrap());
    let came = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&came);
    std::thread::spawn(move || {
        for wire in listener.incoming() {
            let mut wire = wire.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let (mut request, mut piece) = (Vec::new(), [0; 4096]);
            // What is left unread would reset the connection, and with it the answer.
            while !request.ends_with(b"\r\n\r\n{}") {
                match wire.read(&mut piece) {
                    Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
                    _ => break,
                }
            }
            let _ = wire.write_all(&answer);
        }
    });
    (url, came)
}

fn post() -> Request {
    Request {
        method: Method::POST,
        headers: vec![("content-type", "application/json".to_owned())],
        body: Bytes::from_static(b"{}"),
    }
}

fn run(story: impl AsyncFnOnce(Outbound)) {
    System::new().block_on(async {
        story(Outbound::start(Outcomes::default())).await;
        System::current().stop();
    });
}

#[test]
fn an_answer_comes_back_whole() {
    let (url, came) = peer("HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 2\r\n\r\nok");
    run(async |outbound| {
        let answer = outbound
            .toward("test", &url, BOUNDS)
            .unwrap()
            .send(post())
            .await
            .unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
        assert_eq!(answer.header("cache-control"), Some("max-age=60"));
        assert_eq!(came.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_redirect_is_an_answer_and_leads_nowhere() {
    let (there, came) = peer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    for status in [301, 302, 307, 308] {
        let (url, _) = peer(format!(
            "HTTP/1.1 {status} Go\r\nlocation: {there}\r\ncontent-length: 0\r\n\r\n"
        ));
        run(async |outbound| {
            let answer = outbound
                .toward("test", &url, BOUNDS)
                .unwrap()
                .send(post())
                .await
                .unwrap();
            assert_eq!(answer.status, status);
        });
    }
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

#[test]
fn what_is_too_long_is_not_read_whether_or_not_it_says_so() {
    let long = "x".repeat(2000);
    for head in [
        "content-length: 2000",
        "content-length: 100000000000",
        "connection: close",
    ] {
        let (url, _) = peer(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{long}"));
        run(async |outbound| {
            let answer = outbound.toward("test", &url, BOUNDS).unwrap().send(post()).await;
            assert_eq!(answer, Err(OutboundError::TooLarge(1024)), "{head}");
        });
    }
}

#[test]
fn what_is_no_http_or_closes_or_is_not_there_is_unreachable_and_says_nothing_that_was_sent() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = [
        peer("hello\r\n\r\n").0,
        peer("").0,
        format!("http://{gone}/hook?key=hush"),
    ];
    for url in urls {
        run(async |outbound| {
            let destination = outbound.toward("test", &url, BOUNDS).unwrap();
            let error = destination.send(post()).await.unwrap_err();
            assert!(matches!(error, OutboundError::Unreachable(_)), "{error}");
            let said = format!("{error} {error:?} {destination:?}");
            assert!(!said.contains("hush"), "{said}");
        });
    }
}

/// Listens, and never answers.
fn silent() -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    (format!("http://{}/", listener.local_addr().unwrap()), listener)
}

#[test]
fn who_never_answers_is_late_and_more_than_may_wait_are_crowded() {
    let (url, _listener) = silent();
    let timeout = Duration::from_millis(300);
    run(async |outbound| {
        let destination = outbound.toward("test", &url, Bounds { timeout, ..BOUNDS }).unwrap();
        let began = Instant::now();
        let all = (0..4).map(|_| destination.send(post()));
        let mut answers = futures_util::future::join_all(all).await;
        answers.sort_by_key(|answer| format!("{answer:?}"));
        let late = Err(OutboundError::Late(timeout));
        assert_eq!(answers, [Err(OutboundError::Crowded), late.clone(), late.clone(), late]);
        assert!(began.elapsed() < Duration::from_secs(5));
    });
}

#[test]
fn who_stops_waiting_gives_its_place_back() {
    let (url, _listener) = silent();
    run(async |outbound| {
        let bounds = Bounds {
            at_once: 1,
            waiting: 1,
            ..BOUNDS
        };
        let destination = outbound.toward("test", &url, bounds).unwrap();
        for _ in 0..3 {
            let given_up = tokio::time::timeout(Duration::from_millis(20), destination.send(post())).await;
            // Neither crowded nor anything else: it had a place each time.
            assert!(given_up.is_err());
        }
    });
}

#[test]
fn a_url_that_cannot_be_asked_is_refused_with_a_sentence() {
    run(async |outbound| {
        for (url, why) in [
            ("", "is no URL"),
            ("/turted", "must begin with http"),
            ("ftp://h/", "must begin with http"),
            ("http://adam:hush@h/", "must not hold credentials"),
            ("http:///path", "is no URL"),
        ] {
            let wrong = outbound.toward("test", url, BOUNDS).unwrap_err();
            assert!(wrong.starts_with(why), "{url}: {wrong}");
        }
    });
}

#[test]
fn a_number_that_is_an_address_in_disguise_is_a_name_and_not_asked() {
    run(async |outbound| {
        let destination = outbound.toward("test", "http://2852039166/latest", BOUNDS).unwrap();
        let error = destination.send(post()).await.unwrap_err();
        assert!(
            matches!(error, OutboundError::Forbidden | OutboundError::Unreachable(_)),
            "{error}"
        );
    });
}

#[test]
fn a_connection_is_kept_for_the_next_question_and_a_new_one_made_when_it_was_closed_meanwhile() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        // Two answers on the first connection, which it closes without having promised to; one on the second.
        for answers in [2, 1] {
            let mut wire = listener.accept().unwrap().0;
            for number in 0..answers {
                let mut piece = [0; 4096];
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n{}") {
                    let read = wire.read(&mut piece).unwrap();
                    assert!(read > 0, "a question");
                    request.extend_from_slice(&piece[..read]);
                }
                let body = answers * 10 + number;
                write!(wire, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{body}").unwrap();
            }
        }
    });
    run(async |outbound| {
        let destination = outbound.toward("test", &url, BOUNDS).unwrap();
        for expected in ["20", "21", "10"] {
            assert_eq!(destination.send(post()).await.unwrap().body, expected);
        }
    });
}
