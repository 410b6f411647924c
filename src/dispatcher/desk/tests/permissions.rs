//! Stories about who may do what, how long, and who was thrown out.

use serde_json::{Map, Value};
use turted_core::Publication;
use turted_core::may::{Audience, Claims, Grants, Pattern, Permissions, Verb, Who};

use super::super::super::messages::{Expel, Pending, Permit, Question, Vouched, Whom};
use super::*;

/// `[may.anyone]` and `[may.users]`, each a list of a verb and a pattern, and what is asked.
pub fn may(anyone: &[(Verb, &str)], users: &[(Verb, &str)], asks: &[(Verb, &str)]) -> Permissions {
    let grants = |list: &[(Verb, &str)]| {
        let parsed: Vec<_> = list
            .iter()
            .map(|(verb, text)| (*verb, Pattern::parse(text).unwrap()))
            .collect();
        Grants::new(parsed.iter().map(|(verb, pattern)| (*verb, pattern)))
    };
    let audience = |name: &str, who, list| Audience {
        name: name.into(),
        who,
        grants: grants(list),
        from: true,
    };
    let audiences = vec![
        audience("anyone", Who::Anyone, anyone),
        audience("users", Who::Users, users),
    ];
    Permissions::new(audiences, grants(asks), true)
}

/// Users may join what is theirs, and say something in it.
pub fn own() -> Permissions {
    may(
        &[(Verb::Join, "news.*")],
        &[(Verb::Join, "own.{user}"), (Verb::Publish, "own.{user}")],
        &[(Verb::Join, "doc.*")],
    )
}

pub fn story(permissions: Permissions) -> Story {
    Story::permitting(100, permissions)
}

/// An identity of this user that ends after so many seconds.
pub fn until(story: &Story, name: &str, seconds: u64) -> Request {
    Request::Ident(Vouched {
        expires: Some(story.now + Duration::from_secs(seconds)),
        ..Vouched::new(Arc::new(Identity::of(user(name))))
    })
}

pub fn say(name: &str, echo: bool) -> Request {
    let publication = Publication {
        channel: channel(name),
        event: EventName::unnamed(),
        payload: Payload::empty_object(),
        echo,
    };
    Request::Publish(publication, Permit::None)
}

pub fn expel(story: &mut Story, whom: Whom, except: &[&str], ban: Option<u64>) -> usize {
    let except = except.iter().map(|id| Arc::from(*id)).collect();
    let ban = ban.map(Duration::from_secs);
    let count = story.desk.expel(Expel { whom, except, ban }, story.now);
    story.collect();
    count
}

#[test]
fn what_nobody_grants_is_refused_and_what_is_said_there_is_not_heard() {
    let mut story = story(own());
    let (seat, lane) = story.open();
    for (name, answer) in [
        ("news.today", "join news.today"),
        ("own.adam", "rejected join_denied"),
        ("other", "rejected join_denied"),
        ("turted:secrets", "rejected join_denied"),
    ] {
        story.ask(seat, join(name));
        assert_eq!(story.take(lane), [answer], "{name}");
    }
    story.ask(seat, ident("adam"));
    story.ask(seat, join("own.adam"));
    story.ask(seat, join("own.eve"));
    assert_eq!(
        story.take(lane),
        ["ident adam", "join own.adam", "rejected join_denied"]
    );
    story.push(to("own.eve"), Exclude::default());
    assert!(story.take(lane).is_empty());
}

