//! Stories about sources that are told which channels somebody needs.

use futures_util::FutureExt;
use turted_core::Occupancy;
use turted_core::occupancy::Watch;

use super::super::super::messages::{Pending, Permit};
use super::*;

/// A story with a source, which has looked once.
fn watched(permissions: Permissions) -> (Story, Occupancy, Watch) {
    let mut story = Story::permitting(10, permissions);
    let occupancy = Occupancy::default();
    story.desk.tell(occupancy.clone());
    let mut watch = occupancy.watch(|_| true);
    let changes = watch.changes().now_or_never().unwrap();
    watch.settled(&changes);
    (story, occupancy, watch)
}

/// What the source is told at the end of a turn, and does.
fn told(story: &mut Story, watch: &mut Watch) -> String {
    story.desk.tell_needs();
    let Some(changes) = watch.changes().now_or_never() else {
        return String::new();
    };
    watch.settled(&changes);
    let signs = [("+", &changes.needed), ("-", &changes.released)];
    let signs = signs
        .iter()
        .flat_map(|(sign, names)| names.iter().map(move |name| format!("{sign}{name}")));
    let mut signs: Vec<String> = signs.collect();
    signs.sort();
    signs.join(" ")
}

#[test]
fn a_channel_is_needed_from_its_first_member_to_its_last() {
    let (mut story, _, mut watch) = watched(Permissions::default());
    let (one, _) = story.open();
    let (two, _) = story.open();
    story.ask(one, Request::JoinNow(channel("a"), Permit::None));
    assert_eq!(told(&mut story, &mut watch), "+a");
    story.ask(two, join("a"));
    story.ask(two, Request::Join(pattern("p/*"), Permit::None));
    assert_eq!(told(&mut story, &mut watch), "", "patterns need nothing");
    story.ask(one, Request::Leave(channel("a")));
    assert_eq!(told(&mut story, &mut watch), "");
    story.ask(two, Request::Gone(Ending::Normal));
    assert_eq!(told(&mut story, &mut watch), "-a");
}

#[test]
fn whoever_may_come_back_needs_its_channels_until_its_time_is_over_and_a_return_is_no_change() {
    let (mut story, occupancy, mut watch) = watched(Permissions::default());
    let (seat, _) = story.open();
    story.ask(seat, Request::JoinNow(channel("a"), Permit::None));
    assert_eq!(told(&mut story, &mut watch), "+a");
    story.ask(seat, Request::Gone(Ending::Vanished));
    assert_eq!(told(&mut story, &mut watch), "");
    let (again, _) = story.open();
    story.resume(again, "t0", None);
    assert_eq!(told(&mut story, &mut watch), "");
    story.ask(again, Request::Gone(Ending::Vanished));
    story.wait(119);
    assert_eq!(told(&mut story, &mut watch), "");
    story.wait(2);
    assert_eq!(told(&mut story, &mut watch), "-a");
    assert_eq!(occupancy.count(), 0);
}

#[test]
fn whoever_cannot_come_back_is_not_waited_for() {
    let (mut story, _, mut watch) = watched(Permissions::default());
    let (seat, _) = story.open();
    story.desk.membership.get_mut(seat).unwrap().returns = false;
    story.ask(seat, Request::JoinNow(channel("a"), Permit::None));
    assert_eq!(told(&mut story, &mut watch), "+a");
    story.ask(seat, Request::Gone(Ending::Vanished));
    assert_eq!(told(&mut story, &mut watch), "-a");
}

#[test]
fn a_join_is_answered_when_the_source_hears_the_channel() {
    let (mut story, occupancy, mut watch) = watched(Permissions::default());
    let (seat, lane) = story.open();
    let pending = story.desk.ask(seat, None, join("a"), story.now);
    let Some(Pending::Settles(settling)) = pending else {
        panic!("{pending:?}");
    };
    assert_eq!(told(&mut story, &mut watch), "+a");
    assert!(settling.wait().now_or_never().is_some());
    assert!(story.take(lane).is_empty());
    story.ask(seat, Request::JoinNow(channel("a"), Permit::None));
    assert_eq!(story.take(lane), ["join a"]);
    assert_eq!((told(&mut story, &mut watch).as_str(), occupancy.count()), ("", 1));
    // The next one has nothing to wait for.
    let (next, lane) = story.open();
    story.ask(next, join("a"));
    assert_eq!(story.take(lane), ["join a"]);
}

#[test]
fn whoever_goes_while_it_waits_needs_nothing_after_a_while() {
    let (mut story, occupancy, mut watch) = watched(Permissions::default());
    let (seat, _) = story.open();
    assert!(story.desk.ask(seat, None, join("a"), story.now).is_some());
    assert_eq!(told(&mut story, &mut watch), "+a");
    story.ask(seat, Request::Gone(Ending::Normal));
    story.wait(9);
    assert_eq!(told(&mut story, &mut watch), "");
    story.wait(2);
    assert_eq!((told(&mut story, &mut watch).as_str(), occupancy.count()), ("-a", 0));
}

// Whoever is denied would make a source listen for it, again and again (CWE-400).
#[test]
fn what_nobody_may_join_is_not_needed() {
    let (mut story, occupancy, mut watch) = watched(super::permissions::own());
    let (seat, lane) = story.open();
    story.ask(seat, join("a"));
    assert_eq!(story.take(lane), ["rejected join_denied"]);
    assert_eq!((told(&mut story, &mut watch).as_str(), occupancy.count()), ("", 0));
}
