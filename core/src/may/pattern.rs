//! Which names a grant is about.
//!
//! In: a pattern as a configuration, a token or an answer writes it, and a name with the identity that asks. Out:
//! whether it matches, in one pass for each part of the pattern. It knows no verb, and not what follows from a match.
//!
//! `*` is one or more characters, but none of `. : /`; `**`, at the end only, is one or more of any. `{user}` and
//! `{claim.x}` are the value, literally; `{{` and `}}` are braces. Everything else is itself, byte for byte.

use std::fmt;

use super::claims::Claims;
use super::names::Names;

/// Longest pattern in bytes.
pub const MOST_BYTES: usize = 200;
/// What divides a name into parts.
const SEPARATORS: [char; 3] = ['.', ':', '/'];

/// A pattern of names, checked.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern(Box<str>);

/// Why a text is no pattern. The text fits "the pattern {error}".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// No text at all.
    #[error("must not be empty")]
    Empty,
    /// Longer than [`MOST_BYTES`].
    #[error("is {0} bytes long, allowed are {MOST_BYTES}")]
    TooLong(usize),
    /// No name holds one.
    #[error("must not contain control characters")]
    Control,
    /// `**` matches to the end of a name, so that nothing can stand behind it.
    #[error("may have ** at its end only")]
    InnerRest,
    /// `{` or `}` that belongs to no placeholder.
    #[error("has a brace that is not closed or not opened; write {{{{ or }}}} for a brace of the name")]
    Brace,
    /// A placeholder that does not exist.
    #[error("has {{{0}}}; known are {{user}} and {{claim.<name>}}")]
    Placeholder(String),
}

/// One part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Star,
    Rest,
    User,
    Claim(&'a str),
}

impl Pattern {
    /// Checks `text`.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MOST_BYTES {
            return Err(PatternError::TooLong(text.len()));
        }
        if text.chars().any(char::is_control) {
            return Err(PatternError::Control);
        }
        let mut parts = Parts { rest: text };
        let mut is_over = false;
        while let Some(part) = parts.take()? {
            if is_over {
                return Err(PatternError::InnerRest);
            }
            is_over = part == Part::Rest;
        }
        Ok(Self(text.into()))
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches `names`, all of them, when `user`, with these claims, asks.
    #[must_use]
    pub fn matches<'a>(&self, names: impl Into<Names<'a>>, user: Option<&str>, claims: &Claims) -> bool {
        matches(&self.0, names.into(), user, claims)
    }

    /// The claims that it asks for, in its order.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        parts(&self.0).filter_map(|part| match part {
            Part::Claim(path) => Some(path),
            _ => None,
        })
    }

    /// Whether it asks for the user.
    #[must_use]
    pub fn wants_user(&self) -> bool {
        parts(&self.0).any(|part| part == Part::User)
    }

    /// What every name that it matches begins with.
    #[must_use]
    pub fn prefix(&self) -> String {
        let texts = parts(&self.0).map_while(|part| match part {
            Part::Text(text) => Some(text),
            _ => None,
        });
        texts.collect()
    }
}

/// Whether a text that was [parsed](Pattern::parse) before matches.
pub(super) fn matches(pattern: &str, names: Names<'_>, user: Option<&str>, claims: &Claims) -> bool {
    let name = names.prefix().as_bytes();
    // Where in the name the rest of the pattern may begin.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    let mut parts = parts(pattern).peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        // Whatever comes behind the names' common beginning is one or more of any character.
        if let (Part::Rest, Names::Below(_)) = (part, names) {
            return true;
        }
        let mut next = vec![false; name.len() + 1];
        match part {
            Part::Text(text) => step(&reached, name, text.as_bytes(), &mut next),
            Part::Star | Part::Rest => {
                let mut inside = false;
                for (at, byte) in name.iter().enumerate() {
                    let divides = part == Part::Star && SEPARATORS.contains(&char::from(*byte));
                    inside = (inside || reached[at]) && !divides;
                    next[at + 1] = inside;
                }
            }
            Part::User => user
                .into_iter()
                .filter(|value| fits(value, is_last))
                .for_each(|value| step(&reached, name, value.as_bytes(), &mut next)),
            Part::Claim(path) => claims
                .texts(path)
                .filter(|value| fits(value, is_last))
                .for_each(|value| step(&reached, name, value.as_bytes(), &mut next)),
        }
        if !next.contains(&true) {
            return false;
        }
        reached = next;
    }
    matches!(names, Names::One(_)) && reached[name.len()]
}

/// A value in front of something else must not bring a separator of its own: a member of org `a` with the channels
/// `org.a.**` must not become one of org `a.b` by a claim that says so.
fn fits(value: &str, is_last: bool) -> bool {
    !value.is_empty() && (is_last || !value.contains(SEPARATORS))
}

fn step(reached: &[bool], name: &[u8], text: &[u8], next: &mut [bool]) {
    for (at, _) in reached.iter().enumerate().filter(|(_, is_reached)| **is_reached) {
        if name[at..].starts_with(text) {
            next[at + text.len()] = true;
        }
    }
}

struct Parts<'a> {
    rest: &'a str,
}

impl<'a> Parts<'a> {
    fn take(&mut self) -> Result<Option<Part<'a>>, PatternError> {
        let rest = self.rest;
        let cut = |at: usize| (&rest[..at], &rest[at..]);
        let (part, rest) = match rest.as_bytes() {
            [] => return Ok(None),
            [b'*', b'*', ..] => (Part::Rest, &rest[2..]),
            [b'*', ..] => (Part::Star, &rest[1..]),
            [b'{', b'{', ..] | [b'}', b'}', ..] => (Part::Text(&rest[..1]), &rest[2..]),
            [b'}', ..] => return Err(PatternError::Brace),
            [b'{', ..] => {
                let (inside, rest) = rest[1..].split_once('}').ok_or(PatternError::Brace)?;
                (placeholder(inside)?, rest)
            }
            _ => {
                let (text, rest) = cut(rest.find(['*', '{', '}']).unwrap_or(rest.len()));
                (Part::Text(text), rest)
            }
        };
        self.rest = rest;
        Ok(Some(part))
    }
}

fn placeholder(inside: &str) -> Result<Part<'_>, PatternError> {
    match inside.strip_prefix("claim.") {
        _ if inside == "user" => Ok(Part::User),
        Some(path) if !path.is_empty() && !path.contains('{') => Ok(Part::Claim(path)),
        _ => Err(PatternError::Placeholder(inside.to_owned())),
    }
}

/// The parts of a text that was parsed before.
fn parts(pattern: &str) -> impl Iterator<Item = Part<'_>> {
    let mut parts = Parts { rest: pattern };
    std::iter::from_fn(move || parts.take().ok().flatten())
}

impl<'de> serde::Deserialize<'de> for Pattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|why| serde::de::Error::custom(format_args!("the pattern {text:?} {why}")))
    }
}

impl serde::Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
