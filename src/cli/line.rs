//! What stands on one line of standard output.
//!
//! In: events and notes, as JSON from the server. Out: lines, for people or for programs, each flushed. Refuses to know
//! where they come from. Nothing a backend sends can break a line or paint on the terminal (CWE-150).

use std::borrow::Cow;
use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Nobody reads standard output any more: a reason to stop, not a failure.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub struct Closed;

/// Writes a line and flushes it, so that whoever reads sees it now.
///
/// # Errors
/// [`Closed`] when the reader has gone, else what the system says.
pub fn print(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Closed.into()),
        other => other.context("failed to write to standard output"),
    }
}

/// The data of a native EVENT.
#[derive(Debug, Deserialize)]
pub struct Event<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
    via: Value,
    #[serde(borrow)]
    id: Cow<'a, str>,
}

/// The data of `event: dispatched`.
#[derive(Debug, Deserialize)]
struct Dispatched<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    targets: Vec<Value>,
    recipients: u64,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// `12:00:01 MESSAGE:NEW via channel chat k3f9-42 {"text":"hello"}`, or `None` for data of another shape.
pub fn event(time: &str, data: &str) -> Option<String> {
    let Event {
        event,
        payload,
        via,
        id,
    } = serde_json::from_str(data).ok()?;
    let line = format!("{time} {} via {} {id} {payload}", name(&event), target(&via));
    Some(plain(&line))
}

/// `12:00:01 MESSAGE:NEW to channel chat, user adam k3f9-42 reached 3 {"text":"hello"}` for a dispatch,
/// `12:00:01 joined connection c7Jt channel chat` for what clients do.
pub fn note(time: &str, kind: &str, data: &str) -> String {
    let dispatched = match kind {
        "dispatched" => serde_json::from_str::<Dispatched>(data).ok(),
        _ => None,
    };
    let line = if let Some(note) = dispatched {
        let targets: Vec<String> = note.targets.iter().map(target).collect();
        let targets = if targets.is_empty() {
            "nobody".to_owned()
        } else {
            targets.join(", ")
        };
        let (event, payload) = (name(&note.event), note.payload);
        format!(
            "{time} {event} to {targets} {} reached {} {payload}",
            note.id, note.recipients
        )
    } else if let Ok(Value::Object(members)) = serde_json::from_str(data) {
        let members: Vec<String> = members.iter().map(|(name, value)| words(name, value)).collect();
        format!("{time} {kind} {}", members.join(" "))
    } else {
        format!("{time} {kind} {data}")
    };
    plain(&line)
}

/// JSON on one line: a line break in JSON stands between tokens, where a space says the same.
pub fn json(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// The time of day, here: `12:00:01`.
pub fn now() -> String {
    jiff::Zoned::now().strftime("%H:%M:%S").to_string()
}

/// Text of others on one line of a terminal.
pub fn plain(text: &str) -> String {
    let harmless = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(harmless).collect()
}

/// The empty name is what the original gives to an event without one.
fn name(event: &str) -> &str {
    if event.is_empty() { "(unnamed)" } else { event }
}

/// `channel chat`, `user adam`, `broadcast`.
fn target(target: &Value) -> String {
    let member = target.as_object().and_then(|target| target.iter().next());
    member.map_or_else(|| target.to_string(), |(name, value)| words(name, value))
}

fn words(name: &str, value: &Value) -> String {
    match value {
        Value::Bool(true) => name.to_owned(),
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_with_its_payload_as_it_came() {
        for (data, line) in [
            (
                r#"{"event":"MESSAGE:NEW","payload":{"n":12345678901234567890123,"a":1.0},"via":{"channel":"chat"},"id":"k3f9-42"}"#,
                r#"12:00:01 MESSAGE:NEW via channel chat k3f9-42 {"n":12345678901234567890123,"a":1.0}"#,
            ),
            (
                r#"{"event":"E","payload":null,"via":{"user":"adam"},"id":"k3f9-1"}"#,
                "12:00:01 E via user adam k3f9-1 null",
            ),
            (
                r#"{"event":"","payload":1,"via":{"broadcast":true},"id":"k3f9-2"}"#,
                "12:00:01 (unnamed) via broadcast k3f9-2 1",
            ),
            (
                "{\"event\":\"\\u00c4\",\"payload\":{\n\"a\":\r\n1},\"via\":{\"user\":\"a\"},\"id\":\"x-1\"}",
                "12:00:01 Ä via user a x-1 { \"a\":  1}",
            ),
            (
                "{\"event\":\"E\",\"payload\":\"\u{9b}31m\",\"via\":{\"user\":\"a\"},\"id\":\"x-1\"}",
                "12:00:01 E via user a x-1 \"\u{fffd}31m\"",
            ),
        ] {
            assert_eq!(event("12:00:01", data).as_deref(), Some(line));
        }
        assert_eq!(event("12:00:01", "{}"), None);
    }

    #[test]
    fn a_note_is_one_line() {
        for (kind, data, line) in [
            (
                "dispatched",
                r#"{"event":"E","id":"k3f9-42","recipients":3,"targets":[{"channel":"chat"},{"user":"adam"}],"payload":{"a":1}}"#,
                r#"now E to channel chat, user adam k3f9-42 reached 3 {"a":1}"#,
            ),
            (
                "dispatched",
                r#"{"event":"E","id":"x-1","recipients":0,"targets":[],"payload":1}"#,
                "now E to nobody x-1 reached 0 1",
            ),
            (
                "joined",
                r#"{"channel":"chat","connection":"c7Jt"}"#,
                "now joined channel chat connection c7Jt",
            ),
            (
                "ended",
                r#"{"code":1001,"connection":"c7Jt","reason":"left"}"#,
                "now ended code 1001 connection c7Jt reason left",
            ),
            ("new", "not JSON", "now new not JSON"),
        ] {
            assert_eq!(note("now", kind, data), line);
        }
    }

    #[test]
    fn json_stays_json_on_one_line() {
        assert_eq!(json("{\r\n\"a\": \"\\n\"\n}"), "{  \"a\": \"\\n\" }");
    }

    #[test]
    fn the_time_has_two_digits_each() {
        assert_eq!(now().len(), 8);
    }
}
