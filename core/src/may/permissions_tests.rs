//! Who may do what, and how a no is explained to whoever wrote the rules.

use serde_json::{Value, json};

use super::permissions::{Audience, Because, Condition, Permissions, Verdict, Who};
use super::{Claims, Grants, Pattern, Verb};
use crate::auth::Identity;
use crate::limits::Limits;
use crate::name::UserName;

fn grants(may: &Value) -> Grants {
    Grants::read(may).unwrap()
}

fn audience(name: &str, who: Who, may: &Value) -> Audience {
    Audience {
        name: name.into(),
        who,
        grants: grants(may),
        from: name != "users",
    }
}

fn house() -> Permissions {
    let staff = Condition {
        claim: Some("roles".into()),
        values: vec!["staff".into(), "admin".into()],
    };
    let not_eve = Condition {
        claim: None,
        values: vec!["adam".into(), "bob".into()],
    };
    let audiences = vec![
        audience("anyone", Who::Anyone, &json!({"join": ["news.*"]})),
        audience(
            "staff",
            Who::Those(vec![staff, not_eve]),
            &json!({"join": ["**"], "publish": ["news.*"]}),
        ),
        audience(
            "users",
            Who::Users,
            &json!({"join": ["user.{user}", "org.{claim.org}.**"], "publish": ["typing.*"]}),
        ),
    ];
    Permissions::new(audiences, grants(&json!({"join": ["doc.*", "secret.*"]})), true)
}

fn who(name: &str, claims: &Value) -> Identity {
    let all = claims.as_object().unwrap();
    Identity {
        claims: Claims::pick(all, &["roles".into(), "org".into()]),
        ..Identity::of(UserName::parse(name, &Limits::default()).unwrap())
    }
}

fn said(verdict: Verdict<'_>) -> String {
    match verdict {
        Verdict::Yes(because) => because.to_string(),
        Verdict::No => "no".to_owned(),
        Verdict::Ask => "ask".to_owned(),
    }
}

#[test]
fn grants_add_up_and_the_backend_comes_last() {
    let house = house();
    let (nobody, adam) = (Identity::default(), who("adam", &json!({"org": "acme"})));
    let (boss, eve) = (
        who("adam", &json!({"roles": ["x", "staff"]})),
        who("eve", &json!({"roles": "admin"})),
    );
    for (identity, verb, name, expected) in [
        (&nobody, Verb::Join, "news.a", "[may.anyone] join[0]"),
        (&nobody, Verb::Join, "user.adam", "no"),
        (&nobody, Verb::Publish, "news.a", "no"),
        (&nobody, Verb::Join, "doc.7", "ask"),
        (&adam, Verb::Join, "user.adam", "[may.users] join[0]"),
        (&adam, Verb::Join, "user.eve", "no"),
        (&adam, Verb::Join, "org.acme.x", "[may.users] join[1]"),
        (&adam, Verb::Publish, "typing.x", "[may.users] publish[0]"),
        (&adam, Verb::Publish, "news.x", "no"),
        (&adam, Verb::History, "news.x", "no"),
        (&adam, Verb::Publish, "doc.7", "no"),
        (&adam, Verb::Join, "turted:x", "no"),
        (&boss, Verb::Join, "secret.x", "[may.staff] join[0]"),
        (&boss, Verb::Publish, "news.x", "[may.staff] publish[0]"),
        (&boss, Verb::Join, "turted:x", "no"),
        (&eve, Verb::Join, "secret.x", "ask"),
    ] {
        assert_eq!(said(house.judge(verb, name, identity)), expected, "{verb} {name}");
    }
    let Verdict::Yes(because) = house.judge(Verb::Publish, "typing.x", &adam) else {
        panic!("granted");
    };
    assert!(!because.tells_from(), "[may.users] says so");
    assert!(Because::Open.tells_from() && Because::Own(Verb::Publish, 0).tells_from());
}

