//! What a node makes of its tickets, whatever becomes of them.

use super::*;
use tokio::sync::oneshot::error::TryRecvError;
use turted_core::{EventName, Payload, Target};

struct Waiter(oneshot::Receiver<Result<Receipt, PushError>>);

impl Waiter {
    fn has(&mut self) -> Option<String> {
        match self.0.try_recv() {
            Ok(Ok(receipt)) => Some(receipt.id.to_string()),
            Ok(Err(error)) => Some(error.to_string()),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Closed) => Some("nobody".to_owned()),
        }
    }
}

fn node(name: &str) -> NodeId {
    NodeId::parse(name).unwrap()
}

fn queue() -> Queue {
    Queue::new(node("me"), Epoch::new("e1"))
}

fn dispatch(bytes: usize, key: Option<&str>) -> Arc<Dispatch> {
    let limits = turted_core::Limits::default();
    let payload = Payload::parse("1".repeat(bytes).into(), &limits).unwrap();
    let mut dispatch = Dispatch::new(EventName::unnamed(), vec![Target::Everybody], payload);
    dispatch.key = key.map(Into::into);
    Arc::new(dispatch)
}

fn push(queue: &mut Queue, bytes: usize, key: Option<&str>) -> Waiter {
    let (reply, waiter) = oneshot::channel();
    assert!(queue.push(dispatch(bytes, key), reply).is_ok());
    Waiter(waiter)
}

fn origin(name: &str, epoch: &str, ticket: u64) -> Origin {
    Origin {
        node: node(name),
        epoch: Epoch::new(epoch),
        ticket,
    }
}

fn receipt(epoch: &str, sequence: u64) -> Receipt {
    let id = Epoch::new(epoch).id(sequence);
    Receipt::new(id, 1)
}

/// Tickets, and where each counts from.
fn sent(queue: &mut Queue) -> Vec<(u64, Option<Origin>)> {
    let batch = queue.batch().into_iter();
    batch.map(|one| (one.ticket, one.origin)).collect()
}

#[test]
fn a_receipt_comes_when_its_dispatch_is_read_back() {
    let mut queue = queue();
    let (mut one, mut two) = (push(&mut queue, 1, None), push(&mut queue, 1, None));
    assert_eq!(sent(&mut queue), [(1, None), (2, None)]);
    assert!(!queue.has_more() && queue.batch().is_empty());
    queue.taken(1, vec![None, None]);
    assert_eq!((one.has(), two.has()), (None, None), "it has a place, and was not read");
    assert!(!queue.read(&origin("other", "e1", 1), &receipt("e1", 7)));
    assert!(queue.read(&origin("me", "e1", 1), &receipt("e1", 8)));
    assert_eq!((one.has().as_deref(), two.has()), (Some("e1-8"), None));
    assert!(queue.read(&origin("me", "e1", 2), &receipt("e1", 9)));
    assert_eq!((two.has().as_deref(), queue.len(), queue.bytes), (Some("e1-9"), 0, 0));
    let _three = push(&mut queue, 1, None);
    assert_eq!(sent(&mut queue), [(3, None)]);
}

#[test]
fn what_was_read_back_was_taken_though_nobody_said_so() {
    let mut queue = queue();
    let (_one, mut two) = (push(&mut queue, 1, None), push(&mut queue, 1, None));
    assert_eq!(queue.batch().len(), 2);
    queue.again();
    assert!(queue.has_more());
    assert!(queue.read(&origin("me", "e1", 2), &receipt("e1", 2)));
    assert_eq!(
        (two.has().as_deref(), queue.len()),
        (Some("e1-2"), 2),
        "the first is not read"
    );
    assert!(queue.read(&origin("me", "e1", 1), &receipt("e1", 1)));
    assert_eq!(queue.len(), 0);
    assert!(!queue.read(&origin("me", "e1", 1), &receipt("e1", 1)), "once");
}

#[test]
fn batches_are_bounded_and_begin_again_where_it_waits() {
    let mut queue = queue();
    let _waiters: Vec<_> = (0..100).map(|_| push(&mut queue, 1, None)).collect();
    assert_eq!(
        (queue.batch().len(), queue.batch().len(), queue.batch().len()),
        (64, 36, 0)
    );
    queue.taken(1, vec![None; 64]);
    for ticket in 1..=10 {
        queue.read(&origin("me", "e1", ticket), &receipt("e1", ticket));
    }
    queue.again();
    assert_eq!(sent(&mut queue)[0], (11, None));
    let mut queue = Queue::new(node("me"), Epoch::new("e1"));
    let _waiters: Vec<_> = (0..3).map(|_| push(&mut queue, 200 * 1024, None)).collect();
    assert_eq!(sent(&mut queue), [(1, None)], "one is enough");
    assert_eq!(sent(&mut queue), [(2, None)]);
}

