//! Which lines are wanted, and what is read out of them.
//!
//! In: the keys `match`, `exclude` and `format`, and lines. Out: for a line that is wanted its text, the places of its
//! named groups and its logfmt pairs. It knows neither files nor events.

use std::ops::Range;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use turted_core::SettingError;

use crate::logfmt::Fields;

/// Names that the default payload uses; a group may not take them.
const TAKEN: [&str; 7] = ["file", "line", "json", "fields", "cut", "replaced", "partial"];
/// How much memory a compiled expression may take.
const COMPILED: usize = 4 << 20;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Any text. The default.
    #[default]
    Text,
    /// One JSON value; other lines are refused as `not_json`.
    Json,
    /// `key=value` pairs.
    Logfmt,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub struct Rule {
    wanted: Option<Regex>,
    unwanted: Option<Regex>,
    groups: Arc<[String]>,
    format: Format,
}

/// A line that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// Its text.
    pub text: String,
    /// Where in the text each of [`Rule::groups`] is.
    pub groups: Vec<Option<Range<usize>>>,
    /// Its pairs, when the format is logfmt.
    pub fields: Option<Fields>,
    /// Why it is no JSON, when it has to be.
    pub malformed: Option<String>,
}

impl Rule {
    /// Compiles the expressions.
    ///
    /// # Errors
    /// Which of them is wrong, and where.
    pub fn new(wanted: Option<&str>, unwanted: Option<&str>, format: Format) -> Result<Self, SettingError> {
        let wanted = wanted.map(|text| compile("match", text)).transpose()?;
        let unwanted = unwanted.map(|text| compile("exclude", text)).transpose()?;
        let groups: Arc<[String]> = wanted
            .iter()
            .flat_map(|regex| regex.capture_names().flatten().map(str::to_owned))
            .collect();
        if let Some(name) = groups.iter().find(|name| TAKEN.contains(&name.as_str())) {
            let why = format!("a group may not be called {name:?}: the payload has that already");
            return Err(SettingError::new("match", why));
        }
        Ok(Self {
            wanted,
            unwanted,
            groups,
            format,
        })
    }

    /// The names of the groups of `match`.
    #[must_use]
    pub fn groups(&self) -> &Arc<[String]> {
        &self.groups
    }

    /// What a line is.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Reads a line; `None` when it is not wanted. A blank line of JSON or logfmt is nothing.
    #[must_use]
    pub fn read(&self, text: String) -> Option<Content> {
        if self.format != Format::Text && text.trim().is_empty() {
            return None;
        }
        let mut groups = Vec::new();
        match &self.wanted {
            None => {}
            Some(regex) if self.groups.is_empty() => regex.is_match(&text).then_some(())?,
            Some(regex) => {
                let captures = regex.captures(&text)?;
                groups.extend(
                    self.groups
                        .iter()
                        .map(|name| captures.name(name).map(|found| found.range())),
                );
            }
        }
        if self.unwanted.as_ref().is_some_and(|regex| regex.is_match(&text)) {
            return None;
        }
        let is_json = || serde_json::from_str::<serde::de::IgnoredAny>(&text);
        Some(Content {
            malformed: match self.format {
                Format::Json => is_json().err().map(|error| format!("the line is not JSON: {error}")),
                Format::Text | Format::Logfmt => None,
            },
            fields: (self.format == Format::Logfmt).then(|| Fields::parse(&text)),
            groups,
            text,
        })
    }
}

fn compile(key: &str, text: &str) -> Result<Regex, SettingError> {
    let compiled = RegexBuilder::new(text).size_limit(COMPILED).build();
    compiled.map_err(|error| {
        // The crate draws the place on several lines; the last says what is wrong.
        let error = error.to_string();
        let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        SettingError::new(key, format!("{text:?} is not a regular expression: {why}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rule: &Rule, text: &str) -> Option<Content> {
        rule.read(text.to_owned())
    }

    #[test]
    fn a_line_is_wanted_when_it_matches_and_is_not_excluded() {
        let rule = Rule::new(
            Some("^(?P<level>[A-Z]+)( (?P<code>[0-9]+))?:"),
            Some("secret"),
            Format::Text,
        )
        .unwrap();
        assert_eq!(&**rule.groups(), ["level", "code"]);
        let content = read(&rule, "WARN 42: x").unwrap();
        assert_eq!(content.groups, [Some(0..4), Some(5..7)]);
        assert_eq!(
            read(&rule, "INFO: x").unwrap().groups,
            [Some(0..4), None],
            "a group that took no part"
        );
        for unwanted in ["", "info: x", "INFO: a secret"] {
            assert_eq!(read(&rule, unwanted), None, "{unwanted}");
        }
        let plain = Rule::new(None, None, Format::Text).unwrap();
        assert_eq!(read(&plain, "").unwrap().text, "");
    }

    #[test]
    fn a_format_says_what_a_line_must_be() {
        let json = Rule::new(None, None, Format::Json).unwrap();
        assert_eq!(read(&json, " "), None, "blank");
        assert_eq!(read(&json, r#"{"a":1}"#).unwrap().malformed, None);
        assert!(
            read(&json, "{")
                .unwrap()
                .malformed
                .unwrap()
                .starts_with("the line is not JSON")
        );
        let logfmt = Rule::new(None, None, Format::Logfmt).unwrap();
        assert_eq!(read(&logfmt, "a=1").unwrap().fields.unwrap().get("a"), Some("1"));
    }

    #[test]
    fn a_wrong_expression_is_refused_with_its_key() {
        let error = |wanted, unwanted| Rule::new(wanted, unwanted, Format::Text).unwrap_err().to_string();
        assert_eq!(
            error(Some("a("), None),
            "match: \"a(\" is not a regular expression: unclosed group"
        );
        assert!(error(None, Some("[")).starts_with("exclude: \"[\" is not a regular expression: "));
        assert!(error(Some("(?P<file>a)"), None).starts_with("match: a group may not be called \"file\""));
        assert!(error(Some("a{5000}{5000}"), None).starts_with("match: "));
    }
}
