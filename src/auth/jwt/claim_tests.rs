//! What the claims of a token make of it: each case with its name.
//!
//! In: tokens whose signature holds. Out: a user with rights, or the sentence for the log. Refuses to know: how
//! signatures and times are looked at.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use turted_core::may::{Pattern, Verb};
use turted_core::{Authenticator, Brought, Refusal, Visitor};

use super::forge::*;
use super::*;

#[test]
fn who_it_is() {
    let text = |sub: &str| signed(HS256, &format!(r#"{{"sub":{sub},"exp":{}}}"#, now() + 60));
    let rows = vec![
        ("a number", text("7"), "user 7"),
        ("__proto__", text(r#""__proto__""#), "user __proto__"),
        ("an address", text(r#""adam@example.com""#), "user adam@example.com"),
        ("empty", text(r#""""#), "it makes no user name: sub is empty"),
        ("null", text("null"), "it makes no user name: sub is null"),
        ("a fraction", text("1.5"), "it makes no user name: sub is a number"),
        ("a list", text(r#"["adam"]"#), "it makes no user name: sub is a list"),
        ("an object", text(r#"{"a":1}"#), "it "),
        (
            "201 bytes",
            text(&format!("{:?}", "a".repeat(201))),
            "it makes no user name",
        ),
        ("200 bytes", text(&format!("{:?}", "a".repeat(200))), "user aaa"),
        ("a line break", text(r#""a\nb""#), "it makes no user name"),
        ("NUL", text(r#""a\u0000b""#), "it makes no user name"),
        ("half a surrogate", text(r#""a\ud800b""#), "what it says is no JSON"),
        (
            "absent",
            saying(json!({"sub": null})),
            "it makes no user name: there is no sub",
        ),
        ("twice", text(r#""adam","sub":"eve""#), "what it says has two"),
        ("jti too long", saying(json!({"jti": "j".repeat(201)})), "jti is longer"),
        ("jti a number", saying(json!({"jti": 5})), "jti is a number"),
    ];
    table(&door(), rows);
}

#[test]
fn no_member_stands_twice_at_any_depth() {
    let end = now() + 60;
    let rows = vec![
        (
            "a claim",
            signed(HS256, &format!(r#"{{"sub":"adam","exp":{end},"org":"a","org":"b"}}"#)),
            "what it says has two",
        ),
        (
            "within may",
            signed(
                HS256,
                &format!(r#"{{"sub":"adam","exp":{end},"may":{{"join":[],"join":["**"]}}}}"#),
            ),
            "what it says has two",
        ),
        (
            "escaped",
            signed(
                HS256,
                &format!(r#"{{"sub":"adam","exp":{end},"a":{{"b":1,"\u0062":2}}}}"#),
            ),
            "what it says has two",
        ),
        (
            "exp",
            signed(HS256, &format!(r#"{{"sub":"adam","exp":1,"exp":{end}}}"#)),
            "what it says has two",
        ),
        ("no object", signed(HS256, "[]"), "what it says is no JSON object"),
        ("no JSON", signed(HS256, "sub"), "what it says is no JSON"),
        (
            "not UTF-8",
            {
                let message = format!("{}.{}", unsigned(HS256, "").trim_end_matches('.'), "_w");
                let tag = ring::hmac::sign(
                    &ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes()),
                    message.as_bytes(),
                );
                format!(
                    "{message}.{}",
                    base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, tag)
                )
            },
            "what it says is no JSON",
        ),
        (
            "65 deep",
            signed(
                HS256,
                &format!(
                    r#"{{"sub":"adam","exp":{end},"x":{}{}}}"#,
                    "[".repeat(65),
                    "]".repeat(65)
                ),
            ),
            "what it says is nested",
        ),
        (
            "500 deep",
            signed(
                HS256,
                &format!(
                    r#"{{"sub":"adam","exp":{end},"x":{}{}}}"#,
                    "[".repeat(500),
                    "]".repeat(500)
                ),
            ),
            "what it says is nested",
        ),
    ];
    table(&door(), rows);
}

#[test]
fn for_whom_it_is_meant_and_by_whom() {
    let rules = Rules {
        algorithms: vec![Algorithm::HS256],
        ..public(&[])
    };
    let jwt = with_secrets(&[SECRET], rules);
    let at = |more: Value| signed(HS256, &of_provider(more));
    let without = |name: &str| {
        let mut all: Value = serde_json::from_str(&of_provider(json!({}))).unwrap();
        all.as_object_mut().unwrap().remove(name);
        signed(HS256, &all.to_string())
    };
    let rows = vec![
        ("both", at(json!({})), "user adam"),
        ("aud among others", at(json!({"aud": ["x", "turted"]})), "user adam"),
        (
            "aud of another",
            at(json!({"aud": "shop"})),
            "aud is \"shop\", expected is \"turted\"",
        ),
        (
            "aud others",
            at(json!({"aud": ["a", "b"]})),
            "aud is \"a\", expected is \"turted\"",
        ),
        ("aud empty list", at(json!({"aud": []})), "aud is \"\", expected"),
        ("aud absent", without("aud"), "it has no aud, expected is \"turted\""),
        ("aud a number", at(json!({"aud": 5})), "aud is a number"),
        (
            "aud a mixed list",
            at(json!({"aud": ["turted", 5]})),
            "aud is a list that has",
        ),
        ("aud an object", at(json!({"aud": {"turted": 1}})), "aud is an object"),
        ("iss absent", without("iss"), "it has no iss, expected"),
        (
            "iss with a slash",
            at(json!({"iss": "https://id.example.com/"})),
            "iss is \"https://id.example.com/\", expected",
        ),
        (
            "iss in other letters",
            at(json!({"iss": "https://ID.example.com"})),
            "iss is",
        ),
        (
            "iss longer",
            at(json!({"iss": "https://id.example.com.evil.org"})),
            "iss is",
        ),
        ("iss shorter", at(json!({"iss": "https://id.example"})), "iss is"),
        (
            "iss a list",
            at(json!({"iss": ["https://id.example.com"]})),
            "iss is a list",
        ),
        ("iss a number", at(json!({"iss": 1})), "iss is a number"),
        (
            "iss that would be a URL",
            at(json!({"iss": "https://127.0.0.1:1/{kid}"})),
            "iss is",
        ),
        ("iss very long", at(json!({"iss": "x".repeat(1000)})), "iss is"),
    ];
    table(&jwt, rows);
    table(
        &door(),
        vec![(
            "aud that nobody expects",
            saying(json!({"aud": "shop"})),
            "aud is \"shop\", and [auth.clients]",
        )],
    );
}

#[test]
fn what_it_may_and_what_it_joins() {
    let token = saying(json!({
        "may": {"join": ["room.7", "news.**"], "publish": ["room.7"]}, "join": ["room.7", "room.7", "user.adam"],
        "jti": "t-1", "org": "acme", "secret": "not kept",
    }));
    let identity = asked(&door(), &token).unwrap().unwrap();
    assert_eq!(identity.granted(Verb::Join, "news.a.b"), Some(1));
    assert_eq!(identity.granted(Verb::Publish, "room.7"), Some(0));
    assert_eq!(identity.granted(Verb::Publish, "room.8"), None);
    let joins: Vec<&str> = identity.joins.iter().map(turted_core::ChannelName::as_str).collect();
    assert_eq!(joins, ["room.7", "user.adam"]);
    assert_eq!(identity.token.as_deref(), Some("t-1"));
    assert!(identity.claims.has("org", "acme") && !identity.claims.is_known("secret"));

    let bound = Rules {
        within: Some(Arc::from([Pattern::parse("room.**").unwrap()])),
        ..rules()
    };
    let identity = asked(&with_secrets(&[SECRET], bound), &token).unwrap().unwrap();
    assert_eq!(identity.granted(Verb::Join, "room.7"), Some(0));
    assert_eq!(identity.granted(Verb::Join, "news.a.b"), None, "beyond `grants`");

    let own = saying(json!({"may": {"join": ["team.{claim.team}"]}, "team": "red"}));
    let identity = asked(&door(), &own).unwrap().unwrap();
    assert_eq!(
        identity.granted(Verb::Join, "team.red"),
        Some(0),
        "claims that only its own patterns ask for"
    );

    let many = |count: usize| json!({"may": {"join": vec!["a"; count]}});
    let rows = vec![
        ("100 grants", saying(many(100)), "user adam"),
        ("101 grants", saying(many(101)), "may has more than 100 patterns"),
        ("10^4 grants", saying(many(10_000)), "it is "),
        (
            "may a list",
            saying(json!({"may": ["room.7"]})),
            "may must be an object",
        ),
        (
            "may null",
            signed(HS256, &format!(r#"{{"sub":"adam","exp":{},"may":null}}"#, now() + 60)),
            "may must be",
        ),
        (
            "may with no verb",
            saying(json!({"may": {"jion": []}})),
            "may.\"jion\" is no verb",
        ),
        (
            "may with no pattern",
            saying(json!({"may": {"join": ["**.a"]}})),
            "the pattern of may.join[0]",
        ),
        (
            "join a text",
            saying(json!({"join": "a"})),
            "join is a text, not a list",
        ),
        (
            "join a number within",
            saying(json!({"join": ["a", 1]})),
            "join[1] is no text",
        ),
        ("join no name", saying(json!({"join": ["a\n"]})), "join[0] must not"),
        (
            "join many",
            saying(json!({"join": vec!["a"; 101]})),
            "join has more than 100",
        ),
    ];
    table(&door(), rows);
}

#[test]
fn a_secret_is_replaced_by_another_and_the_old_one_goes() {
    let (old, new) = (SECRET, "another secret of more than thirty-two bytes");
    let by_old = saying(json!({}));
    let by_new = hs256(new.as_bytes(), HS256, &claims(json!({})));
    let during = with_secrets(&[new, old], rules());
    let after = with_secrets(&[new], rules());
    assert_eq!(verdict(&during, &by_old), "user adam");
    assert_eq!(verdict(&during, &by_new), "user adam");
    assert_eq!(verdict(&after, &by_old), "the signature does not hold");
    assert_eq!(verdict(&after, &by_new), "user adam");
    for short in ["", "x", &"x".repeat(31)] {
        assert!(Key::secret(short).is_err());
    }
}

#[test]
fn what_is_there_decides_whether_it_is_looked_at() {
    let (jwt, good) = (door(), saying(json!({})));
    let look = |data: Value, bearer: Option<&str>, in_url: bool| {
        let brought = Brought::bearer(bearer);
        let visitor = Visitor {
            token_in_url: in_url,
            ..Visitor::new(&data, &brought)
        };
        match jwt.verify(&visitor).now_or_never().unwrap() {
            Ok(Some(_)) => "in",
            Ok(None) => "nothing",
            Err(Refusal::Denied(_)) => "denied",
            Err(_) => "other",
        }
    };
    let null = Value::Null;
    assert_eq!(look(json!({"token": good}), None, false), "in");
    assert_eq!(look(null.clone(), Some(&good), false), "in");
    assert_eq!(look(json!({"token": "x"}), Some(&good), false), "in", "a bearer wins");
    for nothing in [
        json!(null),
        json!({}),
        json!({"token": null}),
        json!({"token": "00ff"}),
        json!({"password": "x"}),
        json!([]),
    ] {
        assert_eq!(look(nothing.clone(), None, false), "nothing", "{nothing}");
    }
    for bearer in ["adam:00ff", "a.b:00ff", "sesame"] {
        assert_eq!(look(null.clone(), Some(bearer), false), "nothing", "{bearer}");
    }
    assert_eq!(look(json!({"token": 5}), None, false), "denied");
    assert_eq!(look(null.clone(), Some("a.b"), false), "denied");
    assert_eq!(look(json!({"token": good}), None, true), "denied", "in a URL");
    assert_eq!(
        look(json!({"token": "x"}), Some(&good), true),
        "in",
        "the one in the URL does not count"
    );
    let open = with_secrets(&[SECRET], Rules { query: true, ..rules() });
    let (data, brought) = (json!({"token": good}), Brought::default());
    let visitor = Visitor {
        token_in_url: true,
        ..Visitor::new(&data, &brought)
    };
    assert!(open.verify(&visitor).now_or_never().unwrap().unwrap().is_some());
}

#[test]
fn nothing_secret_is_shown() {
    let jwt = door();
    let shown = format!("{jwt:?} {:?}", Key::secret(SECRET).unwrap());
    assert!(!shown.contains(SECRET) && !shown.contains("115, 101"), "{shown}");
}

#[test]
fn what_was_made_here_is_taken_here() {
    let mut draft = Draft {
        ttl: Duration::from_secs(60),
        ..Draft::default()
    };
    draft.claims.insert("sub".into(), "adam".into());
    let token = issue(SECRET, Algorithm::HS256, &draft, SystemTime::now()).unwrap();
    assert_eq!(verdict(&door(), &token), "user adam");
    assert!(issue(SECRET, Algorithm::RS256, &draft, SystemTime::now()).is_err());
    assert!(issue("", Algorithm::HS256, &draft, SystemTime::now()).is_err());
}

#[test]
fn a_token_is_explained_line_by_line() {
    let jwt = door();
    let explain = |token: &str| {
        let mut held = Vec::new();
        let outcome = jwt.explain(token, &mut held).now_or_never().unwrap();
        (held, outcome)
    };
    let (held, outcome) = explain(&saying(json!({"may": {"join": ["a"]}})));
    assert_eq!(outcome, Ok(()));
    assert_eq!(
        held[..4],
        ["alg is HS256", "the signature holds", "user adam", "may join a"]
    );
    let (_, outcome) = explain(&saying(json!({"exp": now() + 2 * 86400})));
    let (why, mend) = outcome.unwrap_err();
    assert!(why.starts_with("it lasts 2days"), "{why}");
    assert_eq!(mend.unwrap(), "max_lifetime = \"2days\"");
}
