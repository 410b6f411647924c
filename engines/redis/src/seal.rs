//! The seal of an entry: who knows the secret wrote it.
//!
//! In: header and payload. Out: HMAC-SHA256 over both, as hexadecimal digits. It says nothing about the place: whoever
//! may write into Redis can repeat what was sealed, but nothing else.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A secret.
pub struct Seal(Hmac<Sha256>);

impl Seal {
    /// One of these bytes.
    #[allow(clippy::expect_used, reason = "a key of any length will do for HMAC")]
    pub fn new(secret: &str) -> Self {
        Self(Hmac::new_from_slice(secret.as_bytes()).expect("any length"))
    }

    /// The seal.
    pub fn of(&self, header: &[u8], payload: &[u8]) -> String {
        hex::encode(self.over(header, payload).finalize().into_bytes())
    }

    /// Whether it is one (CWE-208: compared in constant time).
    pub fn holds(&self, seal: &[u8], header: &[u8], payload: &[u8]) -> bool {
        let seal = hex::decode(seal).unwrap_or_default();
        self.over(header, payload).verify_slice(&seal).is_ok()
    }

    /// The length goes first, so that nothing moves from header to payload.
    fn over(&self, header: &[u8], payload: &[u8]) -> Hmac<Sha256> {
        let length = header.len() as u64;
        self.0
            .clone()
            .chain_update(length.to_be_bytes())
            .chain_update(header)
            .chain_update(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_words_with_the_same_secret_hold() {
        let (one, other) = (Seal::new("a secret of some length"), Seal::new("another one"));
        let seal = one.of(b"header", b"payload");
        assert!(one.holds(seal.as_bytes(), b"header", b"payload"));
        assert!(!other.holds(seal.as_bytes(), b"header", b"payload"));
        assert!(!one.holds(seal.as_bytes(), b"headerp", b"ayload"));
        for wrong in ["", "00", "zz", &seal[1..]] {
            assert!(!one.holds(wrong.as_bytes(), b"header", b"payload"), "{wrong}");
        }
    }
}
