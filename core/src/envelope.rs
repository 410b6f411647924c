//! The push envelope of TURTED: `{"event", "targets", "payload", "auth", "exclude", "id"}`.
//!
//! In: the body of a push, whoever carried it. Out: a [`Push`], or which member is wrong and why. It does
//! not look into `auth`: that is for an authenticator.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::dispatch::{Dispatch, Exclude};
use crate::json::{JsonError, Payload, check_depth};
use crate::limits::Limits;
use crate::name::{ChannelName, EventName, NameError, UserName};
use crate::target::Target;

/// Most pushes in one batch.
pub const BATCH: usize = 1000;
/// Longest idempotency key in bytes.
pub const KEY_BYTES: usize = 128;
/// Most names in one member of `targets` or `exclude`.
pub const TARGETS: usize = 10_000;

/// One push as a backend wrote it.
#[derive(Clone)]
pub struct Push {
    /// What to dispatch.
    pub dispatch: Dispatch,
    /// The `auth` member, `Null` when absent.
    pub auth: Value,
}

/// Without `auth`: a credential must not reach a log (CWE-532).
impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push")
            .field("dispatch", &self.dispatch)
            .finish_non_exhaustive()
    }
}

/// A body: one push, or a list of them. In a list a wrong push does not spoil the others.
#[derive(Debug, Clone)]
pub enum Body {
    /// A JSON object.
    One(Box<Push>),
    /// A JSON array, at most [`BATCH`] long, in order.
    Batch(Vec<Result<Push, Refusal>>),
}

/// Why a push was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// For programs: `not_json`, `too_deep`, `not_an_object`, `bad_event`, `bad_target`, `bad_exclude`,
    /// `bad_id`, `bad_batch`.
    pub code: &'static str,
    /// For people: which member, and what is allowed.
    pub message: String,
}

impl Refusal {
    /// A refusal with a code for programs and a sentence for people.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl From<JsonError> for Refusal {
    fn from(error: JsonError) -> Self {
        let code = match error {
            JsonError::Syntax(_) => "not_json",
            JsonError::TooDeep(_) => "too_deep",
        };
        Self::new(code, format!("the body {error}"))
    }
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Reads a push, or a list of pushes.
///
/// # Errors
/// What is wrong with the body as a whole; in a list, what is wrong with one push stands in its place.
pub fn parse(body: &[u8], limits: &Limits) -> Result<Body, Refusal> {
    check_depth(body, limits)?;
    let syntax = |error: serde_json::Error| Refusal::from(JsonError::Syntax(error.to_string()));
    let whole: &RawValue = serde_json::from_slice(body).map_err(syntax)?;
    if !whole.get().starts_with('[') {
        return one(whole, limits).map(|push| Body::One(Box::new(push)));
    }
    let list: Vec<&RawValue> = serde_json::from_str(whole.get()).map_err(syntax)?;
    if list.len() > BATCH {
        let message = format!("a batch holds {} pushes, allowed are {BATCH}", list.len());
        return Err(Refusal::new("bad_batch", message));
    }
    Ok(Body::Batch(list.into_iter().map(|push| one(push, limits)).collect()))
}

fn one(raw: &RawValue, limits: &Limits) -> Result<Push, Refusal> {
    let members = object(raw).ok_or_else(|| Refusal::new("not_an_object", "a push must be a JSON object"))?;
    let dispatch = Dispatch {
        event: event(members.get("event").copied(), limits)?,
        targets: targets(members.get("targets").copied(), limits)?,
        payload: members
            .get("payload")
            .map_or_else(Payload::empty_object, |raw| Payload::from_raw(raw)),
        exclude: exclude(members.get("exclude").copied(), limits)?,
        key: key(members.get("id").copied())?,
    };
    let auth = members
        .get("auth")
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or(Value::Null);
    Ok(Push { dispatch, auth })
}

/// A later member of the same name wins, as in JavaScript.
fn object(raw: &RawValue) -> Option<Members<'_>> {
    serde_json::from_str(raw.get()).ok()
}

