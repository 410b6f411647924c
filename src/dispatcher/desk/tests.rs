//! Stories about the desk, and random histories against a simple model.

use std::sync::Mutex;
use std::time::Duration;

use super::super::messages::{Permit, Vouched};
use super::*;
use turted_core::{
    Arrival, ChannelName, ChannelPattern, Depth, EventName, Exclude, Identity, Limits, Payload, Target, UserName,
};

/// Encodes an event as `id via`, which is what the stories look at.
struct Plain;

impl EncodeEvent for Plain {
    fn encode(&self, delivery: &Delivery<'_>) -> bytes::Bytes {
        let via = serde_json::to_string(delivery.via).unwrap();
        let from = delivery.from.map(|from| {
            let user = from.user.as_ref().map_or("nobody", UserName::as_str);
            format!(" from {user} {}", from.connection)
        });
        format!("{} {via}{}", delivery.id, from.unwrap_or_default()).into()
    }
}

/// The same, and tells places.
struct WithPlaces;

impl EncodeEvent for WithPlaces {
    fn encode(&self, delivery: &Delivery<'_>) -> bytes::Bytes {
        Plain.encode(delivery)
    }

    fn place(&self, id: &turted_core::DispatchId) -> Option<bytes::Bytes> {
        Some(format!("place {id}").into())
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<Note>>);

impl Observer for Heard {
    fn note(&self, note: &Note) {
        self.0.lock().unwrap().push(note.clone());
    }
}

/// A desk, and what arrived on each lane.
pub struct Story {
    desk: Desk,
    now: Instant,
    arrived: Vec<Vec<String>>,
    heard: Arc<Heard>,
}

pub fn channel<C: From<ChannelName>>(name: &str) -> C {
    ChannelName::parse(name, &Limits::default()).unwrap().into()
}

/// `foo/*` or `foo/**`.
pub fn pattern(text: &str) -> Subscription {
    let (prefix, depth) = match text.strip_suffix("**") {
        Some(prefix) => (prefix, Depth::All),
        None => (text.strip_suffix('*').unwrap(), Depth::Part),
    };
    Subscription::Pattern(ChannelPattern::below(prefix, depth, &Limits::default()).unwrap())
}

pub fn user(name: &str) -> UserName {
    UserName::parse(name, &Limits::default()).unwrap()
}

pub fn join(name: &str) -> Request {
    Request::Join(channel(name), Permit::None)
}

pub fn ident(name: &str) -> Request {
    Request::Ident(Vouched::new(Arc::new(Identity::of(user(name)))))
}

impl Story {
    pub fn with_log(count: usize) -> Self {
        Self::permitting(count, Permissions::default())
    }

    /// With permissions.
    pub fn permitting(count: usize, permissions: Permissions) -> Self {
        Self::begin((count, 1 << 20), 100, permissions)
    }

    fn begin((count, bytes): (usize, usize), parked: usize, permissions: Permissions) -> Self {
        let heard = Arc::new(Heard::default());
        let desk = Desk::new(DeskSettings {
            epoch: Epoch::new("e"),
            is_shared: false,
            log: LogBounds {
                age: Duration::from_secs(120),
                bytes,
                count,
            },
            parking: ParkingBounds {
                window: Duration::from_secs(120),
                count: parked,
                bytes,
            },
            channels: 3,
            replay_frames: 1000,
            replay_bytes: 1 << 20,
            encoders: vec![Arc::new(Plain), Arc::new(WithPlaces)],
            queued: Queued::new(1 << 20),
            observer: Arc::clone(&heard) as Arc<dyn Observer>,
            ident: Duration::from_secs(10),
            permissions: Arc::new(permissions),
            tells_why: false,
            refusals: Arc::new(()),
        });
        Self {
            desk,
            now: Instant::now(),
            arrived: Vec::new(),
            heard,
        }
    }

    /// Opens a connection on a new lane; its name and token are `c<lane>` and `t<lane>`.
    pub fn open(&mut self) -> (SeatKey, usize) {
        self.open_with(0)
    }

    /// The same with another encoder.
    pub fn open_with(&mut self, encoder: usize) -> (SeatKey, usize) {
        let lane = self.arrived.len();
        self.arrived.push(Vec::new());
        let key = LaneKey {
            courier: lane % 2,
            lane: u32::try_from(lane).unwrap(),
        };
        let seat = self.desk.open(
            Open {
                lane: key,
                encoder,
                connection: format!("c{lane}").into(),
                token: format!("t{lane}").into(),
                address: [127, 0, 0, 1].into(),
                returns: true,
            },
            self.now,
        );
        (seat, lane)
    }

