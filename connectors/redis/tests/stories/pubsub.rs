//! Pub/Sub: at most once, in order, and never more in memory than allowed.

use turted_core::Target;
use turted_core::testkit::soon;

use crate::support::{News, Recorder, Redis, connector, every_connector, json, news, numbers, publish, start, until};

#[tokio::test]
async fn it_keeps_the_promises_of_every_connector() {
    for protocol in ["resp2", "resp3"] {
        every_connector(News {
            redis: Redis::start(),
            protocol,
        })
        .await;
    }
}

#[tokio::test]
async fn a_pattern_gives_the_words_of_the_channel() {
    let redis = Redis::start();
    let section = json!({
        "channels": ["plain"],
        "patterns": ["chat:*", "shop.*"],
        "envelope": {
            "event": "{channel.0}",
            "users": "{channel.1|nobody}",
            "payload": {"channel": "{channel}", "pattern": "{pattern|none}", "text": "{body}"},
        },
    });
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, section), &recorder);
    run.running().await;
    for channel in ["chat:adam", "shop.eve:x", "plain", "elsewhere"] {
        redis.must(&["PUBLISH", channel, "hello \"you\""]);
    }
    let heard = recorder.has(3).await;
    let users: Vec<_> = heard.iter().map(|dispatch| dispatch.targets.clone()).collect();
    let user = |name: &str| {
        vec![Target::User(
            turted_core::UserName::parse(name, &turted_core::Limits::default()).unwrap(),
        )]
    };
    assert_eq!(users, [user("adam"), user("eve"), user("nobody")]);
    assert_eq!(
        recorder.payloads(),
        [
            r#"{"channel":"chat:adam","pattern":"chat:*","text":"hello \"you\""}"#,
            r#"{"channel":"shop.eve:x","pattern":"shop.*","text":"hello \"you\""}"#,
            r#"{"channel":"plain","pattern":"none","text":"hello \"you\""}"#,
        ]
    );
    run.stop().await.unwrap();
}

#[tokio::test]
async fn a_channel_whose_name_is_no_text_is_refused_and_the_next_is_served() {
    let redis = Redis::start();
    let section = json!({"patterns": ["*"], "envelope": {"event": "E", "channels": "{channel}"}});
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, section), &recorder);
    run.running().await;
    redis.ask(&[b"PUBLISH".as_slice(), b"\xff\xfe", b"1"]);
    redis.ask(&[b"PUBLISH".as_slice(), b"news", b"\xff"]);
    publish(&redis, "2");
    recorder.has(1).await;
    assert_eq!(recorder.payloads(), ["2"]);
    assert_eq!(run.report.counts().1, 2, "{:?}", run.report.refusals());
    run.stop().await.unwrap();
}

#[tokio::test]
async fn what_an_overloaded_server_cannot_take_is_dropped_and_counted() {
    let redis = Redis::start();
    let mut section = news();
    section["buffer"] = json!("1 MiB");
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, section), &recorder);
    run.running().await;
    recorder.hold();
    let long = "x".repeat(1000);
    let commands: Vec<Vec<String>> = (0..20_000)
        .map(|number| {
            ["PUBLISH", "news", &format!("[{number},\"{long}\"]")]
                .map(str::to_owned)
                .to_vec()
        })
        .collect();
    let mut client = redis.client();
    let heard = tokio::task::spawn_blocking(move || client.ask_all(&commands))
        .await
        .unwrap();
    assert!(
        heard.iter().all(|heard| heard.number() == 1),
        "redis does not cut us off"
    );
    let report = run.report.clone();
    until("dropping", || {
        report
            .refusals()
            .get("overflow")
            .is_some_and(|dropped| *dropped > 19_000)
    })
    .await;
    recorder.release();
    until("taking the rest", || {
        let (accepted, dropped) = report.counts();
        accepted + dropped == 20_000
    })
    .await;
    let kept = report.counts().0;
    assert!((700..1000).contains(&kept), "{kept} were kept");
    assert!(recorder.payloads()[0].starts_with("[0,"));
    assert!(
        recorder.payloads()[700].starts_with("[700,"),
        "what was kept has no holes"
    );
    publish(&redis, "\"again\"");
    soon("the next one", async {
        while recorder.payloads().last().is_none_or(|last| last != "\"again\"") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    run.stop().await.unwrap();
}

#[tokio::test]
async fn channels_and_streams_in_one_section() {
    let redis = Redis::start();
    let section = json!({
        "channels": ["news"],
        "streams": ["orders"],
        "body": "n",
        "envelope": {"event": "{stream|published}", "channels": "all"},
    });
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, section), &recorder);
    run.running().await;
    publish(&redis, "1");
    recorder.has(1).await;
    redis.must(&["XADD", "orders", "*", "n", "2"]);
    let heard = recorder.has(2).await;
    let events: Vec<_> = heard.iter().map(|dispatch| dispatch.event.as_str()).collect();
    assert_eq!(
        (events, recorder.payloads()),
        (vec!["published", "orders"], numbers(1..=2))
    );
    run.stop().await.unwrap();
}
