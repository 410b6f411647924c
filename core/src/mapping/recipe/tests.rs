//! What flows in: envelopes as an administrator writes them, and messages. What flows out: the dispatch that a backend
//! would have pushed by hand.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::json;

use super::*;

struct Letter {
    body: Vec<u8>,
    fields: BTreeMap<&'static str, &'static str>,
    id: Option<&'static str>,
}

impl Message for Letter {
    fn body(&self) -> &[u8] {
        &self.body
    }
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        self.fields.get(name).map(|text| Cow::Borrowed(*text))
    }
    fn id(&self) -> Option<Cow<'_, str>> {
        self.id.map(Cow::Borrowed)
    }
}

fn letter(body: &str) -> Letter {
    Letter {
        body: body.into(),
        fields: BTreeMap::from([
            ("routing_key", "order.paid.eu"),
            ("exchange", "shop"),
            ("channel", "order:eu.7"),
            ("line", "{\"n\": 1.0}"),
            ("header.x-user", "adam"),
        ]),
        id: None,
    }
}

fn recipe(envelope: Value) -> Result<Recipe, String> {
    let vocabulary = Vocabulary::new()
        .with("exchange")
        .with_words("routing_key")
        .with_words_between("channel", &[':', '.'])
        .with_json("line")
        .with_any("header");
    let envelope: Envelope = serde_json::from_value(envelope).map_err(|error| error.to_string())?;
    Recipe::new(envelope, &vocabulary, &json!("{json}")).map_err(|error| error.to_string())
}

fn read(envelope: Value, letter: &Letter) -> Result<String, String> {
    let dispatches = recipe(envelope).unwrap().dispatches(letter, "shop", &Limits::default());
    let show = |dispatch: &Dispatch| {
        let via = serde_json::to_string(&dispatch.targets).unwrap();
        let key = dispatch.key.as_deref().unwrap_or("-");
        format!("{} {via} {} {key}", dispatch.event, dispatch.payload.as_str())
    };
    match dispatches {
        Ok(list) => Ok(list.iter().map(show).collect::<Vec<_>>().join("\n")),
        Err(refusal) => Err(format!("{}: {}", refusal.code, refusal.message)),
    }
}

#[test]
fn words_stand_between_whatever_the_source_says() {
    let envelope =
        json!({"event": "{channel.0}", "users": "{channel.2}", "channels": "{channel.1}", "payload": "{channel}"});
    assert_eq!(
        read(envelope, &letter("")).unwrap(),
        r#"order [{"user":"7"},{"channel":"eu"}] "order:eu.7" -"#
    );
}

#[test]
fn a_word_may_have_all_that_follow_with_it() {
    let envelope = json!({
        "event": "{routing_key.0..}", "users": "{routing_key.2..}", "channels": "{channel.1..}",
        "payload": ["{routing_key.3..|none}", "{routing_key.18446744073709551615..|none}"],
    });
    assert_eq!(
        read(envelope, &letter("")).unwrap(),
        r#"order.paid.eu [{"user":"eu"},{"channel":"eu.7"}] ["none","none"] -"#
    );
}

#[test]
fn a_name_whose_text_is_json_stays_json_on_its_own() {
    let envelope = json!({"event": "E", "channels": "c", "payload": {"a": "{line}", "b": "at {line}"}});
    assert_eq!(
        read(envelope, &letter("")).unwrap(),
        r#"E [{"channel":"c"}] {"a":{"n": 1.0},"b":"at {\"n\": 1.0}"} -"#
    );
}

