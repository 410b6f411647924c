//! Texts with placeholders.
//!
//! In: `"user:{json.id|nobody}"`. Out: the same as parts, and later, bound to a vocabulary, the text for one message.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::opened::Opened;
use super::vocabulary::{Lookup, Vocabulary};
use crate::envelope::Refusal;

/// A text with placeholders, as the configuration writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(Vec<Part<String>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part<L> {
    Text(String),
    Field {
        from: L,
        name: String,
        default: Option<String>,
    },
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl Template {
    /// Reads a text with placeholders.
    ///
    /// # Errors
    /// A brace without its partner, or an empty name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if from.starts_with("{{") || from.starts_with("}}") {
                plain.push_str(&from[..1]);
                rest = &from[2..];
                continue;
            }
            let inner = from.strip_prefix('{').and_then(|from| from.split_once('}'));
            let Some((inner, after)) = inner else {
                return Err("has a brace without its partner; write {{ or }} for a plain one".into());
            };
            let (name, default) = match inner.split_once('|') {
                Some((name, default)) => (name, Some(default.to_owned())),
                None => (inner, None),
            };
            let name = name.trim().to_owned();
            if name.is_empty() || name.contains('{') {
                return Err("has a placeholder without a name; write {{ or }} for a plain brace".into());
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            let from = name.clone();
            parts.push(Part::Field { from, name, default });
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// What its placeholders are called.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Field { name, .. } => Some(name.as_str()),
        })
    }

    /// The text with what `find` says for each placeholder; `None` when something without a default is missing.
    pub fn fill<'a>(&self, find: impl Fn(&str) -> Option<Cow<'a, str>>) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Field { name, default, .. } => match (find(name), default) {
                    (Some(found), _) => text.push_str(&found),
                    (None, Some(default)) => text.push_str(default),
                    (None, None) => return None,
                },
            }
        }
        Some(text)
    }

    /// The text, when there is no placeholder in it.
    pub(super) fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Finds out where each placeholder comes from.
    pub(super) fn bind(self, vocabulary: &Vocabulary) -> Result<Bound, String> {
        let bind = |part| match part {
            Part::Text(text) => Ok(Part::Text(text)),
            Part::Field { name, default, .. } => Ok(Part::Field {
                from: vocabulary.lookup(&name)?,
                name,
                default,
            }),
        };
        self.0.into_iter().map(bind).collect::<Result<_, String>>().map(Bound)
    }
}

/// A template whose placeholders the source has.
#[derive(Debug, Clone)]
pub(super) struct Bound(Vec<Part<Lookup>>);

/// What a template gives when it is one placeholder for JSON and nothing else.
pub(super) enum Sole<'a> {
    /// It is something else.
    No,
    /// The JSON that is there.
    Json(Cow<'a, RawValue>),
    /// Nothing is there; the default.
    Default(Option<&'a str>),
}

impl Bound {
    /// The text for this message; `None` when the message lacks something that has no default.
    pub(super) fn render(&self, opened: &Opened<'_>) -> Result<Option<String>, Refusal> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Field { from, name, default } => {
                    let found = opened.text(from, name)?;
                    match found.or_else(|| default.as_deref().map(Cow::Borrowed)) {
                        Some(found) => text.push_str(&found),
                        None => return Ok(None),
                    }
                }
            }
        }
        Ok(Some(text))
    }

    /// As [`render`](Self::render); what the message lacks is a refusal.
    pub(super) fn require(&self, what: &str, opened: &Opened<'_>) -> Result<String, Refusal> {
        let absent = || {
            Refusal::new(
                "absent",
                format!("{what} needs {}, which this message lacks", self.names()),
            )
        };
        self.render(opened)?.ok_or_else(absent)
    }

    /// The JSON of a template that is one `{json…}`, or one name whose text is JSON.
    pub(super) fn sole<'a>(&'a self, opened: &'a Opened<'_>) -> Result<Sole<'a>, Refusal> {
        let [Part::Field { from, default, .. }] = self.0.as_slice() else {
            return Ok(Sole::No);
        };
        let found = match from {
            Lookup::Json(path) => opened.json(path)?.map(Cow::Borrowed),
            Lookup::JsonField(field) => opened.json_field(field)?.map(Cow::Owned),
            Lookup::Body | Lookup::Field(_) | Lookup::Word(..) | Lookup::Rest(..) => return Ok(Sole::No),
        };
        Ok(found.map_or(Sole::Default(default.as_deref()), Sole::Json))
    }

    /// Every placeholder, for a sentence.
    fn names(&self) -> String {
        let names = self.0.iter().filter_map(|part| match part {
            Part::Field {
                name, default: None, ..
            } => Some(format!("{{{name}}}")),
            _ => None,
        });
        names.collect::<Vec<_>>().join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_placeholders_or_doubled() {
        let constant = |text: &str| Template::parse(text).unwrap().constant().map(str::to_owned);
        assert_eq!(constant("a{{b}}c").as_deref(), Some("a{b}c"));
        assert_eq!(constant("").as_deref(), Some(""));
        assert_eq!(constant("{a}"), None);
        assert_eq!(Template::parse("x{ a | b }y").unwrap().0.len(), 3);
        for wrong in ["{", "}", "a{b", "a}b", "{}", "{|x}", "{{}", "{a{b}}"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_text_panics() {
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..20_000 {
            let text: String = (0..random.usize(0..12))
                .map(|_| *random.choice(&['{', '}', '|', 'a', '.', 'é', ' ']).unwrap_or(&'a'))
                .collect();
            let _ = Template::parse(&text);
        }
    }
}