    pub fn ask(&mut self, seat: SeatKey, request: Request) {
        self.desk.ask(seat, None, request, self.now);
        self.collect();
    }

    pub fn push(&mut self, targets: Vec<Target>, exclude: Exclude) -> Receipt {
        let mut dispatch = Dispatch::new(EventName::unnamed(), targets, Payload::empty_object());
        dispatch.exclude = exclude;
        let receipt = self.desk.publish(dispatch, self.now);
        self.collect();
        receipt
    }

    pub fn resume(&mut self, seat: SeatKey, token: &str, last: Option<&str>) {
        let (token, last) = (token.into(), last.map(Arc::from));
        self.ask(seat, Request::Resume { token, last });
    }

    /// Lets time pass, and old things be forgotten.
    pub fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.desk.expire(self.now);
        self.collect();
    }

    /// What arrived on a lane since the last look.
    pub fn take(&mut self, lane: usize) -> Vec<String> {
        std::mem::take(&mut self.arrived[lane])
    }

    fn collect(&mut self) {
        let parcels: Vec<_> = self.desk.take_parcels().collect();
        for (courier, parcels) in parcels {
            for parcel in parcels {
                let (lanes, text) = match parcel {
                    Parcel::Frame { frame, lanes } => (lanes, String::from_utf8(frame.to_vec()).unwrap()),
                    Parcel::Tell { lane, notice, .. } => (vec![lane], tell(&notice)),
                    Parcel::Renew { lane, .. } => (vec![lane], "renew".to_owned()),
                    Parcel::End { lane, ending } => (vec![lane], format!("end {}", ending.code())),
                    Parcel::Clear { lane } => {
                        self.arrived[lane as usize].clear();
                        continue;
                    }
                    Parcel::Retire { lane } => (vec![lane], "retired".to_owned()),
                };
                for lane in lanes {
                    assert_eq!(lane as usize % 2, courier, "carried by the right courier");
                    self.arrived[lane as usize].push(text.clone());
                }
            }
        }
    }
}

fn tell(notice: &Notice) -> String {
    match notice {
        Notice::Identified(user, joins) => {
            let names: Vec<&str> = joins.iter().map(ChannelName::as_str).collect();
            let user = user.as_ref().map_or("nobody", UserName::as_str);
            match names.as_slice() {
                [] => format!("ident {user}"),
                names => format!("ident {user} with {}", names.join(", ")),
            }
        }
        Notice::Removed { channel, reason } => format!("left {channel} {reason}"),
        Notice::Expiring(left) => format!("expiring {}", left.as_secs()),
        Notice::Published(receipt) => format!("published {} to {}", receipt.id, receipt.recipients),
        Notice::Joined(channel) => format!("join {channel}"),
        Notice::Left(channel) => format!("leave {channel}"),
        Notice::Rejected(rejection) => format!("rejected {}", rejection.code()),
        Notice::Resumed {
            connection,
            recovered,
            expired,
            replayed,
            ..
        } => format!(
            "resumed {connection} {recovered} {replayed}{}",
            if *expired { " expired" } else { "" }
        ),
        Notice::Missed { since } => format!("missed {since}"),
        other => panic!("no story knows {other:?}"),
    }
}

fn to(name: &str) -> Vec<Target> {
    vec![Target::Channel(channel(name))]
}

#[test]
fn a_poll_that_names_what_was_handed_out_last_misses_nothing_whatever_the_log_still_knows() {
    let mut story = Story::with_log(2);
    let (seat, lane) = story.open();
    story.ask(seat, Request::Since("".into()));
    story.ask(seat, join("quiet"));
    story.push(vec![Target::Channel(channel("quiet"))], Exclude::default());
    for _ in 0..5 {
        story.push(vec![Target::Channel(channel("busy"))], Exclude::default());
    }
    story.take(lane);
    story.ask(seat, Request::Since("e-1".into()));
    assert_eq!(story.take(lane), [""; 0]);
    story.ask(seat, Request::Since("".into()));
    assert_eq!(
        story.take(lane),
        ["missed "],
        "an event was handed out, and the log has lost it"
    );
}

#[test]
fn whoever_will_not_come_back_is_not_waited_for() {
    let mut story = Story::with_log(10);
    let (seat, _) = story.open();
    story.ask(seat, Request::Gone(Ending::Vanished));
    assert_eq!(story.desk.counts().parked, 1);
    let now = story.now;
    assert!(story.desk.forget("t0", now) && !story.desk.forget("t0", now));
    assert_eq!(story.desk.counts().parked, 0);
}

