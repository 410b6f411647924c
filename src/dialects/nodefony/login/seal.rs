//! What the server says to a client and wants to know again, without keeping it.
//!
//! In: texts. Out: the same with a mark that only this server makes (HMAC-SHA-256), for as long as it runs. A mark is
//! for one kind of text: a nonce is never a session.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The key of the marks.
pub struct Seal([u8; 32]);

impl Seal {
    /// One that nobody else has. `None`: the system has no random numbers.
    pub fn new() -> Option<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).ok()?;
        Some(Self(key))
    }

    /// The text with its mark.
    pub fn close(&self, kind: &str, text: &str) -> String {
        let mark = self.mark(kind, text).map(|mac| mac.finalize().into_bytes().to_vec());
        format!("{text}.{}", hex::encode(mark.unwrap_or_default()))
    }

    /// The text, if this is its mark. They are compared in constant time (CWE-208).
    pub fn open<'a>(&self, kind: &str, closed: &'a str) -> Option<&'a str> {
        let (text, mark) = closed.rsplit_once('.')?;
        let mark = hex::decode(mark).ok()?;
        self.mark(kind, text)?.verify_slice(&mark).ok().map(|()| text)
    }

    /// `None` cannot happen: HMAC takes keys of any length.
    fn mark(&self, kind: &str, text: &str) -> Option<Hmac<Sha256>> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        Some(mac.chain_update(kind).chain_update([0]).chain_update(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_said_here_and_for_this_is_known_again() {
        let (one, other) = (Seal::new().unwrap(), Seal::new().unwrap());
        let closed = one.close("nonce", "7.a");
        assert_eq!(one.open("nonce", &closed), Some("7.a"));
        assert_eq!(one.open("session", &closed), None);
        assert_eq!(other.open("nonce", &closed), None);
        for wrong in [
            "",
            ".",
            "7.a",
            "7.a.",
            "7.a.00",
            &closed[1..],
            &closed[..closed.len() - 2],
        ] {
            assert_eq!(one.open("nonce", wrong), None, "{wrong}");
        }
        let changed = closed.replacen('7', "8", 1);
        assert_eq!(one.open("nonce", &changed), None);
    }
}
