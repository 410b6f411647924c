//! What of tokens is believed: each case with its name.
//!
//! In: tokens that are right, wrong, forged, huge or odd. Out: a user, or the sentence for the log, which holds
//! nothing of the token. Refuses to know: where keys come from.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::forge::*;

#[test]
fn a_provider_is_installed() {
    let _ = door();
    assert!(jsonwebtoken::crypto::CryptoProvider::try_get_default().is_some());
}

#[test]
fn the_form_of_a_token() {
    let good = saying(json!({}));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, body) = message.split_once('.').unwrap();
    let rows = vec![
        ("good", good.clone(), "user adam"),
        ("two parts", message.to_owned(), "it has 2 parts, not three"),
        ("four parts", format!("{good}.e30"), "it has 4 parts"),
        ("only dots", "..".into(), "it has no signature"),
        ("empty signature", format!("{message}."), "it has no signature"),
        (
            "cut signature",
            format!("{message}.{}", &signature[..42]),
            "the signature does not hold",
        ),
        (
            "another signature",
            format!("{message}.{}", signature.repeat(2)),
            "the signature does not hold",
        ),
        ("padding", format!("{good}="), "it has characters that base64url"),
        (
            "plain base64",
            format!("{header}.ab+/.{signature}"),
            "it has characters that base64url",
        ),
        ("white space", format!(" {good}"), "it has characters that base64url"),
        ("line break", format!("{good}\n"), "it has characters that base64url"),
        (
            "byte order mark",
            format!("\u{feff}{good}"),
            "it has characters that base64url",
        ),
        ("more than 8 KiB", saying(json!({"x": "y".repeat(8192)})), "it is 1"),
        (
            "other claims under the same signature",
            format!("{header}.{}.{signature}", &body[..body.len() - 4]),
            "the signature",
        ),
        (
            "header of another",
            format!("e30.{body}.{signature}"),
            "the header has no alg",
        ),
        (
            "base64 with loose bits",
            format!("{message}.{}B", &signature[..42]),
            "the signature does not hold",
        ),
    ];
    table(&door(), rows);
}

