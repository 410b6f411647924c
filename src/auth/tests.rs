//! Stories about tokens.
//!
//! In: known vectors (`echo -n saltadampepper | md5sum`, RFC 4231) and what attackers try. Out: who gets in, as whom.

use futures_util::FutureExt;
use serde_json::{Value, json};
use turted_core::{Authenticator, Brought, Limits, UserName, Visitor};

use super::{Digest, Token, TokenScheme};

const ADAM: &str = "fd746b7bb898607424851b5098ea853fd666a29d2d4b510ad17868fecc70e690";

fn hmac(secret: &str) -> Token {
    Token::new(TokenScheme::Hmac { secret: secret.into() }, Limits::default())
}

fn house() -> Token {
    hmac("key of the house")
}

fn salted(hash: Digest, prefix: &str, suffix: &str) -> Token {
    let scheme = TokenScheme::Digest {
        hash,
        prefix: prefix.into(),
        suffix: suffix.into(),
    };
    Token::new(scheme, Limits::default())
}

fn user(name: &str) -> UserName {
    UserName::parse(name, &Limits::default()).unwrap()
}

/// The confirmed name, or `None` for a no.
fn enters(token: &Token, data: &Value, bearer: Option<&str>) -> Option<String> {
    let brought = Brought::bearer(bearer);
    let verdict = token.verify(&Visitor::new(data, &brought)).now_or_never().unwrap();
    let identity = verdict.ok()??;
    Some(identity.user.expect("a token always says who").to_string())
}

#[test]
fn salted_tokens_are_those_of_the_command_line_tools() {
    for (hash, expected) in [
        (Digest::Md5, "f257eafa4cc64fc2ff9f581b12e55952"),
        (Digest::Sha1, "f4efd03f51032a7d43b72ddc647bb32a6ee2b3da"),
        (
            Digest::Sha256,
            "a05643609cfd8523d91e7e03913b09786acd605de78afa0c2367e415d738bdde",
        ),
        (
            Digest::Sha512,
            "5dfff6ba7b0b7a04b5136952bae34d0d332bbc0fc67631b340d8f49d25ee958c\
             60ff42d99e5ad85f1e896858fb0627c1763d6ad6e710c602ca8d4ecc2ff2703b",
        ),
    ] {
        let token = salted(hash, "salt", "pepper");
        assert_eq!(token.issue(&user("adam")), expected, "{hash:?}");
        let data = json!({"username": "adam", "token": expected});
        assert_eq!(enters(&token, &data, None).as_deref(), Some("adam"), "{hash:?}");
    }
}

#[test]
fn hmac_tokens_are_those_of_rfc_4231() {
    assert_eq!(
        hmac(&"\u{b}".repeat(20)).issue(&user("Hi There")),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    );
    assert_eq!(
        hmac("Jefe").issue(&user("what do ya want for nothing?")),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    assert_eq!(house().issue(&user("adam")), ADAM);
}

#[test]
fn the_name_is_read_from_username_user_or_id() {
    for member in ["username", "user", "id"] {
        let data = json!({member: "adam", "token": ADAM});
        assert_eq!(enters(&house(), &data, None).as_deref(), Some("adam"), "{member}");
    }
    let data = json!({"username": null, "user": "adam", "token": ADAM});
    assert_eq!(enters(&house(), &data, None).as_deref(), Some("adam"), "null is absent");
    let data = json!({"id": 42, "token": "aba941d88bc83a1ab69e2a16f2c9e2eb"});
    assert_eq!(
        enters(&salted(Digest::Md5, "key", ""), &data, None).as_deref(),
        Some("42")
    );
}

/// Hardening (CWE-639): a token opens for the name it was made for, wherever else that name is mentioned.
#[test]
fn a_token_of_eve_never_makes_her_adam() {
    let token = house();
    let of_eve = token.issue(&user("eve"));
    for data in [
        json!({"id": "eve", "username": "adam", "token": of_eve}),
        json!({"id": "eve", "user": "adam", "token": of_eve}),
        json!({"user": "eve", "username": "adam", "token": of_eve}),
        json!({"id": "eve", "username": "", "token": of_eve}),
        json!({"id": "eve", "username": ["adam"], "token": of_eve}),
        json!({"id": "eve", "username": {"username": "eve"}, "token": of_eve}),
    ] {
        assert_eq!(enters(&token, &data, None), None, "{data}");
    }
    let both = json!({"id": "adam", "user": "adam", "username": "eve", "token": of_eve});
    assert_eq!(
        enters(&token, &both, None).as_deref(),
        Some("eve"),
        "she stays who she is"
    );
    let data = json!({"username": "adam"});
    assert_eq!(
        enters(&token, &data, Some(&format!("eve:{of_eve}"))).as_deref(),
        Some("eve")
    );
}

#[test]
fn a_bearer_token_is_split_at_the_last_colon() {
    let grp = "80a7a44c42eafd411bc4800a06c37ac9cbba1d8dcaedc1fafb38ead458509c8e";
    assert_eq!(
        enters(&house(), &Value::Null, Some(&format!("grp:eve:{grp}"))).as_deref(),
        Some("grp:eve")
    );
    assert_eq!(
        enters(&house(), &Value::Null, Some(&format!("adam:{ADAM}"))).as_deref(),
        Some("adam")
    );
    for bearer in [
        ADAM,
        "",
        ":",
        "adam:",
        &format!(":{ADAM}"),
        &format!("eve:{ADAM}"),
        &format!("adam: {ADAM}"),
    ] {
        let data = json!({"username": "adam", "token": ADAM});
        assert_eq!(
            enters(&house(), &data, Some(bearer)),
            None,
            "{bearer} must not fall back to the data"
        );
    }
}

#[test]
fn hex_may_be_written_in_capitals() {
    let data = json!({"username": "adam", "token": ADAM.to_uppercase()});
    assert_eq!(enters(&house(), &data, None).as_deref(), Some("adam"));
}

#[test]
fn whatever_is_not_the_whole_token_is_denied() {
    for wrong in [
        json!(""),
        json!(&ADAM[..62]),
        json!(format!("{ADAM}00")),
        json!("zz"),
        json!(null),
        json!([ADAM]),
    ] {
        let data = json!({"username": "adam", "token": wrong});
        assert_eq!(enters(&house(), &data, None), None, "{data}");
    }
    for data in [
        Value::Null,
        json!("adam"),
        json!([]),
        json!({}),
        json!({"token": ADAM}),
        json!({"username": "adam"}),
    ] {
        assert_eq!(enters(&house(), &data, None), None, "{data}");
    }
}

#[test]
fn a_name_that_is_not_a_name_is_denied_although_it_was_signed() {
    let limits = Limits {
        name_bytes: 3,
        ..Limits::default()
    };
    let short = Token::new(
        TokenScheme::Hmac {
            secret: "key of the house".into(),
        },
        limits,
    );
    assert_eq!(enters(&short, &json!({"username": "adam", "token": ADAM}), None), None);
}

/// Hardening (CWE-1391): without a secret everybody could compute tokens, so none is good.
#[test]
fn a_scheme_without_a_secret_opens_to_nobody() {
    for token in [hmac(""), salted(Digest::Md5, "", "")] {
        let data = json!({"username": "adam", "token": token.issue(&user("adam"))});
        assert_eq!(enters(&token, &data, None), None, "{token:?}");
    }
}

#[test]
fn debug_shows_no_secret() {
    for token in [hmac("hush"), salted(Digest::Sha1, "hush", "hush")] {
        assert!(!format!("{token:?}").contains("hush"), "{token:?}");
    }
}
