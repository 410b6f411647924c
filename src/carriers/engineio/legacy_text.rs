//! Text beyond ASCII for clients that take no octet streams, among them engine.io-client 1.x.
//!
//! In: the text of one packet. Out: the same text as such a client writes or reads it. Protocol 1.x encodes text as
//! UTF-8 before it puts it into a text payload, where it is encoded once more, and expects the same of the server;
//! nothing in the handshake tells it from 3.x, which encodes once. It refuses to know how packets are put together.

use serde_json::value::RawValue;

/// Takes one of two encodings away. `None` when the text was encoded once: a character above U+00FF, nothing beyond
/// ASCII, or bytes that are not UTF-8.
pub fn undo(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    String::from_utf8(bytes?).ok()
}

/// Encodes UTF-8 once more: each byte becomes the character of that number.
pub fn double(text: &[u8]) -> String {
    text.iter().copied().map(char::from).collect()
}

/// Writes every character beyond ASCII as `\uxxxx`, which any encoding leaves alone. `None` when that would change the
/// meaning: it stands elsewhere than in JSON.
pub fn escape(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let json = behind_head(text)?;
    if !text[..text.len() - json.len()].is_ascii() || serde_json::from_str::<&RawValue>(json).is_err() {
        return None;
    }
    let mut escaped = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if c.is_ascii() {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Some(escaped)
}

/// What follows the type of Engine.IO and, with Socket.IO, its type, attachments, namespace and ack id.
fn behind_head(text: &str) -> Option<&str> {
    let digit = |c: char| c.is_ascii_digit();
    let rest = text.trim_start_matches(|c| digit(c) || c == '-');
    let rest = match rest.starts_with('/') {
        true => rest.split_once(',')?.1,
        false => rest,
    };
    Some(rest.trim_start_matches(digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_encodings_become_one() {
        let twice = String::from_utf8(b"4\xc3\xa2\xc2\x82\xc2\xacx".to_vec()).unwrap();
        assert_eq!(undo(&twice).as_deref(), Some("4€x"));
        assert_eq!(double("4€x".as_bytes()), twice);
    }

    #[test]
    fn what_was_encoded_once_stays() {
        for text in ["4hello", "4€x", "4é", "4é€", "4ÿ", ""] {
            assert_eq!(undo(text), None, "{text}");
        }
    }

    #[test]
    fn json_is_written_in_ascii() {
        let escaped = |text: &str| escape(text.as_bytes());
        assert_eq!(
            escaped("42[\"é€😀\"]").as_deref(),
            Some(r#"42["\u00e9\u20ac\ud83d\ude00"]"#)
        );
        assert_eq!(
            escaped("42/admin,7[\"\\ud800é\"]").as_deref(),
            Some(r#"42/admin,7["\ud800\u00e9"]"#)
        );
        assert_eq!(
            escaped("451-/admin,[\"é\"]").as_deref(),
            Some(r#"451-/admin,["\u00e9"]"#)
        );
        assert_eq!(escaped("44\"né\"").as_deref(), Some(r#"44"n\u00e9""#));
    }

    #[test]
    fn what_is_not_json_is_not_escaped() {
        for text in [
            "4é",
            "4say \"é\" twice \"é\"",
            "4see \"é\"",
            "42/é,[1]",
            "4[é]",
            "4\"é",
            "42/é",
        ] {
            assert_eq!(escape(text.as_bytes()), None, "{text}");
        }
        assert_eq!(escape(b"4[\"\xff\"]"), None);
    }

    proptest! {
        #[test]
        fn doubling_is_undone(text in ".*") {
            let doubled = double(text.as_bytes());
            prop_assert_eq!(doubled.chars().count(), text.len());
            let undone = undo(&doubled);
            prop_assert_eq!(undone.as_deref(), (!text.is_ascii()).then_some(text.as_str()));
        }

        #[test]
        fn escaping_keeps_the_value(text in ".*") {
            let json = serde_json::to_string(&[&text]).unwrap();
            let escaped = escape(format!("42{json}").as_bytes()).unwrap();
            prop_assert!(escaped.is_ascii());
            let back: Vec<String> = serde_json::from_str(&escaped[2..]).unwrap();
            prop_assert_eq!(back, vec![text]);
        }
    }
}
