//! JSON that is checked and then passed on byte for byte.
//!
//! In: bytes from outside. Out: a [`Payload`]: valid JSON of bounded depth, never parsed into a tree and
//! never written anew, so that big integers, key order and escapes arrive as they were sent.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::limits::Limits;

/// Why bytes are not an acceptable JSON text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON (RFC 8259), or not UTF-8.
    #[error("is not JSON: {0}")]
    Syntax(String),
    /// Nested more deeply than [`Limits::json_depth`].
    #[error("is nested more than {0} levels deep")]
    TooDeep(usize),
}

/// One JSON value as the backend wrote it. Cloning is a reference count.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Bytes);

impl Payload {
    /// Takes `bytes` as they are, without the white space or a byte order mark around them. They are copied: a log
    /// keeps payloads for minutes, and must not keep what came with them.
    ///
    /// # Errors
    /// When they are not exactly one JSON value, or it is nested too deeply.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Self, JsonError> {
        let bytes = without_mark(&bytes);
        check_depth(bytes, limits)?;
        let text: &RawValue = serde_json::from_slice(bytes).map_err(|error| JsonError::Syntax(error.to_string()))?;
        Ok(Self::from_raw(text))
    }

    /// Takes a value that a parser has already checked as part of a larger text.
    #[must_use]
    pub fn from_raw(raw: &RawValue) -> Self {
        Self(Bytes::copy_from_slice(raw.get().as_bytes()))
    }

    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(Bytes::from_static(b"null"))
    }

    /// `{}`, the payload of a push that has none.
    #[must_use]
    pub fn empty_object() -> Self {
        Self(Bytes::from_static(b"{}"))
    }

    /// The JSON text, UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Every constructor takes text that serde_json has accepted, which implies UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text without the byte order mark that some editors and libraries write before it. RFC 8259 section 8.1 allows to
/// ignore it.
#[must_use]
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Refuses text that nests more deeply than `limits` allow. It counts brackets outside of strings, so it
/// may run before the text is known to be JSON, and costs no recursion (CWE-674).
///
/// # Errors
/// [`JsonError::TooDeep`].
pub fn check_depth(text: &[u8], limits: &Limits) -> Result<(), JsonError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_string = false,
            (true, _) => {}
            (false, b'"') => in_string = true,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > limits.json_depth {
                    return Err(JsonError::TooDeep(limits.json_depth));
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (false, _) => {}
        }
    }
    Ok(())
}

/// Appends `value` as JSON.
pub fn write(out: &mut BytesMut, value: &impl Serialize) {
    // Names, ids and targets are strings and maps of strings: serialising them into memory cannot fail.
    let _ = serde_json::to_writer(out.writer(), value);
}

/// What the JSON string `quoted` says. Half of a surrogate pair, which browsers may send and RFC 8259 section 8.2
/// allows, becomes U+FFFD; what is not a string at all becomes the empty text.
#[must_use]
pub fn text_of(quoted: &str) -> String {
    if let Ok(text) = serde_json::from_str(quoted) {
        return text;
    }
    let mut mended = String::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let taken = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => {
                mended.push_str(&escape[..12]);
                12
            }
            (Some(_), _) => {
                mended.push('\u{fffd}');
                6
            }
            (None, _) => {
                // The escaped character goes along, or a backslash would be taken for the beginning of an escape.
                let taken = 1 + escape[1..].chars().next().map_or(0, char::len_utf8);
                mended.push_str(&escape[..taken]);
                taken
            }
        };
        rest = &escape[taken..];
    }
    mended.push_str(rest);
    serde_json::from_str(&mended).unwrap_or_default()
}

/// The code unit of an escape such as `\ud83d` at the beginning of `text`, if it is half of a pair.
fn surrogate(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16)
        .ok()
        .filter(|unit| (0xD800..=0xDFFF).contains(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, JsonError> {
        Payload::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default())
            .map(|payload| payload.as_str().to_owned())
    }

    #[test]
    fn bytes_pass_unchanged() {
        for text in [
            r#"{"b":12345678901234567890123,"a":1.0}"#,
            r#""\ud800 \/ \u00e9 é""#,
            "null",
            "[1e400]",
            "{\n \"a\" : 1 }",
        ] {
            assert_eq!(parse(text).unwrap(), text);
        }
        assert_eq!(parse(" \n{} \t").unwrap(), "{}");
        assert_eq!(
            parse("\u{feff}[1]").unwrap(),
            "[1]",
            "a byte order mark is no part of it"
        );
        assert!(parse("\u{feff}\u{feff}[1]").is_err() && parse("[1]\u{feff}").is_err());
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "{}{}", "nul", "\"a", "{'a':1}", "[1,]", "\"\n\""] {
            assert!(matches!(parse(text), Err(JsonError::Syntax(_))), "{text}");
        }
        assert!(
            Payload::parse(Bytes::from_static(b"\"\xff\""), &Limits::default()).is_err(),
            "not UTF-8"
        );
    }

    #[test]
    fn depth_is_bounded_and_brackets_in_strings_do_not_count() {
        let nest = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&nest(64)).is_ok());
        assert_eq!(parse(&nest(65)), Err(JsonError::TooDeep(64)));
        assert_eq!(parse(&nest(1_000_000)), Err(JsonError::TooDeep(64)));
        assert!(parse(&format!("\"{}\\\"[\"", "[".repeat(100))).is_ok());
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced_and_whole_ones_stay() {
        assert_eq!(
            text_of(r#""a\ud800b\uD83D\uDE00\\ud800\udc00""#),
            "a\u{fffd}b😀\\ud800\u{fffd}"
        );
        assert_eq!(text_of(r#""\ud800\ud83d\ude00\ud8""#), "");
        assert_eq!(text_of(r#""\ud800\ud83d\ude00""#), "\u{fffd}😀");
        assert_eq!(text_of("1"), "");
    }
}
