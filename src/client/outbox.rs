//! The bounded queue of frames for one client.
//!
//! In: frames. Out: chunks for the wire, everything queued in as few as possible. It never waits: a full outbox says
//! so, and its owner decides. It holds shared frames, so that an event for many costs each only a pointer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use log::warn;
use turted_core::Seldom;

use crate::dispatcher::Queued;

/// Frames are joined up to this size; a larger frame goes alone and uncopied.
const CHUNK: usize = 64 * 1024;
/// A drained queue gives memory back above this many places.
const KEEP: usize = 8;

/// The bounds of an outbox.
#[derive(Debug, Clone, Copy)]
pub struct OutboxBounds {
    /// Most bytes waiting. Default 1 MiB.
    pub bytes: usize,
    /// Most frames waiting. Default 4,096.
    pub frames: usize,
}

/// The outbox is full: the client reads too slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Clients that read too slowly come in crowds.
static TOLD: Seldom = Seldom::new();

impl Full {
    /// Says in the log that a client ends of it.
    pub fn tell() {
        TOLD.tell(Instant::now(), |more| {
            warn!(
                "a client that read too slowly was ended (4008): more waited for it than limits.outbox_bytes or \
                 limits.outbox_frames let{more}"
            );
        });
    }
}

/// What a full outbox means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The client is ended and may come back for what it missed.
    Close,
    /// The event is dropped and counted.
    Drop,
}

/// Frames that wait for one wire.
#[derive(Debug)]
pub struct Outbox {
    bounds: OutboxBounds,
    frames: VecDeque<Bytes>,
    bytes: usize,
    reader: Option<Waker>,
    finished: bool,
    queued: Arc<Queued>,
}

impl Outbox {
    /// An empty outbox, one of all that are counted there.
    #[must_use]
    pub fn new(bounds: OutboxBounds, queued: &Arc<Queued>) -> Self {
        Self {
            bounds,
            frames: VecDeque::new(),
            bytes: 0,
            reader: None,
            finished: false,
            queued: Arc::clone(queued),
        }
    }

    /// Appends a frame that is counted already.
    ///
    /// # Errors
    /// [`Full`] when it does not fit; the frame is not taken.
    pub fn push(&mut self, frame: Bytes) -> Result<(), Full> {
        let full = self.frames.len() >= self.bounds.frames || self.bytes + frame.len() > self.bounds.bytes;
        // An empty outbox takes any one frame: the largest push that is allowed must reach somebody.
        if full && !self.frames.is_empty() {
            return Err(Full);
        }
        self.append(frame);
        Ok(())
    }

