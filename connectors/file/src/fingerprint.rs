//! Tells one content of a file from another.
//!
//! In: the first bytes of a file. Out: their length and checksum, small enough to be kept for every file. It knows as
//! many bytes as were there when it was taken, so that a short file which grows keeps its identity.

use serde::{Deserialize, Serialize};

/// How many bytes of a file are looked at, at most.
pub const HEAD: usize = 1024;

/// The first bytes of a file, up to [`HEAD`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// How many bytes it knows.
    pub length: usize,
    /// Their CRC-32.
    pub crc: u32,
}

impl Fingerprint {
    /// That of a file which begins with `head`.
    #[must_use]
    pub fn of(head: &[u8]) -> Self {
        let head = &head[..head.len().min(HEAD)];
        Self {
            length: head.len(),
            crc: crc32fast::hash(head),
        }
    }

    /// True when a file that begins with `head` may be the one it was taken of, perhaps longer by now.
    #[must_use]
    pub fn fits(&self, head: &[u8]) -> bool {
        head.get(..self.length).is_some_and(|known| Self::of(known) == *self)
    }

    /// True when it knows as much as it ever will.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.length >= HEAD
    }

    /// True when it knows nothing, and so fits every file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_grows_stays_itself_and_one_that_was_written_anew_does_not() {
        let young = Fingerprint::of(b"one\n");
        assert!(young.fits(b"one\n") && young.fits(b"one\ntwo\n"));
        for other in [&b""[..], b"one", b"two\n", b"One\n", b"two\ntwo\n"] {
            assert!(!young.fits(other), "{other:?}");
        }
        assert!(Fingerprint::default().is_empty() && Fingerprint::default().fits(b""));
    }

    #[test]
    fn only_the_first_bytes_count() {
        let long = vec![b'x'; 3 * HEAD];
        let print = Fingerprint::of(&long);
        assert!(print.is_full() && print.fits(&long[..HEAD]) && !print.fits(&long[..HEAD - 1]));
    }
}
