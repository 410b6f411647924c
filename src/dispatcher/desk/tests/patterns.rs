//! Stories about whoever hears channels by pattern: once, with the channel as the reason, with all that a channel has.

use turted_core::may::Verb;

use super::permissions::{may, story};
use super::*;

fn hear(text: &str) -> Request {
    Request::Join(pattern(text), Permit::None)
}

#[test]
fn one_copy_comes_whatever_matches_and_via_names_the_channel() {
    let mut story = Story::with_log(100);
    let (seat, lane) = story.open();
    for request in [hear("foo/*"), hear("foo/**"), join("foo/a")] {
        story.ask(seat, request);
    }
    let receipt = story.push(to("foo/a"), Exclude::default());
    assert_eq!(receipt.recipients, 1);
    assert_eq!(story.push(to("foo/a/b"), Exclude::default()).recipients, 1);
    assert_eq!(story.push(to("foo"), Exclude::default()).recipients, 0);
    assert_eq!(
        story.take(lane),
        [
            "join foo/*",
            "join foo/**",
            "join foo/a",
            r#"e-1 {"channel":"foo/a"}"#,
            r#"e-2 {"channel":"foo/a/b"}"#
        ]
    );
    story.ask(seat, Request::Leave(pattern("foo/**")));
    story.ask(seat, Request::Leave(pattern("foo/**")));
    assert_eq!(story.push(to("foo/a/b"), Exclude::default()).recipients, 0);
    assert_eq!(story.push(to("foo/b"), Exclude::default()).recipients, 1);
    assert_eq!(
        story.take(lane),
        ["leave foo/**", "rejected not_joined", r#"e-5 {"channel":"foo/b"}"#]
    );
}

#[test]
fn they_count_as_channels_do() {
    let mut story = Story::with_log(100);
    let (seat, lane) = story.open();
    for request in [hear("a/*"), hear("b/*"), join("c"), hear("d/*"), hear("a/*")] {
        story.ask(seat, request);
    }
    let last = story.take(lane);
    assert_eq!(last[3..], ["rejected too_many_channels", "join a/*"]);
}

#[test]
fn whoever_comes_back_hears_what_its_patterns_missed() {
    let mut story = Story::with_log(100);
    let (seat, lane) = story.open();
    story.ask(seat, hear("foo/*"));
    story.ask(seat, Request::Gone(Ending::Vanished));
    story.push(to("foo/a"), Exclude::default());
    story.push(to("bar/a"), Exclude::default());
    story.take(lane);
    let (again, lane) = story.open();
    story.resume(again, "t0", None);
    let heard = story.take(lane);
    assert_eq!(heard[0], r#"e-1 {"channel":"foo/a"}"#);
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(story.push(to("foo/b"), Exclude::default()).recipients, 1);
}

/// What came late with a pattern does not put off what its channel brought at once.
#[test]
fn what_comes_late_by_a_pattern_keeps_its_order() {
    let mut story = Story::with_log(100);
    story.push(to("a/1"), Exclude::default());
    let (seat, lane) = story.open();
    story.ask(seat, join("a/2"));
    story.ask(
        seat,
        Request::Resume {
            token: "gone".into(),
            last: Some("other-7".into()),
        },
    );
    story.push(to("a/2"), Exclude::default());
    story.take(lane);
    story.ask(seat, hear("a/*"));
    assert_eq!(story.take(lane), ["join a/*", r#"e-1 {"channel":"a/1"}"#]);
    story.ask(seat, Request::Since("e-2".into()));
    assert_eq!(story.take(lane), [r#"e-1 {"channel":"a/1"}"#], "it stands behind");
}

#[test]
fn a_pattern_is_granted_where_a_rule_covers_all_of_it() {
    let rules = may(
        &[(Verb::Join, "news.*"), (Verb::Join, "news/**")],
        &[(Verb::Join, "own/{user}/**")],
        &[(Verb::Join, "doc/**")],
    );
    let mut story = story(rules);
    let (seat, lane) = story.open();
    for text in ["news/*", "news/a/**", "new*", "**", "news.*", "own/adam/*", "doc/*"] {
        story.ask(seat, hear(text));
    }
    assert_eq!(
        story.take(lane),
        [
            "join news/*",
            "join news/a/**",
            "rejected join_denied",
            "rejected join_denied",
            "rejected join_denied",
            "rejected join_denied",
            "rejected join_denied"
        ]
    );
    let (adam, lane) = story.open();
    story.ask(adam, ident("adam"));
    for text in ["own/adam/*", "own/eve/*", "own/*", "own/adam*"] {
        story.ask(adam, hear(text));
    }
    assert_eq!(
        story.take(lane)[1..],
        [
            "join own/adam/*",
            "rejected join_denied",
            "rejected join_denied",
            "rejected join_denied"
        ]
    );
    // Whoever becomes somebody else loses what was the first one's.
    story.ask(adam, ident("eve"));
    assert_eq!(story.take(lane), ["ident eve", "left own/adam/* denied"]);
    assert_eq!(story.push(to("own/adam/x"), Exclude::default()).recipients, 0);
}

#[test]
fn nobody_hears_the_servers_own_channels_by_pattern() {
    let mut story = Story::with_log(100);
    let (seat, lane) = story.open();
    story.ask(seat, hear("**"));
    story.ask(seat, hear("turted:**"));
    assert_eq!(story.push(to("turted:x"), Exclude::default()).recipients, 0);
    assert_eq!(story.push(to("turtles"), Exclude::default()).recipients, 1);
    assert_eq!(
        story.take(lane),
        ["join **", "rejected join_denied", r#"e-2 {"channel":"turtles"}"#]
    );
}
