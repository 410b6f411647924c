//! The suite that every shared log passes.
//!
//! In: a [`Realm`]. Out: nothing, or a panic that says which promise is broken.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use super::soon;
use crate::dispatch::{Dispatch, DispatchId, Epoch};
use crate::json::Payload;
use crate::ledger::{Ledger, LedgerError, NodeId, Origin, Page, Submission, Top, What};
use crate::limits::Limits;
use crate::name::{ChannelName, EventName};
use crate::target::Target;

/// A shared log, as the suite needs it. Each story has one of its own.
pub trait Realm {
    /// The door of one more node.
    fn ledger(&mut self) -> impl Future<Output = impl Ledger>;

    /// Another server takes over, which has only the oldest so many places.
    fn fail_over(&mut self, kept: u64) -> impl Future<Output = ()>;

    /// The server comes back with nothing.
    fn empty(&mut self) -> impl Future<Output = ()>;

    /// Only the newest so many places are kept.
    fn trim(&mut self, kept: u64) -> impl Future<Output = ()>;

    /// Something is written down that no node understands.
    fn scribble(&mut self) -> impl Future<Output = ()>;

    /// The others give up this node.
    fn bury(&mut self, node: &NodeId) -> impl Future<Output = ()>;
}

/// A node with what it knows.
struct Node<L> {
    ledger: L,
    me: NodeId,
    at: DispatchId,
    tickets: u64,
}

impl<L: Ledger> Node<L> {
    /// Begins with all that there is.
    async fn begin(ledger: L, name: &str) -> Self {
        let me = NodeId::parse(name).expect("a name for a node");
        let known = Epoch::new(&format!("{name}0")).id(0);
        let Top { floor: at, .. } = match soon("opening", ledger.open(&me)).await {
            Err(LedgerError::Turned) => {
                let next = Epoch::new(&format!("{name}1"));
                soon("turning", ledger.turn(&next, &known)).await.expect("a turn");
                soon("opening", ledger.open(&me)).await.expect("an open log")
            }
            top => top.expect("an open log"),
        };
        let tickets = 0;
        Self {
            ledger,
            me,
            at,
            tickets,
        }
    }

    fn next(&mut self, payload: &str, key: Option<&str>) -> Submission {
        self.tickets += 1;
        let (ticket, origin) = (self.tickets, None);
        let dispatch = dispatch(payload, key);
        Submission {
            ticket,
            dispatch,
            origin,
        }
    }

    async fn append(&self, batch: &[Submission]) -> Result<Vec<Option<DispatchId>>, LedgerError> {
        soon("an append", self.ledger.append(&self.me, &self.at.epoch, batch)).await
    }

    async fn say(&mut self, payload: &str) {
        let batch = [self.next(payload, None)];
        assert_eq!(self.append(&batch).await, Ok(vec![None]), "{payload}");
    }

    async fn page(&mut self) -> Page {
        let page = self.ledger.read(&self.at, Duration::from_millis(100));
        let page = soon("a page", page).await.expect("a page");
        match &page {
            Page::Entries(entries) => {
                for entry in entries {
                    self.at.sequence += 1;
                    assert_eq!(entry.sequence, self.at.sequence, "places have no gaps");
                }
            }
            Page::Turned { next, .. } => {
                self.at = next.clone();
                self.tickets = 0;
            }
            Page::Trimmed(floor) | Page::Unknown(floor) => self.at = floor.clone(),
        }
        page
    }

    /// Everything up to the end, a word for each.
    async fn heard(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            match self.page().await {
                Page::Entries(entries) if entries.is_empty() => return heard,
                Page::Entries(entries) => heard.extend(entries.into_iter().map(|entry| match entry.what {
                    What::Dispatch(_, dispatch) => dispatch.payload.as_str().to_owned(),
                    What::Turn => "turn".to_owned(),
                    What::Unreadable(_) => "unreadable".to_owned(),
                })),
                Page::Turned { closed, .. } => heard.push(format!("closed at {closed}")),
                Page::Trimmed(_) => heard.push("trimmed".to_owned()),
                Page::Unknown(_) => heard.push("unknown".to_owned()),
            }
        }
    }

    fn origin(&self, ticket: u64) -> Origin {
        let (node, epoch) = (self.me.clone(), self.at.epoch.clone());
        Origin { node, epoch, ticket }
    }
}

