//! What gets lost between a node and its server.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use turted_core::ledger::{Ledger, LedgerError, Submission};
use turted_engine_redis::{RedisLedger, Settings};
use turted_services::redis::Redis;

use crate::proxy::{Cut, Proxy};
use crate::support::{Node, ledger};

/// Sends batches as a node does: several under way, and after any error all of them again, in order.
async fn write(node: &Node, batches: &[Vec<Submission>]) -> usize {
    let mut failures = 0;
    loop {
        let answers = join_all(batches.iter().map(|batch| node.append(batch))).await;
        let mut all = answers.into_iter();
        match all.find_map(Result::err) {
            None => return failures,
            Some(LedgerError::Away(_) | LedgerError::Hole) => failures += 1,
            Some(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gets_lost_two_hundred_times_is_neither_doubled_nor_missing() {
    let redis = Redis::start();
    let proxy = Proxy::start(redis.port).await;
    let far = RedisLedger::new(Settings::new(proxy.url(), "shop")).unwrap();
    let mut one = Node::begin(far, "one").await;
    let mut two = Node::begin(ledger(&redis), "two").await;
    assert_eq!(one.heard().await, ["turn"]);
    two.heard().await;
    let (mut failures, mut count) = (0, 0);
    for round in 0..200 {
        let batches = (0..fastrand::usize(1..=3)).map(|_| {
            let batch = (0..fastrand::usize(1..=5)).map(|_| {
                count += 1;
                let key = format!("key-{count}");
                one.next(&format!("1{count:05}"), Some(&*key).filter(|_| count % 3 == 0))
            });
            batch.collect()
        });
        let batches: Vec<Vec<Submission>> = batches.collect();
        proxy.cut(if round % 3 == 2 { Cut::Request } else { Cut::Answer });
        failures += write(&one, &batches).await;
        assert!(!proxy.is_due(), "it was lost");
        two.say(&format!("2{round:05}")).await;
    }
    assert!(failures >= 200, "{failures}");
    let heard = two.heard().await;
    let (ones, twos): (Vec<_>, Vec<_>) = heard.into_iter().partition(|word| word.starts_with('1'));
    assert_eq!(
        ones,
        (1..=count).map(|number| format!("1{number:05}")).collect::<Vec<_>>()
    );
    assert_eq!(twos, (0..200).map(|number| format!("2{number:05}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wire_that_swallows_everything_is_noticed_in_time() {
    let redis = Redis::start();
    let proxy = Proxy::start(redis.port).await;
    let far = RedisLedger::new(Settings::new(proxy.url(), "shop")).unwrap();
    let mut one = Node::begin(far, "one").await;
    one.heard().await;
    proxy.stall(true);
    let begun = Instant::now();
    let batch = [one.next("1", None)];
    let (appended, page, renewed) = tokio::join!(
        one.append(&batch),
        one.ledger.read(&one.at, Duration::from_millis(1500)),
        one.ledger.renew(&one.me),
    );
    for error in [appended.unwrap_err(), page.unwrap_err(), renewed.unwrap_err()] {
        assert!(
            matches!(&error, LedgerError::Away(sentence) if sentence.contains("in time")),
            "{error}"
        );
    }
    // 3 s, and what a busy machine adds.
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    proxy.stall(false);
    assert_eq!(one.append(&batch).await, Ok(vec![None]));
    assert_eq!(one.heard().await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_away_and_comes_back() {
    let redis = Redis::start();
    let mut one = Node::begin(ledger(&redis), "one").await;
    one.say("1").await;
    redis.freeze(true);
    let batch = [one.next("2", None)];
    assert!(matches!(one.append(&batch).await, Err(LedgerError::Away(_))));
    redis.freeze(false);
    assert_eq!(one.append(&batch).await, Ok(vec![None]));
    assert_eq!(one.heard().await, ["turn", "1", "2"]);
}
