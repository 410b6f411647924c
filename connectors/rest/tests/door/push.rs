//! Stories about one push: what is dispatched, and what the backend reads.

use turted_core::PushError;

use crate::support::{AS_JSON, House, post, request};

const WHOLE: &str = r#"{"event":"MESSAGE:NEW",
    "targets":{"users":["adam"],"channels":"chat","broadcast":true},
    "payload":{"b": 12345678901234567890123, "a":"\u00e9"},
    "auth":{"password":"sesame"}}"#;
const DISPATCHED: &str = r#"MESSAGE:NEW [{"user":"adam"},{"channel":"chat"},{"broadcast":true}] {"b": 12345678901234567890123, "a":"\u00e9"}"#;

#[test]
fn a_push_is_dispatched_as_it_was_written() {
    let house = House::new();
    assert_eq!(house.post(WHOLE), "200 text/plain; charset=utf-8 | OK");
    assert_eq!(house.dispatched(), [DISPATCHED]);
    assert_eq!(house.report.counts(), (1, 0));
}

#[test]
fn any_path_below_the_prefix_and_any_content_type_will_do() {
    let house = House::new();
    for path in [
        "/push/",
        "/push/anything",
        "/push/any/thing/at/all?q=1",
        "/push/user/adam",
    ] {
        for content_type in [
            "application/json",
            "text/plain",
            "application/x-www-form-urlencoded",
            "",
        ] {
            let answer = house.ask(post(path, &[("content-type", content_type)], WHOLE));
            assert_eq!(answer, "200 text/plain; charset=utf-8 | OK", "{path} {content_type}");
        }
    }
    assert_eq!(house.dispatched(), [DISPATCHED; 16]);
}

#[test]
fn whoever_names_json_gets_the_receipt() {
    let house = House::new();
    for accept in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "text/html, application/json;q=0.9, */*;q=0.1",
    ] {
        let answer = house.ask(post("/push/", &[("accept", accept)], WHOLE));
        assert!(
            answer.starts_with("200 application/json | {\"id\":\"k3f9-4"),
            "{accept}: {answer}"
        );
        assert!(answer.ends_with("\",\"recipients\":17}"), "{accept}: {answer}");
    }
    for accept in [
        "*/*",
        "application/*",
        "text/plain",
        "application/json;q=0",
        "application/json; Q=0.00",
        "application/jsonp",
    ] {
        let answer = house.ask(post("/push/", &[("accept", accept)], WHOLE));
        assert_eq!(answer, "200 text/plain; charset=utf-8 | OK", "{accept}");
    }
}

#[test]
fn what_is_not_json_is_refused_in_the_words_of_the_original() {
    let house = House::new();
    for body in [
        "",
        "{",
        "event=HI",
        "{\"auth\":{\"password\":\"sesame\"}",
        "{'a':1}",
        "\u{feff}{}",
    ] {
        assert_eq!(
            house.post(body),
            "400 text/plain; charset=utf-8 | Data was not json",
            "{body}"
        );
    }
    assert_eq!(
        house.post_json("{"),
        r#"400 application/json | {"error":{"code":"not_json","message":"the body is not JSON: EOF while parsing an object at line 1 column 1"}}"#
    );
    assert_eq!(house.report.counts(), (0, 7));
}

#[test]
fn json_that_is_no_push_is_refused_as_well() {
    let house = House::new();
    for body in ["null", "5", "\"sesame\"", "true"] {
        assert_eq!(
            house.post(body),
            "400 text/plain; charset=utf-8 | a push must be a JSON object",
            "{body}"
        );
    }
    let deep = "[".repeat(65);
    assert_eq!(
        house.post(&deep),
        "400 text/plain; charset=utf-8 | the body is nested more than 64 levels deep"
    );
}

