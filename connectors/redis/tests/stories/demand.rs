//! Channels that are heard only while somebody needs them, and what is published for others.

use turted_core::testkit::soon;
use turted_core::{ChannelName, Limits, Payload, PushConnector};

use crate::support::{Again, Recorder, Redis, Value, build, connector, json, numbers, start, until};

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text, &Limits::default()).unwrap()
}

/// A section that hears what is needed of the channels with a colon.
fn needed() -> Value {
    json!({"on_demand": ["*:**"], "envelope": {"event": "E", "channels": "{channel}"}})
}

/// How many are subscribed to a channel.
fn subscribers(redis: &Redis, channel: &str) -> usize {
    redis.must(&["PUBSUB", "NUMSUB", channel]).list()[1].number()
}

#[tokio::test]
async fn a_channel_is_heard_from_when_it_is_needed_until_it_is_not() {
    let redis = Redis::start();
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, needed()), &recorder);
    run.running().await;
    assert_eq!(redis.must(&["PUBLISH", "a:b|c:d", "0"]).number(), 0);
    run.occupancy.change([(name("a:b|c:d"), true), (name("plain"), true)]);
    assert!(run.occupancy.unsettled(&name("plain")).is_none(), "not of its kind");
    if let Some(settling) = run.occupancy.unsettled(&name("a:b|c:d")) {
        soon("settling", settling.wait()).await;
    }
    // Whoever was told that it is in hears what is published from then on.
    assert_eq!(redis.must(&["PUBLISH", "a:b|c:d", "1"]).number(), 1);
    assert_eq!(redis.must(&["PUBLISH", "plain", "2"]).number(), 0);
    recorder.has(1).await;
    let heard = recorder.dispatches();
    assert_eq!(
        serde_json::to_string(&heard[0].targets).unwrap(),
        r#"[{"channel":"a:b|c:d"}]"#
    );
    run.occupancy.change([(name("a:b|c:d"), false)]);
    until("nobody is subscribed", || subscribers(&redis, "a:b|c:d") == 0).await;
    assert_eq!(recorder.payloads(), ["1"]);
    run.stop().await.unwrap();
}

#[tokio::test]
async fn thousands_are_needed_at_once_and_given_up_at_once() {
    let redis = Redis::start();
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, needed()), &recorder);
    let names: Vec<ChannelName> = (0..3000).map(|number| name(&format!("n:{number}"))).collect();
    run.occupancy.change(names.iter().map(|name| (name.clone(), true)));
    run.running().await;
    let heard = || redis.must(&["PUBSUB", "CHANNELS"]).list().len();
    until("all are subscribed", || heard() == 3000).await;
    run.occupancy.change(names.iter().map(|name| (name.clone(), false)));
    until("none is", || heard() == 0).await;
    run.stop().await.unwrap();
}

#[tokio::test]
async fn after_a_restart_of_redis_everything_needed_is_heard_again_and_nobody_waits_meanwhile() {
    let mut redis = Redis::start();
    let recorder = Recorder::default();
    let mut run = start(Again(connector(&redis, needed())), &recorder);
    run.running().await;
    run.occupancy.change([(name("a:1"), true), (name("a:2"), true)]);
    until("both are subscribed", || {
        subscribers(&redis, "a:1") + subscribers(&redis, "a:2") == 2
    })
    .await;
    redis.kill();
    run.occupancy.change([(name("a:2"), false), (name("a:3"), true)]);
    if let Some(settling) = run.occupancy.unsettled(&name("a:3")) {
        soon("nobody is there to wait for", settling.wait()).await;
    }
    redis.start_again();
    until("what is needed now is subscribed", || {
        let heard = redis.must(&["PUBSUB", "CHANNELS"]);
        let mut heard: Vec<String> = heard.list().iter().map(|one| one.text()).collect();
        heard.sort();
        heard == ["a:1", "a:3"]
    })
    .await;
    redis.must(&["PUBLISH", "a:1", "1"]);
    redis.must(&["PUBLISH", "a:3", "2"]);
    recorder.has(2).await;
    assert_eq!(recorder.payloads(), numbers(1..=2));
    run.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_published_for_others_is_heard_through_redis_also_after_its_restart() {
    let mut redis = Redis::start();
    let recorder = Recorder::default();
    let connector = connector(&redis, needed());
    let relay = connector.relay().unwrap();
    let mut run = start(Again(connector), &recorder);
    run.running().await;
    run.occupancy.change([(name("a:1"), true)]);
    until("it is subscribed", || subscribers(&redis, "a:1") == 1).await;
    let payload = |text: &'static str| Payload::parse(text.into(), &Limits::default()).unwrap();
    for text in [r#"{"é?": 1.50}"#, "null", r#""""#] {
        relay.publish(&name("a:1"), &payload(text)).await.unwrap();
    }
    recorder.has(3).await;
    assert_eq!(recorder.payloads(), [r#"{"é?": 1.50}"#, "null", r#""""#]);
    redis.kill();
    let error = relay
        .publish(&name("a:1"), &payload("4"))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("redis at 127.0.0.1:"), "{error}");
    redis.start_again();
    until("it is subscribed again", || subscribers(&redis, "a:1") == 1).await;
    relay.publish(&name("a:1"), &payload("5")).await.unwrap();
    recorder.has(4).await;
    assert_eq!(recorder.payloads()[3], "5");
    run.stop().await.unwrap();
}

#[test]
fn only_a_section_with_on_demand_wants_to_know_what_is_needed() {
    let section = |keys: Value| {
        let mut section = json!({"url": "redis://localhost"});
        section
            .as_object_mut()
            .unwrap()
            .extend(keys.as_object().unwrap().clone());
        build(section).unwrap().watches()
    };
    assert!(section(needed()));
    assert!(!section(json!({"channels": ["a"]})));
}
