//! Long-polling.
//!
//! In: a request whose client may come in; then polls, each a request. Out: a connection, and for each poll a JSON
//! array of the protocol's messages. Between two polls messages wait in the outbox, as WebSocket frames: a form in
//! which they can be told apart.

use std::rc::Rc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::carriers::websocket::frame;
use crate::carriers::{Mount, nothing};
use crate::client::requests::collect::settled;
use crate::client::{Newcomer, Worker};
use crate::gate::entrance::{Refused, turned_out};

/// Starts a connection without a wire, and waits until it has what it asks for before anybody speaks. `held` lives as
/// long as the connection.
///
/// # Errors
/// When its client may not be who it says.
pub async fn open(
    mount: &Mount,
    worker: &Rc<Worker>,
    newcomer: Newcomer,
    held: impl Sized + 'static,
) -> Result<(), Refused> {
    let (voice, connection) = mount.connect(worker, newcomer, nothing(held));
    // The answer to this request is the welcome.
    voice.clear();
    settled(&connection).await;
    turned_out(voice.ended())
}

/// The array of the messages in these frames.
#[must_use]
pub fn array(frames: &Bytes) -> Bytes {
    let mut out = BytesMut::with_capacity(frames.len() + 2);
    out.put_u8(b'[');
    for (at, text) in frame::texts(frames).enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        out.put_slice(text);
    }
    out.put_u8(b']');
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_messages_is_an_array_and_the_goodbye_of_a_socket_is_none() {
        let frames = [frame::text(b"{}"), frame::text(b"1"), frame::close(1000, "")].concat();
        assert_eq!(array(&frames.into()), Bytes::from_static(b"[{},1]"));
        assert_eq!(array(&Bytes::new()), Bytes::from_static(b"[]"));
    }
}
