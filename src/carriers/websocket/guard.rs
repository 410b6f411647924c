//! Refuses a frame by its length before it is collected.
//!
//! In: the bytes that a client sends after the handshake. Out: the same bytes, or as soon as a header claims more than
//! is allowed an overflow, or a broken rule if the frame is none at any length. The parser behind it looks at the
//! length only when the whole frame is in memory (CWE-770).

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// The longest header: two bytes, eight of length, four of mask (RFC 6455 section 5.2).
const HEADER: usize = 14;

/// Follows frame headers through a stream of chunks.
pub struct Guard<S> {
    inner: S,
    max: u64,
    header: [u8; HEADER],
    known: usize,
    skip: u64,
}

impl<S> Guard<S> {
    /// Lets frames of up to `max` bytes of payload through.
    pub fn new(inner: S, max: usize) -> Self {
        Self {
            inner,
            max: max as u64,
            header: [0; HEADER],
            known: 0,
            skip: 0,
        }
    }

    fn check(&mut self, mut chunk: &[u8]) -> Result<(), PayloadError> {
        while !chunk.is_empty() {
            if self.skip > 0 {
                let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(chunk.len());
                self.skip -= skipped as u64;
                chunk = &chunk[skipped..];
                continue;
            }
            self.header[self.known] = chunk[0];
            self.known += 1;
            chunk = &chunk[1..];
            if self.known < 2 || self.known < self.header_length() {
                continue;
            }
            let payload = self.payload_length();
            if payload > self.max {
                return Err(if self.is_frame() {
                    PayloadError::Overflow
                } else {
                    PayloadError::EncodingCorrupted
                });
            }
            (self.known, self.skip) = (0, payload);
        }
        Ok(())
    }

    /// Whether a client may send a large frame with this header: no reserved bits, data, and masked.
    fn is_frame(&self) -> bool {
        self.header[0] & 0x70 == 0 && self.header[0] & 0x0F <= 2 && self.header[1] & 0x80 != 0
    }

    fn header_length(&self) -> usize {
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        let length = match self.header[1] & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + mask
    }

    fn payload_length(&self) -> u64 {
        let big_endian = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        match self.header[1] & 0x7F {
            126 => big_endian(&self.header[2..4]),
            127 => big_endian(&self.header[2..10]),
            short => short.into(),
        }
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Guard<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.inner.poll_next_unpin(cx);
        next.map(|item| match item {
            Some(Ok(chunk)) => Some(self.check(&chunk).map(|()| chunk)),
            item => item,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize) -> Vec<u8> {
        let mut out = vec![0x81];
        match length {
            0..=125 => out.push(0x80 | u8::try_from(length).unwrap()),
            126..=0xFFFF => {
                out.push(0x80 | 126);
                out.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                out.push(0x80 | 127);
                out.extend((length as u64).to_be_bytes());
            }
        }
        out.extend([1, 2, 3, 4]);
        out.extend(std::iter::repeat_n(0xFF, length));
        out
    }

    #[test]
    fn frames_pass_however_they_are_cut_and_a_large_one_is_refused_by_its_header() {
        let mut random = fastrand::Rng::with_seed(3);
        let stream: Vec<u8> = [0, 1, 125, 126, 1000, 0, 65_535].into_iter().flat_map(frame).collect();
        for _ in 0..200 {
            let mut guard = Guard::new((), 65_535);
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let (chunk, later) = rest.split_at(random.usize(1..=rest.len()));
                assert!(guard.check(chunk).is_ok());
                rest = later;
            }
            let refused = guard.check(&frame(65_536)[..14]);
            assert!(
                matches!(refused, Err(PayloadError::Overflow)),
                "its payload has not even come"
            );
        }
    }
}
