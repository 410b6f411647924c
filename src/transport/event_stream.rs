//! Server-sent events (HTML Living Standard, section 9.2).
//!
//! In: a request whose client may come in. Out: a response that stays open, with a connection behind it. What the client says comes
//! in requests of their own.
//!
//! Two forms: *named* events for plain `EventSource` users, and *native* ones, in which every message of the protocol is the data of an
//! unnamed event, for clients that speak the protocol.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use turted_core::{Delivery, EncodeEvent, Ending};

use super::body::Wire;
use super::{Guest, Mount};
use crate::connection::Surroundings;
use crate::connection::visit::Settled;
use crate::connection::{Framing, Inbound};
use crate::protocol::Protocol;

/// Types that an `EventSource` fires by itself, or that are the server's own: an event of such a name travels as `turted:event`.
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
        struct Message<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
        }
        match serde_json::from_slice::<Message<'_>>(text) {
            Ok(Message { kind, data }) => {
                let name = format!("{OWN}{}", kind.to_ascii_lowercase());
                event(None, Some(&name), data.map_or("{}", RawValue::get).as_bytes())
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

/// Encodes events for [`NativeForm`].
pub struct NativeEvents(pub Arc<dyn Protocol>);

impl EncodeEvent for NativeEvents {
    fn encode(&self, delivery: &Delivery<'_>) -> Bytes {
        event(Some(&delivery.id.to_string()), None, &self.0.encode_event(delivery))
    }
}

/// Encodes events for [`NamedForm`]: `event: <name>`, `data: <payload>`.
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
}

/// The first line of a stream: how long a browser waits before it comes back.
#[must_use]
pub fn retry(time: Duration) -> Bytes {
    format!("retry: {}\n\n", time.as_millis()).into()
}

/// Answers with a stream, as soon as the connection has what it asks for before anybody speaks: whoever reads the first words is
/// there for everybody. `held` lives as long as the socket.
pub async fn open(
    mount: &Mount,
    surroundings: &Rc<Surroundings>,
    guest: Guest,
    held: impl Sized + 'static,
) -> HttpResponse {
    let (alive, gone) = oneshot::channel::<()>();
    let inbound = stream::once(async move {
        // Nothing is ever sent: it resolves when the body is dropped with its socket.
        let _ = gone.await;
        Inbound::Broken(Ending::Vanished)
    });
    let (lane, connection) = mount.connect(surroundings, guest, inbound);
    let _ = connection.send(Settled).await;
    let body = Wire::new(lane, (held, alive));
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store, no-transform"))
        // Proxies of the nginx family buffer responses unless told otherwise.
        .insert_header(("X-Accel-Buffering", "no"))
        .body(body)
}

/// One event. A line break in the data (JSON allows it between tokens) must not end the field (CWE-93).
pub(super) fn event(id: Option<&str>, name: Option<&str>, data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + 64);
    if let Some(id) = id {
        field(&mut out, "id", id);
    }
    if let Some(name) = name {
        field(&mut out, "event", name);
    }
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.put_slice(b"data: ");
        out.put_slice(line);
        out.put_u8(b'\n');
    }
    out.put_u8(b'\n');
    out.freeze()
}

fn field(out: &mut BytesMut, name: &str, value: &str) {
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    out.put_slice(value.as_bytes());
    out.put_u8(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::native::Native;
    use crate::transport::tests::encoded;
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
            "id: e-7\nevent: A\ndata: {\ndata: \"a\":\ndata: 1}\n\n"
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
            "data: {\"type\":\"ECHO\",\"data\":[\ndata: \ndata: 1]}\n\n"
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
        assert_eq!(retry(Duration::from_millis(1500)), "retry: 1500\n\n");
    }
}
