//! Stories about the older inline form, `GET <prefix><urlencoded JSON>`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use turted_core::PushError;

use crate::support::{AS_JSON, House, request};

const OK: &str = "200 text/plain; charset=utf-8 | OK";
const DENIED: &str = "401 text/plain; charset=utf-8 www-authenticate: Bearer | Wrong password";
const MALFORMED: &str = "404 text/plain; charset=utf-8 | not a list of 1 to 10 commands";
const ALL: &str = r#"{"cmd":"notifyAll","params":{"password":"sesame","event":"HI"}}"#;

fn get(house: &House, json: &str) -> String {
    let path = format!("/push/{}", utf8_percent_encode(json, NON_ALPHANUMERIC));
    house.ask(request("GET", &path, &[], ""))
}

#[test]
fn three_commands_in_one_url_are_dispatched_in_order() {
    let house = House::with_ape();
    let list = r#"[
        {"cmd":"notifyUser","params":{"password":"sesame","event":"A","user":"adam","data":{"n": 1.0}}},
        {"cmd":"notifyChannel","params":{"password":"sesame","event":"B","channel":"a/b?","data":null}},
        {"cmd":"notifyAll","params":{"password":"sesame","event":"C"}}]"#;
    assert_eq!(get(&house, list), OK);
    assert_eq!(
        house.dispatched(),
        [
            r#"A [{"user":"adam"}] {"n": 1.0}"#,
            r#"B [{"channel":"a/b?"}] null"#,
            r#"C [{"broadcast":true}] {}"#,
        ]
    );
    assert_eq!(house.report.counts(), (3, 0));
}

#[test]
fn it_has_to_be_switched_on() {
    let answer = get(&House::new(), &format!("[{ALL}]"));
    assert_eq!(
        answer,
        "405 text/plain; charset=utf-8 allow: OPTIONS, POST | allowed are OPTIONS, POST"
    );
    let put = House::with_ape().ask(request("PUT", "/push/", &[], ""));
    assert_eq!(
        put,
        "405 text/plain; charset=utf-8 allow: GET, OPTIONS, POST | allowed are GET, OPTIONS, POST"
    );
}

#[test]
fn normal_pushes_go_on_beside_it() {
    let house = House::with_ape();
    assert_eq!(house.post(r#"{"auth":{"password":"sesame"}}"#), OK);
}

#[test]
fn one_wrong_password_keeps_all_commands_from_being_dispatched() {
    let house = House::with_ape();
    for wrong in [
        r#"{"cmd":"notifyAll","params":{"password":"swordfish","event":"HI"}}"#,
        r#"{"cmd":"notifyAll","params":{"event":"HI"}}"#,
        r#"{"cmd":"notifyAll","params":{"password":{"password":"sesame"},"event":"HI"}}"#,
    ] {
        assert_eq!(get(&house, &format!("[{ALL},{wrong}]")), DENIED, "{wrong}");
        assert_eq!(get(&house, &format!("[{wrong},{ALL}]")), DENIED, "{wrong}");
    }
    assert!(house.dispatched().is_empty());
}

#[test]
fn a_list_that_cannot_be_read_as_a_whole_is_not_found() {
    let house = House::with_ape();
    let eleven = [ALL; 11].join(",");
    let ten = [ALL; 10].join(",");
    for list in [
        "",
        "[]",
        "{}",
        "null",
        "[null]",
        ALL,
        "[{\"cmd\":\"notifyAll\"}]",
        r#"[{"params":{"password":"sesame","event":"HI"}}]"#,
        r#"[{"cmd":"notifyEverything","params":{"password":"sesame","event":"HI"}}]"#,
        r#"[{"cmd":"notifyAll","params":{"password":"sesame"}}]"#,
        r#"[{"cmd":"notifyAll","params":{"password":"sesame","event":""}}]"#,
        r#"[{"cmd":"notifyUser","params":{"password":"sesame","event":"HI"}}]"#,
        r#"[{"cmd":"notifyUser","params":{"password":"sesame","event":"HI","user":5}}]"#,
        r#"[{"cmd":"notifyChannel","params":{"password":"sesame","event":"HI","user":"adam"}}]"#,
        &format!("[{ALL},{{}}]"),
        &format!("[{eleven}]"),
        &"[".repeat(1000),
    ] {
        assert_eq!(get(&house, list), MALFORMED, "{list}");
    }
    assert_eq!(house.ask(request("GET", "/push/%FF", &[], "")), MALFORMED);
    assert!(house.dispatched().is_empty());
    assert_eq!(get(&house, &format!("[{ten}]")), OK);
}

#[test]
fn programs_may_ask_for_json_and_prove_themselves_in_the_header_here_too() {
    let house = House::with_ape().fates([None, Some(PushError::Overloaded)]);
    let proven = [AS_JSON, ("authorization", "Bearer mellon")];
    let path = "/push/%5B%7B%22cmd%22:%22notifyAll%22,%22params%22:%7B%22event%22:%22HI%22%7D%7D%5D";
    assert_eq!(
        house.ask(request("GET", path, &proven, "")),
        r#"200 application/json | [{"id":"k3f9-42","recipients":17}]"#
    );
    assert_eq!(
        house.ask(request("GET", path, &proven, "")),
        r#"503 application/json retry-after: 1 | [{"error":{"code":"overloaded","message":"the server is overloaded, try again"}}]"#
    );
    assert_eq!(
        house.ask(request("GET", "/push/", &proven, "")),
        r#"404 application/json | {"error":{"code":"bad_list","message":"not a list of 1 to 10 commands"}}"#
    );
}
