//! Redis goes away and comes back: what each way of hearing promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{
    Again, Recorder, Redis, Value, add, connector, json, news, numbers, orders, publish, start, until,
};

async fn the_run_ends_with_a_sentence(section: Value) {
    let mut redis = Redis::start();
    let recorder = Recorder::default();
    let mut run = start(connector(&redis, section), &recorder);
    run.running().await;
    redis.kill();
    let error = run.ended().await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("the connection to redis at 127.0.0.1:{} was lost", redis.port)
    );
}

#[tokio::test]
async fn a_lost_connection_ends_the_run_with_a_sentence() {
    the_run_ends_with_a_sentence(orders()).await;
    the_run_ends_with_a_sentence(news()).await;
}

/// Adds numbered entries until it is told to stop, to a server that comes and goes; gives the numbers that it accepted.
fn producer(port: u16, stop: Arc<AtomicU64>) -> std::thread::JoinHandle<Vec<u64>> {
    std::thread::spawn(move || {
        let mut added = Vec::new();
        let mut number = 0;
        while stop.load(Ordering::Relaxed) == 0 {
            number += 1;
            let Ok(wire) = std::net::TcpStream::connect(("127.0.0.1", port)) else {
                std::thread::yield_now();
                continue;
            };
            let mut client = turted_services::redis::Client::over(wire);
            let said = client.say(&["XADD", "orders", "*", "n", &number.to_string()]);
            if said.is_ok()
                && client
                    .answer()
                    .is_ok_and(|answer| matches!(answer, crate::support::Reply::Text(_)))
            {
                added.push(number);
            }
        }
        added
    })
}

#[tokio::test]
async fn every_entry_that_redis_accepted_comes_once_and_in_order_through_restarts() {
    let mut redis = Redis::start();
    let recorder = Recorder::default();
    let mut run = start(Again(connector(&redis, orders())), &recorder);
    run.running().await;
    let stop = Arc::new(AtomicU64::new(0));
    let producer = producer(redis.port, stop.clone());
    for round in 1..=3 {
        recorder.has(round * 200).await;
        if round == 2 {
            redis.stop();
        } else {
            redis.kill();
        }
        redis.start_again();
    }
    recorder.has(recorder.dispatches().len() + 200).await;
    stop.store(1, Ordering::Relaxed);
    let added = producer.join().unwrap();
    let last = added.last().unwrap().to_string();
    until("the last one", || recorder.payloads().contains(&last)).await;
    until("acknowledging", || redis.pending("orders", "turted") == 0).await;
    let heard: Vec<u64> = recorder
        .payloads()
        .iter()
        .map(|payload| payload.parse().unwrap())
        .collect();
    let missing: Vec<&u64> = added.iter().filter(|number| !heard.contains(number)).collect();
    assert!(missing.is_empty(), "{missing:?} of {}", added.len());
    assert!(heard.is_sorted_by(|one, next| one < next), "in order, and none twice");
    run.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_published_while_both_are_there_comes_once_and_in_order_through_restarts() {
    let mut redis = Redis::start();
    let recorder = Recorder::default();
    let mut run = start(Again(connector(&redis, news())), &recorder);
    run.running().await;
    let mut expected = Vec::new();
    for round in 0..3_u64 {
        if round > 0 {
            redis.kill();
            redis.start_again();
        }
        // Redis itself says when we are back.
        until("subscribing", || {
            redis.must(&["PUBSUB", "NUMSUB", "news"]).list()[1].number() == 1
        })
        .await;
        for number in round * 100..round * 100 + 100 {
            assert_eq!(publish(&redis, &number.to_string()), 1);
            expected.push(number.to_string());
        }
        recorder.has(expected.len()).await;
    }
    assert_eq!(recorder.payloads(), expected);
    run.stop().await.unwrap();
}

#[tokio::test]
async fn nothing_is_left_out_when_redis_lost_its_data() {
    let mut redis = Redis::start();
    let recorder = Recorder::default();
    let mut run = start(Again(connector(&redis, orders())), &recorder);
    run.running().await;
    add(&redis, 1);
    recorder.has(1).await;
    redis.kill();
    redis.lose_data();
    redis.start_again();
    // The group may not be there yet; it is made to begin where we stopped, not at what is new.
    (2..=50).for_each(|number| drop(add(&redis, number)));
    recorder.has(50).await;
    assert_eq!(recorder.payloads(), numbers(1..=50));
    run.stop().await.unwrap();
}

#[tokio::test]
async fn a_stream_or_a_group_that_is_removed_is_made_again() {
    let redis = Redis::start();
    let recorder = Recorder::default();
    let mut run = start(Again(connector(&redis, orders())), &recorder);
    run.running().await;
    add(&redis, 1);
    recorder.has(1).await;
    redis.must(&["XGROUP", "DESTROY", "orders", "turted"]);
    add(&redis, 2);
    recorder.has(2).await;
    redis.must(&["DEL", "orders"]);
    redis.must(&["XADD", "orders", "1-1", "n", "3"]);
    recorder.has(3).await;
    assert_eq!(recorder.payloads(), numbers(1..=3), "also when the ids begin anew");
    run.stop().await.unwrap();
}

#[tokio::test]
async fn it_waits_for_a_server_that_is_not_there_yet() {
    let mut redis = Redis::absent("");
    let mut section = orders();
    section["channels"] = json!(["news"]);
    let error = start(connector(&redis, section.clone()), &Recorder::default())
        .ended()
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&format!("redis at 127.0.0.1:{} cannot be reached: ", redis.port)),
        "{error}"
    );
    let recorder = Recorder::default();
    let mut run = start(Again(connector(&redis, section)), &recorder);
    redis.start_again();
    run.running().await;
    add(&redis, 1);
    recorder.has(1).await;
    run.stop().await.unwrap();
}
