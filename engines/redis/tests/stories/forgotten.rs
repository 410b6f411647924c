//! What a server forgets while it runs.

use std::time::Duration;

use turted_core::ledger::{Ledger, LedgerError, Page};
use turted_core::testkit::PATIENCE;
use turted_services::redis::Redis;

use crate::support::{LOG, META, NODES, Node, ledger};

/// Two nodes, one of which waits for more, when something is forgotten; what both hear afterwards.
async fn after(forget: &[&str]) -> (Vec<String>, Vec<String>, u64) {
    let redis = Redis::start();
    let mut one = Node::begin(ledger(&redis), "one").await;
    let mut two = Node::begin(ledger(&redis), "two").await;
    one.say("1").await;
    two.say("2").await;
    two.heard().await;
    one.heard().await;
    let known = one.at.sequence;
    let reading = one.ledger.read(&one.at, PATIENCE);
    let (page, ()) = tokio::join!(reading, async {
        // It waits: its connection says so.
        while !redis.must(&["CLIENT", "LIST"]).text().contains("cmd=xread") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        redis.must(forget);
    });
    assert_eq!(page.unwrap_err(), LedgerError::Turned, "whoever waits is told");
    assert_eq!(two.try_say("3").await, Err(LedgerError::Turned));
    assert_eq!(two.ledger.renew(&two.me).await, Err(LedgerError::Turned));
    assert_eq!(one.ledger.open(&one.me).await, Err(LedgerError::Turned));
    one.open().await;
    two.open().await;
    let mut heard = Vec::new();
    for node in [&mut one, &mut two] {
        heard.extend(node.heard().await);
        node.tickets = 0;
        node.say("4").await;
    }
    assert_eq!(heard.len(), 5, "{heard:?}");
    let mut late = Node::begin(ledger(&redis), "late").await;
    assert!(one.at.sequence > known, "numbers go on");
    (heard, late.heard().await, known)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_hears_that_everything_was_deleted() {
    let (heard, late, known) = after(&["FLUSHALL"]).await;
    assert_eq!(
        heard,
        [
            &format!("closed at {known}"),
            "turn",
            &format!("closed at {known}"),
            "turn",
            "4"
        ]
    );
    assert_eq!(late, ["turn", "4", "4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_hears_that_the_log_was_deleted() {
    let (heard, late, known) = after(&["DEL", LOG]).await;
    assert_eq!(
        heard,
        [
            &format!("closed at {known}"),
            "turn",
            &format!("closed at {known}"),
            "turn",
            "4"
        ]
    );
    assert_eq!(late, ["turn", "4", "4"]);
}

/// As an eviction would do it.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_hears_that_the_places_were_evicted() {
    let (heard, late, known) = after(&["UNLINK", META]).await;
    let closed = format!("closed at {known}");
    assert_eq!(heard, [&*closed, "turn", &closed, "turn", "4"]);
    assert_eq!(
        late,
        ["turn", "1", "2", &closed, "turn", "4", "4"],
        "the log is still there"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_register_means_that_a_node_was_given_up() {
    let redis = Redis::start();
    let mut one = Node::begin(ledger(&redis), "one").await;
    redis.must(&["DEL", NODES]);
    assert_eq!(one.try_say("1").await, Err(LedgerError::Buried));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_somebody_else_writes_into_is_closed_and_goes_on() {
    let redis = Redis::start();
    let mut one = Node::begin(ledger(&redis), "one").await;
    one.say("1").await;
    one.heard().await;
    for id in ["3-7", "900-0", "1900000000000-3", "18446744073709551615-0"] {
        redis.must(&["XADD", LOG, id, "a", "b"]);
        assert_eq!(one.try_say("2").await, Err(LedgerError::Turned), "{id}");
        one.open().await;
        let heard = one.heard().await;
        assert_eq!(heard.last().map(String::as_str), Some("turn"), "{id}: {heard:?}");
        one.tickets = 0;
        one.say("2").await;
        assert_eq!(one.heard().await, ["2"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_in_the_stream_is_told_as_what_was_trimmed() {
    let redis = Redis::start();
    let mut one = Node::begin(ledger(&redis), "one").await;
    for word in ["1", "2", "3"] {
        one.say(word).await;
    }
    redis.must(&["XDEL", LOG, "3-0"]);
    let hole = format!("trimmed at {}", one.at.epoch.id(3));
    assert_eq!(one.heard().await, ["turn", "1", &hole, "3"]);
    redis.must(&["XTRIM", LOG, "MAXLEN", "0"]);
    one.say("4").await;
    redis.must(&["XTRIM", LOG, "MAXLEN", "0"]);
    let page = one.page(Duration::ZERO).await;
    assert!(
        matches!(&page, Ok(Page::Trimmed(floor)) if floor.sequence == 5),
        "{page:?}"
    );
    one.say("5").await;
    assert_eq!(one.heard().await, ["5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_were_flushed_are_sent_again() {
    let redis = Redis::start();
    let mut one = Node::begin(ledger(&redis), "one").await;
    redis.must(&["SCRIPT", "FLUSH"]);
    one.say("1").await;
    assert_eq!(one.heard().await, ["turn", "1"]);
}
