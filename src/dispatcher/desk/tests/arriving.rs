//! Stories about connections that arrive with a past, and about answers that were lost on the way.

use super::*;

#[test]
fn whoever_arrives_with_an_id_hears_what_came_after_it_as_if_it_had_been_there() {
    let mut story = Story::with_log(10);
    for name in ["chat", "news", "chat"] {
        story.push(to(name), Exclude::default());
    }
    story.push(vec![Target::User(user("adam"))], Exclude::default());
    let arrive = |last: &str| {
        let identity = Arc::new(Identity::of(user("adam")));
        let arrival = Arrival {
            identity: Arc::clone(&identity),
            channels: vec![channel("chat")],
            last: Some(last.into()),
            ..Arrival::default()
        };
        Request::Arrive(arrival, Vouched::new(identity))
    };
    let (seat, lane) = story.open();
    story.ask(seat, arrive("e-1"));
    assert_eq!(
        story.take(lane),
        [r#"e-3 {"channel":"chat"}"#, r#"e-4 {"user":"adam"}"#]
    );
    story.push(to("chat"), Exclude::default());
    assert_eq!(story.take(lane), [r#"e-5 {"channel":"chat"}"#], "and then live");
    // Of another time: the word that something may be missing, and then all that there is.
    for unknown in ["other-1", "e-99", "nonsense"] {
        let (seat, lane) = story.open();
        story.ask(seat, arrive(unknown));
        let [gap, events @ ..] = &story.take(lane)[..] else {
            panic!("nothing came");
        };
        let ids: Vec<&str> = events.iter().map(|event| &event[..3]).collect();
        assert_eq!(
            (gap.as_str(), &ids[..]),
            (&*format!("missed {unknown}"), &["e-1", "e-3", "e-4", "e-5"][..])
        );
    }
}

#[test]
fn what_was_handed_out_and_lost_comes_again_once() {
    let mut story = Story::with_log(10);
    let (seat, lane) = story.open();
    story.ask(seat, join("chat"));
    for _ in 0..3 {
        story.push(to("chat"), Exclude::default());
    }
    story.take(lane);
    story.push(to("chat"), Exclude::default());
    story.ask(seat, Request::Since("e-2".into()));
    let via = r#"{"channel":"chat"}"#;
    assert_eq!(story.take(lane), [format!("e-3 {via}"), format!("e-4 {via}")]);
    story.ask(seat, Request::Since("e-0".into()));
    assert_eq!(story.take(lane).len(), 4, "from the beginning of its membership");
}
