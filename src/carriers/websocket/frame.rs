//! WebSocket frames from a server: never masked, never fragmented (RFC 6455 section 5.2).
//!
//! In: a payload. Out: the whole frame, ready to be shared.

use bytes::{BufMut, Bytes, BytesMut};

const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// A text message.
#[must_use]
pub fn text(payload: &[u8]) -> Bytes {
    frame(TEXT, payload)
}

/// A binary message.
#[must_use]
pub fn binary(payload: &[u8]) -> Bytes {
    frame(BINARY, payload)
}

/// A ping without data.
#[must_use]
pub fn ping() -> Bytes {
    Bytes::from_static(&[FIN | PING, 0])
}

/// The answer to a ping with this data (at most 125 bytes, as every control frame).
#[must_use]
pub fn pong(data: &[u8]) -> Bytes {
    frame(PONG, data)
}

/// A close frame; `reason` is at most 123 bytes.
#[must_use]
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut payload = BytesMut::with_capacity(2 + reason.len());
    payload.put_u16(code);
    payload.put_slice(reason.as_bytes());
    frame(CLOSE, &payload)
}

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 10);
    out.put_u8(FIN | opcode);
    // Both casts are bounded by the arm they stand in.
    #[allow(clippy::cast_possible_truncation)]
    match payload.len() {
        0..=125 => out.put_u8(payload.len() as u8),
        126..=0xFFFF => {
            out.put_u8(126);
            out.put_u16(payload.len() as u16);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(payload.len() as u64);
        }
    }
    out.put_slice(payload);
    out.freeze()
}

/// A message in a row of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// Text, in UTF-8.
    Text(&'a [u8]),
    /// Anything.
    Binary(&'a [u8]),
}

/// Takes frames apart that this file has put together. Control frames are left out: a request has no use for them.
pub fn records(frames: &[u8]) -> impl Iterator<Item = Record<'_>> + Clone {
    let mut rest = frames;
    std::iter::from_fn(move || {
        loop {
            let (&head, &short) = (rest.first()?, rest.get(1)?);
            let big_endian = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            let (begin, length): (usize, usize) = match short {
                126 => (4, big_endian(rest.get(2..4)?)),
                127 => (10, big_endian(rest.get(2..10)?)),
                short => (2, usize::from(short)),
            };
            let payload = rest.get(begin..begin.checked_add(length)?)?;
            rest = &rest[begin + length..];
            match head & !FIN {
                TEXT => return Some(Record::Text(payload)),
                BINARY => return Some(Record::Binary(payload)),
                _ => {}
            }
        }
    })
}

/// As [`records`], for protocols that only speak text.
pub fn texts(frames: &[u8]) -> impl Iterator<Item = &[u8]> {
    records(frames).filter_map(|record| match record {
        Record::Text(text) => Some(text),
        Record::Binary(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_takes_one_three_or_nine_bytes() {
        // The examples of RFC 6455 section 5.7.
        assert_eq!(&text(b"Hello")[..], b"\x81\x05Hello");
        assert_eq!(&text(&[0; 256])[..4], b"\x81\x7e\x01\x00");
        assert_eq!(&text(&[0; 65536])[..10], b"\x81\x7f\0\0\0\0\0\x01\0\0");
        assert_eq!(text(&[0; 125]).len(), 127);
        assert_eq!(text(&[0; 126]).len(), 130);
        assert_eq!(&close(1000, "ok")[..], b"\x88\x04\x03\xe8ok");
    }

    #[test]
    fn frames_come_apart_as_they_were_put_together() {
        let long = vec![b'x'; 70_000];
        let frames = [text(b""), ping(), binary(&long), text(&long[..200]), close(1000, "")].concat();
        let all: Vec<_> = records(&frames).collect();
        let expected = [Record::Text(b""), Record::Binary(&long), Record::Text(&long[..200])];
        assert_eq!(all, expected);
        assert_eq!(
            records(&frames[..frames.len() - 205]).count(),
            2,
            "what is cut off is left out"
        );
    }
}