#[test]
fn what_an_identity_brings_along_counts_within_its_bounds() {
    let mut bearer = who("adam", &json!({"org": "acme"}));
    bearer.grants = grants(&json!({"join": ["room.7", "{claim.org}-lobby", "hall.*"]}));
    let house = house();
    let judge = |identity: &Identity, name| said(house.judge(Verb::Join, name, identity));
    assert_eq!(judge(&bearer, "room.7"), "the identity's own may.join[0]");
    assert_eq!(judge(&bearer, "acme-lobby"), "the identity's own may.join[1]");
    assert_eq!(judge(&bearer, "room.8"), "no");
    bearer.within = Some([Pattern::parse("room.*").unwrap()].into());
    assert_eq!(judge(&bearer, "room.7"), "the identity's own may.join[0]");
    assert_eq!(judge(&bearer, "hall.1"), "no");
    assert_eq!(
        judge(&bearer, "user.adam"),
        "[may.users] join[0]",
        "that is not its own"
    );
}

#[test]
fn without_rules_everybody_may_join_and_nothing_else() {
    let open = Permissions::default();
    let nobody = Identity::default();
    assert_eq!(
        said(open.judge(Verb::Join, "a", &nobody)),
        "the absence of [may]: everybody may join everything"
    );
    assert_eq!(said(open.judge(Verb::Join, "turted:a", &nobody)), "no");
    assert_eq!(said(open.judge(Verb::Publish, "a", &nobody)), "no");
    assert_eq!(said(open.judge(Verb::Call, "a", &nobody)), "no");
    assert_eq!(
        open.explain(Verb::Publish, "a", &nobody),
        "without [may] nobody may publish"
    );
    assert!(open.broadcasts() && open.has_something_for_anyone());
    let mut may_say = nobody.clone();
    may_say.grants = grants(&json!({"publish": ["a"]}));
    assert_eq!(
        said(open.judge(Verb::Publish, "a", &may_say)),
        "the identity's own may.publish[0]"
    );
}

#[test]
fn a_no_is_explained_by_the_nearest_pattern_and_what_it_lacks() {
    let house = house();
    let why = |name: &str, identity: &Identity| house.explain(Verb::Join, name, identity);
    let (nobody, adam) = (Identity::default(), who("adam", &json!({})));
    assert_eq!(
        why("org.acme.x", &adam),
        "no pattern of [may.anyone], [may.users] matches; nearest org.{claim.org}.**, but the claim org is missing"
    );
    assert_eq!(
        why("user.adam", &nobody),
        "no pattern of [may.anyone] matches; nearest user.{user}, but there is no user"
    );
    assert_eq!(why("zoo", &adam), "no pattern of [may.anyone], [may.users] matches");
    assert_eq!(
        why("user.eve", &adam),
        "no pattern of [may.anyone], [may.users] matches; nearest user.{user}"
    );
    assert_eq!(
        house.explain(Verb::Publish, "news.x", &adam),
        "no pattern of [may.anyone], [may.users] matches; nearest news.*, but that is of [may.staff], which is not about this \
         identity"
    );
    assert_eq!(
        why("turted:x", &adam),
        "names that begin with turted: are the server's own"
    );
    let empty = Permissions::new(Vec::new(), Grants::default(), false);
    assert_eq!(
        empty.explain(Verb::Join, "a", &adam),
        "no audience of [may] is about this identity"
    );
}

#[test]
fn whether_there_is_anything_for_those_without_a_name() {
    let none = |broadcasts| Permissions::new(Vec::new(), Grants::default(), broadcasts);
    assert!(none(true).has_something_for_anyone() && !none(false).has_something_for_anyone());
    assert!(!none(false).broadcasts());
    let with = |who, may: Value| Permissions::new(vec![audience("x", who, &may)], Grants::default(), false);
    assert!(with(Who::Anyone, json!({"join": ["a"]})).has_something_for_anyone());
    assert!(!with(Who::Anyone, json!({})).has_something_for_anyone());
    assert!(!with(Who::Users, json!({"join": ["a"]})).has_something_for_anyone());
}