fn event(raw: Option<&RawValue>, limits: &Limits) -> Result<EventName, Refusal> {
    let bad = |why: String| Refusal::new("bad_event", format!("event {why}"));
    let Some(raw) = raw else {
        return Ok(EventName::unnamed());
    };
    let text: String = serde_json::from_str(raw.get()).map_err(|_| bad("must be a string".into()))?;
    if text.is_empty() {
        return Ok(EventName::unnamed());
    }
    EventName::parse(&text, limits).map_err(|error| bad(error.to_string()))
}

fn targets(raw: Option<&RawValue>, limits: &Limits) -> Result<Vec<Target>, Refusal> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    // PHP writes an empty map as an empty list.
    let members = match object(raw) {
        Some(members) => members,
        None if raw.get().trim_start_matches('[').trim_start() == "]" => Members::new(),
        None => return Err(Refusal::new("bad_target", "targets must be an object")),
    };
    let users = spelled(&members, ["users", "user"], |text| {
        UserName::parse(text, limits).map(Target::User)
    })?;
    let channels = spelled(&members, ["channels", "channel"], |text| {
        ChannelName::parse(text, limits).map(Target::Channel)
    })?;
    // The presence of the member counts, as in the original; only an explicit `false` is an absence.
    let broadcast = members.get("broadcast").is_some_and(|raw| raw.get() != "false");
    let everybody = broadcast.then_some(Target::Everybody);
    Ok(users.into_iter().chain(channels).chain(everybody).collect())
}

/// The names of one kind of target, in both spellings: TURTED's Symfony bundle writes `channel`.
fn spelled<T>(
    members: &Members<'_>,
    spellings: [&str; 2],
    make: impl Fn(&str) -> Result<T, NameError>,
) -> Result<Vec<T>, Refusal> {
    let mut all = Vec::new();
    for spelling in spellings {
        let raw = members.get(spelling).copied();
        all.extend(names("bad_target", &format!("targets.{spelling}"), raw, &make)?);
    }
    Ok(all)
}

fn exclude(raw: Option<&RawValue>, limits: &Limits) -> Result<Exclude, Refusal> {
    let Some(raw) = raw else {
        return Ok(Exclude::default());
    };
    let members = object(raw).ok_or_else(|| Refusal::new("bad_exclude", "exclude must be an object"))?;
    Ok(Exclude {
        connections: names(
            "bad_exclude",
            "exclude.connections",
            members.get("connections").copied(),
            |text| Ok(Arc::from(text)),
        )?,
        users: names("bad_exclude", "exclude.users", members.get("users").copied(), |text| {
            UserName::parse(text, limits)
        })?,
    })
}

/// A string or a list of strings; `make` checks each.
fn names<T>(
    code: &'static str,
    member: &str,
    raw: Option<&RawValue>,
    make: impl Fn(&str) -> Result<T, NameError>,
) -> Result<Vec<T>, Refusal> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    let texts = serde_json::from_str::<Vec<String>>(raw.get())
        .or_else(|_| serde_json::from_str::<String>(raw.get()).map(|text| vec![text]))
        .map_err(|_| Refusal::new(code, format!("{member} must be a string or a list of strings")))?;
    if texts.len() > TARGETS {
        let message = format!("{member} lists {} names, allowed are {TARGETS}", texts.len());
        return Err(Refusal::new(code, message));
    }
    let checked = texts.iter().map(|text| make(text));
    checked
        .collect::<Result<_, _>>()
        .map_err(|error| Refusal::new(code, format!("a name in {member} {error}")))
}

fn key(raw: Option<&RawValue>) -> Result<Option<Arc<str>>, Refusal> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    match serde_json::from_str::<String>(raw.get()) {
        Ok(text) if (1..=KEY_BYTES).contains(&text.len()) => Ok(Some(text.into())),
        _ => Err(Refusal::new(
            "bad_id",
            format!("id must be a string of 1 to {KEY_BYTES} bytes"),
        )),
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(via(r#"{"targets":{"broadcast":null}}"#), r#"[{"broadcast":true}]"#);
        assert_eq!(via(r#"{"targets":{"broadcast":false}}"#), "[]");
        assert_eq!(via(r#"{"targets":[]}"#), "[]");
        assert_eq!(
            via(r#"{"targets":{"channels":"__proto__"}}"#),
            r#"[{"channel":"__proto__"}]"#
        );
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
                r#"{"targets":{"users":5}}"#,
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
}
