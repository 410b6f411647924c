//! Bodies of pushes, and what is made of them.

use super::*;

fn push(body: &str) -> Push {
    match parse(body.as_bytes(), &Limits::default()).unwrap() {
        Body::One(push) => *push,
        Body::Batch(_) => panic!("a batch"),
    }
}

fn refused(body: &str) -> String {
    let error = parse(body.as_bytes(), &Limits::default()).unwrap_err();
    format!("{}: {}", error.code, error.message)
}

#[test]
fn every_member_is_optional() {
    let push = push("{}");
    assert_eq!(push.dispatch.event, EventName::unnamed());
    assert_eq!(push.dispatch.payload.as_str(), "{}");
    assert!(push.dispatch.targets.is_empty() && push.dispatch.exclude.is_empty());
    assert_eq!(push.auth, Value::Null);
}

#[test]
fn targets_are_strings_or_lists_in_the_order_users_channels_everybody() {
    let via = |body: &str| serde_json::to_string(&push(body).dispatch.targets).unwrap();
    assert_eq!(
        via(r#"{"targets":{"broadcast":1,"channels":["b","a"],"users":"adam"}}"#),
        r#"[{"user":"adam"},{"channel":"b"},{"channel":"a"},{"broadcast":true}]"#
    );
    assert_eq!(via(r#"{"targets":[]}"#), "[]");
    assert_eq!(
        via(r#"{"targets":{"channels":"__proto__"}}"#),
        r#"[{"channel":"__proto__"}]"#
    );
}

/// `null` and `0` told everybody, since the member was there.
#[test]
fn only_a_yes_tells_everybody_and_what_is_neither_yes_nor_no_is_refused() {
    for yes in ["true", "1", "\"true\"", "\"1\"", " true "] {
        let push = push(&format!("{{\"targets\":{{\"broadcast\":{yes}}}}}"));
        assert_eq!(push.dispatch.targets, [Target::Everybody], "{yes}");
    }
    for no in [
        "null",
        "0",
        "\"\"",
        "false",
        "\"false\"",
        "\"0\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "\"\\u0030\"",
    ] {
        let push = push(&format!("{{\"targets\":{{\"broadcast\":{no}}}}}"));
        assert_eq!(push.dispatch.targets, [], "{no}");
    }
    for neither in [
        "2",
        "-1",
        "1.0",
        "\"yes\"",
        "\"TRUE\"",
        "\" 1\"",
        "[1]",
        "[true]",
        "{\"a\":1}",
        "\"chat\"",
        "1e0",
    ] {
        let answer = refused(&format!("{{\"targets\":{{\"broadcast\":{neither}}}}}"));
        assert_eq!(
            answer, "bad_target: targets.broadcast must be true or false",
            "{neither}"
        );
    }
}

#[test]
fn a_whole_number_is_a_name_of_digits() {
    let via = |body: &str| serde_json::to_string(&push(body).dispatch.targets).unwrap();
    assert_eq!(
        via(r#"{"targets":{"users":[5,"a",12345678901234567890123],"channel":-7}}"#),
        r#"[{"user":"5"},{"user":"a"},{"user":"12345678901234567890123"},{"channel":"-7"}]"#
    );
    let excluded = push(r#"{"exclude":{"user":5}}"#).dispatch.exclude;
    assert_eq!(excluded.users[0].as_str(), "5");
    for wrong in ["5.0", "1e3", "null", "true", "[[1]]", "{}"] {
        let answer = refused(&format!("{{\"targets\":{{\"users\":{wrong}}}}}"));
        assert_eq!(
            answer, "bad_target: targets.users must be a string or a list of strings",
            "{wrong}"
        );
    }
}

#[test]
fn exclude_is_spelled_and_bounded_as_targets_are() {
    let exclude = |body: &str| push(body).dispatch.exclude;
    let one = exclude(r#"{"exclude":{"user":"a","users":["b"],"connection":"c","connections":["d"]}}"#);
    assert_eq!(one.users.iter().map(UserName::as_str).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(one.connections.iter().map(|id| &**id).collect::<Vec<_>>(), ["d", "c"]);
    assert!(exclude(r#"{"exclude":[]}"#).is_empty(), "as PHP writes it");
    let long = "x".repeat(201);
    for member in ["connection", "users"] {
        let answer = refused(&format!(r#"{{"exclude":{{"{member}":"{long}"}}}}"#));
        assert_eq!(
            answer,
            format!("bad_exclude: a name in exclude.{member} is 201 bytes long, allowed are 200")
        );
    }
    let many = vec!["\"a\""; TARGETS + 1].join(",");
    assert!(refused(&format!(r#"{{"exclude":{{"connections":[{many}]}}}}"#)).contains("allowed are 10000"));
}

#[test]
fn what_is_probably_not_meant_is_said() {
    let doubt = |body: &str| {
        push(body)
            .doubt
            .map(|doubt| format!("{}: {}", doubt.code, doubt.message))
    };
    for (body, expected) in [
        (
            r#"{"targets":{"users":"a"},"event":"E","payload":1,"auth":1,"exclude":{},"id":"k"}"#,
            None,
        ),
        (
            r#"{"target":{"users":"a"}}"#,
            Some("unknown_member: there is no member target, did you mean targets?; the push names nobody to tell"),
        ),
        (
            r#"{"targets":{"usr":"a"}}"#,
            Some(
                "unknown_member: there is no member targets.usr, did you mean targets.user?; the push names nobody to tell",
            ),
        ),
        (
            r#"{"targets":{"users":"a"},"exclude":{"room":"a"}}"#,
            Some("unknown_member: there is no member exclude.room, allowed are connections, connection, users, user"),
        ),
        (
            r#"{"Event":"E","targets":{"users":"a"}}"#,
            Some("unknown_member: there is no member Event, did you mean event?"),
        ),
        (
            "{}",
            Some("no_target: the push names nobody to tell: targets has neither users nor channels nor broadcast"),
        ),
    ] {
        assert_eq!(doubt(body).as_deref(), expected, "{body}");
    }
    let forged = doubt("{\"a\\nERROR forged\":1}").unwrap();
    assert!(forged.contains("a\\nERROR") && !forged.contains('\n'), "{forged}");
    let long = doubt(&format!("{{\"{}\":1}}", "x".repeat(5000))).unwrap();
    assert!(long.len() < 300, "{long}");
}

#[test]
fn a_byte_order_mark_before_a_push_is_ignored() {
    let push = push("\u{feff}{\"event\":\"A\"}");
    assert_eq!(push.dispatch.event.as_str(), "A");
    assert!(matches!(
        parse("\u{feff}[{}]".as_bytes(), &Limits::default()),
        Ok(Body::Batch(_))
    ));
}

#[test]
fn the_singular_means_the_same_and_both_count_users_before_channels() {
    let via = |body: &str| serde_json::to_string(&push(body).dispatch.targets).unwrap();
    assert_eq!(via(r#"{"targets":{"channel":"chat"}}"#), r#"[{"channel":"chat"}]"#);
    assert_eq!(
        via(r#"{"targets":{"channel":["d"],"channels":"c","user":["b"],"users":["a"]}}"#),
        r#"[{"user":"a"},{"user":"b"},{"channel":"c"},{"channel":"d"}]"#
    );
}

#[test]
fn the_payload_is_passed_on_byte_for_byte() {
    let push = push("{\"payload\": {\"n\":12345678901234567890123, \"a\" : \"\\u00e9\\ud800\"} }");
    assert_eq!(
        push.dispatch.payload.as_str(),
        "{\"n\":12345678901234567890123, \"a\" : \"\\u00e9\\ud800\"}"
    );
}

#[test]
fn a_refusal_says_which_member_and_why() {
    for (body, expected) in [
        ("null", "not_an_object: a push must be a JSON object"),
        ("5", "not_an_object: a push must be a JSON object"),
        (r#"{"event":5}"#, "bad_event: event must be a string"),
        (
            r#"{"event":"a\nb"}"#,
            "bad_event: event must not contain control characters",
        ),
        (r#"{"targets":null}"#, "bad_target: targets must be an object"),
        (r#"{"targets":[1]}"#, "bad_target: targets must be an object"),
        (
            r#"{"targets":{"users":5.5}}"#,
            "bad_target: targets.users must be a string or a list of strings",
        ),
        (
            r#"{"targets":{"channels":["a",""]}}"#,
            "bad_target: a name in targets.channels must not be empty",
        ),
        (
            r#"{"targets":{"channel":{}}}"#,
            "bad_target: targets.channel must be a string or a list of strings",
        ),
        (r#"{"exclude":1}"#, "bad_exclude: exclude must be an object"),
        (r#"{"id":""}"#, "bad_id: id must be a string of 1 to 128 bytes"),
    ] {
        assert_eq!(refused(body), expected, "{body}");
    }
    assert!(refused("{").starts_with("not_json: "));
    assert!(refused(&"[".repeat(65)).starts_with("too_deep: "));
    assert!(refused(&format!("[{}1]", "1,".repeat(1000))).starts_with("bad_batch: "));
}

#[test]
fn a_wrong_push_in_a_batch_spoils_only_itself() {
    let Ok(Body::Batch(list)) = parse(b"[{}, null, {\"event\":\"A\"}]", &Limits::default()) else {
        panic!("not a batch");
    };
    assert_eq!(list.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn no_input_panics() {
    let seeds = [
        r#"{"event":"E","targets":{"users":["a"],"channels":"b","broadcast":true},"payload":{"x":[1]},"id":"k"}"#,
        r#"[{"exclude":{"connections":["c"],"users":"u"}},{"auth":{"password":"p"}}]"#,
    ];
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].as_bytes().to_vec();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(0..bytes.len());
            match random.u8(0..3) {
                0 => bytes[at] = random.u8(..),
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, *random.choice(b"{}[]\",:\\\0n0").unwrap()),
            }
        }
        let _ = parse(&bytes, &Limits::default());
    }
}
