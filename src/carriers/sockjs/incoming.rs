//! What SockJS clients send: a JSON array of messages, or one message.
//!
//! In: bytes of a frame or a body. Out: messages. Half of a surrogate pair is legal in the JSON of browsers and no
//! text: it is replaced.

use serde_json::value::RawValue;

use crate::carriers::form;

/// Why there are no messages; the words are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Nothing, or not an array.
    #[error("Payload expected.")]
    Empty,
    /// Not JSON.
    #[error("Broken JSON encoding.")]
    Broken,
    /// More messages than anybody says at once: each of them costs more than it is long (CWE-770).
    #[error("Too many messages.")]
    TooMany,
}

/// Most messages in one frame or body, as in the payloads of Engine.IO.
const MESSAGES: usize = 1024;

/// The messages in the body of a sending request.
///
/// # Errors
/// What the answer says.
pub fn array(body: &[u8]) -> Result<Vec<String>, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::Broken)?;
    if text.is_empty() {
        return Err(Unreadable::Empty);
    }
    let value: &RawValue = serde_json::from_str(text).map_err(|_| Unreadable::Broken)?;
    let elements: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(|_| Unreadable::Empty)?;
    if elements.len() > MESSAGES {
        return Err(Unreadable::TooMany);
    }
    Ok(elements.into_iter().map(text_of).collect())
}

/// The messages in a frame of a WebSocket: none, one value, or an array.
///
/// # Errors
/// When it is not JSON.
pub fn frame(text: &str) -> Result<Vec<String>, Unreadable> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if text.trim_start().starts_with('[') {
        return array(text.as_bytes());
    }
    let value: &RawValue = serde_json::from_str(text).map_err(|_| Unreadable::Broken)?;
    Ok(vec![text_of(value)])
}

/// The text of a string; anything else is the message as it stands there.
fn text_of(value: &RawValue) -> String {
    let text = value.get();
    if !text.starts_with('"') {
        return text.to_owned();
    }
    serde_json::from_str(text).unwrap_or_else(|_| turted_core::json::text_of(text))
}

/// The JSON array in the body of a form: the field `d`.
#[must_use]
pub fn form_field(body: &[u8]) -> Vec<u8> {
    form::field(body, b"d=").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_arrays_and_frames_may_be_single() {
        assert_eq!(array(br#"["a","b\u20ac"]"#).unwrap(), ["a", "b€"]);
        assert_eq!(array(b"[]").unwrap(), [""; 0]);
        assert_eq!(array(b"").unwrap_err(), Unreadable::Empty);
        assert_eq!(array(b"\"x\"").unwrap_err(), Unreadable::Empty);
        assert_eq!(array(br#"["x"#).unwrap_err(), Unreadable::Broken);
        assert_eq!(frame(r#"["a"]"#).unwrap(), ["a"]);
        assert_eq!(frame(r#""a""#).unwrap(), ["a"]);
        assert_eq!(frame("").unwrap(), [""; 0]);
        assert_eq!(frame("[\"x").unwrap_err(), Unreadable::Broken);
        assert_eq!(array(br#"[1,{"a":2}]"#).unwrap(), ["1", "{\"a\":2}"]);
        let many = |count| serde_json::to_string(&vec![1; count]).unwrap();
        assert_eq!(array(many(1024).as_bytes()).unwrap().len(), 1024);
        assert_eq!(array(many(1025).as_bytes()).unwrap_err(), Unreadable::TooMany);
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced_and_breaks_nothing() {
        assert_eq!(
            array(br#"["x\ud800y\ud83d\ude00\udc00"]"#).unwrap(),
            ["x\u{fffd}y😀\u{fffd}"]
        );
    }

    #[test]
    fn a_form_is_decoded_once() {
        assert_eq!(form_field(b"i=1&d=%5B%22%2561+%2B%22%5D"), br#"["%61 +"]"#);
        assert_eq!(form_field(b"x=1"), b"");
        assert_eq!(form_field(b"d=%zz%"), b"%zz%");
    }

    #[test]
    fn no_input_panics() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let mut bytes = br#"["a\ud83d\ude00",{"b":[1]},"\u20ac"]"#.to_vec();
            for _ in 0..random.usize(1..5) {
                let at = random.usize(0..bytes.len());
                bytes[at] = random.u8(..);
            }
            let _ = (
                array(&bytes),
                form_field(&bytes),
                frame(&String::from_utf8_lossy(&bytes)),
            );
        }
    }
}