fn dispatch(payload: &str, key: Option<&str>) -> Arc<Dispatch> {
    let limits = Limits::default();
    let channel = ChannelName::parse("chat", &limits).expect("a channel");
    let payload = Payload::parse(payload.to_owned().into(), &limits).expect("a payload");
    let mut dispatch = Dispatch::new(EventName::unnamed(), vec![Target::Channel(channel)], payload);
    dispatch.key = key.map(Into::into);
    Arc::new(dispatch)
}

/// Runs all stories, each with a log of its own.
///
/// # Panics
/// When the log breaks a promise.
pub async fn every_ledger<R: Realm>(mut new: impl AsyncFnMut() -> R) {
    all_nodes_read_the_same_in_one_order(&mut new().await).await;
    what_is_sent_again_is_written_down_once(&mut new().await).await;
    a_missing_batch_is_noticed(&mut new().await).await;
    a_key_counts_on_every_node(&mut new().await).await;
    whoever_waits_is_woken(&mut new().await).await;
    a_server_that_took_over_begins_an_epoch(&mut new().await).await;
    an_empty_server_begins_an_epoch(&mut new().await).await;
    what_got_lost_is_written_down_again_by_one(&mut new().await).await;
    whoever_is_too_far_behind_is_told(&mut new().await).await;
    what_nobody_understands_keeps_its_place(&mut new().await).await;
    a_node_that_was_given_up_is_told(&mut new().await).await;
}

async fn all_nodes_read_the_same_in_one_order(realm: &mut impl Realm) {
    let mut one = Node::begin(realm.ledger().await, "one").await;
    let mut two = Node::begin(realm.ledger().await, "two").await;
    let begun = one.heard().await;
    assert_eq!(begun, ["turn"]);
    two.heard().await;
    let payload = r#"{"a":[1.0,"ü\n\u0000",12345678901234567890]}"#;
    one.say(payload).await;
    two.say("2").await;
    one.say("3").await;
    let batch: Vec<_> = (4..=100).map(|number| two.next(&number.to_string(), None)).collect();
    assert_eq!(two.append(&batch).await.map(|all| all.len()), Ok(97));
    let heard = one.heard().await;
    assert_eq!(heard.len(), 100);
    assert_eq!(heard[..4], [payload, "2", "3", "4"].map(str::to_owned));
    assert_eq!(two.heard().await, heard);
    let mut late = Node::begin(realm.ledger().await, "late").await;
    assert_eq!(late.heard().await[1..], heard, "all that there is, from the beginning");
    let top = soon("renewal", one.ledger.renew(&one.me)).await.expect("how it stands");
    assert_eq!(top.newest, one.at);
    let nodes: Vec<&str> = top.nodes.iter().map(NodeId::as_str).collect();
    assert_eq!(nodes, ["late", "one", "two"], "in the order of their names");
    soon("a farewell", late.ledger.leave(&late.me))
        .await
        .expect("a farewell");
    let top = soon("renewal", one.ledger.renew(&one.me)).await.expect("how it stands");
    assert_eq!(top.nodes.len(), 2);
}

async fn what_is_sent_again_is_written_down_once(realm: &mut impl Realm) {
    let mut one = Node::begin(realm.ledger().await, "one").await;
    one.heard().await;
    let batch = [one.next("1", None), one.next("2", Some("k")), one.next("3", None)];
    assert_eq!(one.append(&batch[..2]).await, Ok(vec![None, None]));
    let again = one.append(&batch).await;
    assert_eq!(again.map(|all| (all[0].clone(), all[2].clone())), Ok((None, None)));
    assert_eq!(one.heard().await, ["1", "2", "3"]);
}