#[test]
fn a_connection_that_moves_hears_everything_once_and_its_old_lane_nothing_more() {
    let mut story = Story::with_log(100);
    let (seat, old) = story.open();
    story.ask(seat, join("chat"));
    story.push(vec![Target::Channel(channel("chat"))], Exclude::default());
    story.arrived.push(Vec::new());
    let new = LaneKey { courier: 1, lane: 1 };
    story.ask(seat, Request::Move(new));
    story.push(vec![Target::Channel(channel("chat"))], Exclude::default());
    let heard = story.take(old);
    assert!(
        heard[1].starts_with("e-1 ") && heard.last().unwrap() == "retired",
        "{heard:?}"
    );
    assert!(matches!(&story.take(1)[..], [second] if second.starts_with("e-2 ")));

    story.ask(seat, Request::Gone(Ending::Normal));
    assert_eq!(story.take(1), ["retired"]);
    story.ask(seat, Request::Move(new));
    assert_eq!(
        story.take(1),
        ["retired"],
        "whoever has gone cannot move, and the lane is free again"
    );
}

#[test]
fn a_connection_that_matches_everything_hears_once_and_learns_the_first_reason() {
    let mut story = Story::with_log(100);
    let (adam, lane) = story.open();
    story.ask(adam, ident("adam"));
    story.ask(adam, join("chat"));
    story.take(lane);
    let mut targets = vec![Target::User(user("adam"))];
    targets.extend(to("chat"));
    targets.push(Target::Everybody);
    assert_eq!(story.push(targets, Exclude::default()).recipients, 1);
    assert_eq!(story.take(lane), [r#"e-1 {"user":"adam"}"#]);
}

#[test]
fn nothing_before_join_and_nothing_after_leave() {
    let mut story = Story::with_log(100);
    let (seat, lane) = story.open();
    story.push(to("chat"), Exclude::default());
    story.ask(seat, join("chat"));
    story.push(to("chat"), Exclude::default());
    story.ask(seat, Request::Leave(channel("chat")));
    story.push(to("chat"), Exclude::default());
    assert_eq!(
        story.take(lane),
        ["join chat", r#"e-2 {"channel":"chat"}"#, "leave chat"]
    );
}

#[test]
fn the_excluded_hear_nothing_live_or_replayed() {
    let mut story = Story::with_log(100);
    let (seat, lane) = story.open();
    story.ask(seat, join("chat"));
    let exclude = Exclude {
        connections: vec!["c0".into()],
        users: Vec::new(),
    };
    story.take(lane);
    assert_eq!(story.push(to("chat"), exclude).recipients, 0);
    assert!(story.take(lane).is_empty());
    story.ask(seat, Request::Gone(Ending::Vanished));
    let (again, lane) = story.open();
    story.resume(again, "t0", None);
    assert_eq!(story.take(lane), ["resumed c0 true 0"]);
}

#[test]
fn a_resumed_connection_gets_what_it_missed_then_the_answer_then_live() {
    let mut story = Story::with_log(100);
    let (seat, _) = story.open();
    story.ask(seat, join("chat"));
    story.push(to("chat"), Exclude::default());
    story.ask(seat, Request::Gone(Ending::Vanished));
    assert_eq!(story.push(to("chat"), Exclude::default()).recipients, 0);
    story.push(to("other"), Exclude::default());
    let (again, lane) = story.open();
    story.push(vec![Target::Everybody], Exclude::default());
    story.resume(again, "t0", Some("e-1"));
    story.push(to("chat"), Exclude::default());
    assert_eq!(
        story.take(lane),
        [
            r#"e-2 {"channel":"chat"}"#,
            r#"e-4 {"broadcast":true}"#,
            "resumed c0 true 2",
            r#"e-5 {"channel":"chat"}"#
        ]
    );
}

#[test]
fn when_the_log_does_not_reach_back_the_client_is_told_and_keeps_its_channels() {
    let mut story = Story::with_log(2);
    let (seat, _) = story.open();
    story.ask(seat, join("chat"));
    story.ask(seat, Request::Gone(Ending::Vanished));
    for _ in 0..3 {
        story.push(to("chat"), Exclude::default());
    }
    let (again, lane) = story.open();
    story.resume(again, "t0", None);
    story.push(to("chat"), Exclude::default());
    let there = ["e-2", "e-3", "e-4"].map(|id| format!(r#"{id} {{"channel":"chat"}}"#));
    let [told, heard @ ..] = &story.take(lane)[..] else {
        panic!("nothing came");
    };
    // What is there comes behind the word that something is not.
    assert_eq!((told.as_str(), heard), ("resumed c0 false 0", &there[..]));
    let (stranger, lane) = story.open();
    story.resume(stranger, "unknown", Some("e-1"));
    assert_eq!(story.take(lane), ["resumed c2 false 0"]);
}

#[test]
fn the_newest_wire_wins() {
    let mut story = Story::with_log(100);
    let (old, old_lane) = story.open();
    story.ask(old, join("chat"));
    story.take(old_lane);
    let (new, new_lane) = story.open();
    story.resume(new, "t0", None);
    assert_eq!(story.take(old_lane), ["end 4011", "retired"]);
    story.ask(old, Request::Gone(Ending::Replaced));
    story.push(to("chat"), Exclude::default());
    assert_eq!(story.take(new_lane), ["resumed c0 true 0", r#"e-1 {"channel":"chat"}"#]);
    // Either secret opens the connection once more.
    story.ask(new, Request::Gone(Ending::Vanished));
    let (third, lane) = story.open();
    story.resume(third, "t1", Some("e-1"));
    assert_eq!(story.take(lane), ["resumed c0 true 0"]);
}

#[test]
fn a_fresh_connection_hears_broadcasts_in_order_once_it_is_ready() {
    let mut story = Story::with_log(100);
    let (seat, lane) = story.open();
    assert_eq!(story.push(vec![Target::Everybody], Exclude::default()).recipients, 1);
    assert!(story.take(lane).is_empty());
    story.ask(seat, join("chat"));
    assert_eq!(story.take(lane), [r#"e-1 {"broadcast":true}"#, "join chat"]);
    let mut live = Story::with_log(0);
    let (_, lane) = live.open();
    live.push(vec![Target::Everybody], Exclude::default());
    assert_eq!(live.take(lane).len(), 1, "without a log nobody waits");
}

#[test]
fn users_and_channels_vanish_with_their_last_connection() {
    let mut story = Story::with_log(100);
    let (one, _) = story.open();
    let (two, _) = story.open();
    for seat in [one, two] {
        story.ask(seat, ident("adam"));
        story.ask(seat, join("__proto__"));
    }
    story.ask(one, Request::Gone(Ending::Normal));
    let counts = story.desk.counts();
    assert_eq!((counts.connections, counts.users, counts.channels), (1, 1, 1));
    story.ask(two, ident("eve"));
    assert_eq!(story.desk.counts().users, 1, "a second IDENT replaces the user");
    story.ask(two, Request::Gone(Ending::Vanished));
    let counts = story.desk.counts();
    assert_eq!((counts.connections, counts.users, counts.channels), (0, 0, 0));
    assert_eq!(counts.parked, 1);
    story.desk.expire(story.now + Duration::from_secs(121));
    assert_eq!(story.desk.counts().parked, 0);
}

#[test]
fn a_repeated_key_gets_the_first_receipt_and_dispatches_nothing() {
    let mut story = Story::with_log(100);
    let (seat, lane) = story.open();
    story.ask(seat, join("chat"));
    story.take(lane);
    let mut dispatch = Dispatch::new(EventName::unnamed(), to("chat"), Payload::empty_object());
    dispatch.key = Some("order-7".into());
    let first = story.desk.publish(dispatch.clone(), story.now);
    let second = story.desk.publish(dispatch, story.now);
    story.collect();
    assert_eq!(first, second);
    assert_eq!(story.take(lane).len(), 1);
    let notes = story.heard.0.lock().unwrap();
    let dispatched = notes.iter().filter(|note| matches!(note, Note::Dispatched { .. }));
    assert_eq!(dispatched.count(), 1);
}

#[test]
fn too_many_channels_and_unknown_ones_are_rejected() {
    let mut story = Story::with_log(100);
    let (seat, lane) = story.open();
    for name in ["a", "b", "c", "c", "d"] {
        story.ask(seat, join(name));
    }
    story.ask(seat, Request::Leave(channel("x")));
    assert_eq!(
        story.take(lane),
        [
            "join a",
            "join b",
            "join c",
            "join c",
            "rejected too_many_channels",
            "rejected not_joined"
        ]
    );
}

mod arriving;
mod gaps;
mod histories;
mod needs;
mod patterns;
mod permissions;
mod random_permissions;
mod revocations;
mod storms;
mod turned_out;
