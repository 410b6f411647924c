//! Looks into one message.
//!
//! In: a message and a lookup. Out: text, or JSON byte for byte. The body is checked as JSON at most once, and never
//! built into a tree.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::Message;
use super::vocabulary::Lookup;
use crate::envelope::Refusal;
use crate::json::{JsonError, check_depth, without_mark};
use crate::limits::Limits;

/// One message, with its JSON when somebody asked for it.
pub(super) struct Opened<'a> {
    message: &'a dyn Message,
    limits: &'a Limits,
    json: OnceCell<Result<&'a RawValue, Refusal>>,
}

impl<'a> Opened<'a> {
    pub(super) fn new(message: &'a dyn Message, limits: &'a Limits) -> Self {
        Self {
            message,
            limits,
            json: OnceCell::new(),
        }
    }

    /// The text that a placeholder stands for; `None` when the message lacks it.
    pub(super) fn text(&self, from: &Lookup, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
        match from {
            Lookup::Body => self.body().map(|text| Some(Cow::Borrowed(text))),
            Lookup::Field(field) | Lookup::JsonField(field) => Ok(self.message.field(field)),
            Lookup::Word(field, index, separators) => {
                let text = self.message.field(field);
                Ok(text.and_then(|text| word(&text, *index, separators)))
            }
            Lookup::Rest(field, index, separators) => {
                let text = self.message.field(field);
                Ok(text.and_then(|text| rest(&text, *index, separators)))
            }
            Lookup::Json(path) => self.json(path)?.map(|raw| plain(raw, name)).transpose(),
        }
    }

    /// The JSON at a path of the body; `None` when it is `null` or not there.
    pub(super) fn json(&self, path: &[String]) -> Result<Option<&'a RawValue>, Refusal> {
        let whole = self.json.get_or_init(|| self.parse()).clone()?;
        let found = path.iter().try_fold(whole, |raw, step| member(raw, step));
        Ok(found.filter(|raw| raw.get() != "null" || path.is_empty()))
    }

    /// The JSON that the message has under a name of its own; `None` when it lacks it.
    pub(super) fn json_field(&self, field: &str) -> Result<Option<Box<RawValue>>, Refusal> {
        let parse = |text: Cow<'_, str>| RawValue::from_string(text.into_owned());
        let parsed = self.message.field(field).map(parse).transpose();
        parsed.map_err(|error| JsonError::Syntax(error.to_string()).into())
    }

    fn body(&self) -> Result<&'a str, Refusal> {
        std::str::from_utf8(without_mark(self.message.body()))
            .map_err(|_| Refusal::new("not_text", "the body is not UTF-8"))
    }

    fn parse(&self) -> Result<&'a RawValue, Refusal> {
        let body = without_mark(self.message.body());
        check_depth(body, self.limits)?;
        serde_json::from_slice(body).map_err(|error| JsonError::Syntax(error.to_string()).into())
    }
}

fn word(text: &str, index: usize, separators: &[char]) -> Option<Cow<'static, str>> {
    text.split(separators)
        .nth(index)
        .map(|word| Cow::Owned(word.to_owned()))
}

/// A word with all that follow, and what stands between them.
fn rest(text: &str, index: usize, separators: &[char]) -> Option<Cow<'static, str>> {
    let rest = text.splitn(index.saturating_add(1), separators).nth(index)?;
    Some(Cow::Owned(rest.to_owned()))
}

/// A member of an object, or an element of a list.
fn member<'a>(raw: &'a RawValue, step: &str) -> Option<&'a RawValue> {
    match raw.get().as_bytes().first()? {
        b'{' => serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(raw.get())
            .ok()?
            .get(step)
            .copied(),
        b'[' => serde_json::from_str::<Vec<&RawValue>>(raw.get())
            .ok()?
            .get(step.parse::<usize>().ok()?)
            .copied(),
        _ => None,
    }
}

/// Strings without their quotes, numbers and booleans as they are written.
pub(super) fn plain<'a>(raw: &'a RawValue, name: &str) -> Result<Cow<'a, str>, Refusal> {
    match raw.get().as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(raw.get()).map_err(|error| JsonError::Syntax(error.to_string()))?;
            Ok(text.into())
        }
        Some(b'{' | b'[') => {
            let kind = if raw.get().starts_with('{') {
                "an object"
            } else {
                "a list"
            };
            Err(Refusal::new(
                "not_text",
                format!("{{{name}}} is {kind} where a text is needed"),
            ))
        }
        _ => Ok(Cow::Borrowed(raw.get())),
    }
}
