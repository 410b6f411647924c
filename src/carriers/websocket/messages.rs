//! The messages in what a client sends.
//!
//! In: the bytes after the handshake. Out: whole messages in the words of `actix-ws`, or which rule was broken. Frames
//! are parsed by the codec that `actix-ws` uses; its own stream exists only together with a channel for answers, 2 KiB
//! per client, and here answers take the lane.

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_codec::Decoder;
use actix_http::ws::{Codec, Frame, Item};
use actix_web::error::PayloadError;
use actix_ws::{AggregatedMessage, ProtocolError};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

/// Parses frames and puts fragments together. It ends with its bytes, or after the first error.
pub struct Messages<S> {
    bytes: S,
    codec: Codec,
    max: usize,
    unread: BytesMut,
    fragments: BytesMut,
    text: bool,
    over: bool,
}

impl<S> Messages<S> {
    /// Messages of up to `max` bytes, however they are fragmented.
    pub fn new(bytes: S, max: usize) -> Self {
        Self {
            bytes,
            codec: Codec::new().max_size(max),
            max,
            unread: BytesMut::new(),
            fragments: BytesMut::new(),
            text: false,
            over: false,
        }
    }

    /// The next message among the bytes that are here.
    fn parse(&mut self) -> Result<Option<AggregatedMessage>, ProtocolError> {
        while let Some(frame) = self.codec.decode(&mut self.unread)? {
            let message = match frame {
                Frame::Text(bytes) => text(bytes)?,
                Frame::Binary(bytes) => AggregatedMessage::Binary(bytes),
                Frame::Ping(data) => AggregatedMessage::Ping(data),
                Frame::Pong(data) => AggregatedMessage::Pong(data),
                Frame::Close(reason) => AggregatedMessage::Close(reason),
                Frame::Continuation(item) => match self.join(item)? {
                    Some(message) => message,
                    None => continue,
                },
            };
            return Ok(Some(message));
        }
        Ok(None)
    }

    /// The whole message, after its last fragment. The codec has checked their order.
    fn join(&mut self, item: Item) -> Result<Option<AggregatedMessage>, ProtocolError> {
        let (fragment, last) = match item {
            Item::FirstText(fragment) => {
                self.text = true;
                (fragment, false)
            }
            Item::FirstBinary(fragment) => {
                self.text = false;
                (fragment, false)
            }
            Item::Continue(fragment) => (fragment, false),
            Item::Last(fragment) => (fragment, true),
        };
        if self.fragments.len() + fragment.len() > self.max {
            return Err(ProtocolError::Overflow);
        }
        self.fragments.extend_from_slice(&fragment);
        if !last {
            return Ok(None);
        }
        let whole = mem::take(&mut self.fragments).freeze();
        let message = if self.text {
            text(whole)?
        } else {
            AggregatedMessage::Binary(whole)
        };
        Ok(Some(message))
    }
}

fn text(bytes: Bytes) -> Result<AggregatedMessage, ProtocolError> {
    let text = bytes.try_into();
    let text = text.map_err(|error| ProtocolError::Io(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    Ok(AggregatedMessage::Text(text))
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Messages<S> {
    type Item = Result<AggregatedMessage, ProtocolError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.over {
            match self.parse() {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(message))),
                Ok(None) => {}
                Err(error) => {
                    self.over = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            // A client that says nothing holds no buffer.
            if self.unread.is_empty() {
                self.unread = BytesMut::new();
            }
            match ready!(self.bytes.poll_next_unpin(cx)) {
                Some(Ok(bytes)) => self.unread.extend_from_slice(&bytes),
                Some(Err(error)) => {
                    self.over = true;
                    return Poll::Ready(Some(Err(ProtocolError::Io(io::Error::other(error)))));
                }
                None => self.over = true,
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, stream};

    /// What comes of these chunks; a mask of zeros changes nothing.
    fn heard(chunks: &[&[u8]]) -> Vec<Result<AggregatedMessage, ProtocolError>> {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let messages = Messages::new(stream::iter(chunks), 8);
        messages.collect::<Vec<_>>().now_or_never().unwrap()
    }

    fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
        let length = 0x80 | u8::try_from(payload.len()).unwrap();
        [&[head, length, 0, 0, 0, 0], payload].concat()
    }

    #[test]
    fn fragments_become_one_message_with_control_frames_in_between() {
        let bytes = [
            frame(0x01, b"on"),
            frame(0x89, b"?"),
            frame(0x00, b""),
            frame(0x80, b"e"),
            frame(0x81, b"two"),
        ]
        .concat();
        for cut in 0..bytes.len() {
            let (first, second) = bytes.split_at(cut);
            let heard: Vec<_> = heard(&[first, second]).into_iter().map(Result::unwrap).collect();
            let [
                AggregatedMessage::Ping(ping),
                AggregatedMessage::Text(one),
                AggregatedMessage::Text(two),
            ] = &heard[..]
            else {
                panic!("cut at {cut}: {heard:?}");
            };
            assert_eq!((&ping[..], &one[..], &two[..]), (&b"?"[..], "one", "two"));
        }
    }

    #[test]
    fn fragments_are_too_large_together_and_a_character_may_be_cut() {
        let fragments = [frame(0x01, b"12345"), frame(0x80, b"6789"), frame(0x81, b"x")].concat();
        assert!(matches!(heard(&[&fragments])[..], [Err(ProtocolError::Overflow)]));
        let cut = [frame(0x01, b"\xc3"), frame(0x80, b"\xa9")].concat();
        assert!(matches!(&heard(&[&cut])[..], [Ok(AggregatedMessage::Text(text))] if *text == "é"));
    }

    #[test]
    fn the_first_error_is_the_last_word() {
        let text = frame(0x81, b"x");
        for broken in [
            frame(0x81, b"\xff"),
            frame(0x83, b""),
            frame(0x80, b""),
            vec![0x81, 1, b'x'],
        ] {
            let heard = heard(&[&text, &[broken, text.clone()].concat()]);
            assert!(matches!(heard[..], [Ok(_), Err(_)]), "{heard:?}");
        }
    }
}