async fn a_missing_batch_is_noticed(realm: &mut impl Realm) {
    let mut one = Node::begin(realm.ledger().await, "one").await;
    one.heard().await;
    let batch = [one.next("1", None), one.next("2", None)];
    assert_eq!(one.append(&batch[1..]).await, Err(LedgerError::Hole));
    assert_eq!(one.append(&batch).await, Ok(vec![None, None]));
    assert_eq!(one.heard().await, ["1", "2"]);
}

async fn a_key_counts_on_every_node(realm: &mut impl Realm) {
    let mut one = Node::begin(realm.ledger().await, "one").await;
    let mut two = Node::begin(realm.ledger().await, "two").await;
    one.heard().await;
    two.heard().await;
    let batch = [one.next("1", Some("order-7"))];
    assert_eq!(one.append(&batch).await, Ok(vec![None]));
    let first = one.at.epoch.id(one.at.sequence + 1);
    let batch = [two.next("2", Some("order-7")), two.next("3", None)];
    assert_eq!(two.append(&batch).await, Ok(vec![Some(first), None]));
    two.say("4").await;
    assert_eq!(one.heard().await, ["1", "3", "4"]);
}

async fn whoever_waits_is_woken(realm: &mut impl Realm) {
    let mut one = Node::begin(realm.ledger().await, "one").await;
    let mut two = Node::begin(realm.ledger().await, "two").await;
    one.heard().await;
    two.heard().await;
    let batch = [two.next("1", None)];
    let wait = one.ledger.read(&one.at, super::PATIENCE);
    let (page, placed) = tokio::join!(soon("a page", wait), two.append(&batch));
    assert_eq!(placed, Ok(vec![None]));
    assert!(matches!(page, Ok(Page::Entries(entries)) if entries.len() == 1));
}

async fn a_server_that_took_over_begins_an_epoch(realm: &mut impl Realm) {
    let mut one = Node::begin(realm.ledger().await, "one").await;
    let mut two = Node::begin(realm.ledger().await, "two").await;
    one.say("1").await;
    one.say("2").await;
    one.heard().await;
    let lost = one.at.sequence;
    realm.fail_over(lost - 1).await;
    let batch = [one.next("3", None)];
    let refused = one.append(&batch).await.unwrap_err();
    let refused = match refused {
        // The connection is still to the old server.
        LedgerError::Away(_) => soon("opening", one.ledger.open(&one.me)).await.unwrap_err(),
        refused => refused,
    };
    assert_eq!(refused, LedgerError::Turned);
    let (next, other) = (Epoch::new("e2"), Epoch::new("e3"));
    let ends = (one.at.clone(), two.at.clone());
    soon("a turn", one.ledger.turn(&next, &ends.0)).await.expect("a turn");
    let second = match two.ledger.turn(&other, &ends.1).await {
        Err(LedgerError::Away(_)) => soon("a turn", two.ledger.turn(&other, &ends.1)).await,
        second => second,
    };
    assert_eq!(second, Ok(()), "somebody else did it");
    for node in [&one.me, &two.me] {
        soon("opening", one.ledger.open(node)).await.expect("an open log");
    }
    one.tickets = 0;
    assert_eq!(
        one.heard().await,
        [format!("closed at {}", lost - 1), "turn".to_owned()]
    );
    assert_eq!(one.at.epoch, next);
    one.say("4").await;
    let heard = two.heard().await;
    assert_eq!(heard, ["turn", "1", &format!("closed at {}", lost - 1), "turn", "4"]);
    one.heard().await;
    assert_eq!(one.at, two.at);
    let mut late = Node::begin(realm.ledger().await, "late").await;
    assert_eq!(late.heard().await, heard);
}

