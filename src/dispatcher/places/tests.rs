//! What the index finds against what walking through everything finds, and that it keeps nothing behind.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use turted_core::{Depth, Dispatch, EventName, Limits, Payload};

use super::*;

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name, &Limits::default()).unwrap()
}

fn user(name: &str) -> UserName {
    UserName::parse(name, &Limits::default()).unwrap()
}

fn below(prefix: &str, depth: Depth) -> Subscription {
    Subscription::Pattern(ChannelPattern::below(prefix, depth, &Limits::default()).unwrap())
}

const CHANNELS: [&str; 5] = ["a", "a/1", "a/1/x", "b/1", "turted:a"];

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        (0..2_u8).prop_map(|number| Target::User(user(&format!("u{number}")))),
        (0..CHANNELS.len()).prop_map(|number| Target::Channel(channel(CHANNELS[number]))),
        Just(Target::Everybody),
    ]
}

fn subscription() -> impl Strategy<Value = Subscription> {
    prop_oneof![
        (0..CHANNELS.len()).prop_map(|number| channel(CHANNELS[number]).into()),
        Just(below("", Depth::All)),
        Just(below("a/", Depth::Part)),
        Just(below("a/", Depth::All)),
        Just(below("b", Depth::All)),
        Just(below("turted:", Depth::All)),
    ]
}

fn standing() -> impl Strategy<Value = Standing> {
    let since = 0..30_u64;
    let user_of = proptest::option::of(((0..2_u8), since.clone()));
    let subscriptions = proptest::collection::vec((subscription(), since.clone()), 0..4);
    (since, user_of, subscriptions, any::<bool>()).prop_map(|(opened, name, subscriptions, is_deaf)| Standing {
        connection: "c".into(),
        tokens: Vec::new(),
        opened,
        user: name.map(|(number, since)| (user(&format!("u{number}")), since)),
        subscriptions,
        vouched: None,
        is_deaf,
        rest: crate::dispatcher::standing::Rest::default(),
        left: None,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    })
}

fn dispatch(targets: &[Target]) -> Dispatch {
    Dispatch::new(EventName::unnamed(), targets.to_vec(), Payload::empty_object())
}

proptest! {
    #[test]
    fn what_is_found_is_what_walking_finds(
        all in proptest::collection::vec(proptest::collection::vec(target(), 0..4), 0..30),
        forgotten in 0..30_usize,
        standing in standing(),
        after in 0..30_u64,
    ) {
        let mut index = Index::default();
        let forgotten = forgotten.min(all.len());
        for (place, targets) in (1..).zip(&all) {
            index.add(place, targets);
        }
        for (place, targets) in (1..).zip(&all[..forgotten]) {
            index.forget(place, targets);
        }
        let walked: Vec<u64> = (1..).zip(&all).skip(forgotten)
            .filter(|(place, targets)| *place > after && standing.via(*place, &dispatch(targets)).is_some())
            .map(|(place, _)| place)
            .collect();
        let rising: Vec<u64> = index.rising(&standing, after).collect();
        prop_assert_eq!(&rising, &walked);
        let mut falling: Vec<u64> = index.falling(&standing, after).collect();
        falling.reverse();
        prop_assert_eq!(&falling, &walked);
        for (place, targets) in (1..).zip(&all).skip(forgotten) {
            prop_assert!(index.bytes() > 0 || targets.is_empty());
            index.forget(place, targets);
        }
        prop_assert_eq!(index.bytes(), 0);
        prop_assert!(index.users.table.is_empty() && index.channels.table.is_empty());
        prop_assert!(index.names.is_empty() && index.everybody.is_empty());
    }
}

#[test]
fn every_place_and_every_name_weighs_what_it_takes() {
    let mut index = Index::default();
    let mut taken = |targets: &[Target], place| {
        let before = index.bytes();
        index.add(place, targets);
        index.bytes() - before
    };
    let long = "x".repeat(200);
    let (one, same) = (Target::Channel(channel(&long)), Target::Channel(channel(&long)));
    assert_eq!(taken(&[Target::Everybody, Target::Everybody], 1), PLACE);
    assert_eq!(taken(&[one.clone(), same], 2), LIST + 200 + PLACE + ORDERED);
    assert_eq!(taken(&[one], 3), PLACE);
    assert_eq!(taken(&[Target::User(user(&long))], 4), LIST + 200 + PLACE);
    assert_eq!(taken(&[Target::User(user(&long))], 5), PLACE);
}

#[test]
fn a_list_gives_its_room_back() {
    let mut index = Index::default();
    for place in 1..=1000 {
        index.add(place, &[Target::Everybody]);
    }
    for place in 1..=990 {
        index.forget(place, &[Target::Everybody]);
        let (room, needed) = (index.everybody.capacity(), index.everybody.len());
        assert!(room <= 4 * needed, "room for {room} where {needed} are");
    }
}
