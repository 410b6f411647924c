//! What fuzzing asks of how bytes become messages, and events become bytes.
//!
//! In: any bytes. Out: nothing, or a panic where a promise is broken.

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use turted_core::{Ending, EventName, Limits};

use super::MESSAGE;
use crate::carriers::event_stream;
use crate::carriers::websocket::{Guard, Messages, frame, translate};
use crate::client::Inbound;

/// The frames of a WebSocket; the first byte says in how large chunks they come. The messages do not depend on it, and
/// none is too large.
pub fn websocket(data: &[u8]) {
    let Some((step, bytes)) = data.split_first() else {
        return;
    };
    let (whole, is_refused) = heard(bytes, bytes.len().max(1));
    let (cut, _) = heard(bytes, usize::from(*step) + 1);
    // A frame that claims too much takes the chunk with it that its header stands in.
    assert!(
        is_refused || whole == cut,
        "{whole:?} is {cut:?} in chunks of {}",
        step + 1
    );

    let own = [frame::text(bytes), frame::ping(), frame::binary(bytes)].concat();
    let records: Vec<frame::Record<'_>> = frame::records(&own).collect();
    assert_eq!(records, [frame::Record::Text(bytes), frame::Record::Binary(bytes)]);
    assert!(frame::records(bytes).count() <= bytes.len());
}

/// What comes of these bytes in chunks of `step`, and whether a frame claimed too much.
fn heard(bytes: &[u8], step: usize) -> (Vec<String>, bool) {
    let chunks = bytes.chunks(step).map(|chunk| Ok(Bytes::copy_from_slice(chunk)));
    let messages = Messages::new(Guard::new(stream::iter(chunks), MESSAGE), MESSAGE);
    let messages: Vec<Inbound> = messages.map(translate).collect().now_or_never().unwrap();
    let (mut total, mut is_refused) = (0, false);
    for (at, message) in messages.iter().enumerate() {
        let (size, most) = match message {
            Inbound::Text(text) => (text.len(), MESSAGE),
            Inbound::Binary(data) => (data.len(), MESSAGE),
            Inbound::Ping(pong) => (pong.len(), 2 + 125),
            Inbound::Broken(why) => {
                is_refused = *why == Ending::TooBig;
                assert_eq!(at + 1, messages.len(), "an error is the last word");
                (0, 0)
            }
            _ => (0, 0),
        };
        assert!(size <= most);
        total += size;
    }
    assert!(total <= bytes.len());
    (
        messages.iter().map(|message| format!("{message:?}")).collect(),
        is_refused,
    )
}

/// An event on its way into an event stream; the first line is its name. Neither name nor data can forge a field
/// (CWE-93).
pub fn event_stream(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (name, data) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let name = EventName::parse(&String::from_utf8_lossy(name), &Limits::default()).ok();
    let event = event_stream::event(Some("e-7"), name.as_ref().map(EventName::as_str), data);
    let lines: Vec<&[u8]> = event.split(|byte| matches!(byte, b'\n' | b'\r')).collect();
    let [fields @ .., end, nothing] = &lines[..] else {
        panic!("no event: {lines:?}")
    };
    assert!(end.is_empty() && nothing.is_empty());
    let count = |field: &[u8]| fields.iter().filter(|line| line.starts_with(field)).count();
    assert_eq!((count(b"id: "), count(b"event: ")), (1, usize::from(name.is_some())));
    assert_eq!(count(b"data: ") + 1 + usize::from(name.is_some()), fields.len());
}