async fn an_empty_server_begins_an_epoch(realm: &mut impl Realm) {
    let mut one = Node::begin(realm.ledger().await, "one").await;
    one.say("1").await;
    one.heard().await;
    let before = one.at.clone();
    realm.empty().await;
    let refused = match soon("opening", one.ledger.open(&one.me)).await {
        Err(LedgerError::Away(_)) => soon("opening", one.ledger.open(&one.me)).await,
        refused => refused,
    };
    assert_eq!(refused.map(|_| ()), Err(LedgerError::Turned));
    soon("a turn", one.ledger.turn(&Epoch::new("e2"), &before))
        .await
        .expect("a turn");
    soon("opening", one.ledger.open(&one.me)).await.expect("an open log");
    one.tickets = 0;
    assert_eq!(
        one.heard().await,
        [format!("closed at {}", before.sequence), "turn".to_owned()]
    );
    one.say("2").await;
    assert_eq!(one.heard().await, ["2"]);
    assert!(one.at.sequence > before.sequence, "numbers go on");
}

async fn what_got_lost_is_written_down_again_by_one(realm: &mut impl Realm) {
    let mut one = Node::begin(realm.ledger().await, "one").await;
    let mut two = Node::begin(realm.ledger().await, "two").await;
    let lost = [one.next("1", None)];
    one.append(&lost).await.expect("a place");
    two.heard().await;
    let origin = one.origin(1);
    realm.fail_over(1).await;
    for node in [&one, &two] {
        let next = Epoch::new(&format!("{}2", node.me));
        let turned = match soon("a turn", node.ledger.turn(&next, &node.at)).await {
            Err(LedgerError::Away(_)) => soon("a turn", node.ledger.turn(&next, &node.at)).await,
            turned => turned,
        };
        turned.expect("a turn");
        soon("opening", node.ledger.open(&node.me)).await.expect("an open log");
    }
    one.heard().await;
    two.heard().await;
    for node in [&mut one, &mut two] {
        let mut again = node.next("1", None);
        again.origin = Some(origin.clone());
        let batch = [
            again,
            node.next(if node.me.as_str() == "one" { "2" } else { "3" }, None),
        ];
        assert_eq!(node.append(&batch).await, Ok(vec![None, None]));
    }
    let page = one.page().await;
    let Page::Entries(entries) = page else {
        unreachable!("{page:?}");
    };
    assert!(
        matches!(&entries[0].what, What::Dispatch(by, _) if *by == origin),
        "as it was"
    );
    assert_eq!(two.heard().await, ["1", "2", "3"], "once, whoever wrote it");
}

async fn whoever_is_too_far_behind_is_told(realm: &mut impl Realm) {
    let mut one = Node::begin(realm.ledger().await, "one").await;
    let mut two = Node::begin(realm.ledger().await, "two").await;
    for number in 1..=5 {
        one.say(&number.to_string()).await;
    }
    realm.trim(2).await;
    assert_eq!(two.heard().await, ["trimmed", "4", "5"]);
    let mut late = Node::begin(realm.ledger().await, "late").await;
    assert_eq!(late.heard().await, ["4", "5"]);
    assert_eq!(late.at, two.at);
    one.heard().await;
    let stranger = Epoch::new("stranger").id(3);
    let page = one.ledger.read(&stranger, Duration::from_millis(100)).await;
    assert!(matches!(page, Ok(Page::Unknown(_))), "{page:?}");
}

async fn what_nobody_understands_keeps_its_place(realm: &mut impl Realm) {
    let mut one = Node::begin(realm.ledger().await, "one").await;
    one.say("1").await;
    realm.scribble().await;
    one.say("2").await;
    assert_eq!(one.heard().await, ["turn", "1", "unreadable", "2"]);
}

async fn a_node_that_was_given_up_is_told(realm: &mut impl Realm) {
    let mut one = Node::begin(realm.ledger().await, "one").await;
    one.heard().await;
    realm.bury(&one.me.clone()).await;
    let batch = [one.next("1", None)];
    assert_eq!(one.append(&batch).await, Err(LedgerError::Buried));
    let renewed = soon("renewal", one.ledger.renew(&one.me)).await;
    assert_eq!(renewed, Err(LedgerError::Buried));
}
