//! The JSON of an event: `["name", arguments …]`.
//!
//! In: JSON that is known to be valid. Out: the name, and the arguments as they were sent. It refuses to know what a
//! name means.

use std::borrow::Cow;

use serde_json::Deserializer;
use serde_json::value::RawValue;
use turted_core::json::text_of;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its name; a number is kept as it was written. A lone surrogate is U+FFFD here.
    pub name: Cow<'a, str>,
    /// The JSON of all arguments, with commas between them, without brackets; empty if there are none.
    pub arguments: &'a str,
}

impl<'a> Event<'a> {
    /// Reads an event. `None` unless it is an array that begins with a string or a number.
    #[must_use]
    pub fn read(data: &'a RawValue) -> Option<Self> {
        let inner = data.get().strip_prefix('[')?.strip_suffix(']')?;
        let (first, arguments) = split_first(inner)?;
        let name = match shape(first) {
            b'"' => unescaped(first.get()),
            b'-' | b'0'..=b'9' => first.get().into(),
            _ => return None,
        };
        Some(Self { name, arguments })
    }

    /// The JSON of the first argument.
    #[must_use]
    pub fn first_argument(&self) -> Option<&'a RawValue> {
        split_first(self.arguments).map(|(first, _)| first)
    }
}

/// The first byte of the JSON: `{`, `[`, `"`, a digit …
pub(super) fn shape(data: &RawValue) -> u8 {
    data.get().bytes().next().unwrap_or_default()
}

/// The first of some values with commas between them, and the others.
fn split_first(values: &str) -> Option<(&RawValue, &str)> {
    let mut stream = Deserializer::from_str(values).into_iter::<&RawValue>();
    let first = stream.next()?.ok()?;
    let after = values[stream.byte_offset()..].trim_start();
    Some((first, after.strip_prefix(',').unwrap_or(after).trim()))
}

/// What a JSON string means.
fn unescaped(literal: &str) -> Cow<'_, str> {
    match literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if !inner.contains('\\') => inner.into(),
        _ => text_of(literal).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(json: &str) -> Option<Event<'_>> {
        Event::read(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn the_name_comes_first_and_the_arguments_stay_as_they_are() {
        let cases = [
            (r#"["a"]"#, "a", "", None),
            (
                r#"["a",{"b":1.0, "a":[]}]"#,
                "a",
                r#"{"b":1.0, "a":[]}"#,
                Some(r#"{"b":1.0, "a":[]}"#),
            ),
            (r#"["a","b,]",2,[3]]"#, "a", r#""b,]",2,[3]"#, Some(r#""b,]""#)),
            ("[ \"a\" , 1 , 2 ]", "a", "1 , 2", Some("1")),
            (
                "[12345678901234567890, null]",
                "12345678901234567890",
                "null",
                Some("null"),
            ),
            ("[-1.50]", "-1.50", "", None),
            (r#"["",""]"#, "", r#""""#, Some(r#""""#)),
        ];
        for (json, name, arguments, first) in cases {
            let event = event(json).unwrap();
            assert_eq!((event.name.as_ref(), event.arguments), (name, arguments), "{json}");
            assert_eq!(event.first_argument().map(RawValue::get), first, "{json}");
        }
    }

    #[test]
    fn what_does_not_begin_with_a_name_is_no_event() {
        for json in [
            "[]",
            "[ ]",
            "{}",
            "\"a\"",
            "1",
            "[null]",
            "[true]",
            "[[\"a\"]]",
            "[{\"a\":1}]",
        ] {
            assert_eq!(event(json), None, "{json}");
        }
    }

    #[test]
    fn escapes_in_a_name_are_undone_and_lone_surrogates_replaced() {
        for (json, name) in [
            (r#"["\"\\\/\b\f\n\r\t"]"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#"["\u00e9\ud83d\ude00é😀"]"#, "é😀é😀"),
            (r#"["\ud800"]"#, "\u{fffd}"),
            (r#"["a\ude00\ud83db"]"#, "a\u{fffd}\u{fffd}b"),
            (r#"["\ud83dé\ude00"]"#, "\u{fffd}é\u{fffd}"),
            (r#"["\u0000"]"#, "\0"),
        ] {
            assert_eq!(event(json).unwrap().name, name, "{json}");
        }
    }

    proptest! {
        #[test]
        fn a_name_means_what_json_says(name in ".*", units: Vec<u16>) {
            let json = serde_json::to_string(&[&name]).unwrap();
            prop_assert_eq!(event(&json).unwrap().name, name);
            let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let json = format!("[\"{escapes}\"]");
            prop_assert_eq!(event(&json).unwrap().name, String::from_utf16_lossy(&units));
        }
    }
}