#[test]
fn a_wrong_member_is_named_to_those_who_may_push() {
    let house = House::new();
    assert_eq!(
        house.post(r#"{"targets":{"users":5},"auth":{"password":"sesame"}}"#),
        "400 text/plain; charset=utf-8 | targets.users must be a string or a list of strings"
    );
    assert_eq!(
        house.post_json(r#"{"targets":{"users":5}}"#),
        r#"400 application/json | {"error":{"code":"bad_target","message":"targets.users must be a string or a list of strings"}}"#
    );
    assert!(house.dispatched().is_empty());
    assert_eq!(house.report.counts(), (0, 2));
}

#[test]
fn the_idempotency_key_and_the_exclusions_reach_the_dispatcher() {
    let house = House::new();
    house.post_json(r#"{"event":"HI","id":"order-7","exclude":{"connections":["c7Jt"],"users":"adam"}}"#);
    house.post_json(r#"{"event":"HI"}"#);
    let taken = house.taken();
    assert_eq!(taken[0].key.as_deref(), Some("order-7"));
    assert_eq!(taken[0].exclude.connections[0].as_ref(), "c7Jt");
    assert_eq!(taken[0].exclude.users[0].as_str(), "adam");
    assert_eq!(taken[1].key, None);
}

#[test]
fn a_server_that_cannot_take_it_says_when_to_try_again() {
    let house = House::new().fates([
        Some(PushError::Overloaded),
        Some(PushError::ShuttingDown),
        Some(PushError::Overloaded),
        Some(PushError::ShuttingDown),
    ]);
    assert_eq!(
        house.post(WHOLE),
        "503 text/plain; charset=utf-8 retry-after: 1 | the server is overloaded, try again"
    );
    assert_eq!(
        house.post(WHOLE),
        "503 text/plain; charset=utf-8 retry-after: 1 | the server is shutting down"
    );
    assert_eq!(
        house.post_json("{}"),
        r#"503 application/json retry-after: 1 | {"error":{"code":"overloaded","message":"the server is overloaded, try again"}}"#
    );
    assert_eq!(
        house.post_json("{}"),
        r#"503 application/json retry-after: 1 | {"error":{"code":"shutting_down","message":"the server is shutting down"}}"#
    );
    assert_eq!(house.report.counts(), (0, 4));
}

#[test]
fn a_push_that_the_server_refuses_is_a_bad_request() {
    let refused = || Some(PushError::Refused("too many targets".into()));
    let house = House::new().fates([refused(), refused()]);
    assert_eq!(
        house.post(WHOLE),
        "400 text/plain; charset=utf-8 | the push was refused: too many targets"
    );
    assert_eq!(
        house.post_json("{}"),
        r#"400 application/json | {"error":{"code":"refused","message":"the push was refused: too many targets"}}"#
    );
}

#[test]
fn other_methods_are_told_which_ones_are_allowed() {
    let house = House::new();
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "BREW"] {
        assert_eq!(
            house.ask(request(method, "/push/", &[], WHOLE)),
            "405 text/plain; charset=utf-8 allow: OPTIONS, POST | allowed are OPTIONS, POST",
            "{method}"
        );
    }
    assert_eq!(
        house.ask(request("PUT", "/push/", &[AS_JSON], WHOLE)),
        r#"405 application/json allow: OPTIONS, POST | {"error":{"code":"method_not_allowed","message":"allowed are OPTIONS, POST"}}"#
    );
    assert!(house.dispatched().is_empty());
}

#[test]
fn a_body_that_was_too_large_is_told_the_bound() {
    let house = House::new();
    assert_eq!(
        house.ask_too_large(post("/push/", &[], "")),
        "413 text/plain; charset=utf-8 | the body is larger than 1048576 bytes"
    );
    assert_eq!(
        house.ask_too_large(post("/push/", &[AS_JSON], "")),
        r#"413 application/json | {"error":{"code":"too_large","message":"the body is larger than 1048576 bytes"}}"#
    );
    assert_eq!(house.report.counts(), (0, 2));
}
