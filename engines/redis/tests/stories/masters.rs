//! Two masters, each of which takes writes.

use std::time::Duration;

use turted_core::ledger::{LedgerError, Origin};
use turted_core::testkit::soon;
use turted_services::redis::{Redis, Reply};

use crate::support::{LOG, Node, ledger};

/// The old master does not know that its replica was made a master: both go on, and nothing is called the same.
#[tokio::test(flavor = "multi_thread")]
async fn two_masters_give_no_id_twice_and_what_only_one_had_is_written_down_again_once() {
    let old = Redis::start();
    let new = Redis::with(&format!("replicaof 127.0.0.1 {}", old.port));
    let has = async |length: i64| {
        soon("a copy", async {
            while new.ask(&["XLEN", LOG]) != Reply::Number(length) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    };
    soon("a replica", async {
        while !new
            .must(&["INFO", "replication"])
            .text()
            .contains("master_link_status:up")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let mut one = Node::begin(ledger(&old), "one").await;
    one.say("1").await;
    has(2).await;
    new.must(&["REPLICAOF", "NO", "ONE"]);
    let mut two = Node::begin(ledger(&new), "two").await;
    one.say("2").await;
    assert_eq!(one.heard().await, ["turn", "1", "2"], "it goes on with the old one");
    assert_eq!(two.heard().await, ["turn", "1", "closed at 2", "turn"]);
    two.tickets = 0;
    two.say("3").await;
    assert_eq!(two.heard().await, ["3"]);
    assert_ne!(one.at.epoch, two.at.epoch);

    old.must(&["REPLICAOF", "127.0.0.1", &new.port.to_string()]);
    assert!(
        matches!(one.try_say("4").await, Err(LedgerError::Away(_))),
        "it takes nothing now"
    );
    let (node, epoch, ticket) = (one.me.clone(), one.at.epoch.clone(), 2);
    let origin = Origin { node, epoch, ticket };
    one.ledger = ledger(&new);
    one.open().await;
    assert_eq!(one.heard().await, ["closed at 2", "turn", "3"]);
    assert_eq!(one.at, two.at);
    one.tickets = 0;
    for node in [&mut one, &mut two] {
        let mut again = node.next("2", None);
        again.origin = Some(origin.clone());
        assert_eq!(node.append(&[again]).await, Ok(vec![None]));
    }
    assert_eq!(two.heard().await, ["2"]);
    assert_eq!(one.heard().await, ["2"]);
}