#[test]
fn what_the_header_may_say() {
    let body = claims(json!({}));
    let with = |header: &str| signed(header, &body);
    let unsigned = |alg: &str| format!("{}.", unsigned(&format!(r#"{{"alg":"{alg}"}}"#), &body));
    let rows = vec![
        ("alg none", unsigned("none"), "it has no signature"),
        (
            "alg none, signed",
            with(r#"{"alg":"none"}"#),
            "the header has the alg \"none\"",
        ),
        (
            "alg None, signed",
            with(r#"{"alg":"None"}"#),
            "the header has the alg \"None\"",
        ),
        (
            "alg nOnE, signed",
            with(r#"{"alg":"nOnE"}"#),
            "the header has the alg \"nOnE\"",
        ),
        (
            "alg in small letters",
            with(r#"{"alg":"hs256"}"#),
            "the header has the alg",
        ),
        ("alg absent", with(r#"{"typ":"JWT"}"#), "the header has no alg"),
        (
            "alg as a list",
            with(r#"{"alg":["HS256"]}"#),
            "in the header, alg is a list",
        ),
        (
            "alg twice",
            with(r#"{"alg":"HS256","alg":"none"}"#),
            "the header has two members of one name",
        ),
        (
            "alg not allowed",
            with(r#"{"alg":"HS512"}"#),
            "alg is HS512, allowed are HS256",
        ),
        (
            "alg of public keys",
            with(r#"{"alg":"RS256"}"#),
            "alg is RS256, allowed are HS256",
        ),
        ("typ at+jwt", with(r#"{"alg":"HS256","typ":"at+jwt"}"#), "user adam"),
        (
            "crit unknown",
            with(r#"{"alg":"HS256","crit":["exp"],"exp":1}"#),
            "the header has crit",
        ),
        (
            "crit empty",
            with(r#"{"alg":"HS256","crit":[]}"#),
            "the header has crit",
        ),
        (
            "b64 false",
            with(r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#),
            "the header has crit",
        ),
        (
            "b64 false alone",
            with(r#"{"alg":"HS256","b64":false}"#),
            "the header has b64",
        ),
        (
            "kid is a path",
            with(r#"{"alg":"HS256","kid":"../../dev/null"}"#),
            "user adam",
        ),
        (
            "kid is SQL",
            with(r#"{"alg":"HS256","kid":"' OR 1=1 --"}"#),
            "user adam",
        ),
        ("kid has NUL", with(r#"{"alg":"HS256","kid":"a\u0000b"}"#), "user adam"),
        (
            "kid is a list",
            with(r#"{"alg":"HS256","kid":["a"]}"#),
            "in the header, kid is a list",
        ),
        (
            "kid is long",
            with(&format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(201))),
            "the header has a kid of more",
        ),
        ("no object", with("[]"), "the header is no JSON object"),
        ("no JSON", with("alg"), "the header is no JSON"),
        (
            "deep",
            with(&format!(
                r#"{{"alg":"HS256","x":{}1{}}}"#,
                "[".repeat(500),
                "]".repeat(500)
            )),
            "the header is no JSON",
        ),
    ];
    table(&door(), rows);
    // Signed by whoever holds the empty key.
    let nobody = hs256(b"", HS256, &body);
    assert_eq!(verdict(&door(), &nobody), "the signature does not hold");
}

#[test]
fn when_a_token_holds() {
    let at = |more: Value| saying(more);
    let text = |members: &str| signed(HS256, &format!(r#"{{"sub":"adam",{members}}}"#));
    let rows = vec![
        ("exp absent", at(json!({"exp": null})), "it has no exp"),
        (
            "exp as a text",
            at(json!({"exp": (now() + 60).to_string()})),
            "exp is a text, not a number",
        ),
        ("exp null", text(r#""exp":null"#), "exp is null, not a number"),
        (
            "exp true",
            at(json!({"exp": true})),
            "exp is true or false, not a number",
        ),
        ("exp as a list", at(json!({"exp": [now() + 60]})), "exp is a list"),
        ("exp as an object", at(json!({"exp": {"a": 1}})), "exp is an object"),
        (
            "exp with a fraction",
            at(json!({"exp": now() as f64 + 60.5})),
            "user adam",
        ),
        ("exp negative", at(json!({"exp": -1})), "exp is before 1970"),
        ("exp 0", at(json!({"exp": 0})), "expired"),
        (
            "exp 1e400",
            text(r#""exp":1e400"#),
            "what it says is no JSON that can be read",
        ),
        ("exp 1e300", text(r#""exp":1e300"#), "exp is no time"),
        ("exp 2^63", at(json!({"exp": 1u64 << 63})), "exp is no time"),
        ("exp 2^64 - 1", at(json!({"exp": u64::MAX})), "exp is no time"),
        (
            "exp in milliseconds",
            at(json!({"exp": (now() + 60) * 1000})),
            "exp is after the year 3000: it counts seconds, and this looks like milliseconds",
        ),
        (
            "over for a minute",
            at(json!({"iat": now() - 120, "exp": now() - 60})),
            "expired",
        ),
        (
            "over, within the leeway",
            at(json!({"iat": now() - 120, "exp": now() - 10})),
            "user adam",
        ),
        (
            "over, and of another audience",
            at(json!({"iat": 1, "exp": 2, "aud": "x"})),
            "aud is \"x\"",
        ),
        ("nbf in the future", at(json!({"nbf": now() + 120})), "nbf is "),
        ("nbf within the leeway", at(json!({"nbf": now() + 10})), "user adam"),
        ("nbf as a text", at(json!({"nbf": "0"})), "nbf is a text"),
        (
            "nbf null",
            text(&format!(r#""exp":{},"nbf":null"#, now() + 60)),
            "nbf is null",
        ),
        (
            "iat in the future",
            at(json!({"iat": now() + 3600, "exp": now() + 3660})),
            "iat is ",
        ),
        ("iat as a text", at(json!({"iat": "0"})), "iat is a text"),
        ("iat absent", at(json!({"iat": null})), "user adam"),
        ("a day", at(json!({"exp": now() + 86400})), "user adam"),
        (
            "more than a day",
            at(json!({"exp": now() + 86401})),
            "it lasts 1day 1s, allowed are 1day",
        ),
        (
            "more than a day, iat absent",
            at(json!({"iat": null, "exp": now() + 86400 + 60})),
            "it lasts 1day",
        ),
    ];
    table(&door(), rows);
}

#[test]
fn an_end_is_the_tokens_own_and_only_what_comes_late_gets_the_leeway() {
    let ends = |exp: u64| {
        let identity = asked(&door(), &saying(json!({"iat": now() - 100, "exp": exp})))
            .unwrap()
            .unwrap();
        (identity.issued.unwrap(), identity.expires.unwrap())
    };
    let (at, exp) = (|seconds| UNIX_EPOCH + Duration::from_secs(seconds), now() + 60);
    let (issued, expires) = ends(exp);
    assert_eq!(expires, at(exp));
    assert!(issued <= at(now() - 100));
    let late = now() - 5;
    assert_eq!(ends(late).1, at(late + 30));
}