#[test]
fn whoever_becomes_somebody_else_leaves_what_only_the_former_might_hear() {
    let mut story = story(own());
    let (seat, lane) = story.open();
    for request in [
        ident("adam"),
        join("own.adam"),
        join("news.today"),
        ident("adam"),
        ident("eve"),
    ] {
        story.ask(seat, request);
    }
    let told = [
        "ident adam",
        "join own.adam",
        "join news.today",
        "ident adam",
        "ident eve",
        "left own.adam denied",
    ];
    assert_eq!(story.take(lane), told);
    story.push(to("own.adam"), Exclude::default());
    story.push(to("news.today"), Exclude::default());
    assert_eq!(story.take(lane), [r#"e-2 {"channel":"news.today"}"#]);
}

#[test]
fn what_the_backend_is_asked_about_is_granted_by_its_answer_and_kept_by_the_same_user() {
    let mut story = story(own());
    let (seat, lane) = story.open();
    story.ask(seat, ident("adam"));
    let question = story.desk.ask(seat, None, join("doc.7"), story.now);
    let Some(Pending::Asks(Question { verb, name, identity })) = question else {
        panic!("the backend is to be asked");
    };
    assert_eq!(
        (verb, &*name, identity.user.clone()),
        (Verb::Join, "doc.7", Some(user("adam")))
    );
    story.ask(seat, Request::Join(channel("doc.7"), Permit::Granted));
    // An answer about one thing is none about another.
    story.ask(seat, Request::Join(channel("own.eve"), Permit::Granted));
    story.ask(seat, ident("adam"));
    assert_eq!(
        story.take(lane),
        ["ident adam", "join doc.7", "rejected join_denied", "ident adam"]
    );
    story.ask(seat, ident("eve"));
    assert_eq!(story.take(lane), ["ident eve", "left doc.7 denied"]);
}

#[test]
fn a_client_says_something_where_it_may_and_hears_itself_unless_it_does_not_want_to() {
    let mut story = story(own());
    let ((adam, one), (again, two), (nobody, three)) = (story.open(), story.open(), story.open());
    for seat in [adam, again] {
        story.ask(seat, ident("adam"));
        story.ask(seat, join("own.adam"));
    }
    story.take(one);
    story.take(two);
    story.ask(adam, say("own.adam", true));
    assert_eq!(
        story.take(one),
        [r#"e-1 {"channel":"own.adam"} from adam c0"#, "published e-1 to 2"]
    );
    story.ask(adam, say("own.adam", false));
    assert_eq!(story.take(one), ["published e-2 to 1"]);
    assert_eq!(story.take(two).len(), 2);
    story.ask(adam, say("own.eve", true));
    story.ask(nobody, say("own.adam", true));
    assert_eq!(story.take(one), ["rejected publish_denied"]);
    assert_eq!(story.take(three), ["rejected publish_denied"]);
}

#[test]
fn an_identity_brings_channels_along_as_far_as_it_may_hear_them() {
    let mut story = story(own());
    let (seat, lane) = story.open();
    let identity = Arc::new(Identity {
        joins: ["own.adam", "own.eve", "room.7"].map(channel).to_vec(),
        grants: Grants::read(&serde_json::json!({"join": ["room.*"]})).unwrap(),
        ..Identity::of(user("adam"))
    });
    story.ask(seat, Request::Ident(Vouched::new(Arc::clone(&identity))));
    assert_eq!(
        story.take(lane),
        ["ident adam with own.adam, room.7", "rejected join_denied"]
    );
    // Its own grants may have a bound.
    let within = Some(Arc::from([Pattern::parse("hall.*").unwrap()]));
    let bounded = Identity {
        within,
        ..Identity::clone(&identity)
    };
    story.ask(seat, Request::Ident(Vouched::new(Arc::new(bounded))));
    assert_eq!(
        story.take(lane),
        [
            "ident adam with own.adam",
            "left room.7 denied",
            "rejected join_denied",
            "rejected join_denied"
        ]
    );
}

#[test]
fn whoever_arrives_hears_what_it_may_and_nothing_from_before_its_identity() {
    let mut story = story(own());
    story.push(to("news.a"), Exclude::default());
    story.wait(10);
    let issued = story.now;
    story.wait(1);
    story.push(to("news.a"), Exclude::default());
    let identity = Arc::new(Identity::of(user("adam")));
    let arrival = Arrival {
        identity: Arc::clone(&identity),
        channels: ["news.a", "own.eve", "doc.1", "doc.2"].map(channel)[..3].to_vec(),
        granted: vec![channel("doc.1")],
        last: Some("e-0".into()),
        ..Arrival::default()
    };
    let vouched = Vouched {
        issued: Some(issued),
        ..Vouched::new(identity)
    };
    let (seat, lane) = story.open();
    story.ask(seat, Request::Arrive(arrival, vouched));
    let heard = story.take(lane);
    assert_eq!(
        heard,
        ["missed e-0", "rejected join_denied", r#"e-2 {"channel":"news.a"}"#]
    );
    story.push(to("doc.1"), Exclude::default());
    assert_eq!(story.take(lane).len(), 1);
}

#[test]
fn an_identity_ends_unless_a_new_one_comes_in_time() {
    let mut story = story(own());
    let ((adam, one), (eve, two)) = (story.open(), story.open());
    let (short, other) = (until(&story, "adam", 60), until(&story, "eve", 60));
    story.ask(adam, short);
    story.ask(eve, other);
    story.ask(adam, join("own.adam"));
    story.take(one);
    story.take(two);
    story.wait(29);
    assert!(story.take(one).is_empty());
    story.wait(2);
    assert_eq!(
        (story.take(one), story.take(two)),
        (vec!["expiring 29".to_owned()], vec!["expiring 29".to_owned()])
    );
    let longer = until(&story, "eve", 600);
    story.ask(eve, longer);
    assert_eq!(story.take(two), ["ident eve"]);
    story.wait(50);
    assert!(story.take(one).is_empty(), "a little is forgiven");
    story.wait(5);
    assert_eq!(story.take(one), ["end 4012"]);
    assert!(story.take(two).is_empty() && story.desk.deadlines.len() == 1);
    // Again and again on one wire leaves one entry.
    for _ in 0..100 {
        let longer = until(&story, "eve", 600);
        story.ask(eve, longer);
    }
    assert_eq!(story.desk.deadlines.len(), 1);
    story.ask(eve, Request::Gone(Ending::Normal));
    assert!(story.desk.deadlines.is_empty());
}

#[test]
fn an_identity_that_ended_meanwhile_does_not_come_back_with_the_wire() {
    let mut story = story(own());
    let (seat, _) = story.open();
    let short = until(&story, "adam", 60);
    story.ask(seat, short);
    story.ask(seat, join("own.adam"));
    story.ask(seat, Request::Gone(Ending::Vanished));
    story.wait(61);
    story.push(to("own.adam"), Exclude::default());
    story.push(vec![Target::User(user("adam"))], Exclude::default());
    let (again, lane) = story.open();
    story.resume(again, "t0", Some("e-0"));
    assert_eq!(story.take(lane), ["resumed c0 false 0 expired"]);
    story.push(to("own.adam"), Exclude::default());
    assert!(story.take(lane).is_empty());
}

#[test]
fn what_would_have_to_be_confirmed_again_does_not_come_back_unconfirmed() {
    let mut story = story(own());
    let (seat, _) = story.open();
    let vouched = Vouched {
        renews: Some(story.now + Duration::from_secs(60)),
        ..Vouched::new(Arc::new(Identity::of(user("adam"))))
    };
    story.ask(seat, Request::Ident(vouched));
    story.ask(seat, join("own.adam"));
    story.ask(seat, Request::Gone(Ending::Vanished));
    story.now += Duration::from_secs(61);
    story.push(to("own.adam"), Exclude::default());
    let (again, lane) = story.open();
    story.resume(again, "t0", Some("e-0"));
    assert_eq!(story.take(lane), ["resumed c0 false 0 expired"]);
}

#[test]
fn channels_of_two_connections_that_become_one_are_judged_as_those_of_whom_it_is() {
    let mut story = story(own());
    let ((adam, one), (nobody, two)) = (story.open(), story.open());
    story.ask(adam, ident("adam"));
    let bearer = Identity {
        grants: Grants::read(&serde_json::json!({"join": ["secret"]})).unwrap(),
        ..Identity::default()
    };
    story.ask(nobody, Request::Ident(Vouched::new(Arc::new(bearer))));
    story.ask(nobody, join("secret"));
    story.take(one);
    story.resume(nobody, "t0", None);
    let told = story.take(two);
    assert!(told.contains(&"left secret denied".to_owned()), "{told:?}");
    story.push(to("secret"), Exclude::default());
    assert!(story.take(two).is_empty());
}

#[test]
fn what_the_backend_granted_to_one_user_is_gone_with_that_user() {
    let mut story = story(own());
    let (seat, lane) = story.open();
    story.ask(seat, ident("adam"));
    story.ask(seat, Request::Join(channel("doc.9"), Permit::Granted));
    let bearer = Identity {
        grants: Grants::read(&serde_json::json!({"join": ["doc.9"]})).unwrap(),
        ..Identity::of(user("eve"))
    };
    story.ask(seat, Request::Ident(Vouched::new(Arc::new(bearer))));
    assert_eq!(story.take(lane), ["ident adam", "join doc.9", "ident eve"]);
    story.ask(seat, ident("eve"));
    assert_eq!(story.take(lane), ["ident eve", "left doc.9 denied"]);
}

#[test]
fn a_client_does_not_speak_with_the_words_of_the_server() {
    let mut story = story(own());
    let (seat, lane) = story.open();
    story.ask(seat, ident("adam"));
    for word in ["left", "OK", "turted:bye"] {
        let Request::Publish(said, permit) = say("own.adam", true) else {
            panic!("it is said");
        };
        let event = EventName::parse(word, &Limits::default()).unwrap();
        story.ask(seat, Request::Publish(Publication { event, ..said }, permit));
    }
    assert_eq!(story.take(lane)[1..], ["rejected bad_name"; 3]);
}

#[test]
fn a_connection_of_somebody_else_is_not_taken_over_nor_shared_with_whoever_knew_it_before() {
    let mut story = story(own());
    let ((eve, one), (adam, two), (victim, three)) = (story.open(), story.open(), story.open());
    story.ask(eve, ident("eve"));
    // Adam is made to show a secret that eve knows.
    story.ask(adam, ident("adam"));
    story.resume(adam, "t0", None);
    assert_eq!(story.take(two), ["ident adam", "resumed c1 false 0"]);
    assert_eq!(story.take(one), ["ident eve"], "it goes on");
    // Somebody without a name yet is, and then says who it is.
    story.resume(victim, "t0", None);
    story.ask(victim, ident("bob"));
    story.take(three);
    let (again, lane) = story.open();
    story.resume(again, "t0", None);
    assert_eq!(story.take(lane), [format!("resumed c{lane} false 0")]);
    // And one that brings its name along.
    let ((_, five), (carol, six)) = (story.open(), story.open());
    story.ask(carol, ident("carol"));
    story.resume(carol, &format!("t{five}"), None);
    let (thief, seven) = story.open();
    story.resume(thief, &format!("t{five}"), None);
    story.take(six);
    assert_eq!(story.take(seven), [format!("resumed c{seven} false 0")]);
    story.push(vec![Target::User(user("bob"))], Exclude::default());
    assert_eq!((story.take(three).len(), story.take(lane).len()), (1, 0));
}

#[test]
fn an_identity_that_has_ended_is_none() {
    let mut story = story(own());
    let (seat, lane) = story.open();
    let over = until(&story, "adam", 0);
    story.ask(seat, over);
    assert_eq!(story.take(lane), ["rejected expired"]);
}

#[test]
fn whoever_is_thrown_out_is_gone_at_once_with_all_secrets_and_stays_away_while_the_ban_holds() {
    let mut story = story(own());
    let ((live, one), (parked, two), (spared, three), (other, four)) =
        (story.open(), story.open(), story.open(), story.open());
    for seat in [live, parked, spared] {
        story.ask(seat, ident("adam"));
    }
    story.ask(other, ident("eve"));
    story.ask(parked, Request::Gone(Ending::Vanished));
    for lane in [one, two, three, four] {
        story.take(lane);
    }
    assert_eq!(expel(&mut story, Whom::User(user("adam")), &["c2"], Some(600)), 2);
    assert_eq!(story.take(one), ["end 4010", "retired"]);
    story.push(vec![Target::User(user("adam"))], Exclude::default());
    assert!(story.take(one).is_empty() && story.take(two).is_empty());
    assert_eq!(story.take(three).len(), 1, "who may stay goes on");
    for token in ["t0", "t1"] {
        let (again, lane) = story.open();
        story.resume(again, token, None);
        assert_eq!(story.take(lane), [format!("resumed c{lane} false 0")], "{token}");
        story.ask(again, ident("adam"));
        assert_eq!(story.take(lane), ["rejected ident_denied"]);
    }
    story.wait(601);
    let (again, lane) = story.open();
    story.ask(again, ident("adam"));
    assert_eq!(story.take(lane), ["ident adam"]);
    assert!(story.take(four).is_empty());
    assert_eq!(expel(&mut story, Whom::Connection("c3".into()), &[], None), 1);
    assert_eq!(story.take(four), ["end 4010", "retired"]);
    assert_eq!(expel(&mut story, Whom::Connection("c3".into()), &[], None), 0);
}

#[test]
fn without_broadcasts_for_anyone_they_reach_those_with_a_name_only_and_nothing_from_before() {
    let silent = Permissions::new(Vec::new(), Grants::default(), false);
    let mut story = story(silent);
    let (seat, lane) = story.open();
    story.ask(seat, Request::Ready);
    story.push(vec![Target::Everybody], Exclude::default());
    story.ask(seat, ident("adam"));
    assert_eq!(story.take(lane), ["ident adam"]);
    story.push(vec![Target::Everybody], Exclude::default());
    assert_eq!(story.take(lane), [r#"e-2 {"broadcast":true}"#]);
    // With the wire lost and found again it is the same.
    story.ask(seat, Request::Gone(Ending::Vanished));
    story.push(vec![Target::Everybody], Exclude::default());
    let (again, lane) = story.open();
    story.resume(again, "t0", Some("e-1"));
    assert_eq!(
        story.take(lane),
        [
            r#"e-2 {"broadcast":true}"#,
            r#"e-3 {"broadcast":true}"#,
            "resumed c0 true 2"
        ]
    );
}

#[test]
fn where_nobody_may_do_anything_nobody_stays_nobody() {
    let mut story = story(Permissions::new(Vec::new(), Grants::default(), false));
    let ((_, one), (adam, two)) = (story.open(), story.open());
    story.ask(adam, ident("adam"));
    story.wait(9);
    assert!(story.take(one).is_empty());
    story.wait(2);
    assert_eq!(
        (story.take(one), story.take(two)),
        (vec!["end 1008".to_owned()], vec!["ident adam".to_owned()])
    );
}

#[test]
fn claims_decide_whom_a_channel_is_for() {
    let org = may(&[], &[(Verb::Join, "org.{claim.org}.**")], &[]);
    let mut story = story(org);
    let (seat, lane) = story.open();
    let claims: Map<String, Value> = serde_json::from_str(r#"{"org":["acme","b.c"]}"#).unwrap();
    let identity = Identity {
        claims: Claims::pick(&claims, &["org".into()]),
        ..Identity::of(user("adam"))
    };
    story.ask(seat, Request::Ident(Vouched::new(Arc::new(identity))));
    for name in ["org.acme.news", "org.b.c.news", "org.acmes.news"] {
        story.ask(seat, join(name));
    }
    assert_eq!(
        story.take(lane),
        [
            "ident adam",
            "join org.acme.news",
            "rejected join_denied",
            "rejected join_denied"
        ]
    );
}
