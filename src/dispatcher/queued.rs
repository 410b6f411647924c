//! How much memory all outboxes hold together.
//!
//! In: frames, when they are made, and the places of queues, when they grow and shrink. Out: one number, and whether it
//! is beyond its bound. It does not know who holds what; `client/relief.rs` sees to that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// The bytes that wait for all clients, and their bound.
///
/// Counted is what memory there is: a frame once, however many outboxes share it, from when it is made until the last
/// of them has let it go; and the places of long queues. So an event for a hundred thousand clients weighs what it
/// takes, and one that a single client still holds does not become lighter. A frame on its way through a courier's
/// mailbox counts as well. What a socket has taken and not written yet is not counted: it is bounded for each.
#[derive(Debug)]
pub struct Queued {
    bytes: AtomicUsize,
    most: usize,
}

impl Queued {
    /// Nothing yet, and at most so many bytes.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        let bytes = AtomicUsize::new(0);
        Arc::new(Self { bytes, most })
    }

    /// The same frame, counted as long as anybody holds it or a part of it.
    #[must_use]
    pub fn hold(self: &Arc<Self>, frame: Bytes) -> Bytes {
        self.grow(frame.len());
        let queued = Arc::clone(self);
        Bytes::from_owner(Held { frame, queued })
    }

    /// A queue has this much more room.
    pub fn grow(&self, by: usize) {
        self.bytes.fetch_add(by, Ordering::Relaxed);
    }

    /// A queue gave this much room back.
    pub fn shrink(&self, by: usize) {
        self.bytes.fetch_sub(by, Ordering::Relaxed);
    }

    /// How many bytes there are now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The bound.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// Whether there are more than may be.
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        self.bytes() > self.most
    }
}

/// A frame, and where it is counted.
struct Held {
    frame: Bytes,
    queued: Arc<Queued>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.frame
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.queued.shrink(self.frame.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_counts_once_however_many_share_it_until_the_last_lets_it_go() {
        let queued = Queued::new(5);
        let frame = queued.hold(Bytes::from_static(b"an event"));
        let (shared, part) = (frame.clone(), frame.slice(3..4));
        assert_eq!((queued.bytes(), queued.is_exceeded()), (8, true));
        drop((frame, shared));
        assert_eq!(queued.bytes(), 8);
        drop(part);
        assert_eq!((queued.bytes(), queued.is_exceeded()), (0, false));
    }
}
