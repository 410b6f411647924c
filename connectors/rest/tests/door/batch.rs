//! Stories about a list of pushes in one body.

use turted_core::PushError;

use crate::support::House;

const DENIED: &str = "401 text/plain; charset=utf-8 www-authenticate: Bearer | Wrong auth data";

#[test]
fn a_list_is_dispatched_in_order_with_a_receipt_each() {
    let house = House::new();
    assert_eq!(
        house.post_json(r#"[{"event":"A"},{"event":"B"}]"#),
        r#"200 application/json | [{"id":"k3f9-42","recipients":17},{"id":"k3f9-43","recipients":17}]"#
    );
    assert_eq!(house.dispatched(), ["A [] {}", "B [] {}"]);
    assert_eq!(house.questions(), 1, "the header is checked once for all");
    assert_eq!(house.report.counts(), (2, 0));
}

#[test]
fn in_words_a_list_that_went_through_is_ok() {
    let house = House::new();
    let push = r#"{"event":"A","auth":{"password":"sesame"}}"#;
    assert_eq!(
        house.post(&format!("[{push},{push},{push}]")),
        "200 text/plain; charset=utf-8 | OK"
    );
    assert_eq!(house.questions(), 1, "equal credentials are checked once");
    assert_eq!(house.report.counts(), (3, 0));
}

#[test]
fn nothing_is_dispatched_when_one_of_the_credentials_fails() {
    let house = House::new();
    for body in [
        r#"[{"event":"A","auth":{"password":"sesame"}},{"event":"B","auth":{"password":"swordfish"}}]"#,
        r#"[{"event":"A","auth":{"password":"sesame"}},{"event":"B"}]"#,
        r#"[{"event":"A","auth":{"password":"sesame"}},{"event":5,"auth":{"password":"swordfish"}}]"#,
        r#"[{"event":"A","auth":{"password":"sesame"}},{"event":5}]"#,
        r#"[{"event":"A"},{"event":"B","auth":{"password":"sesame"}}]"#,
    ] {
        assert_eq!(house.post(body), DENIED, "{body}");
    }
    assert!(house.dispatched().is_empty());
    assert_eq!(house.report.counts(), (0, 5), "one refused input each");
}

#[test]
fn a_list_that_presents_nothing_is_nobodys() {
    let house = House::new();
    for body in ["[]", "[null]", "[1,\"sesame\",[]]"] {
        assert_eq!(house.post(body), DENIED, "{body}");
    }
    assert_eq!(house.post_json("[]"), "200 application/json | []");
}

#[test]
fn a_wrong_push_does_not_spoil_the_others() {
    let house = House::new();
    assert_eq!(
        house.post_json(r#"[{"event":"A"},null,{"event":5},{"event":"B"}]"#),
        r#"200 application/json | [{"id":"k3f9-42","recipients":17},{"error":{"code":"not_an_object","message":"a push must be a JSON object"}},{"error":{"code":"bad_event","message":"event must be a string"}},{"id":"k3f9-43","recipients":17}]"#
    );
    let push = r#"{"event":"C","auth":{"password":"sesame"}}"#;
    assert_eq!(
        house.post(&format!("[{push},null,{push}]")),
        "400 text/plain; charset=utf-8 | push[1]: a push must be a JSON object"
    );
    assert_eq!(house.dispatched(), ["A [] {}", "B [] {}", "C [] {}", "C [] {}"]);
    assert_eq!(house.report.counts(), (4, 3));
}

#[test]
fn a_list_of_which_nothing_was_dispatched_has_the_status_of_its_first_error() {
    let house = House::new();
    assert_eq!(
        house.post_json("[{\"event\":5}]"),
        r#"400 application/json | [{"error":{"code":"bad_event","message":"event must be a string"}}]"#
    );
}

/// Regression by design: were C tried after B was turned away, C could be dispatched and B, sent again, behind it.
#[test]
fn when_the_server_cannot_take_one_those_behind_it_are_not_tried() {
    let fates = || [None, Some(PushError::Overloaded)];
    let house = House::new().fates(fates());
    assert_eq!(
        house.post_json(r#"[{"event":"A"},{"event":"B"},{"event":5},{"event":"C"}]"#),
        r#"200 application/json | [{"id":"k3f9-42","recipients":17},{"error":{"code":"overloaded","message":"the server is overloaded, try again"}},{"error":{"code":"bad_event","message":"event must be a string"}},{"error":{"code":"overloaded","message":"the server is overloaded, try again"}}]"#
    );
    assert_eq!(house.dispatched(), ["A [] {}"]);

    let push = r#"{"event":"A","auth":{"password":"sesame"}}"#;
    let house = House::new().fates(fates());
    assert_eq!(
        house.post(&format!("[{push},{push},{push}]")),
        "400 text/plain; charset=utf-8 | push[1]: the server is overloaded, try again",
        "no 503: repeating all of it would dispatch the first one twice"
    );
    assert_eq!(house.dispatched(), ["A [] {}"]);
}

#[test]
fn a_list_of_which_nothing_could_be_taken_may_be_sent_again() {
    let house = House::new().fates([Some(PushError::ShuttingDown), None, Some(PushError::Overloaded)]);
    assert_eq!(
        house.post_json("[{}]"),
        r#"503 application/json retry-after: 1 | [{"error":{"code":"shutting_down","message":"the server is shutting down"}}]"#
    );
    house.post_json("{}");
    assert_eq!(
        house.post(r#"[{"auth":{"password":"sesame"}}]"#),
        "503 text/plain; charset=utf-8 retry-after: 1 | push[0]: the server is overloaded, try again"
    );
}

#[test]
fn a_list_is_bounded() {
    let house = House::new();
    let list = |length: usize| format!("[{}]", vec!["{}"; length].join(","));
    assert!(house.post_json(&list(1000)).starts_with("200 application/json | [{"));
    assert_eq!(
        house.post_json(&list(1001)),
        r#"400 application/json | {"error":{"code":"bad_batch","message":"a batch holds 1001 pushes, allowed are 1000"}}"#
    );
    assert_eq!(house.dispatched().len(), 1000);
}