#[test]
fn a_mapping_takes_words_headers_and_members() {
    let envelope = json!({
        "event": "ORDER:{routing_key.1}",
        "users": ["{header.x-user}", "{json.customer.id}", "{header.missing|}", "{json.watchers}"],
        "channels": "{exchange}-{routing_key.2}",
        "broadcast": "{json.public|false}",
        "payload": {"order": "{json.n}", "from": "{routing_key}", "none": "{json.none}", "v": 1, "tags": ["{exchange}", true]},
        "id": "{json.n}",
    });
    let body = r#"{"n":12345678901234567890123,"customer":{"id":7},"watchers":["eve",9]}"#;
    assert_eq!(
        read(envelope, &letter(body)).unwrap(),
        r#"ORDER:paid [{"user":"adam"},{"user":"7"},{"user":"eve"},{"user":"9"},{"channel":"shop-eu"}] "#.to_owned()
            + r#"{"from":"order.paid.eu","order":12345678901234567890123,"tags":["shop",true],"v":1} shop:12345678901234567890123"#
    );
}

#[test]
fn a_payload_is_the_body_as_json_or_as_text_or_a_part_of_it() {
    let with = |payload: Value| json!({"event": "E", "channels": "c", "payload": payload});
    let body = r#" {"b":1.0, "a":"é\u00e9"} "#;
    let payload = |envelope: Value| read(envelope, &letter(body)).map(|shown| shown[20..shown.len() - 2].to_owned());
    assert_eq!(
        payload(json!({"event": "E", "channels": "c"})).unwrap(),
        r#"{"b":1.0, "a":"é\u00e9"}"#
    );
    assert_eq!(payload(with(json!("{json.a}"))).unwrap(), r#""é\u00e9""#);
    assert_eq!(payload(with(json!("{json.a}!"))).unwrap(), r#""éé!""#);
    assert_eq!(payload(with(json!("{json.x|none}"))).unwrap(), r#""none""#);
    assert_eq!(
        payload(with(json!("{body}"))).unwrap(),
        serde_json::to_string(body).unwrap()
    );
    assert_eq!(payload(with(json!({}))).unwrap(), "{}");
}

#[test]
fn what_a_message_lacks_refuses_it_unless_there_is_a_default() {
    for (envelope, body, why) in [
        (
            json!({"event": "{header.x}", "channels": "c"}),
            "1",
            "absent: event needs {header.x}, which this message lacks",
        ),
        (
            json!({"event": "E", "users": "u{json.id}"}),
            "{}",
            "absent: users needs {json.id}, which this message lacks",
        ),
        (
            json!({"event": "E", "users": "{json.id}"}),
            "{\"id\":null}",
            "absent: users needs {json.id}, which this message lacks",
        ),
        (
            json!({"event": "E", "users": "{json.id|}"}),
            "{}",
            "no_target: the message names nobody to tell",
        ),
        (
            json!({"event": "E", "users": "{json}"}),
            "[]",
            "no_target: the message names nobody to tell",
        ),
        (
            json!({"event": "E", "users": "x{json}"}),
            "[]",
            "not_text: {json} is a list where a text is needed",
        ),
        (
            json!({"event": "E", "users": "{json.a}"}),
            "{\"a\":{}}",
            "not_text: {json.a} is an object where a text is needed",
        ),
        (
            json!({"event": "E", "users": "{json.a}"}),
            "{\"a\":\"x\\n\"}",
            "bad_target: a name in users must not contain control characters",
        ),
        (
            json!({"event": "E", "broadcast": "{json.a}"}),
            "{\"a\":5}",
            "bad_target: broadcast must come out as true or false",
        ),
        (
            json!({"event": "E", "channels": "c"}),
            "{",
            "not_json: the body is not JSON: EOF while parsing an object at line 1 column 1",
        ),
        (json!("turted"), "null", "not_an_object: a push must be a JSON object"),
    ] {
        assert_eq!(read(envelope.clone(), &letter(body)).unwrap_err(), why, "{envelope}");
    }
    let binary = Letter {
        body: vec![0xFF],
        ..letter("")
    };
    let as_text = json!({"event": "E", "channels": "c", "payload": "{body}"});
    assert_eq!(read(as_text, &binary).unwrap_err(), "not_text: the body is not UTF-8");
}

#[test]
fn a_push_or_a_list_of_pushes_is_taken_whole_and_its_own_id_goes_before_the_message_s() {
    let redelivered = |body: &str| Letter {
        id: Some("m-1"),
        ..letter(body)
    };
    assert_eq!(
        read(
            json!("turted"),
            &redelivered(r#"[{"event":"A","targets":{"users":"u"}},{"event":"B","targets":{"broadcast":1},"id":"b"}]"#)
        )
        .unwrap(),
        "A [{\"user\":\"u\"}] {} shop/m-1/0\nB [{\"broadcast\":true}] {} shop:b"
    );
    assert!(
        read(json!("turted"), &redelivered("[{}, null]"))
            .unwrap_err()
            .starts_with("not_an_object")
    );
    let mapped = json!({"event": "E", "broadcast": true});
    assert_eq!(
        read(mapped, &redelivered("1")).unwrap(),
        r#"E [{"broadcast":true}] 1 shop/m-1/0"#
    );
    let large = Letter {
        body: vec![b' '; 1024 * 1024 + 1],
        ..letter("")
    };
    assert!(read(json!("turted"), &large).unwrap_err().starts_with("too_large"));
}

#[test]
fn a_mapping_that_cannot_work_is_refused_with_its_key() {
    for (envelope, why) in [
        (
            json!({"event": "{routing}", "channels": "c"}),
            "envelope.event: names {routing}, which this source does not have",
        ),
        (
            json!({"event": "E", "channels": "c", "payload": {"a": {"b": "{x}"}}}),
            "envelope.payload.a.b: names {x}",
        ),
        (json!({"event": "E"}), "envelope: needs users, channels or broadcast"),
        (
            json!({"event": "", "channels": "c"}),
            "envelope.event: must not be empty",
        ),
        (
            json!({"event": "E", "channels": ["a", ""]}),
            "envelope.channels: a name must not be empty",
        ),
        (
            json!({"event": "{", "channels": "c"}),
            "has a brace without its partner",
        ),
        (
            json!({"event": "E", "broadcast": "perhaps"}),
            "true, false, or a text with a placeholder",
        ),
        (json!({"event": "E", "chanels": "c"}), "unknown field `chanels`"),
        (json!("json"), "\"turted\", or a table with event"),
        (json!({"channels": "c"}), "missing field `event`"),
    ] {
        let error = recipe(envelope.clone()).unwrap_err();
        assert!(error.contains(why), "{envelope}: {error}");
    }
}

/// A message of a source has nobody who reads the answer: what names nobody is refused, and counted.
#[test]
fn a_push_from_a_source_that_names_nobody_is_refused_and_a_doubtful_one_is_taken() {
    let refused = |body: &str| read(json!("turted"), &letter(body)).unwrap_err();
    assert_eq!(
        refused(r#"{"event":"A","target":{"users":"u"}}"#),
        "unknown_member: there is no member target, did you mean targets?; the push names nobody to tell"
    );
    assert!(refused(r#"[{"targets":{"users":"u"}},{}]"#).starts_with("no_target"));
    let recipe = Recipe::new(Envelope::Turted, &Vocabulary::new(), &json!("{json}")).unwrap();
    let body = letter(r#"{"targets":{"users":"u"},"playload":1}"#);
    let (dispatches, doubt) = recipe.read(&body, "shop", &Limits::default()).unwrap();
    assert_eq!(dispatches.len(), 1);
    assert_eq!(
        doubt.unwrap().message,
        "there is no member playload, did you mean payload?"
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_message() {
    let mapped = |payload: &str| json!({"event": "E", "channels": "{json.c|none}", "payload": payload});
    let body = letter("\u{feff}{\"c\":1}");
    assert_eq!(
        read(mapped("{json}"), &body).unwrap(),
        "E [{\"channel\":\"1\"}] {\"c\":1} -"
    );
    assert_eq!(
        read(mapped("{body}"), &body).unwrap(),
        "E [{\"channel\":\"1\"}] \"{\\\"c\\\":1}\" -"
    );
    let push = letter("\u{feff}{\"targets\":{\"users\":\"u\"}}");
    assert_eq!(read(json!("turted"), &push).unwrap(), " [{\"user\":\"u\"}] {} -");
}
