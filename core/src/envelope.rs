//! The push envelope of TURTED: `{"event", "targets", "payload", "auth", "exclude", "id"}`.
//!
//! In: the body of a push, whoever carried it. Out: a [`Push`], or which member is wrong and why. It does
//! not look into `auth`: that is for an authenticator.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::dispatch::{Dispatch, Exclude};
use crate::json::{JsonError, Payload, check_depth, without_mark};
use crate::limits::Limits;
use crate::name::{ChannelName, EventName, NameError, UserName};
use crate::target::Target;

mod doubt;

pub use doubt::nearest;

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
    /// Why it is probably not what its sender meant: a member that nobody knows (`unknown_member`), or nobody to tell
    /// (`no_target`). The original took such pushes; whoever reads this decides whether to.
    pub doubt: Option<Refusal>,
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
    /// `bad_id`, `bad_batch`, `unknown_member`, `no_target`.
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
    let body = without_mark(body);
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
        from: None,
    };
    let auth = members
        .get("auth")
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or(Value::Null);
    let doubt = doubt::of(&members, dispatch.targets.is_empty());
    Ok(Push { dispatch, auth, doubt })
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
    let members = map(raw).ok_or_else(|| Refusal::new("bad_target", "targets must be an object"))?;
    let code = "bad_target";
    let users = spelled(code, "targets", &members, ["users", "user"], |text| {
        UserName::parse(text, limits).map(Target::User)
    })?;
    let channels = spelled(code, "targets", &members, ["channels", "channel"], |text| {
        ChannelName::parse(text, limits).map(Target::Channel)
    })?;
    let everybody = members.get("broadcast").is_some_and(|raw| is_yes(raw));
    if !everybody && members.get("broadcast").is_some_and(|raw| !is_no(raw)) {
        return Err(Refusal::new(code, "targets.broadcast must be true or false"));
    }
    let everybody = everybody.then_some(Target::Everybody);
    let mut all = Vec::with_capacity(users.len() + channels.len() + usize::from(everybody.is_some()));
    all.extend(users.into_iter().chain(channels).chain(everybody));
    Ok(all)
}

/// The original told everybody when the member was there at all. A program that writes `null` or 0 means the opposite,
/// and whom it would have told cannot be asked back.
fn is_yes(broadcast: &RawValue) -> bool {
    matches!(broadcast.get(), "true" | "1") || text(broadcast).is_some_and(|text| matches!(&*text, "true" | "1"))
}

fn is_no(broadcast: &RawValue) -> bool {
    matches!(broadcast.get(), "false" | "null" | "0")
        || text(broadcast).is_some_and(|text| matches!(&*text, "" | "false" | "0"))
        || map(broadcast).is_some_and(|members| members.is_empty())
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// PHP writes an empty map as an empty list.
fn map(raw: &RawValue) -> Option<Members<'_>> {
    let is_empty = |list: Vec<&RawValue>| list.is_empty().then(Members::new);
    object(raw).or_else(|| is_empty(serde_json::from_str(raw.get()).ok()?))
}

/// The names of one kind, in both spellings: TURTED's Symfony bundle writes `channel`.
fn spelled<T>(
    code: &'static str,
    member: &str,
    members: &Members<'_>,
    spellings: [&str; 2],
    make: impl Fn(&str) -> Result<T, NameError>,
) -> Result<Vec<T>, Refusal> {
    let mut all = Vec::new();
    for spelling in spellings {
        let raw = members.get(spelling).copied();
        all.extend(names(code, &format!("{member}.{spelling}"), raw, &make)?);
    }
    // What is kept for minutes takes no more than it needs.
    all.shrink_to_fit();
    Ok(all)
}

fn exclude(raw: Option<&RawValue>, limits: &Limits) -> Result<Exclude, Refusal> {
    let Some(raw) = raw else {
        return Ok(Exclude::default());
    };
    let code = "bad_exclude";
    let members = map(raw).ok_or_else(|| Refusal::new(code, "exclude must be an object"))?;
    Ok(Exclude {
        // The id of a connection is a name that the server gave.
        connections: spelled(code, "exclude", &members, ["connections", "connection"], |text| {
            UserName::parse(text, limits).map(|name| Arc::from(name.as_str()))
        })?,
        users: spelled(code, "exclude", &members, ["users", "user"], |text| {
            UserName::parse(text, limits)
        })?,
    })
}

/// A string or a list of strings; `make` checks each. A whole number is taken as its digits, as it is written.
fn names<T>(
    code: &'static str,
    member: &str,
    raw: Option<&RawValue>,
    make: impl Fn(&str) -> Result<T, NameError>,
) -> Result<Vec<T>, Refusal> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    let texts = match serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
        Ok(list) => list.into_iter().map(name).collect(),
        Err(_) => name(raw).map(|text| vec![text]),
    };
    let wrong = || Refusal::new(code, format!("{member} must be a string or a list of strings"));
    let texts: Vec<Cow<'_, str>> = texts.ok_or_else(wrong)?;
    if texts.len() > TARGETS {
        let message = format!("{member} lists {} names, allowed are {TARGETS}", texts.len());
        return Err(Refusal::new(code, message));
    }
    let checked = texts.iter().map(|text| make(text));
    checked
        .collect::<Result<_, _>>()
        .map_err(|error| Refusal::new(code, format!("a name in {member} {error}")))
}

fn name(raw: &RawValue) -> Option<Cow<'_, str>> {
    let written = raw.get();
    let digits = written.strip_prefix('-').unwrap_or(written);
    match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Some(Cow::Borrowed(written)),
        false => text(raw).map(Cow::Owned),
    }
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
mod tests;
