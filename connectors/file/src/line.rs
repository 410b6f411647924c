//! One line as a message.
//!
//! In: what was read. Out: what a mapping may use of it. It knows no file handle.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use turted_core::lines::Line as Bytes;
use turted_core::mapping::{Message, Vocabulary};

use crate::rule::{Content, Format, Rule};

/// The names of a file, as its lines tell them.
#[derive(Debug, PartialEq, Eq)]
pub struct Names {
    path: String,
    name: String,
    folder: String,
    groups: Arc<[String]>,
}

impl Names {
    /// The names of the file at `path`, and of the groups in its lines.
    #[must_use]
    pub fn new(path: &Path, rule: &Rule) -> Self {
        let text = |path: Option<&Path>| path.unwrap_or(Path::new("")).to_string_lossy().into_owned();
        Self {
            path: text(Some(path)),
            name: text(path.file_name().map(Path::new)),
            folder: text(path.parent()),
            groups: Arc::clone(rule.groups()),
        }
    }
}

/// What is not as it should be with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// It was longer than `max_line`; this is its beginning.
    pub is_cut: bool,
    /// It was not UTF-8; what is no character became U+FFFD.
    pub is_replaced: bool,
    /// Its end had not been written when it was taken.
    pub is_partial: bool,
}

/// A line on its way.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it was found.
    pub names: Arc<Names>,
    /// What it says.
    pub content: Content,
    /// What is wrong with it.
    pub marks: Marks,
    /// Where in its file the next line begins.
    pub end: u64,
}

/// The text of a line, and its marks.
#[must_use]
pub fn decode(line: &Bytes, is_partial: bool) -> (String, Marks) {
    let whole = match std::str::from_utf8(&line.bytes) {
        // The cut went through a character.
        Err(error) if line.is_cut && error.error_len().is_none() => &line.bytes[..error.valid_up_to()],
        _ => &line.bytes[..],
    };
    let text = String::from_utf8_lossy(whole);
    let marks = Marks {
        is_cut: line.is_cut,
        is_replaced: matches!(text, Cow::Owned(_)),
        is_partial,
    };
    (text.into_owned(), marks)
}

impl Message for Line {
    fn body(&self) -> &[u8] {
        self.content.text.as_bytes()
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let mark = |is_set: bool| is_set.then_some(Cow::Borrowed("true"));
        match name {
            "file.path" => Some(Cow::Borrowed(&self.names.path)),
            "file.name" => Some(Cow::Borrowed(&self.names.name)),
            "file.dir" => Some(Cow::Borrowed(&self.names.folder)),
            "line" => Some(Cow::Borrowed(&self.content.text)),
            "line.cut" => mark(self.marks.is_cut),
            "line.replaced" => mark(self.marks.is_replaced),
            "line.partial" => mark(self.marks.is_partial),
            "fields" => self.content.fields.as_ref().map(|fields| Cow::Owned(fields.json())),
            _ => match name.split_once('.')? {
                ("match", group) => {
                    let at = self.names.groups.iter().position(|known| known == group)?;
                    let range = self.content.groups.get(at)?.clone()?;
                    self.content.text.get(range).map(Cow::Borrowed)
                }
                ("field", key) => self.content.fields.as_ref()?.get(key).map(Cow::Borrowed),
                _ => None,
            },
        }
    }
}

/// What a mapping may use of a line.
#[must_use]
pub fn vocabulary(rule: &Rule) -> Vocabulary {
    let names = ["file.path", "file.name", "file.dir", "line"];
    let marks = ["line.cut", "line.replaced", "line.partial"];
    let words = names.into_iter().fold(Vocabulary::new(), Vocabulary::with);
    let words = marks.into_iter().fold(words, Vocabulary::with_json);
    let groups = rule.groups().iter().map(|group| format!("match.{group}"));
    let words = groups.fold(words, Vocabulary::with);
    match rule.format() {
        Format::Logfmt => words.with_json("fields").with_any("field"),
        Format::Text | Format::Json => words,
    }
}

