//! Nodes that come and go, and what is left of them.

use std::time::Duration;

use turted_core::dispatch::Epoch;
use turted_core::ledger::{Ledger, LedgerError, Origin};
use turted_core::testkit::soon;
use turted_engine_redis::RedisLedger;
use turted_services::redis::{Redis, Reply};

use crate::support::{LOG, META, NODES, Node, ledger, settings};

fn names(reply: &Reply) -> Vec<String> {
    let mut names: Vec<String> = reply.list().iter().map(Reply::text).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_lease_is_given_up_after_a_while_and_its_tickets_still_count() {
    let redis = Redis::start();
    let mut one = Node::begin(ledger(&redis), "one").await;
    let mut two = Node::begin(ledger(&redis), "two").await;
    two.heard().await;
    two.say("1").await;
    one.heard().await;
    redis.must(&["DEL", "turted:{shop}:node:two"]);
    let both = one.ledger.renew(&one.me).await.unwrap();
    assert_eq!(both.nodes.len(), 2, "it may come back");
    soon("a burial", async {
        while one.ledger.renew(&one.me).await.unwrap().nodes.len() > 1 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    assert_eq!(two.try_say("2").await, Err(LedgerError::Buried));
    assert_eq!(two.ledger.renew(&two.me).await, Err(LedgerError::Buried));
    // It begins anew, and does not know whether its first was written down.
    let mut three = Node::begin(ledger(&redis), "three").await;
    three.at = one.at.clone();
    let mut batch = vec![three.next("1", None), three.next("2", None)];
    for (ticket, one) in (1..).zip(&mut batch) {
        let (node, epoch) = (two.me.clone(), two.at.epoch.clone());
        one.origin = Some(Origin { node, epoch, ticket });
    }
    assert_eq!(three.append(&batch).await, Ok(vec![None, None]));
    assert_eq!(one.heard().await, ["2"], "the first was there");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_before_a_turn_is_not_written_down_again() {
    let redis = Redis::start();
    let mut one = Node::begin(ledger(&redis), "one").await;
    one.heard().await;
    let first = [
        one.next("1", Some("key")),
        one.next("2", None),
        one.next("3", Some("key")),
    ];
    let place = one.at.epoch.id(2);
    assert_eq!(one.append(&first).await, Ok(vec![None, None, Some(place.clone())]));
    let before = one.at.epoch.clone();
    redis.must(&["HSET", META, "fence", "another"]);
    one.open().await;
    assert_eq!(one.heard().await, ["1", "2", "closed at 3", "turn"]);
    let mut again = Vec::new();
    for (ticket, payload, key) in [
        (1, "1", Some("key")),
        (2, "2", None),
        (3, "3", Some("key")),
        (4, "4", None),
    ] {
        let (node, epoch) = (one.me.clone(), before.clone());
        let mut submission = one.next(payload, key);
        submission.origin = Some(Origin { node, epoch, ticket });
        again.push(submission);
    }
    assert_eq!(one.append(&again).await, Ok(vec![None, None, Some(place), None]));
    assert_eq!(one.heard().await, ["4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_left_has_an_end() {
    let redis = Redis::start();
    let mut one = Node::begin(ledger(&redis), "one").await;
    one.heard().await;
    let mut batch = [one.next("1", Some("key")), one.next("2", None)];
    let (node, epoch, ticket) = (one.me.clone(), Epoch::new("gone"), 7);
    batch[1].origin = Some(Origin { node, epoch, ticket });
    one.append(&batch).await.unwrap();
    one.ledger.renew(&one.me).await.unwrap();
    one.ledger.leave(&one.me).await.unwrap();
    let mut lasting = Vec::new();
    for key in names(&redis.must(&["KEYS", "*"])) {
        assert!(key.starts_with("turted:{shop}:"), "{key}");
        match redis.must(&["PTTL", &key]) {
            Reply::Number(left) if left > 0 => assert!(left <= 300_000, "{key}: {left}"),
            _ => lasting.push(key),
        }
    }
    assert_eq!(lasting, [LOG, META]);
    assert_eq!(redis.must(&["HLEN", NODES]), Reply::Number(0));
    let mut fields = names(&redis.must(&["HKEYS", META]));
    assert_eq!(fields, ["closed", "epoch", "fence", "seq"]);
    // Forty turns later, there are as many closed epochs as are remembered.
    let mut one = Node::begin(ledger(&redis), "one").await;
    for turn in 0..40 {
        one.heard().await;
        one.tickets = 0;
        one.say(&turn.to_string()).await;
        redis.must(&["HSET", META, "fence", "another"]);
        one.open().await;
    }
    fields = names(&redis.must(&["HKEYS", META]));
    assert!(fields.len() <= 4 + 32, "{fields:?}");
    assert_eq!(redis.must(&["HGET", META, "closed"]).text().split(' ').count(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_or_too_much_is_trimmed() {
    let redis = Redis::start();
    let mut settings = settings(&redis);
    settings.age = Duration::from_secs(1);
    let mut one = Node::begin(RedisLedger::new(settings.clone()).unwrap(), "one").await;
    let batch: Vec<_> = (0..300).map(|number| one.next(&number.to_string(), None)).collect();
    one.at.sequence = 1;
    one.append(&batch).await.unwrap();
    soon("a trim", async {
        while one.ledger.renew(&one.me).await.unwrap().floor.sequence == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    settings.count = 100;
    let mut two = Node::begin(RedisLedger::new(settings).unwrap(), "two").await;
    two.at.epoch = one.at.epoch.clone();
    let batch: Vec<_> = (0..1000).map(|number| two.next(&number.to_string(), None)).collect();
    two.append(&batch).await.unwrap();
    assert!(redis.must(&["XLEN", LOG]).number() < 300, "about a hundred");
    let top = two.ledger.renew(&two.me).await.unwrap();
    assert!(top.newest.sequence - top.floor.sequence < 300, "{top:?}");
}
