//! Stories about convenience URLs.

use crate::support::{AS_JSON, House, post};

const PROVEN: (&str, &str) = ("authorization", "Bearer mellon");

fn refused(house: &House, path: &str) -> String {
    let answer = house.ask(post(path, &[PROVEN], "{}"));
    answer
        .strip_prefix("400 text/plain; charset=utf-8 | ")
        .unwrap_or(&answer)
        .to_owned()
}

#[test]
fn the_path_names_target_and_event_and_the_body_is_the_payload() {
    let house = House::new();
    for path in [
        "/push/user/adam/MESSAGE:NEW",
        "/push/channel/a%2Fb%20%C3%BC/HI?q=1",
        "/push/all/HI",
    ] {
        let answer = house.ask(post(path, &[PROVEN], " {\"n\" : 1.0} "));
        assert_eq!(answer, "200 text/plain; charset=utf-8 | OK", "{path}");
    }
    assert_eq!(
        house.dispatched(),
        [
            r#"MESSAGE:NEW [{"user":"adam"}] {"n" : 1.0}"#,
            r#"HI [{"channel":"a/b ü"}] {"n" : 1.0}"#,
            r#"HI [{"broadcast":true}] {"n" : 1.0}"#,
        ]
    );
    assert_eq!(
        house.ask(post("/push/all/HI", &[PROVEN, AS_JSON], "[1,2]")),
        r#"200 application/json | {"id":"k3f9-45","recipients":17}"#
    );
    assert_eq!(
        house.dispatched()[3],
        r#"HI [{"broadcast":true}] [1,2]"#,
        "a list is a payload here"
    );
}

#[test]
fn an_empty_body_is_a_push_without_a_payload() {
    let house = House::new();
    assert_eq!(
        house.ask(post("/push/all/HI", &[PROVEN], "")),
        "200 text/plain; charset=utf-8 | OK"
    );
    assert_eq!(house.dispatched(), [r#"HI [{"broadcast":true}] {}"#]);
}

#[test]
fn only_the_header_proves_anything_here() {
    let house = House::new();
    let body = r#"{"auth":{"password":"sesame"},"event":"HI"}"#;
    for path in ["/push/user/adam/HI", "/push/all/HI", "/push/user//HI", "/push/all/%FF"] {
        assert_eq!(
            house.ask(post(path, &[], body)),
            "401 text/plain; charset=utf-8 www-authenticate: Bearer | Wrong auth data",
            "{path}"
        );
    }
    assert!(house.dispatched().is_empty());
}

#[test]
fn a_wrong_name_is_refused_with_the_part_of_the_path() {
    let house = House::new();
    for (path, expected) in [
        ("/push/user//HI", "the user name in the path must not be empty"),
        ("/push/channel/a/", "the event name in the path must not be empty"),
        ("/push/all/", "the event name in the path must not be empty"),
        ("/push/user/%FF/HI", "the user name in the path is not UTF-8"),
        ("/push/channel/%C3/HI", "the channel name in the path is not UTF-8"),
        ("/push/all/%80", "the event name in the path is not UTF-8"),
        (
            "/push/all/a%0Ab",
            "the event name in the path must not contain control characters",
        ),
        (
            "/push/user/a%00/HI",
            "the user name in the path must not contain control characters",
        ),
    ] {
        assert_eq!(refused(&house, path), expected, "{path}");
    }
    let long = format!("/push/channel/{}/HI", "x".repeat(201));
    assert_eq!(
        refused(&house, &long),
        "the channel name in the path is 201 bytes long, allowed are 200"
    );
    assert!(house.dispatched().is_empty());
    assert_eq!(house.report.counts(), (0, 9));
}

#[test]
fn a_payload_that_is_not_json_is_refused() {
    let house = House::new();
    let ask = |body: &str| house.ask(post("/push/all/HI", &[PROVEN], body));
    for body in ["{", " ", "{}{}", "hello"] {
        assert_eq!(ask(body), "400 text/plain; charset=utf-8 | Data was not json", "{body}");
    }
    assert_eq!(
        ask(&"[".repeat(65)),
        "400 text/plain; charset=utf-8 | the body is nested more than 64 levels deep"
    );
}
