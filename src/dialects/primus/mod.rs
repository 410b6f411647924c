//! Primus 2 to 8, with its JSON parser, over the three transformers that have a carrier here.
//!
//! In: JSON, one value per message; the commands of all dialects as `{type, data}`, and anything else as a write, which
//! is published. Out: the native words, and events as objects or as bare payloads. Control messages are texts that
//! begin with `primus::`. `conversation` decides, `door` is where plain WebSockets come in, `beside` what stands beside
//! them.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use turted_core::encode::Delivery;
use turted_core::{ChannelName, Conversation, EventName, Limits, Protocol, json};

mod beside;
pub mod config;
mod conversation;
mod door;

use conversation::Spark;

/// What control messages begin with.
const CONTROL: &str = "primus::";

/// The dialect with its terms.
#[derive(Debug, Clone)]
pub struct Primus(Arc<Terms>);

impl Primus {
    /// The dialect on these terms.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self(Arc::new(terms))
    }
}

/// What one entrance makes of it.
#[derive(Debug)]
pub struct Terms {
    /// The event of what a client writes that is no command.
    pub event: EventName,
    /// To whom that is said; nobody may write if there is none.
    pub channel: Option<ChannelName>,
    /// Whether events go out as nothing but their payloads.
    pub bare: bool,
    /// Between two pings of the server.
    pub ping: Duration,
    /// Bounds for names and nesting.
    pub limits: Limits,
    /// How many bad messages in a row end a client.
    pub bad_messages: u32,
}

impl Protocol for Primus {
    fn name(&self) -> &'static str {
        "primus"
    }

    fn open(&self) -> Box<dyn Conversation> {
        Box::new(Spark::new(Arc::clone(&self.0)))
    }

    fn resumes(&self) -> bool {
        // Each connection of a client is a new spark.
        false
    }

    fn encode_event(&self, delivery: &Delivery<'_>) -> Bytes {
        match self.0.bare && !is_control(delivery.payload.as_str()) {
            true => readable(delivery.payload.as_bytes()),
            false => readable(&event(delivery)),
        }
    }
}

/// Whether this JSON is a text that a client takes for a word of the protocol: a payload never is one.
fn is_control(json: &str) -> bool {
    json.starts_with('"') && serde_json::from_str::<String>(json).is_ok_and(|text| text.starts_with(CONTROL))
}

fn event(delivery: &Delivery<'_>) -> BytesMut {
    let mut out = BytesMut::with_capacity(delivery.payload.as_bytes().len() + 160);
    out.put_slice(br#"{"event":"#);
    json::write(&mut out, delivery.event);
    out.put_slice(br#","payload":"#);
    out.put_slice(delivery.payload.as_bytes());
    out.put_slice(br#","via":"#);
    json::write(&mut out, delivery.via);
    if let Some(from) = delivery.from {
        out.put_slice(br#","from":"#);
        json::write(&mut out, from);
    }
    out.put_slice(br#","id":"#);
    json::write(&mut out, delivery.id);
    out.put_u8(b'}');
    out
}

/// JSON that is JavaScript as well, as the original writes it: two line ends are escaped that JSON allows in texts.
fn readable(json: &[u8]) -> Bytes {
    const ENDS: [(&[u8], &[u8]); 2] = [("\u{2028}".as_bytes(), br"\u2028"), ("\u{2029}".as_bytes(), br"\u2029")];
    let mut out = BytesMut::with_capacity(json.len());
    let mut rest = json;
    while let Some((&first, tail)) = rest.split_first() {
        match ENDS.iter().find(|(end, _)| rest.starts_with(end)) {
            Some((end, escaped)) => {
                out.put_slice(escaped);
                rest = &rest[end.len()..];
            }
            None => {
                out.put_u8(first);
                rest = tail;
            }
        }
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use turted_core::{Epoch, Payload, Target};

    fn written(bare: bool, payload: &str) -> String {
        let limits = Limits::default();
        let terms = Terms {
            event: EventName::unnamed(),
            channel: None,
            bare,
            ping: Duration::from_secs(30),
            limits,
            bad_messages: 20,
        };
        let payload = Payload::parse(payload.to_owned().into(), &limits).unwrap();
        let delivery = Delivery {
            id: &Epoch::new("e").id(7),
            event: &EventName::parse("A", &limits).unwrap(),
            payload: &payload,
            via: &Target::Everybody,
            from: None,
        };
        String::from_utf8(Primus::new(terms).encode_event(&delivery).to_vec()).unwrap()
    }

    #[test]
    fn a_payload_is_never_taken_for_a_word_of_the_protocol() {
        assert_eq!(written(true, r#"{"a": 1.0}"#), r#"{"a": 1.0}"#);
        assert_eq!(written(true, r#""text""#), r#""text""#);
        let whole =
            |payload: &str| format!(r#"{{"event":"A","payload":{payload},"via":{{"broadcast":true}},"id":"e-7"}}"#);
        for control in [r#""primus::server::close""#, r#""\u0070rimus::id::x""#] {
            assert_eq!(written(true, control), whole(control), "CWE-74");
        }
        assert_eq!(written(false, "null"), whole("null"));
    }

    #[test]
    fn line_ends_of_javascript_are_escaped() {
        assert_eq!(
            written(true, "[\"a\u{2028}b\u{2029}\u{2027}é\"]"),
            "[\"a\\u2028b\\u2029\u{2027}é\"]"
        );
    }
}
