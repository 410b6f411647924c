//! Stories about who may push. That no answer repeats a credential is checked for all stories in `support`.

use http::HeaderValue;

use crate::support::{AS_JSON, House, post};

const DENIED: &str = "401 text/plain; charset=utf-8 www-authenticate: Bearer | Wrong auth data";

#[test]
fn wrong_credentials_are_refused_in_the_words_of_the_original() {
    let house = House::new();
    for body in [
        "{}",
        r#"{"auth":{}}"#,
        r#"{"auth":{"password":"swordfish"}}"#,
        r#"{"auth":"sesame"}"#,
        r#"{"auth":null}"#,
        r#"{"password":"sesame"}"#,
    ] {
        assert_eq!(house.post(body), DENIED, "{body}");
    }
    assert_eq!(
        house.ask(post("/push/", &[AS_JSON], r#"{"auth":{"password":"swordfish"}}"#)),
        r#"401 application/json www-authenticate: Bearer | {"error":{"code":"denied","message":"Wrong auth data"}}"#
    );
    assert!(house.dispatched().is_empty());
    assert_eq!(house.report.counts(), (0, 7));
}

#[test]
fn the_header_wins_over_the_body() {
    let house = House::new();
    let ask = |header: &str, body: &str| house.ask(post("/push/", &[("authorization", header)], body));
    let (good, bad) = (
        r#"{"auth":{"password":"sesame"}}"#,
        r#"{"auth":{"password":"swordfish"}}"#,
    );
    for header in ["Bearer mellon", "bearer mellon", "BEARER   mellon "] {
        assert_eq!(ask(header, bad), "200 text/plain; charset=utf-8 | OK", "{header}");
    }
    for header in [
        "Bearer swordfish",
        "Bearer",
        "Bearer ",
        "Bearer sesame",
        "Bearer mellon mellon",
    ] {
        assert_eq!(ask(header, good), DENIED, "{header}");
    }
    for proxy in ["Basic c3dvcmQ6ZmlzaA==", "", "Bearermellon"] {
        assert_eq!(ask(proxy, good), "200 text/plain; charset=utf-8 | OK", "{proxy}");
        assert_eq!(ask(proxy, bad), DENIED, "{proxy}");
    }
}

#[test]
fn a_bearer_token_that_cannot_be_read_does_not_fall_back_to_the_body() {
    let house = House::new();
    let mut request = post("/push/", &[], r#"{"auth":{"password":"sesame"}}"#);
    let unreadable = HeaderValue::from_bytes(b"Bearer mellon\xff").unwrap();
    request.headers_mut().insert("authorization", unreadable);
    assert_eq!(house.ask(request), DENIED);
}

#[test]
fn strangers_do_not_learn_which_member_is_wrong() {
    let house = House::new();
    for body in [
        r#"{"event":5}"#,
        r#"{"event":5,"auth":{"password":"swordfish"}}"#,
        r#"{"targets":{"users":5},"auth":[]}"#,
        r#"{"id":""}"#,
        r#"[{"event":5}]"#,
        r#"[{"event":5,"auth":{"password":"swordfish"}}, null]"#,
    ] {
        assert_eq!(house.post(body), DENIED, "{body}");
    }
    let too_deep = format!("{{\"payload\":{}{}}}", "[".repeat(64), "]".repeat(64));
    assert_eq!(house.post(&too_deep), DENIED);
}

#[test]
fn with_a_wrong_header_not_even_the_body_is_read() {
    let house = House::new();
    for body in ["{", "null", r#"{"event":5}"#, "[]"] {
        let answer = house.ask(post("/push/", &[("authorization", "Bearer swordfish")], body));
        assert_eq!(answer, DENIED, "{body}");
    }
}
