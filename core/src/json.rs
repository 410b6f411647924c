//! JSON that is checked and then passed on byte for byte.
//!
//! In: bytes from outside. Out: a [`Payload`]: valid JSON of bounded depth, never parsed into a tree and
//! never written anew, so that big integers, key order and escapes arrive as they were sent.

use bytes::Bytes;
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
    /// Takes `bytes` as they are, without the white space around them.
    ///
    /// # Errors
    /// When they are not exactly one JSON value, or it is nested too deeply.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Self, JsonError> {
        check_depth(&bytes, limits)?;
        let text: &RawValue = serde_json::from_slice(&bytes).map_err(|error| JsonError::Syntax(error.to_string()))?;
        Ok(Self(bytes.slice_ref(text.get().as_bytes())))
    }

    /// Takes a value that a parser has already checked as part of a larger text.
    #[must_use]
    pub fn from_raw(raw: &RawValue) -> Self {
        Self(Bytes::copy_from_slice(raw.get().as_bytes()))
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
}
