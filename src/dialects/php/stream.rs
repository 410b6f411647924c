//! Server-sent events as the PHP server of TURTED sends them.
//!
//! In: events. Out: `event: <name>`, `data: <payload>`, and `event: ping` now and then. The server says nothing about
//! the connection: these clients know no other words.

use std::time::Duration;

use bytes::Bytes;
use turted_core::{Delivery, DispatchId, EncodeEvent, Ending};

use crate::carriers::event_stream::{event, place};
use crate::client::Framing;

/// How long a browser waits before it comes back.
pub const RETRY: Duration = Duration::from_secs(8);
/// Between two pings.
pub const PING: Duration = Duration::from_secs(28);

/// The form of what is not an event.
pub struct PhpForm;

impl Framing for PhpForm {
    fn message(&self, text: &[u8]) -> Bytes {
        event(None, None, text)
    }

    fn ping(&self) -> Option<Bytes> {
        Some(event(None, Some("ping"), b"{}"))
    }

    fn close(&self, _: Ending) -> Option<Bytes> {
        None
    }
}

/// Encodes events. The ids, which that server did not have, let a browser that comes back hear what it missed.
pub struct PhpEvents;

impl EncodeEvent for PhpEvents {
    fn encode(&self, delivery: &Delivery<'_>) -> Bytes {
        let name = delivery.event.as_str();
        if name.is_empty() {
            // Events without a name are not sent; a comment is nothing to a client.
            return Bytes::from_static(b":\n\n");
        }
        event(Some(&delivery.id.to_string()), Some(name), delivery.payload.as_bytes())
    }

    fn place(&self, id: &DispatchId) -> Option<Bytes> {
        Some(place(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turted_core::{Epoch, EventName, Limits, Payload, Target};

    #[test]
    fn events_are_as_the_php_server_writes_them_and_nameless_ones_are_not_sent() {
        let encoded = |name: &str| {
            let (id, via) = (Epoch::new("e").id(7), Target::Everybody);
            let event = EventName::parse(name, &Limits::default()).unwrap_or_else(|_| EventName::unnamed());
            let payload = Payload::parse(Bytes::from_static(br#"{"a":1}"#), &Limits::default()).unwrap();
            PhpEvents.encode(&Delivery {
                id: &id,
                event: &event,
                payload: &payload,
                via: &via,
                from: None,
            })
        };
        assert_eq!(encoded("A"), "id: e-7\nevent: A\ndata: {\"a\":1}\n\n");
        assert_eq!(encoded(""), ":\n\n");
        assert_eq!(PhpForm.ping().unwrap(), "event: ping\ndata: {}\n\n");
    }
}
