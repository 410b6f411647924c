//! Random stories: nobody ever hears what is not its own, across RESUME, another IDENT, the end of an identity and a
//! kick.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::super::messages::{Vouched, Whom};
use super::permissions::{expel, own, story, until};
use super::*;

#[derive(Debug, Clone)]
enum Step {
    Open,
    Ident(usize, u8, u64),
    Join(usize, u8),
    Lose(usize),
    Resume(usize, usize),
    Arrive(u8, u8),
    Kick(u8, bool),
    Push(u8),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (who, name) = (0..8_usize, 0..3_u8);
    prop_oneof![
        2 => Just(Step::Open),
        3 => (who.clone(), name.clone(), 1..200_u64).prop_map(|(who, name, ends)| Step::Ident(who, name, ends)),
        4 => (who.clone(), name.clone()).prop_map(|(who, name)| Step::Join(who, name)),
        2 => who.clone().prop_map(Step::Lose),
        3 => (who.clone(), who).prop_map(|(who, whose)| Step::Resume(who, whose)),
        1 => (name.clone(), name.clone()).prop_map(|(name, of)| Step::Arrive(name, of)),
        1 => (name.clone(), any::<bool>()).prop_map(|(name, ban)| Step::Kick(name, ban)),
        6 => name.prop_map(Step::Push),
        2 => (1..60_u64).prop_map(Step::Wait),
    ]
}

/// Who a connection is as far as its client was told, and until when.
#[derive(Debug, Clone, Default)]
struct Believed {
    seat: Option<SeatKey>,
    /// The number of its connection, which is another one after a resumption.
    id: usize,
    user: Option<(u8, Instant)>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    // A plain model: a channel is its user's alone. Whoever hears it is that user, now, and was not thrown out.
    #[test]
    fn nobody_ever_hears_what_is_not_its_own(steps in proptest::collection::vec(step(), 1..80)) {
        let mut story = story(own());
        let mut all: Vec<Believed> = Vec::new();
        // What each connection id was, for those that come back.
        let mut known: HashMap<usize, (u8, Instant)> = HashMap::new();
        let grace = Duration::from_secs(25 + 1);
        for step in steps {
            let seat_of = |who: usize, all: &[Believed]| all.get(who).and_then(|one| one.seat);
            match step {
                Step::Open => {
                    let (seat, id) = story.open();
                    all.push(Believed { seat: Some(seat), id, user: None });
                }
                Step::Ident(who, name, ends) => if let Some(seat) = seat_of(who, &all) {
                    let request = until(&story, &name.to_string(), ends);
                    story.ask(seat, request);
                    if story.arrived[who].iter().any(|told| *told == format!("ident {name}")) {
                        all[who].user = Some((name, story.now + Duration::from_secs(ends)));
                    }
                },
                Step::Join(who, name) => if let Some(seat) = seat_of(who, &all) {
                    story.ask(seat, join(&format!("own.{name}")));
                },
                Step::Lose(who) => if let Some(seat) = seat_of(who, &all) {
                    story.ask(seat, Request::Gone(Ending::Vanished));
                    all[who].seat = None;
                },
                Step::Resume(who, whose) => if let Some(seat) = seat_of(who, &all)
                    && whose < all.len()
                {
                    let before = all[who].user;
                    story.resume(seat, &format!("t{whose}"), Some("e-0"));
                    let answer = story.arrived[who].iter().find(|told| told.starts_with("resumed c"));
                    let told = answer.cloned().unwrap_or_default();
                    if let Some(rest) = told.strip_prefix("resumed c") {
                        let earlier: usize = rest.split(' ').next().unwrap().parse().unwrap();
                        all[who].id = earlier;
                        if before.is_none() && !told.contains("expired") {
                            all[who].user = known.get(&earlier).copied();
                        }
                    }
                },
                Step::Arrive(name, of) => {
                    let (seat, lane) = story.open();
                    let identity = Arc::new(Identity::of(user(&name.to_string())));
                    let arrival = Arrival {
                        identity: Arc::clone(&identity),
                        channels: vec![channel(&format!("own.{of}"))],
                        last: Some("e-0".into()),
                        ..Arrival::default()
                    };
                    story.ask(seat, Request::Arrive(arrival, Vouched::new(identity)));
                    let is_in = !story.arrived[lane].iter().any(|told| told == "rejected ident_denied");
                    let user = is_in.then_some((name, story.now + Duration::from_secs(1_000_000)));
                    all.push(Believed { seat: Some(seat), id: lane, user });
                }
                Step::Kick(name, ban) => {
                    expel(&mut story, Whom::User(user(&name.to_string())), &[], ban.then_some(100));
                    for one in &mut all {
                        if one.user.is_some_and(|(user, _)| user == name) {
                            *one = Believed::default();
                        }
                    }
                    known.retain(|_, (user, _)| *user != name);
                }
                Step::Push(name) => {
                    story.push(to(&format!("own.{name}")), Exclude::default());
                }
                Step::Wait(seconds) => {
                    story.wait(seconds);
                }
            }
            for (lane, one) in all.iter_mut().enumerate() {
                if let Some(user) = one.user {
                    known.insert(one.id, user);
                }
                for told in story.take(lane) {
                    // Its voice says nothing behind a goodbye.
                    if told.starts_with("end ") {
                        if let Some(seat) = one.seat.take() {
                            story.ask(seat, Request::Gone(Ending::Expired));
                        }
                        break;
                    }
                    let Some((_, name)) = told.split_once("own.").filter(|_| told.starts_with("e-")) else {
                        continue;
                    };
                    let owner: u8 = name[..1].parse().unwrap();
                    let is_own = one.user.is_some_and(|(user, ends)| user == owner && story.now < ends + grace);
                    prop_assert!(is_own, "{} heard {told} as {:?}", lane, one.user);
                }
            }
        }
    }
}
