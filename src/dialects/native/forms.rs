//! The two forms of an event stream.
//!
//! In: messages of a protocol, and events. Out: *named* events for plain `EventSource` users, and *native* ones, in
//! which every message of the protocol is the data of an unnamed event, for clients that speak the protocol.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;
use turted_core::{Delivery, DispatchId, EncodeEvent, Ending, Protocol};

use crate::carriers::event_stream::{event, field, place};
use crate::client::Framing;

/// Types that an `EventSource` fires by itself, or that are the server's own: an event of such a name travels as
/// `turted:event`.
const RESERVED: [&str; 3] = ["open", "error", "message"];
const OWN: &str = "turted:";

/// Each message of the protocol as the data of an unnamed event.
pub struct NativeForm;

/// `event: turted:welcome` and so on: the type of a native message is the name, its data the data.
pub struct NamedForm;

impl Framing for NativeForm {
    fn message(&self, text: &[u8]) -> Bytes {
        event(None, None, text)
    }

    fn ping(&self) -> Option<Bytes> {
        Some(Bytes::from_static(b":\n\n"))
    }

    fn close(&self, _: Ending) -> Option<Bytes> {
        None
    }
}

impl Framing for NamedForm {
    fn message(&self, text: &[u8]) -> Bytes {
        #[derive(Deserialize)]
        struct Words<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
        }
        match serde_json::from_slice::<Words<'_>>(text) {
            Ok(Words { kind, data }) => {
                let data = data.map_or("{}", RawValue::get);
                let name = match kind {
                    "ERROR" if is_denied(data) => format!("{OWN}denied"),
                    _ => format!("{OWN}{}", kind.to_ascii_lowercase()),
                };
                event(None, Some(&name), data.as_bytes())
            }
            Err(_) => event(None, None, text),
        }
    }

    fn ping(&self) -> Option<Bytes> {
        NativeForm.ping()
    }

    fn close(&self, _: Ending) -> Option<Bytes> {
        None
    }
}

/// Whether an error is about a channel that the client may not hear: a stream can be for several.
fn is_denied(data: &str) -> bool {
    #[derive(Deserialize)]
    struct Coded<'a> {
        code: &'a str,
    }
    serde_json::from_str::<Coded<'_>>(data).is_ok_and(|error| error.code == "join_denied")
}

/// Encodes events for [`NativeForm`].
pub struct NativeEvents(pub Arc<dyn Protocol>);

impl EncodeEvent for NativeEvents {
    fn encode(&self, delivery: &Delivery<'_>) -> Bytes {
        event(Some(&delivery.id.to_string()), None, &self.0.encode_event(delivery))
    }

    fn place(&self, id: &DispatchId) -> Option<Bytes> {
        Some(place(id))
    }
}

/// Encodes events for [`NamedForm`]: `event: <name>`, `data: <payload>`. There is no place for who said it, nor for
/// what it came by: whoever wants to know speaks the native form.
pub struct NamedEvents(pub Arc<dyn Protocol>);

impl EncodeEvent for NamedEvents {
    fn encode(&self, delivery: &Delivery<'_>) -> Bytes {
        let (id, name) = (delivery.id.to_string(), delivery.event.as_str());
        if name.is_empty() || name.starts_with(OWN) || RESERVED.contains(&name) {
            // The protocol's message is `{"type":"EVENT","data":…}`, which the form takes apart.
            let framed = NamedForm.message(&self.0.encode_event(delivery));
            let mut out = BytesMut::with_capacity(framed.len() + id.len() + 5);
            field(&mut out, "id", &id);
            out.put_slice(&framed);
            return out.freeze();
        }
        event(Some(&id), Some(name), delivery.payload.as_bytes())
    }

    fn place(&self, id: &DispatchId) -> Option<Bytes> {
        Some(place(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carriers::tests::encoded;
    use crate::dialects::native::Native;
    use turted_core::Limits;

    fn protocol() -> Arc<dyn Protocol> {
        Arc::new(Native::new(Limits::default(), 20))
    }

    #[test]
    fn an_event_has_its_name_unless_the_browser_uses_that_name_itself() {
        let named = NamedEvents(protocol());
        assert_eq!(encoded(&named, "A", "[1]"), "id: e-7\nevent: A\ndata: [1]\n\n");
        for reserved in ["message", "open", "error", "turted:x", ""] {
            let data =
                format!("{{\"event\":\"{reserved}\",\"payload\":[1],\"via\":{{\"broadcast\":true}},\"id\":\"e-7\"}}");
            assert_eq!(
                encoded(&named, reserved, "[1]"),
                format!("id: e-7\nevent: turted:event\ndata: {data}\n\n")
            );
        }
    }

    #[test]
    fn a_line_break_in_a_payload_forges_no_field() {
        let named = NamedEvents(protocol());
        assert_eq!(
            encoded(&named, "A", "{\n\"a\":\r1}"),
            "id: e-7\nevent: A\ndata: {\ndata: \"a\": 1}\n\n"
        );
    }

    #[test]
    fn a_native_client_gets_every_message_as_it_is() {
        assert_eq!(
            encoded(&NativeEvents(protocol()), "message", "1"),
            concat!(
                r#"id: e-7|data: {"type":"EVENT","data":{"event":"message","payload":1,"via":{"broadcast":true},"id":"e-7"}}"#,
                "||"
            )
            .replace('|', "\n")
        );
        assert_eq!(
            NativeForm.message(b"{\"type\":\"ECHO\",\"data\":[\r\n1]}"),
            "data: {\"type\":\"ECHO\",\"data\":[ \ndata: 1]}\n\n"
        );
    }

    #[test]
    fn the_words_of_the_protocol_are_events_of_the_servers_own() {
        for (text, expected) in [
            (
                r#"{"type":"WELCOME","data":{"connection":"c"}}"#,
                "event: turted:welcome\ndata: {\"connection\":\"c\"}\n\n",
            ),
            (
                r#"{"type":"BYE","data":{"code":1001}}"#,
                "event: turted:bye\ndata: {\"code\":1001}\n\n",
            ),
            (
                r#"{"type":"LEFT","data":{"channel":"doc.7","reason":"denied"}}"#,
                "event: turted:left\ndata: {\"channel\":\"doc.7\",\"reason\":\"denied\"}\n\n",
            ),
            (
                r#"{"type":"EXPIRING","data":{"in":30}}"#,
                "event: turted:expiring\ndata: {\"in\":30}\n\n",
            ),
            (
                r#"{"type":"ERROR","data":{"channel":"doc.7","code":"join_denied","message":"no"}}"#,
                "event: turted:denied\ndata: {\"channel\":\"doc.7\",\"code\":\"join_denied\",\"message\":\"no\"}\n\n",
            ),
            (
                r#"{"type":"ERROR","data":{"code":"too_fast","message":"join_denied"}}"#,
                "event: turted:error\ndata: {\"code\":\"too_fast\",\"message\":\"join_denied\"}\n\n",
            ),
            (r#"{"type":"PONG"}"#, "event: turted:pong\ndata: {}\n\n"),
        ] {
            assert_eq!(NamedForm.message(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_sign_of_life_is_a_comment_and_the_end_of_the_response_is_the_goodbye() {
        let forms: [&dyn Framing; 2] = [&NativeForm, &NamedForm];
        for form in forms {
            assert_eq!(form.ping().unwrap(), ":\n\n");
            assert!(Ending::ALL.into_iter().all(|ending| form.close(ending).is_none()));
            assert_eq!(form.binary(b"x"), None);
        }
    }
}