#[test]
fn there_is_room_for_so_many_and_for_one_that_is_larger_than_the_room() {
    let mut queue = queue();
    let _waiters: Vec<_> = (0..ROOM.0).map(|_| push(&mut queue, 1, None)).collect();
    let (reply, _waiter) = oneshot::channel();
    assert!(queue.push(dispatch(1, None), reply).is_err());
    let mut queue = Queue::new(node("me"), Epoch::new("e1"));
    let limits = turted_core::Limits {
        push_bytes: usize::MAX,
        ..turted_core::Limits::default()
    };
    let large = Payload::parse("1".repeat(ROOM.1 + 1).into(), &limits).unwrap();
    let large = || Arc::new(Dispatch::new(EventName::unnamed(), Vec::new(), large.clone()));
    let (reply, _waiter) = oneshot::channel();
    assert!(queue.push(large(), reply).is_ok());
    let (reply, _waiter) = oneshot::channel();
    assert!(queue.push(dispatch(1, None), reply).is_err());
}

#[test]
fn whoever_repeats_a_push_waits_until_that_was_read() {
    let mut queue = queue();
    let (mut one, mut two) = (push(&mut queue, 1, Some("k")), push(&mut queue, 1, None));
    assert_eq!(queue.batch().len(), 2);
    queue.taken(1, vec![Some(Epoch::new("e1").id(40)), None]);
    assert!(queue.repeating(&Epoch::new("e1").id(39)).is_empty());
    let found = queue.repeating(&Epoch::new("e1").id(40));
    assert_eq!((found.len(), &*found[0].key, found[0].id.sequence), (1, "k", 40));
    assert_eq!((queue.len(), one.has(), two.has()), (1, None, None));
    drop(found);
    assert_eq!(one.has().as_deref(), Some("nobody"));
    // Of an epoch that is over everything was read.
    let _three = push(&mut queue, 1, Some("k"));
    assert_eq!(sent(&mut queue), [(3, None)]);
    queue.taken(3, vec![Some(Epoch::new("e0").id(90))]);
    assert_eq!(queue.repeating(&Epoch::new("e1").id(41)).len(), 1);
}

#[test]
fn in_a_new_epoch_all_that_was_not_read_gets_new_tickets() {
    let mut queue = queue();
    let mut waiters: Vec<_> = (0..3).map(|_| push(&mut queue, 1, None)).collect();
    assert_eq!(queue.batch().len(), 3);
    queue.taken(1, vec![None; 3]);
    queue.read(&origin("me", "e1", 1), &receipt("e1", 1));
    let lost = vec![(origin("other", "e1", 9), dispatch(1, None))];
    queue.turn(node("me"), Epoch::new("e2"), lost);
    let own = |ticket| Some(origin("me", "e1", ticket));
    let others = Some(origin("other", "e1", 9));
    assert_eq!(sent(&mut queue), [(1, others), (2, own(2)), (3, own(3))]);
    // Another node has written one of them down before.
    assert!(queue.read(&origin("me", "e1", 3), &receipt("e2", 5)));
    assert_eq!(waiters[2].has().as_deref(), Some("e2-5"));
    assert_eq!(queue.len(), 3, "its ticket still counts");
    queue.taken(1, vec![None; 3]);
    assert!(
        !queue.read(&origin("other", "e1", 9), &receipt("e2", 6)),
        "nobody waits for it here"
    );
    assert!(queue.read(&origin("me", "e1", 2), &receipt("e2", 7)));
    assert_eq!((waiters[1].has().as_deref(), queue.len()), (Some("e2-7"), 0));
    let _four = push(&mut queue, 1, None);
    assert_eq!(sent(&mut queue), [(4, None)]);
    // And once more, before anything was read.
    queue.turn(node("me2"), Epoch::new("e2"), Vec::new());
    assert_eq!(sent(&mut queue), [(1, Some(origin("me", "e2", 4)))]);
    assert_eq!(queue.me().as_str(), "me2");
}

#[test]
fn what_may_have_been_forgotten_unread_has_no_receipt() {
    let mut queue = queue();
    let mut sent_one = push(&mut queue, 1, None);
    assert_eq!(queue.batch().len(), 1);
    queue.again();
    let mut unsent = push(&mut queue, 1, None);
    queue.lose(&Epoch::new("e1"));
    assert_eq!(sent_one.has(), Some(PushError::Unknown.to_string()));
    assert_eq!((unsent.has(), queue.len()), (None, 2), "the ticket still counts");
    queue.taken(1, vec![None]);
    assert_eq!(sent(&mut queue), [(2, None)]);
}

#[test]
fn what_others_lost_is_written_down_again_whatever_was_forgotten() {
    let mut queue = queue();
    let lost = vec![(origin("other", "e0", 9), dispatch(1, None))];
    queue.turn(node("me"), Epoch::new("e1"), lost);
    let _own = push(&mut queue, 1, None);
    assert_eq!(queue.batch().len(), 2);
    queue.lose(&Epoch::new("e2"));
    queue.turn(node("me"), Epoch::new("e2"), Vec::new());
    assert_eq!(sent(&mut queue), [(1, Some(origin("other", "e0", 9)))]);
    queue.lose(&Epoch::new("e2"));
    queue.taken(1, vec![None]);
    assert_eq!(queue.len(), 0, "it has a place");
}