/// The payload of a mapping without one: `{"file", "line"}`, with `format = "json"` `{"file", "json"}`, with `format =
/// "logfmt"` `{"file", "line", "fields"}`; besides, the named groups which took part and the marks that apply.
#[must_use]
pub fn payload(rule: &Rule) -> Value {
    let mut members = Map::new();
    let mut member = |name: &str, from: &str| members.insert(name.to_owned(), Value::from(format!("{{{from}}}")));
    member("file", "file.name");
    match rule.format() {
        Format::Text => drop(member("line", "body")),
        Format::Json => drop(member("json", "json")),
        Format::Logfmt => {
            member("line", "body");
            member("fields", "fields");
        }
    }
    for mark in ["cut", "replaced", "partial"] {
        member(mark, &format!("line.{mark}"));
    }
    for group in rule.groups().iter() {
        member(group, &format!("match.{group}"));
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use turted_core::mapping::Template;
    use turted_core::{Envelope, Limits, Recipe};

    /// The default payload of a line under a rule.
    fn shown(rule: &Rule, bytes: &[u8], max: usize) -> String {
        let mut rest = bytes;
        let line = turted_core::lines::Lines::new(max).next(&mut rest).unwrap();
        let (text, marks) = decode(&line, false);
        let line = Line {
            names: Arc::new(Names::new(Path::new("/var/log/app.log"), rule)),
            content: rule.read(text).unwrap(),
            marks,
            end: 0,
        };
        let mapping: turted_core::mapping::Mapping =
            serde_json::from_value(serde_json::json!({"event": "E", "channels": "{file.path} {file.dir}"})).unwrap();
        let recipe = Recipe::new(Envelope::Mapped(Box::new(mapping)), &vocabulary(rule), &payload(rule)).unwrap();
        let dispatches = recipe.dispatches(&line, "x", &Limits::default()).unwrap();
        assert_eq!(format!("{:?}", dispatches[0].targets).matches("/var/log").count(), 2);
        dispatches[0].payload.as_str().to_owned()
    }

    #[test]
    fn the_default_payload_is_what_a_log_viewer_wants() {
        let text = Rule::new(Some("^(?P<level>\\w+)(?P<code> \\d+)?"), None, Format::Text).unwrap();
        assert_eq!(
            shown(&text, b"WARN \"x\"\r\n", 99),
            r#"{"file":"app.log","level":"WARN","line":"WARN \"x\""}"#
        );
        assert_eq!(
            shown(&text, b"W 1\xff\n", 99),
            "{\"code\":\" 1\",\"file\":\"app.log\",\"level\":\"W\",\"line\":\"W 1\u{fffd}\",\"replaced\":true}"
        );
        let json = Rule::new(None, None, Format::Json).unwrap();
        assert_eq!(
            shown(&json, b"{\"b\":1.0,\"a\":2}\n", 99),
            r#"{"file":"app.log","json":{"b":1.0,"a":2}}"#
        );
        let logfmt = Rule::new(None, None, Format::Logfmt).unwrap();
        let expected = r#"{"fields":{"a":"1","b":true},"file":"app.log","line":"a=1 b"}"#;
        assert_eq!(shown(&logfmt, b"a=1 b\n", 99), expected);
    }

    #[test]
    fn a_cut_never_goes_through_a_character() {
        let text = Rule::new(None, None, Format::Text).unwrap();
        assert_eq!(
            shown(&text, "aé€x\n".as_bytes(), 4),
            r#"{"cut":true,"file":"app.log","line":"aé"}"#
        );
        assert_eq!(
            shown(&text, b"a\xffbcdef\n", 4),
            "{\"cut\":true,\"file\":\"app.log\",\"line\":\"a\u{fffd}bc\",\"replaced\":true}"
        );
    }

    #[test]
    fn a_mapping_may_name_only_what_there_is() {
        let rule = Rule::new(Some("(?P<level>.)"), None, Format::Text).unwrap();
        let try_event = |event: &str| {
            let mapping = turted_core::mapping::Mapping {
                event: Template::parse(event).unwrap(),
                ..serde_json::from_value(serde_json::json!({"event": "E", "broadcast": true})).unwrap()
            };
            Recipe::new(Envelope::Mapped(Box::new(mapping)), &vocabulary(&rule), &payload(&rule)).map(drop)
        };
        for good in ["{match.level}", "{line}", "{file.name}", "{json.a}", "{line.cut|no}"] {
            assert_eq!(try_event(good), Ok(()), "{good}");
        }
        for wrong in ["{match.code}", "{field.a}", "{fields}", "{level}"] {
            assert_eq!(try_event(wrong).unwrap_err().key, "envelope.event", "{wrong}");
        }
    }
}
