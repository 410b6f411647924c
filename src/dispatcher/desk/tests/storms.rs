//! Many who come back at once, to a log that is full of what others were told.

use std::time::Instant as Clock;

use super::*;

impl Story {
    /// With room for so many dispatches and connections without a wire.
    fn with_room(count: usize, parked: usize) -> Self {
        Self::begin((count, 1 << 30), parked, Permissions::default())
    }
}

/// How long so many connections take to come back that have missed one dispatch each, behind so many of others.
fn storm(connections: usize, others: usize) -> Duration {
    let mut story = Story::with_room(200_000, connections);
    let mut tokens = Vec::new();
    for number in 0..connections {
        let (seat, lane) = story.open();
        story.ask(seat, join(&format!("own/{number}")));
        story.ask(seat, Request::Gone(Ending::Vanished));
        tokens.push(format!("t{lane}"));
    }
    for number in 0..connections {
        story.push(to(&format!("own/{number}")), Exclude::default());
    }
    for number in 0..others {
        story.push(to(&format!("other/{}", number % 1000)), Exclude::default());
    }
    let seats: Vec<_> = tokens.iter().map(|token| (story.open(), token.clone())).collect();
    let begun = Clock::now();
    for ((seat, _), token) in &seats {
        let (token, last) = (token.as_str().into(), None);
        story.desk.ask(*seat, None, Request::Resume { token, last }, story.now);
    }
    let taken = begun.elapsed();
    story.collect();
    for (number, ((_, lane), _)) in seats.iter().enumerate() {
        let heard = story.take(*lane);
        let expected = format!(r#"e-{} {{"channel":"own/{number}"}}"#, number + 1);
        assert_eq!(heard.first(), Some(&expected));
        assert_eq!(heard.len(), 2, "{heard:?}");
    }
    taken
}

// The death of a node sends all of its clients to another one: with 90,000 dispatches of others in the log 500 of them
// held everybody for a third of a second.
#[test]
fn whoever_comes_back_does_not_walk_through_what_others_were_told() {
    let (alone, among_others) = (storm(500, 0), storm(500, 90_000));
    assert!(
        among_others < 5 * alone + Duration::from_millis(20),
        "{among_others:?} behind 90,000 dispatches of others, {alone:?} without"
    );
}

struct Deaf;

impl Observer for Deaf {
    fn note(&self, _: &Note) {}
}

/// `TURTED_LONG=1 cargo test --release --lib storms -- --nocapture`: what a dispatch costs that reaches nobody.
#[test]
fn a_dispatch_that_reaches_nobody_is_cheap() {
    if std::env::var_os("TURTED_LONG").is_none() {
        return;
    }
    let count = 1_000_000;
    for channels in [1, 1000, 50_000] {
        let mut story = Story::with_room(100_000, 1);
        story.desk.settings.observer = Arc::new(Deaf);
        let names: Vec<_> = (0..channels).map(|number| to(&format!("room/{number}"))).collect();
        let (event, payload) = (EventName::unnamed(), Payload::empty_object());
        let begun = Clock::now();
        for number in 0..count {
            let targets = names[number * 7919 % channels].clone();
            let dispatch = Dispatch::new(event.clone(), targets, payload.clone());
            story.desk.publish(dispatch, story.now);
        }
        let each = begun.elapsed() / u32::try_from(count).unwrap();
        println!("{channels} channels: {each:?} for each dispatch that reaches nobody");
    }
}
