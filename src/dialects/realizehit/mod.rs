//! realizehit: patterns that are sets of names and values, over Engine.IO 3.
//!
//! In: `{"id","act","pat"}`, where a pattern is exact: it hears what is said to the same pattern. Out: `{"id"}` or
//! `{"id","err"}`, and events as `<id of the pattern>?<payload>`. A pattern has one spelling, which is the name of its
//! channel. Everything is written in ASCII: clients of Engine.IO 1 encode other letters twice.

use bytes::{BufMut, Bytes, BytesMut};
use md5::{Digest, Md5};
use serde_json::json;
use turted_core::encode::Delivery;
use turted_core::{Conversation, Limits, Protocol, Target};

pub mod config;
mod conversation;
mod door;

use conversation::Hits;

/// The dialect with its bounds.
#[derive(Debug, Clone, Copy)]
pub struct RealizeHit {
    limits: Limits,
    bad_messages: u32,
}

impl RealizeHit {
    /// A dialect that ends a client after `bad_messages` bad messages in a row.
    #[must_use]
    pub fn new(limits: Limits, bad_messages: u32) -> Self {
        Self { limits, bad_messages }
    }
}

impl Protocol for RealizeHit {
    fn name(&self) -> &'static str {
        "realizehit"
    }

    fn open(&self) -> Box<dyn Conversation> {
        Box::new(Hits::new(self.limits, self.bad_messages))
    }

    fn resumes(&self) -> bool {
        false
    }

    fn encode_event(&self, delivery: &Delivery<'_>) -> Bytes {
        let payload = delivery.payload.as_str();
        match delivery.via {
            Target::Channel(name) => event(&id(name.as_str()), payload),
            // No pattern reached it. Its client passes over an answer that it did not ask for, and a page may look.
            via => {
                let head = json!({"event": delivery.event, "via": via}).to_string();
                let head = head.strip_suffix('}').unwrap_or_default();
                ascii(&format!(r#"{head},"payload":{payload}}}"#))
            }
        }
    }
}

/// What clients call a pattern: the first eight digits of the MD5 of its spelling. No secret hangs on it.
#[must_use]
pub fn id(canonical: &str) -> String {
    hex::encode(&Md5::digest(canonical)[..4])
}

/// Clients cut a message at every question mark and keep two pieces. In JSON one stands in texts only, where it may be
/// escaped.
fn event(id: &str, payload: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(id.len() + payload.len() + 1);
    out.put_slice(id.as_bytes());
    out.put_u8(b'?');
    out.put_slice(&ascii(&payload.replace('?', "\\u003f")));
    out.freeze()
}

/// JSON without a letter beyond ASCII, which means the same.
fn ascii(json: &str) -> Bytes {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with the original.
    #[test]
    fn ids_are_those_of_the_original() {
        for (canonical, expected) in [
            ("testing:yolasda", "540d034d"),
            ("foo:bar", "4e99e8c1"),
            ("channel:CNN|kind:news", "3bf1d979"),
            ("A:4|B:3|a:1|b:2", "30eb4822"),
            ("user:42|vip:true", "764c79ae"),
            ("10:x|9:y|a:z", "b1ccdde9"),
            ("0:6|Z:4|a:3|a1:5|aa:2|z:1", "fc9b4bd5"),
            ("device:mobile7|user:xosofox|zone:eu1", "d9053e8f"),
            ("0:CNN|1:tvnews", "47ab6d46"),
            ("a:only", "19cf3143"),
            ("n:100000000000000000000", "eebc35e9"),
            ("lang:pt", "8d8194fe"),
            ("id:507f1f77bcf86cd799439011", "cf3f0dce"),
        ] {
            assert_eq!(id(canonical), expected);
        }
    }

    #[test]
    fn events_are_ascii_without_a_second_question_mark() {
        let written = event("540d034d", r#"{"a?":"é😀\u00e9 why?"}"#);
        assert_eq!(written, r#"540d034d?{"a\u003f":"\u00e9\ud83d\ude00\u00e9 why\u003f"}"#);
    }
}
