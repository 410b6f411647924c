//! realizehit's API: what it answers to whom, and what comes of it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use http::Request;
use turted_core::{ChannelName, ConnectorConfig, ConnectorError, Payload, PushConnector, PushError, Relay, Relays};
use turted_rest::{Answers, RestConfig};

use crate::support::{House, List, context, line, post};

const JSON: (&str, &str) = ("content-type", "application/json");
const GOOD: (&str, &str) = ("authorization", "Bearer mellon");
const QUEUED: &str = "200 text/html; charset=utf-8 | Your payload has been queued for delivery";
const NO_PATTERN: &str = "400 text/html; charset=utf-8 | Please include .pattern in your request body";
const NO_PAYLOAD: &str = "400 text/html; charset=utf-8 | Please include .payload in your request body";
const FAILED: &str = "500 text/html; charset=utf-8 | An error has occurred on the Server, sorry";

fn push(body: &str) -> Request<Bytes> {
    post("/", &[JSON, GOOD], body)
}

#[test]
fn every_case_of_the_original_is_answered_in_its_words() {
    let house = House::of_realizehit();
    for (body, answer) in [
        (r#"{"pattern":{"foo":"bar"},"payload":{"k":1}}"#, QUEUED),
        (r#"{"pattern":{"b":"2","a":1},"payload":null}"#, QUEUED),
        (r#"{"pattern":{"foo":"bar"},"payload":0}"#, QUEUED),
        (r#"{"pattern":{"foo":"bar"},"payload":false}"#, QUEUED),
        (r#"{"pattern":["x"],"payload":""}"#, QUEUED),
        (r#"{"payload":1}"#, NO_PATTERN),
        (r#"{"pattern":"foo:bar","payload":1}"#, NO_PATTERN),
        (r#"{"pattern":{},"payload":1}"#, NO_PATTERN),
        (r#"{"pattern":[],"payload":1}"#, NO_PATTERN),
        (r#"{"pattern":null,"payload":1}"#, NO_PATTERN),
        (r#"[{"pattern":{"foo":"bar"},"payload":1}]"#, NO_PATTERN),
        ("", NO_PATTERN),
        ("{}", NO_PATTERN),
        (r#"{"pattern":{"foo":"bar"}}"#, NO_PAYLOAD),
        (r#"{"pattern":{"foo":"b r"},"payload":1}"#, FAILED),
        (r#"{"pattern":{"f-o":"bar"},"payload":1}"#, FAILED),
        (r#"{"pattern":{"toString":"bar"},"payload":1}"#, FAILED),
    ] {
        assert_eq!(house.ask(push(body)), answer, "{body}");
    }
    for body in ["{", "7", "null", "\"x\"", r#"{"pattern":{"foo":"bar"},"payload":1}}"#] {
        let answer = house.ask(push(body));
        assert!(
            answer.starts_with("400 text/html; charset=utf-8 | <!DOCTYPE html>"),
            "{body}: {answer}"
        );
    }
    assert_eq!(
        house.dispatched(),
        [
            r#"MESSAGE [{"channel":"foo:bar"}] {"k":1}"#,
            r#"MESSAGE [{"channel":"a:1|b:2"}] null"#,
            r#"MESSAGE [{"channel":"foo:bar"}] 0"#,
            r#"MESSAGE [{"channel":"foo:bar"}] false"#,
            "MESSAGE [{\"channel\":\"0:x\"}] \"\"",
        ]
    );
    assert_eq!(house.report.counts().0, 5);
}

#[test]
fn what_is_not_said_to_be_json_has_no_pattern() {
    let house = House::of_realizehit();
    let body = r#"{"pattern":{"foo":"bar"},"payload":1}"#;
    for headers in [&[GOOD][..], &[GOOD, ("content-type", "text/plain")]] {
        assert_eq!(house.ask(post("/", headers, body)), NO_PATTERN);
    }
    let charset = ("content-type", "application/json; charset=utf-8");
    assert_eq!(house.ask(post("/", &[GOOD, charset], body)), QUEUED);
}

#[test]
fn nobody_pushes_or_learns_anything_without_credentials_or_beyond_its_bounds() {
    let house = House::of_realizehit();
    for body in [r#"{"pattern":{"foo":"bar"},"payload":1}"#, "{", "{}"] {
        let answer = house.ask(post("/", &[JSON], body));
        assert!(answer.starts_with("401 text/html"), "{body}: {answer}");
    }
    let with_auth = r#"{"pattern":{"foo":"bar"},"payload":1,"auth":{"password":"sesame"}}"#;
    assert_eq!(house.ask(post("/", &[JSON], with_auth)), QUEUED);
    let shop = ("authorization", "Bearer opensesame");
    let answer = house.ask(post("/", &[JSON, shop], r#"{"pattern":{"foo":"bar"},"payload":1}"#));
    assert!(answer.starts_with("403 text/html"), "{answer}");
    assert_eq!(house.dispatched(), [r#"MESSAGE [{"channel":"foo:bar"}] 1"#]);
}

#[test]
fn an_overloaded_server_says_that_it_may_be_sent_again() {
    let house = House::of_realizehit().fates([Some(PushError::Overloaded)]);
    let answer = house.ask(push(r#"{"pattern":{"foo":"bar"},"payload":1}"#));
    assert!(answer.starts_with("503 text/html"), "{answer}");
    assert!(
        answer.ends_with("| An error has occurred on the Server, sorry"),
        "{answer}"
    );
}

/// Remembers what was published, and fails for the channel `a:fails`.
#[derive(Default)]
struct Paper(Mutex<Vec<String>>);

impl Relay for Paper {
    fn publish<'a>(
        &'a self,
        channel: &'a ChannelName,
        payload: &'a Payload,
    ) -> BoxFuture<'a, Result<(), ConnectorError>> {
        if channel.as_str() == "a:fails" {
            return ready(Err(ConnectorError::new("redis at nowhere cannot be reached"))).boxed();
        }
        self.0.lock().unwrap().push(format!("{channel} {}", payload.as_str()));
        ready(Ok(())).boxed()
    }
}

#[test]
fn what_goes_through_another_connector_is_published_there_and_dispatched_by_nobody_here() {
    let (list, guard, paper) = (Arc::<List>::default(), Arc::default(), Arc::new(Paper::default()));
    let (mut cx, _trigger) = context(&list, &guard);
    cx.relays = Relays::new([("hits".into(), Arc::clone(&paper) as Arc<dyn Relay>)]);
    let config = RestConfig {
        path: "/".into(),
        answers: Answers::RealizeHit,
        through: Some("hits".into()),
        ..RestConfig::default()
    };
    let connector = config.build().unwrap();
    assert_eq!(connector.through(), Some("hits"));
    let door = connector.endpoint(&cx).unwrap().door;
    let ask =
        |headers: &[(&str, &str)], body: &str| line(&door.answer(post("/", headers, body)).now_or_never().unwrap());
    let body = r#"{"pattern":{"foo":"bar"},"payload":{"é?": 1.50}}"#;
    assert_eq!(ask(&[JSON, GOOD], body), QUEUED);
    assert_eq!(ask(&[JSON, GOOD], r#"{"pattern":{"a":"fails"},"payload":1}"#), FAILED);
    let shop = ("authorization", "Bearer opensesame");
    assert!(ask(&[JSON, shop], body).starts_with("403"));
    assert_eq!(*paper.0.lock().unwrap(), [r#"foo:bar {"é?": 1.50}"#]);
    assert!(list.is_empty());
}

#[test]
fn settings_of_others_are_refused_by_their_key() {
    let refused = |config: RestConfig| config.build().err().map(|error| error.key).unwrap_or_default();
    let through = || Some("hits".to_owned());
    assert_eq!(
        refused(RestConfig {
            through: through(),
            ..RestConfig::default()
        }),
        "through"
    );
    assert_eq!(
        refused(RestConfig {
            event: through(),
            ..RestConfig::default()
        }),
        "event"
    );
    let ours = || RestConfig {
        path: "/".into(),
        answers: Answers::RealizeHit,
        ..RestConfig::default()
    };
    assert_eq!(refused(RestConfig { ape: true, ..ours() }), "ape");
    assert_eq!(
        refused(RestConfig {
            event: Some("a\nb".into()),
            ..ours()
        }),
        "event"
    );
    assert_eq!(refused(ours()), "");
}
