//! Stories about those whose request says who they are, and who may not be it: their door has to learn of that before
//! anybody speaks.

use super::permissions::{own, say, story, until};
use super::*;
use crate::dispatcher::messages::{Expel, Whom};

fn adam(expires: Option<Instant>) -> Request {
    let arrival = Arrival {
        channels: vec![channel("chat")],
        ..Arrival::default()
    };
    let vouched = Vouched {
        expires,
        ..Vouched::new(Arc::new(Identity::of(user("adam"))))
    };
    Request::Arrive(arrival, vouched)
}

#[test]
fn whoever_was_thrown_out_and_comes_with_a_stream_is_ended_instead_of_being_nobody_there() {
    let mut story = Story::with_log(10);
    let ban = Some(Duration::from_secs(60));
    let whom = Whom::User(user("adam"));
    let except = Vec::new();
    story.desk.expel(Expel { whom, except, ban }, story.now);
    let (seat, lane) = story.open();
    story.ask(seat, adam(None));
    assert_eq!(story.take(lane), ["end 4010"]);
    let everywhere = || vec![Target::User(user("adam")), Target::Channel(channel("chat"))];
    assert_eq!(story.push(everywhere(), Exclude::default()).recipients, 0);
    // The ban is over.
    story.wait(61);
    let (seat, lane) = story.open();
    story.ask(seat, adam(None));
    assert_eq!(story.take(lane), [""; 0]);
    assert_eq!(story.push(everywhere(), Exclude::default()).recipients, 1);
}

#[test]
fn an_identity_that_ended_on_its_way_here_begins_no_stream() {
    let mut story = Story::with_log(10);
    let (seat, lane) = story.open();
    let now = story.now;
    story.ask(seat, adam(Some(now)));
    assert_eq!(story.take(lane), ["end 4012"]);
    assert_eq!(story.push(to("chat"), Exclude::default()).recipients, 0);
}

#[test]
fn an_identity_that_is_over_grants_nothing_new_and_what_it_hears_goes_on_until_the_end() {
    let mut story = story(own());
    let (seat, lane) = story.open();
    let request = until(&story, "adam", 60);
    story.ask(seat, request);
    story.ask(seat, join("own.adam"));
    assert_eq!(story.take(lane), ["ident adam", "join own.adam"]);
    story.now += Duration::from_secs(60);
    // The rules would grant all of that to whoever it was, some even to nobody.
    for request in [join("news.today"), join("doc.7"), say("own.adam", true)] {
        story.ask(seat, request);
        assert_eq!(story.take(lane), ["rejected expired"]);
    }
    let (granted, grant) = tokio::sync::oneshot::channel();
    story.ask(seat, Request::Call("orders".into(), Permit::Granted, granted));
    assert_eq!(story.take(lane), ["rejected expired"]);
    assert!(grant.blocking_recv().is_err(), "nobody is asked");
    story.push(to("own.adam"), Exclude::default());
    assert_eq!(story.take(lane), [r#"e-1 {"channel":"own.adam"}"#]);
    // A new one grants again.
    let request = until(&story, "adam", 60);
    story.ask(seat, request);
    story.ask(seat, join("news.today"));
    assert_eq!(story.take(lane), ["ident adam", "join news.today"]);
}

#[test]
fn a_secret_goes_on_as_somebody_as_long_as_that_lasts_and_as_it_is_not_taken_back() {
    let mut story = Story::with_log(10);
    let secret = |story: &Story, seat: SeatKey| {
        let seat = story.desk.membership.get(seat).unwrap();
        seat.standing.tokens.last().map(Arc::clone).unwrap()
    };
    let (nobody, _) = story.open();
    let token = secret(&story, nobody);
    assert!(
        !story.desk.goes_on(&token, story.now),
        "nobody yet: it may have become somebody"
    );
    assert!(!story.desk.goes_on("unknown", story.now));
    let minute = story.now + Duration::from_secs(60);
    let vouched = |expires, renews| Vouched {
        expires,
        renews,
        ..Vouched::new(Arc::new(Identity::of(user("adam"))))
    };
    for (expires, renews) in [(Some(minute), None), (None, Some(minute))] {
        let (seat, _) = story.open();
        story.ask(seat, Request::Ident(vouched(expires, renews)));
        let token = secret(&story, seat);
        let just_before = minute - Duration::from_millis(1);
        assert!(story.desk.goes_on(&token, just_before) && !story.desk.goes_on(&token, minute));
        // The same without a wire.
        story.ask(seat, Request::Gone(Ending::Vanished));
        assert!(story.desk.goes_on(&token, just_before) && !story.desk.goes_on(&token, minute));
    }
    let (seat, _) = story.open();
    story.ask(seat, Request::Ident(vouched(None, None)));
    let token = secret(&story, seat);
    assert!(story.desk.goes_on(&token, minute));
    let (ban, whom, except) = (None, Whom::User(user("adam")), Vec::new());
    story.desk.expel(Expel { whom, except, ban }, story.now);
    assert!(!story.desk.goes_on(&token, story.now));
}

#[test]
fn whoever_only_returns_and_finds_its_connection_ended_comes_again_instead_of_being_nobody() {
    let mut story = Story::with_log(10);
    let (seat, lane) = story.open();
    let arrival = Arrival {
        resume: Some("ended".into()),
        returns: true,
        ..Arrival::default()
    };
    story.ask(seat, Request::Arrive(arrival, Vouched::new(Arc::default())));
    assert_eq!(story.take(lane), ["end 1001"]);
}
