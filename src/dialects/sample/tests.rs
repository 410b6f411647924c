//! Stories of the smallest dialect, through a real server.

use std::time::{Duration, Instant};

use crate::config::{Config, Sources};
use crate::{Running, Server};

fn start(sets: &[&str]) -> Running {
    let always = [
        "server.listen=127.0.0.1:0",
        "clients.sample.type=sample",
        "clients.sample.path=/sample",
    ];
    let sources = Sources {
        sets: always.iter().chain(sets).map(|set| (*set).to_owned()).collect(),
        ..Sources::default()
    };
    let config: Config = Server::load(&sources).unwrap();
    Server::builder().config(config).build().unwrap().start().unwrap()
}

/// Status and text of the answer to a batch.
async fn say(server: &Running, batch: &str) -> (u16, String) {
    let url = format!("http://{}/sample", server.addresses()[0].0);
    let request = awc::Client::default().post(url).timeout(Duration::from_secs(20));
    let mut response = request.send_body(batch.to_owned()).await.unwrap();
    let body = response.body().await.unwrap();
    (response.status().as_u16(), String::from_utf8(body.to_vec()).unwrap())
}

#[actix_web::test]
async fn a_batch_is_answered_once_in_order_when_its_last_answer_is_there() {
    let server = start(&[]);
    let begun = Instant::now();
    let (status, answer) = say(&server, "join a\njoin b\nleave a\nleave c\nwhat\nlate 120").await;
    // What is wrong in itself is known before anybody is asked.
    let expected = "what?\nin a\nin b\nout of a\nthis connection is not in the channel c\nat last";
    assert_eq!((status, answer.as_str()), (200, expected));
    assert!(begun.elapsed() >= Duration::from_millis(120));
    server.stop().await;
}

#[actix_web::test]
async fn a_hundred_wishes_in_one_message_are_granted_one_after_the_other() {
    let server = start(&["limits.channels_per_connection=1"]);
    let batch: Vec<String> = (0..50).map(|n| format!("join c{n}\nleave c{n}")).collect();
    let answers: Vec<String> = (0..50).map(|n| format!("in c{n}\nout of c{n}")).collect();
    assert_eq!(say(&server, &batch.join("\n")).await, (200, answers.join("\n")));
    server.stop().await;
}

#[actix_web::test]
async fn a_conversation_that_panics_ends_its_client_alone_and_leaves_nothing_behind() {
    let server = start(&[]);
    let metrics = || async {
        let url = format!("http://{}/metrics", server.addresses()[0].0);
        let mut response = awc::Client::default().get(url).send().await.unwrap();
        String::from_utf8(response.body().await.unwrap().to_vec()).unwrap()
    };
    // It is ended with 1011; a conversation that has panicked has no last words.
    assert_eq!(say(&server, "join a\npanic").await, (410, String::new()));
    assert_eq!(say(&server, "join a").await, (200, "in a".to_owned()), "others go on");
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let shown = metrics().await;
        if shown.contains("turted_connections 0") && shown.contains("turted_parked 0") {
            assert!(
                shown.contains("turted_connections_ended_total{reason=\"internal error\"} 1"),
                "{shown}"
            );
            break;
        }
        assert!(Instant::now() < deadline, "{shown}");
        tokio::task::yield_now().await;
    }
    server.stop().await;
}
