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
    assert_eq!(house.warning(), None);
}

#[test]
fn a_push_that_names_nobody_is_ok_in_the_words_of_the_original_but_not_in_silence() {
    let house = House::new();
    let auth = r#""auth":{"password":"sesame"}"#;
    for (path, body, warning) in [
        (
            "/push/",
            format!(r#"{{"target":{{"users":"adam"}},{auth}}}"#),
            "there is no member target, did you mean targets?; the push names nobody to tell",
        ),
        (
            "/push/",
            format!(r#"{{"targets":{{"usr":"adam"}},{auth}}}"#),
            "there is no member targets.usr, did you mean targets.user?; the push names nobody to tell",
        ),
        (
            "/push/",
            format!(r#"{{"event":"A",{auth}}}"#),
            "the push names nobody to tell: targets has neither users nor channels nor broadcast",
        ),
        (
            "/push/users/adam/HI",
            format!(r#"{{"n\n":1,{auth}}}"#),
            "there is no member n\\n, allowed are event, targets, payload, auth, exclude, id; the push names nobody to tell; \
             did you mean the path /push/user/NAME/EVENT?",
        ),
    ] {
        assert_eq!(
            house.ask(post(path, &[], &body)),
            "200 text/plain; charset=utf-8 | OK",
            "{body}"
        );
        assert_eq!(house.warning().as_deref(), Some(warning), "{body}");
    }
    assert_eq!(house.report.counts(), (4, 0));
    assert_eq!(house.report.doubts(), [("no_target", 1), ("unknown_member", 3)].into());
    let list = format!(r#"[{{"targets":{{"users":"a"}},{auth}}},{{"exclud":{{}},"targets":{{"users":"a"}},{auth}}}]"#);
    assert_eq!(house.post(&list), "200 text/plain; charset=utf-8 | OK");
    assert_eq!(
        house.warning().as_deref(),
        Some("there is no member exclud, did you mean exclude?")
    );
}

#[test]
fn programs_that_ask_for_json_are_told_what_they_probably_meant() {
    let house = House::new();
    assert_eq!(
        house.post_json(r#"{"target":{"users":"adam"}}"#),
        r#"400 application/json | {"error":{"code":"unknown_member","message":"there is no member target, did you mean targets?; the push names nobody to tell"}}"#
    );
    let path = "/push/users/adam/HI";
    let proven = [AS_JSON, ("authorization", "Bearer mellon")];
    assert!(
        house
            .ask(post(path, &proven, r#"{"text":"hi"}"#))
            .ends_with("did you mean the path /push/user/NAME/EVENT?\"}}")
    );
    assert!(house.dispatched().is_empty());
    assert_eq!(house.report.refusals(), [("unknown_member", 2)].into());
    // A list of targets may come out empty; the receipt says how many were reached.
    assert!(house.post_json(r#"{"targets":{"users":[]}}"#).starts_with("200"));
    assert!(house.warning().unwrap().starts_with("the push names nobody"));
    let list = r#"[{"evnt":"A","targets":{"users":"a"}},{"targets":{"users":"a"}}]"#;
    assert!(
        house
            .post_json(list)
            .starts_with("200 application/json | [{\"error\":{\"code\":\"unknown_member\"")
    );
    assert_eq!(house.dispatched().len(), 2);
}

#[test]
fn strangers_learn_nothing_about_members() {
    let house = House::new();
    assert!(house.post(r#"{"target":1}"#).starts_with("401"));
    assert_eq!(house.warning(), None);
}

#[test]
fn a_byte_order_mark_before_a_body_is_ignored() {
    let house = House::new();
    assert_eq!(
        house.post(&format!("\u{feff}{WHOLE}")),
        "200 text/plain; charset=utf-8 | OK"
    );
    let list = format!("\u{feff}[{WHOLE},null]");
    assert_eq!(
        house.post(&list),
        "400 text/plain; charset=utf-8 | push[1]: a push must be a JSON object"
    );
    let refused = "\u{feff}{\"event\":5,\"auth\":{\"password\":\"sesame\"}}";
    assert!(
        house.post(refused).ends_with("event must be a string"),
        "its credentials are found too"
    );
    let proven = [("authorization", "Bearer mellon")];
    house.ask(post("/push/all/HI", &proven, "\u{feff}[1]"));
    assert_eq!(house.dispatched()[2], r#"HI [{"broadcast":true}] [1]"#);
}

#[test]
fn a_compressed_body_is_told_to_come_as_it_is() {
    let house = House::new();
    let proven = ("authorization", "Bearer mellon");
    for encoding in ["gzip", "br", "identity, gzip", "zstd"] {
        assert_eq!(
            house.ask(post("/push/", &[proven, ("content-encoding", encoding)], "\u{1f}…")),
            "415 text/plain; charset=utf-8 accept-encoding: identity | \
             the body is compressed; send it without Content-Encoding",
            "{encoding}"
        );
    }
    for encoding in ["", "identity", "Identity"] {
        let answer = house.ask(post("/push/", &[proven, ("content-encoding", encoding)], WHOLE));
        assert_eq!(answer, "200 text/plain; charset=utf-8 | OK", "{encoding}");
    }
    assert_eq!(house.report.refusals()["encoded"], 4);
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
        "\u{feff}\u{feff}{}",
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
        house.post(r#"{"targets":{"users":5.5},"auth":{"password":"sesame"}}"#),
        "400 text/plain; charset=utf-8 | targets.users must be a string or a list of strings"
    );
    assert_eq!(
        house.post_json(r#"{"targets":{"users":true}}"#),
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
    assert_eq!(taken[0].key.as_deref(), Some("rest:order-7"), "a space of its own");
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
