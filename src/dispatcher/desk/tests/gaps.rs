//! Stories about what may be missing: clients that were away, that heard nothing for long, that come from another time.

use super::*;

const NONE: fn() -> Exclude = Exclude::default;

fn ended(story: &Story) -> Vec<String> {
    let notes = story.heard.0.lock().unwrap();
    let ended = |note: &Note| match note {
        Note::Ended { connection, code, .. } => Some(format!("{connection} {code}")),
        _ => None,
    };
    notes.iter().filter_map(ended).collect()
}

#[test]
fn a_quiet_client_that_loses_its_wire_is_not_told_of_a_gap_that_is_none() {
    let mut story = Story::with_log(3);
    let (seat, lane) = story.open();
    story.ask(seat, join("chat"));
    story.push(to("chat"), NONE());
    // Nothing for it, for longer than the log reaches.
    for _ in 0..10 {
        story.push(to("news"), NONE());
    }
    story.take(lane);
    story.ask(seat, Request::Gone(Ending::Vanished));
    story.push(to("news"), NONE());
    story.push(to("chat"), NONE());
    let (again, lane) = story.open();
    story.resume(again, "t0", Some("e-1"));
    assert_eq!(story.take(lane), [r#"e-13 {"channel":"chat"}"#, "resumed c0 true 1"]);
    // The same once more, without anything new: what it saw last is older still.
    for _ in 0..10 {
        story.push(to("news"), NONE());
    }
    story.ask(again, Request::Gone(Ending::Vanished));
    let (third, lane) = story.open();
    story.resume(third, "t0", Some("e-13"));
    assert_eq!(story.take(lane), ["resumed c0 true 0"]);
    // A wire that takes over while the other one still lives.
    for _ in 0..10 {
        story.push(to("news"), NONE());
    }
    let (fourth, lane) = story.open();
    story.resume(fourth, "t0", Some("e-13"));
    assert_eq!(story.take(lane), ["resumed c0 true 0"]);
}

#[test]
fn a_gap_that_is_one_is_told() {
    let mut story = Story::with_log(3);
    let (seat, _) = story.open();
    story.ask(seat, join("chat"));
    story.push(to("chat"), NONE());
    story.push(to("chat"), NONE());
    for _ in 0..10 {
        story.push(to("news"), NONE());
    }
    // It never got the second one, and the log has it no more.
    story.ask(seat, Request::Gone(Ending::Vanished));
    let (again, lane) = story.open();
    story.resume(again, "t0", Some("e-1"));
    assert_eq!(story.take(lane), ["resumed c0 false 0"]);
}

#[test]
fn whoever_comes_from_an_earlier_time_gets_everything_since_the_start_with_each_membership_once() {
    let mut story = Story::with_log(100);
    story.push(to("chat"), NONE());
    story.push(vec![Target::Everybody], NONE());
    story.push(
        vec![Target::User(user("adam")), Target::Channel(channel("chat"))],
        NONE(),
    );
    story.push(to("news"), NONE());
    let (seat, lane) = story.open();
    story.resume(seat, "of another time", Some("old-7"));
    // The word about the gap first.
    assert_eq!(story.take(lane), ["resumed c0 false 0", r#"e-2 {"broadcast":true}"#]);
    story.ask(seat, join("chat"));
    let in_chat = ["join chat", r#"e-1 {"channel":"chat"}"#, r#"e-3 {"channel":"chat"}"#];
    assert_eq!(story.take(lane), in_chat);
    story.push(to("chat"), NONE());
    assert_eq!(story.take(lane), [r#"e-5 {"channel":"chat"}"#], "and then live");
    story.ask(seat, join("chat"));
    assert_eq!(story.take(lane), ["join chat"], "it is there already");
    story.ask(seat, ident("adam"));
    assert_eq!(story.take(lane), ["ident adam"], "the third came as one of the channel");
    story.ask(seat, join("news"));
    assert_eq!(story.take(lane), ["join news", r#"e-4 {"channel":"news"}"#]);
    // Whoever leaves has caught up.
    story.ask(seat, Request::Leave(channel("news")));
    story.ask(seat, join("news"));
    assert_eq!(story.take(lane), ["leave news", "join news"]);
    // A stranger who brings nothing along hears what comes from now on.
    let (stranger, lane) = story.open();
    story.ask(stranger, join("chat"));
    assert_eq!(story.take(lane), ["join chat"]);
}

#[test]
fn a_wire_that_is_lost_while_its_client_catches_up_loses_nothing() {
    let mut story = Story::with_log(100);
    for name in ["a", "b"] {
        story.push(to(name), NONE());
    }
    let (seat, lane) = story.open();
    story.resume(seat, "of another time", Some("old-7"));
    story.ask(seat, join("a"));
    assert_eq!(story.take(lane).len(), 3, "the answer, the gap, the event");
    // Whether it has read any of this or not.
    story.ask(seat, Request::Gone(Ending::Vanished));
    let (again, lane) = story.open();
    story.resume(again, "t0", Some("old-7"));
    assert_eq!(story.take(lane), ["resumed c0 false 0", r#"e-1 {"channel":"a"}"#]);
    story.ask(again, join("b"));
    assert_eq!(story.take(lane), ["join b", r#"e-2 {"channel":"b"}"#]);
    // It has read the first, and was about to join the second.
    let (seat, lane) = story.open();
    story.resume(seat, "of another time", Some("old-7"));
    story.ask(seat, join("a"));
    story.take(lane);
    story.ask(seat, Request::Gone(Ending::Vanished));
    let (again, lane) = story.open();
    story.resume(again, "t2", Some("e-1"));
    assert_eq!(story.take(lane), ["resumed c2 true 0"]);
    story.ask(again, join("b"));
    assert_eq!(story.take(lane), ["join b", r#"e-2 {"channel":"b"}"#]);
}

fn since(story: &mut Story, seat: SeatKey, last: &str) {
    story.ask(seat, Request::Since(last.into()));
}

/// It got the word about the gap, and nothing of what had been dispatched before it came back.
#[test]
fn a_poll_from_an_earlier_time_gets_everything_since_the_start_until_its_client_has_seen_some_of_it() {
    let mut story = Story::with_log(100);
    story.push(to("chat"), NONE());
    story.push(to("news"), NONE());
    let (seat, lane) = story.open();
    story.ask(seat, join("chat"));
    story.ask(seat, ident("adam"));
    story.push(to("chat"), NONE());
    let all = ["missed old-7", r#"e-1 {"channel":"chat"}"#, r#"e-3 {"channel":"chat"}"#];
    // Its answers may be lost: it knows no newer id until it gets one.
    for _ in 0..3 {
        since(&mut story, seat, "old-7");
        assert_eq!(story.take(lane), all);
    }
    since(&mut story, seat, "e-1");
    assert_eq!(story.take(lane), [all[2]]);
    since(&mut story, seat, "e-3");
    assert_eq!(story.take(lane), [""; 0]);
    // One that joins behind the word about the gap.
    let (seat, lane) = story.open();
    since(&mut story, seat, "old-7");
    assert_eq!(story.take(lane), ["missed old-7"]);
    since(&mut story, seat, "old-7");
    assert_eq!(story.take(lane), [""; 0], "told once, it waits");
    story.ask(seat, join("chat"));
    story.take(lane);
    for _ in 0..2 {
        since(&mut story, seat, "old-7");
        assert_eq!(story.take(lane), all);
    }
}

/// The log had lost something that was meant for it: the same, but only since its memberships began.
#[test]
fn a_poll_that_missed_something_gets_what_there_is_of_its_memberships() {
    let mut story = Story::with_log(3);
    let (seat, lane) = story.open();
    story.push(vec![Target::Everybody], NONE());
    for name in ["late", "chat", "late", "chat"] {
        story.ask(seat, join("chat"));
        if story.desk.log.newest() == 3 {
            story.ask(seat, join("late"));
        }
        story.push(to(name), NONE());
    }
    story.take(lane);
    since(&mut story, seat, "e-1");
    let (chat, late) = (r#" {"channel":"chat"}"#, r#" {"channel":"late"}"#);
    let all = [format!("e-3{chat}"), format!("e-4{late}"), format!("e-5{chat}")];
    assert_eq!(
        story.take(lane),
        ["missed e-1".to_owned()].into_iter().chain(all).collect::<Vec<_>>()
    );
}

/// What a membership brought from before it began has lower numbers than what came before: a poll that named one of
/// those emptied the outbox, and the client never got the others.
#[test]
fn what_came_late_is_neither_lost_nor_told_twice_whichever_answer_was_lost() {
    for is_poll in [true, false] {
        let mut story = Story::with_log(100);
        for name in ["a", "b", "a", "b", "c", "a"] {
            story.push(to(name), NONE());
        }
        let (mut seat, mut lane) = story.open();
        match is_poll {
            true => since(&mut story, seat, "old-7"),
            false => story.resume(seat, "of another time", Some("old-7")),
        }
        story.ask(seat, join("a"));
        story.ask(seat, join("b"));
        story.push(to("b"), NONE());
        story.ask(seat, join("c"));
        story.push(
            vec![Target::Channel(channel("c")), Target::Channel(channel("a"))],
            NONE(),
        );
        let order = [1, 3, 6, 2, 4, 7, 5, 8].map(|number| format!("e-{number}"));
        let events = |heard: Vec<String>| -> Vec<String> {
            let ids = heard.iter().filter_map(|text| text.split_once(" {"));
            ids.map(|(id, _)| id.to_owned())
                .filter(|id| id.starts_with("e-"))
                .collect()
        };
        let heard = events(story.take(lane));
        assert_eq!(heard, order);
        for seen in (0..order.len()).chain([2, 0, 5]) {
            if is_poll {
                since(&mut story, seat, &order[seen]);
            } else {
                let token = format!("t{lane}");
                story.ask(seat, Request::Gone(Ending::Vanished));
                (seat, lane) = story.open();
                story.resume(seat, &token, Some(&order[seen]));
                let heard = &story.arrived[lane];
                assert!(heard.last().unwrap().contains(" true "), "{heard:?}");
            }
            assert_eq!(events(story.take(lane)), order[seen + 1..], "after {}", order[seen]);
        }
        // A quiet client is told of no gap when the log has forgotten all this.
        if is_poll {
            since(&mut story, seat, "e-8");
            story.wait(121);
            story.push(to("news"), NONE());
            since(&mut story, seat, "e-8");
            assert_eq!(story.take(lane), [""; 0]);
        }
    }
}

#[test]
fn whoever_has_heard_nothing_before_a_restart_gets_what_came_since_as_well() {
    let mut story = Story::with_log(100);
    story.push(to("chat"), NONE());
    let (seat, lane) = story.open();
    story.resume(seat, "of another time", None);
    story.ask(seat, join("chat"));
    assert_eq!(
        story.take(lane),
        ["resumed c0 false 0", "join chat", r#"e-1 {"channel":"chat"}"#]
    );
}

#[test]
fn what_was_heard_before_resuming_is_not_told_again() {
    let mut story = Story::with_log(100);
    story.push(vec![Target::Everybody], NONE());
    let (seat, lane) = story.open();
    story.ask(seat, join("chat"));
    story.push(vec![Target::Everybody], NONE());
    story.push(to("chat"), NONE());
    story.take(lane);
    story.resume(seat, "of another time", Some("old-7"));
    assert_eq!(story.take(lane), ["resumed c0 false 0", r#"e-1 {"broadcast":true}"#]);
}

#[test]
fn the_time_before_a_gap_is_remembered_only_as_long_as_the_log_is() {
    let mut story = Story::with_log(100);
    story.push(to("chat"), NONE());
    let (seat, lane) = story.open();
    story.resume(seat, "of another time", Some("old-7"));
    story.now += Duration::from_secs(121);
    story.ask(seat, join("chat"));
    assert_eq!(story.take(lane), ["resumed c0 false 0", "join chat"]);
}

#[test]
fn what_was_granted_before_resuming_stays_and_the_id_of_the_new_wire_ends() {
    let mut story = Story::with_log(100);
    let (old, _) = story.open();
    story.ask(old, join("a"));
    story.ask(old, join("b"));
    story.ask(old, Request::Gone(Ending::Vanished));
    let (new, lane) = story.open();
    story.ask(new, join("c"));
    story.ask(new, ident("eve"));
    story.take(lane);
    story.resume(new, "t0", None);
    for name in ["a", "b", "c"] {
        story.push(to(name), NONE());
    }
    story.push(vec![Target::User(user("eve"))], NONE());
    let heard = story.take(lane);
    assert_eq!(heard.len(), 5, "{heard:?}");
    assert!(ended(&story).contains(&"c1 4011".to_owned()), "{:?}", ended(&story));
    // Three are allowed: with a fourth it would have too many, and the earlier connection waits on. It is eve's now,
    // and the secret from before is worth nothing.
    story.ask(new, Request::Gone(Ending::Vanished));
    let (third, lane) = story.open();
    story.ask(third, join("d"));
    story.resume(third, "t1", None);
    assert_eq!(story.take(lane), ["join d", "rejected too_many_channels"]);
    let (fourth, lane) = story.open();
    story.resume(fourth, "t1", None);
    assert!(story.take(lane).last().unwrap().starts_with("resumed c0 true"));
}

#[test]
fn a_wire_that_takes_many_connections_over_does_not_collect_their_tokens() {
    let mut story = Story::with_log(100);
    let (seat, lane) = story.open();
    for other in 1..8 {
        story.open();
        story.resume(seat, &format!("t{other}"), None);
    }
    assert!(story.take(lane).last().unwrap().starts_with("resumed c7 "));
    let known = |token: &usize| story.desk.membership.by_token(&format!("t{token}")).is_some();
    assert_eq!((0..8).filter(known).collect::<Vec<_>>(), [0, 1, 2, 7]);
}

#[test]
fn whoever_hears_nothing_for_long_learns_a_newer_place_where_the_wire_has_a_word_for_it() {
    let mut story = Story::with_log(100);
    let (seat, lane) = story.open_with(1);
    let (other, silent) = story.open();
    for seat in [seat, other] {
        story.ask(seat, join("chat"));
    }
    story.push(to("chat"), NONE());
    story.push(to("news"), NONE());
    for lane in [lane, silent] {
        story.take(lane);
    }
    story.wait(59);
    assert_eq!(story.take(lane), [""; 0], "its last id is as good as new");
    story.wait(2);
    assert_eq!(story.take(lane), ["place e-2"]);
    story.wait(1);
    assert_eq!(story.take(lane), [""; 0], "once");
    assert_eq!(story.take(silent), [""; 0]);
    // By number as by age: the log holds a hundred.
    for _ in 0..60 {
        story.push(to("news"), NONE());
    }
    story.wait(0);
    assert_eq!(story.take(lane), ["place e-62"]);
    // Whoever has not said yet whether it comes back hears no place before its broadcasts.
    let (_, fresh) = story.open_with(1);
    story.push(vec![Target::Everybody], NONE());
    story.wait(100);
    assert_eq!(story.take(fresh), [""; 0]);
}
