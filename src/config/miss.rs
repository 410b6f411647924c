//! What flows in: what serde has to say when a value does not become the type that was asked for. What flows out: the
//! way to the offending entry and a sentence in plain language that never repeats the value. Refuses to know: where it
//! was written.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::problem::{did_you_mean, quoted_list};

/// One step from a table or list to what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// A value that missed its type.
#[derive(Debug)]
pub(super) struct Miss {
    pub(super) message: String,
    /// The required key that is not there (the way leads to the table that lacks it).
    pub(super) missing: Option<&'static str>,
    /// Innermost step first: it grows while the error travels outwards.
    steps: Vec<Step>,
}

impl Miss {
    fn new(message: impl Into<String>) -> Self {
        Miss {
            message: message.into(),
            missing: None,
            steps: Vec::new(),
        }
    }

    /// The same miss, seen from the table or list around it.
    pub(super) fn inside(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// The way to it, outermost step first.
    pub(super) fn path(&self) -> Vec<Step> {
        self.steps.iter().rev().cloned().collect()
    }
}

/// `unknown key; allowed are …; did you mean …?`
pub(super) fn unknown_key(written: &str, allowed: &[&str]) -> String {
    if allowed.is_empty() {
        return "unknown key; nothing can be set here".to_owned();
    }
    format!(
        "unknown key; allowed are {}{}",
        allowed.join(", "),
        did_you_mean(written, allowed)
    )
}

/// `must be one of "close", "drop"; did you mean drop?`
pub(super) fn unknown_word(written: &str, allowed: &[&str]) -> String {
    format!(
        "must be one of {}{}",
        quoted_list(allowed),
        did_you_mean(written, allowed)
    )
}

impl Error for Miss {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Miss::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Miss::new(format!("must be {}, not {}", plain(expected), kind(found)))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Miss::new(format!("must be {}", plain(expected)))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Miss::new(format!("must be {}, not {length} values", plain(expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Miss::new(unknown_word(variant, expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Miss::new(unknown_key(field, expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Miss {
            missing: Some(field),
            ..Miss::new("is missing")
        }
    }

    fn duplicate_field(_: &'static str) -> Self {
        Miss::new("is set twice")
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Miss {}

/// serde's name for a type, as somebody who does not write Rust would put it.
fn plain(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    let limits = match expected.as_str() {
        "u8" => Some((0, u64::from(u8::MAX))),
        "u16" => Some((0, u64::from(u16::MAX))),
        "u32" => Some((0, u64::from(u32::MAX))),
        "u64" | "usize" | "u128" => Some((0, u64::MAX)),
        "a nonzero u8" => Some((1, u64::from(u8::MAX))),
        "a nonzero u16" => Some((1, u64::from(u16::MAX))),
        "a nonzero u32" => Some((1, u64::from(u32::MAX))),
        "a nonzero u64" | "a nonzero usize" | "a nonzero u128" => Some((1, u64::MAX)),
        _ => None,
    };
    match (limits, expected.as_str()) {
        (Some((0, u64::MAX)), _) => "a whole number, zero or more".to_owned(),
        (Some((least, u64::MAX)), _) => format!("a whole number, at least {least}"),
        (Some((least, most)), _) => format!("a whole number from {least} to {most}"),
        (None, "i8" | "i16" | "i32" | "i64" | "i128" | "isize") => "a whole number".to_owned(),
        (None, "f32" | "f64") => "a number".to_owned(),
        (None, "a boolean") => "true or false".to_owned(),
        (None, "a string" | "string" | "str" | "path string" | "a borrowed string") => "a text in quotes".to_owned(),
        (None, "a sequence") => "a list".to_owned(),
        (None, "a map") => "a table".to_owned(),
        (None, other) if other.starts_with("struct ") => "a table".to_owned(),
        (None, other) if other.starts_with("enum ") || other == "variant identifier" => "a word in quotes".to_owned(),
        (None, other) => other.to_owned(),
    }
}

/// What was found, never its value: it may be a secret in the wrong place.
fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "a text",
        Unexpected::Seq => "a list",
        Unexpected::Map | Unexpected::NewtypeStruct => "a table",
        Unexpected::Enum | Unexpected::UnitVariant | Unexpected::NewtypeVariant => "a word",
        Unexpected::TupleVariant | Unexpected::StructVariant => "a table",
        Unexpected::Other("a date") => "a date",
        Unexpected::Unit | Unexpected::Option | Unexpected::Other(_) => "this",
    }
}
