//! Polling through script tags and forms, for browsers without cross-origin requests.
//!
//! In: a payload that is to go out; the form of a POST. Out: the script that hands the payload over; the payload in the
//! form. It refuses to know what a payload says. Such a client takes no octets:
//! [`Speaker::base64`](super::packet::Speaker::base64) is true for it.

use bytes::Bytes;

use crate::carriers::form as urlencoded;

/// The `Content-Type` of the script. Unlike `text/plain`, browsers run it also under `nosniff`.
pub const CONTENT_TYPE: &str = "text/javascript; charset=UTF-8";

/// The parameter `j`: which of its callbacks a page wants to be called. Nothing but a number can get into the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index(u32);

impl Index {
    /// Reads the parameter; `None` when it is not a number.
    #[must_use]
    pub fn parse(j: &str) -> Option<Self> {
        let digits = j.bytes().all(|byte| byte.is_ascii_digit());
        j.parse().ok().filter(|_| digits).map(Self)
    }
}

/// The script `___eio[j]("<payload>");`. The string is also harmless within HTML.
#[must_use]
pub fn wrap(index: Index, payload: &[u8]) -> Bytes {
    let mut script = String::with_capacity(payload.len() + payload.len() / 4 + 32);
    script.push_str(&format!("___eio[{}](\"", index.0));
    for c in String::from_utf8_lossy(payload).chars() {
        match c {
            '"' | '\\' => script.extend(['\\', c]),
            '\n' => script.push_str("\\n"),
            // U+2028 and U+2029 end a line of JavaScript before 2019; `<` could end a script element.
            '\0'..'\u{20}' | '<' | '\u{2028}' | '\u{2029}' => script.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => script.push(c),
        }
    }
    script.push_str("\");");
    script.into()
}

/// Why a form holds no payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// There is no `d`.
    #[error("the form has no field d")]
    NoField,
    /// The field is not UTF-8.
    #[error("the field d is not UTF-8")]
    NotUtf8,
}

/// The payload in the field `d` of an urlencoded form.
///
/// # Errors
/// When the field is missing or not UTF-8.
pub fn field(form: &[u8]) -> Result<String, FormError> {
    let value = urlencoded::field(form, b"d=").ok_or(FormError::NoField)?;
    let value = String::from_utf8(value).map_err(|_| FormError::NotUtf8)?;
    Ok(unescaped(&value))
}

/// Browsers change line ends in forms, so clients send a line feed as `\n`, and these two characters as `\\n`.
fn unescaped(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let (meant, length) = if escape.starts_with("\\\\n") {
            ("\\n", 3)
        } else if escape.starts_with("\\n") {
            ("\n", 2)
        } else {
            ("\\", 1)
        };
        out.push_str(meant);
        rest = &escape[length..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wrapped(payload: &str) -> String {
        String::from_utf8(wrap(Index(3), payload.as_bytes()).to_vec()).unwrap()
    }

    /// What the client of 3.x does before it submits the form.
    fn as_the_client_sends(payload: &str) -> String {
        let escaped = payload.replace("\\n", "\\\n").replace('\n', "\\n");
        let mut form = String::from("d=");
        for byte in escaped.bytes() {
            match byte {
                b' ' => form.push('+'),
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => form.push(char::from(byte)),
                _ => form.push_str(&format!("%{byte:02X}")),
            }
        }
        form
    }

    #[test]
    fn the_payload_becomes_a_string_of_a_script() {
        assert_eq!(wrapped("97:0{\"sid\":\"x\"}"), r#"___eio[3]("97:0{\"sid\":\"x\"}");"#);
        assert_eq!(
            wrapped("a\nb\\\u{1e}\u{2028}\u{2029}é"),
            r#"___eio[3]("a\nb\\\u001e\u2028\u2029é");"#
        );
        assert_eq!(wrapped("</script>"), r#"___eio[3]("\u003c/script>");"#);
    }

    #[test]
    fn an_index_is_a_number() {
        assert_eq!(Index::parse("0"), Some(Index(0)));
        assert_eq!(Index::parse("4294967295"), Some(Index(u32::MAX)));
        for bad in ["", "+1", "-1", "1]", "abc", "4294967296", "١"] {
            assert_eq!(Index::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_field_is_decoded_and_its_line_feeds_come_back() {
        assert_eq!(field(b"d=6%3A4hello").unwrap(), "6:4hello");
        assert_eq!(field(b"x=1&d=a+b%C3%A9&d=c").unwrap(), "a bé");
        assert_eq!(field(b"d=4a%5Cnb").unwrap(), "4a\nb");
        assert_eq!(field(b"d=4a%5C%5Cnb").unwrap(), "4a\\nb");
        assert_eq!(field(br"d=4\\\n\\\\x\").unwrap(), "4\\\\n\\\\\\\\x\\");
        assert_eq!(field(b"d=100%&x").unwrap(), "100%");
        assert_eq!(field(b"d=%zz%4").unwrap(), "%zz%4");
        assert_eq!(field(b"d=").unwrap(), "");
    }

    #[test]
    fn a_form_without_the_field_is_refused() {
        for form in ["", "d", "dd=1", "x=d=1"] {
            assert_eq!(field(form.as_bytes()), Err(FormError::NoField), "{form}");
        }
        assert_eq!(field(b"d=%ff"), Err(FormError::NotUtf8));
    }

    proptest! {
        #[test]
        fn the_string_means_the_payload(payload in ".*") {
            let script = wrapped(&payload);
            let literal = script.strip_prefix("___eio[3](").and_then(|rest| rest.strip_suffix(");")).unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(literal).unwrap(), payload);
        }

        #[test]
        fn a_form_brings_what_the_client_meant(payload in r"([\\n\n+%é ]|a){0,20}") {
            // The one text that clients cannot send: a backslash before a line feed looks like an escaped `\n`.
            prop_assume!(!payload.contains("\\\n"));
            prop_assert_eq!(field(as_the_client_sends(&payload).as_bytes()).unwrap(), payload);
        }

        #[test]
        fn no_form_panics(form: Vec<u8>) {
            let _ = field(&form);
            let _ = field(&[b"d=", &form[..]].concat());
            let _ = wrap(Index(0), &form);
        }
    }
}
