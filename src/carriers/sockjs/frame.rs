//! SockJS frames and what each transport wraps around them (protocol 0.3.3, "Protocol and framing").
//!
//! In: messages. Out: bytes. Whatever a message holds, it cannot leave its string, its line or its script element.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;

/// Opens a session.
pub const OPEN: &str = "o";
/// Shows that the server is there.
pub const HEARTBEAT: &str = "h";

/// How a receiving request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// One frame per response.
    Xhr,
    /// Frames as lines.
    XhrStreaming,
    /// Frames as server-sent events.
    EventSource,
    /// Frames as calls of `p` in script elements; this function of the page around it gets them.
    HtmlFile(String),
    /// One frame as a call of this function.
    Jsonp(String),
}

impl Form {
    /// A frame as this transport carries it.
    #[must_use]
    pub fn wrap(&self, frame: &str) -> Bytes {
        match self {
            Self::Xhr | Self::XhrStreaming => format!("{frame}\n"),
            Self::EventSource => format!("data: {}\r\n\r\n", percent(frame)),
            Self::HtmlFile(_) => format!("<script>\np({});\n</script>\r\n", script(frame)),
            Self::Jsonp(callback) => format!("/**/{callback}({});\r\n", script(frame)),
        }
        .into()
    }

    /// Whether there is one frame per response.
    #[must_use]
    pub fn is_polling(&self) -> bool {
        matches!(self, Self::Xhr | Self::Jsonp(_))
    }
}

/// A message as a frame of its own.
#[must_use]
pub fn message(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8 + 8);
    out.push_str("a[");
    quote(text, &mut out);
    out.push(']');
    out
}

/// `c[code,"reason"]`
#[must_use]
pub fn close(code: u16, reason: &str) -> String {
    let mut out = format!("c[{code},");
    quote(reason, &mut out);
    out.push(']');
    out
}

/// Message frames in a row as one; `None` when there is none.
#[must_use]
pub fn merge<'a>(frames: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut merged = String::new();
    for frame in frames {
        let Some(elements) = frame.strip_prefix("a[").and_then(|rest| rest.strip_suffix(']')) else {
            continue;
        };
        merged.push_str(if merged.is_empty() { "a[" } else { "," });
        merged.push_str(elements);
    }
    (!merged.is_empty()).then(|| merged + "]")
}

/// A JSON string in which nothing stands that some browser mangles ("JSON Unicode encoding" in the protocol).
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{0}'..='\u{1f}'
            | '\u{200c}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff0}'..='\u{ffff}' => {
                // Writing into a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A frame as a string in a script: no `<`, which could end the element around it (CWE-79).
fn script(frame: &str) -> String {
    let mut out = String::with_capacity(frame.len() + frame.len() / 4 + 2);
    quote(frame, &mut out);
    out.replace('<', "\\u003c")
}

/// The client decodes percent escapes in the data of events. Line breaks would end the field (CWE-93).
fn percent(frame: &str) -> Cow<'_, str> {
    if !frame.contains(['%', '\r', '\n', '\0']) {
        return frame.into();
    }
    let mut out = String::with_capacity(frame.len() + 16);
    for c in frame.chars() {
        match c {
            '%' => out.push_str("%25"),
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            '\0' => out.push_str("%00"),
            c => out.push(c),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_mangle_is_escaped_and_the_rest_is_not() {
        let text = "a\u{0}\n\"\\\u{200c}\u{2028}\u{206f}\u{fff0}\u{ffff}é€😀/";
        let expected = r#"a["a\u0000\n\"\\\u200c\u2028\u206f\ufff0\uffffé€😀/"]"#;
        assert_eq!(message(text), expected);
        let strings: Vec<String> = serde_json::from_str(&message(text)[1..]).unwrap();
        assert_eq!(strings, [text]);
    }

    #[test]
    fn every_transport_wraps_a_frame_in_its_own_way() {
        let jsonp = Form::Jsonp("cb".into());
        for (form, expected) in [
            (Form::Xhr, "a[\"x\"]\n"),
            (Form::XhrStreaming, "a[\"x\"]\n"),
            (Form::EventSource, "data: a[\"x\"]\r\n\r\n"),
            (
                Form::HtmlFile("cb".into()),
                "<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n",
            ),
            (jsonp, "/**/cb(\"a[\\\"x\\\"]\");\r\n"),
        ] {
            assert_eq!(form.wrap(&message("x")), expected.as_bytes(), "{form:?}");
        }
        assert_eq!(
            Form::EventSource.wrap(&message("100%")),
            "data: a[\"100%25\"]\r\n\r\n".as_bytes()
        );
        assert_eq!(close(3000, "Go away!"), r#"c[3000,"Go away!"]"#);
    }

    #[test]
    fn a_message_cannot_end_the_script_that_carries_it() {
        let wrapped = Form::HtmlFile("cb".into()).wrap(&message("</script><script>alert(1)"));
        let text = std::str::from_utf8(&wrapped).unwrap();
        assert_eq!(text.matches("</script>").count(), 1, "{text}");
        assert!(text.contains("\\u003c/script>"), "{text}");
    }

    #[test]
    fn messages_in_a_row_become_one_frame() {
        assert_eq!(
            merge(["a[\"x\"]", "a[\"y\",\"z\"]", "c[1,\"\"]"].into_iter()).unwrap(),
            r#"a["x","y","z"]"#
        );
        assert_eq!(merge(["o"].into_iter()), None);
    }
}
