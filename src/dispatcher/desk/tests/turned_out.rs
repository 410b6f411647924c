//! Stories about those whose request says who they are, and who may not be it: their door has to learn of that before
//! anybody speaks.

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
