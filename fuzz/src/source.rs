//! What connectors read from files, peers and servers.
//!
//! In: bytes as they come from there. Out: a panic when lines depend on how they were cut, or a dispatch breaks a
//! limit.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use futures_util::FutureExt;
use serde_json::json;
use turted_core::lines::{Line, Lines};
use turted_core::{Envelope, Limits, Message, Recipe, Vocabulary};

use crate::mapping::Text;
use crate::push::allowed;
use crate::rest::Guard;
use crate::rule::{Format, Rule};
use crate::{credentials, entry, line};

/// Longest line: short, so that inputs reach it.
const LINE: usize = 40;

fn cut(source: &[u8], step: usize) -> Vec<Line> {
    let (mut lines, mut found) = (Lines::new(LINE), Vec::new());
    for mut piece in source.chunks(step) {
        while let Some(line) = lines.next(&mut piece) {
            found.push(line);
        }
    }
    found.extend(lines.rest());
    assert_eq!(lines.rest(), None, "the rest is given once");
    found
}

/// Lines; the first byte says in how large pieces they come. They do not depend on it, and every byte belongs to one.
pub fn lines(data: &[u8]) {
    let Some((step, source)) = data.split_first() else {
        return;
    };
    let lines = cut(source, usize::from(*step) + 1);
    assert_eq!(lines, cut(source, source.len().max(1)));
    assert_eq!(lines.iter().map(|line| line.length).sum::<u64>(), source.len() as u64);
    for line in lines {
        assert!(line.bytes.len() <= LINE && !line.bytes.contains(&b'\n'));
        assert!(!line.is_cut || line.bytes.len() == LINE);
    }
}

fn table(text: serde_json::Value) -> Envelope {
    serde_json::from_value(text).expect("an envelope")
}

fn dispatched(recipe: &Recipe, message: &dyn Message) {
    let limits = Limits::default();
    for dispatch in recipe.dispatches(message, "x", &limits).into_iter().flatten() {
        allowed(&dispatch, &limits);
    }
}

/// Rules of every kind, each with the payload that a mapping has by default, and with one of its own.
static RULES: LazyLock<Vec<(Rule, Recipe, Recipe)>> = LazyLock::new(|| {
    let groups = "^(?P<level>[A-Z]+)( (?P<code>[0-9]+))?: (?P<rest>.*)$";
    let rules = [
        (None, None, Format::Text, "{line}"),
        (
            Some(groups),
            Some("secret$"),
            Format::Text,
            "{match.level}{match.code|}",
        ),
        (None, Some("(a+)+b"), Format::Json, "{json.a|}"),
        (None, None, Format::Logfmt, "{field.level|}{fields}"),
    ];
    let rules = rules.into_iter().map(|(wanted, unwanted, format, text)| {
        let rule = Rule::new(wanted, unwanted, format).expect("expressions");
        let (words, payload) = (line::vocabulary(&rule), line::payload(&rule));
        let usual = table(json!({"event": "E", "broadcast": true}));
        let own = json!({"event": text, "channels": "{json|x}", "payload": {"a": text, "b": [text]}, "id": "{line}"});
        let usual = Recipe::new(usual, &words, &payload).expect("a recipe");
        let own = Recipe::new(table(own), &words, &payload).expect("a recipe");
        (rule, usual, own)
    });
    rules.collect()
});

/// Lines of a log file under rules of every kind.
pub fn file(source: &[u8]) {
    for found in cut(source, source.len().max(1)) {
        for (rule, usual, own) in RULES.iter() {
            let (text, marks) = line::decode(&found, false);
            assert!(text.len() <= 3 * LINE);
            let Some(content) = rule.read(text) else { continue };
            let names = Arc::new(line::Names::new(Path::new("logs/app.log"), rule));
            let line = line::Line {
                names,
                content,
                marks,
                end: 0,
            };
            dispatched(usual, &line);
            dispatched(own, &line);
        }
    }
}

/// An answer of a Redis server, as one to XREADGROUP and as one to XAUTOCLAIM.
pub fn redis(answer: &[u8]) {
    let Ok(value) = redis::parse_redis_value(answer) else {
        return;
    };
    let stream: Arc<str> = "s".into();
    let read = entry::read(value.clone(), &[Arc::clone(&stream)]).unwrap_or_default();
    let claimed = entry::claimed(value, &stream)
        .map(|claimed| claimed.entries)
        .unwrap_or_default();
    let usual = Recipe::new(Envelope::Turted, &Vocabulary::new(), &json!("{json}")).expect("a recipe");
    for found in read.iter().chain(&claimed) {
        let _ = entry::EntryId::parse(&found.id).map(|id| id.to_string());
        let Some(fields) = &found.fields else { continue };
        dispatched(&usual, &entry::Letter::new(found, fields, "body"));
    }
}

/// What a stranger sends to the connector `tcp`: credentials on a line, then messages on one each.
pub fn tcp(data: &[u8]) {
    let usual = Recipe::new(Envelope::Turted, &Vocabulary::new(), &json!("{json}")).expect("a recipe");
    let mut lines = Lines::new(data.len());
    let mut rest = data;
    let Some(first) = lines.next(&mut rest) else { return };
    let verified = credentials::verify(&Guard::default(), &first.bytes).now_or_never();
    if verified.expect("nothing to wait for").is_ok() {
        while let Some(line) = lines.next(&mut rest) {
            dispatched(&usual, &Text(&line.bytes));
        }
    }
}