    /// Appends a frame that nobody else has.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub fn push_own(&mut self, frame: Bytes) -> Result<(), Full> {
        let frame = self.queued.hold(frame);
        self.push(frame)
    }

    /// Appends the last words, which always fit.
    pub fn push_last(&mut self, frame: Bytes) {
        self.append(frame);
    }

    /// Puts a chunk back in front that was taken and not used.
    pub fn put_back(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.bytes += chunk.len();
            let before = self.places();
            self.frames.push_front(chunk);
            self.queued.grow(self.places() - before);
            self.wake();
        }
    }

    /// Takes what waits, in order.
    pub fn take_all(&mut self) -> Vec<Bytes> {
        self.bytes = 0;
        self.let_go().into()
    }

    /// Forgets what is not worth keeping.
    pub fn retain(&mut self, is_worth: impl Fn(&[u8]) -> bool) {
        self.frames.retain(|frame| is_worth(frame));
        self.bytes = self.frames.iter().map(Bytes::len).sum();
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.let_go();
        self.bytes = 0;
    }

    /// Nothing more will come; the wire ends when what waits is written.
    pub fn finish(&mut self) {
        self.finished = true;
        self.wake();
    }

    /// The next chunk, or `None` after the last one.
    pub fn poll_chunk(&mut self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(chunk) = self.take_chunk() {
            return Poll::Ready(Some(chunk));
        }
        if self.finished {
            return Poll::Ready(None);
        }
        self.watch(cx);
        Poll::Pending
    }

    /// Wakes this task when something comes.
    pub fn watch(&mut self, cx: &Context<'_>) {
        if self.reader.as_ref().is_none_or(|reader| !reader.will_wake(cx.waker())) {
            self.reader = Some(cx.waker().clone());
        }
    }

    fn append(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        let before = self.places();
        self.frames.push_back(frame);
        let grown = self.places() - before;
        // Rarely: a queue that grows doubles.
        if grown > 0 {
            self.queued.grow(grown);
        }
        // The reader takes everything at once: it needs to be woken only for the first frame.
        if self.frames.len() == 1 {
            self.wake();
        }
    }

    /// Lets the reader look again.
    pub fn wake(&self) {
        if let Some(reader) = &self.reader {
            reader.wake_by_ref();
        }
    }

    fn take_chunk(&mut self) -> Option<Bytes> {
        let first = self.frames.pop_front()?;
        let chunk = if self
            .frames
            .front()
            .is_some_and(|next| first.len() + next.len() <= CHUNK)
        {
            self.join(&first)
        } else {
            first
        };
        self.bytes -= chunk.len();
        if self.frames.is_empty() && self.frames.capacity() > KEEP {
            self.let_go();
        }
        Some(chunk)
    }

    fn join(&mut self, first: &Bytes) -> Bytes {
        let mut chunk = BytesMut::with_capacity(self.bytes.min(CHUNK));
        chunk.extend_from_slice(first);
        while let Some(next) = self.frames.front() {
            if chunk.len() + next.len() > CHUNK {
                break;
            }
            chunk.extend_from_slice(next);
            self.frames.pop_front();
        }
        self.queued.hold(chunk.freeze())
    }

    /// The bytes that wait, whoever shares them, and the places of a long queue.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.bytes + self.places()
    }

    fn places(&self) -> usize {
        match self.frames.capacity() {
            // Part of what every connection takes.
            few if few <= KEEP => 0,
            many => many * size_of::<Bytes>(),
        }
    }

    fn let_go(&mut self) -> VecDeque<Bytes> {
        self.queued.shrink(self.places());
        std::mem::take(&mut self.frames)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        let bounds = OutboxBounds {
            bytes: 200_000,
            frames: 4,
        };
        Outbox::new(bounds, &Queued::new(usize::MAX))
    }

    fn poll(outbox: &mut Outbox) -> Poll<Option<Bytes>> {
        outbox.poll_chunk(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn everything_queued_leaves_in_one_chunk_and_one_frame_uncopied() {
        let mut outbox = outbox();
        assert_eq!(poll(&mut outbox), Poll::Pending);
        let alone = Bytes::from_static(b"alone");
        outbox.push(alone.clone()).unwrap();
        let Poll::Ready(Some(chunk)) = poll(&mut outbox) else {
            panic!("nothing came");
        };
        assert_eq!(chunk.as_ptr(), alone.as_ptr());
        for text in ["a", "b", "c"] {
            outbox.push(Bytes::from_static(text.as_bytes())).unwrap();
        }
        assert_eq!(poll(&mut outbox), Poll::Ready(Some(Bytes::from_static(b"abc"))));
        assert_eq!(poll(&mut outbox), Poll::Pending);
    }

    #[test]
    fn it_is_bounded_by_frames_and_by_bytes() {
        let mut outbox = outbox();
        for _ in 0..4 {
            outbox.push(Bytes::from_static(b"x")).unwrap();
        }
        assert_eq!(outbox.push(Bytes::from_static(b"x")), Err(Full));
        outbox.clear();
        outbox.push(vec![0; 150_000].into()).unwrap();
        assert_eq!(outbox.push(vec![0; 50_001].into()), Err(Full));
        outbox.push(vec![0; 50_000].into()).unwrap();
    }

    #[test]
    fn all_that_waits_is_counted_and_nothing_else() {
        let queued = Queued::new(usize::MAX);
        let bounds = OutboxBounds {
            bytes: 200_000,
            frames: 1000,
        };
        let mut outbox = Outbox::new(bounds, &queued);
        for _ in 0..100 {
            outbox.push_own(Bytes::from_static(b"x")).unwrap();
        }
        assert!(queued.bytes() >= 100 * (1 + size_of::<Bytes>()), "{}", queued.bytes());
        assert_eq!(queued.bytes(), outbox.weight());
        let chunk = poll(&mut outbox);
        assert_eq!(queued.bytes(), 100, "the chunk, and no places");
        let Poll::Ready(Some(chunk)) = chunk else {
            panic!("nothing came");
        };
        outbox.put_back(chunk);
        for _ in 0..100 {
            outbox.push_own(Bytes::from_static(b"x")).unwrap();
        }
        drop(outbox.take_all());
        assert_eq!(queued.bytes(), 0);
        for _ in 0..100 {
            outbox.push_own(Bytes::from_static(b"x")).unwrap();
        }
        drop(outbox);
        assert_eq!(queued.bytes(), 0);
    }

    #[test]
    fn it_ends_after_the_last_frame() {
        let mut outbox = outbox();
        outbox.push_last(Bytes::from_static(b"bye"));
        outbox.finish();
        assert_eq!(poll(&mut outbox), Poll::Ready(Some(Bytes::from_static(b"bye"))));
        assert_eq!(poll(&mut outbox), Poll::Ready(None));
    }
}
