//! Connections that are open, whatever they speak.
//!
//! In: the future that serves each of them. Out: the moment when the last has ended, and a way to end those that stand
//! still: a stop lasts as long as somebody still has something to say or to read, and not as long as the slowest peer.
//! It knows no protocol, and it sees no byte: a connection moves when its future is polled.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable};
use slab::Slab;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::gate::socket::Said;

/// How often a stop looks for connections that stand still, and how many looks in a row must have found it so.
const LOOKS: (Duration, u8) = (Duration::from_millis(200), 5);

/// How often in a row a connection may be polled without a look at its socket, and the pauses that it makes then.
const PAUSES: (u8, Duration) = (32, Duration::from_millis(5));

/// All open connections of all workers.
#[derive(Default)]
pub struct Wires {
    tracker: TaskTracker,
    // Locked once when a connection begins and once when it ends, never on the way of an event.
    open: Mutex<Slab<Open>>,
}

struct Open {
    handle: AbortHandle,
    moved: Arc<AtomicBool>,
    still: u8,
}

impl Wires {
    /// The same future, as a connection of this server.
    pub fn follow<F: Future + Unpin>(self: &Arc<Self>, serving: F) -> Wire<F> {
        let (handle, registration) = AbortHandle::new_pair();
        let moved = Arc::new(AtomicBool::new(true));
        let open = Open {
            handle,
            moved: Arc::clone(&moved),
            still: 0,
        };
        Wire {
            moved,
            said: Said::NOTHING,
            idle: None,
            serving: Abortable::new(serving, registration),
            _place: Place {
                key: self.open().insert(open),
                wires: Arc::clone(self),
                _token: self.tracker.token(),
            },
        }
    }

    /// Waits until no connection is left, and ends those that stand still meanwhile. For a server that takes no new
    /// ones.
    pub async fn gone(&self) {
        self.tracker.close();
        let (pause, most) = LOOKS;
        let mut looks = tokio::time::interval_at(tokio::time::Instant::now() + pause, pause);
        loop {
            tokio::select! {
                () = self.tracker.wait() => return,
                _ = looks.tick() => self.look(most),
            }
        }
    }

    /// Ends all that is left; says how many that were.
    pub fn end(&self) -> usize {
        let open = self.open();
        open.iter().for_each(|(_, open)| open.handle.abort());
        open.len()
    }

    fn look(&self, most: u8) {
        for (_, open) in self.open().iter_mut() {
            open.still = match open.moved.swap(false, Ordering::Relaxed) {
                true => 0,
                false => open.still.saturating_add(1),
            };
            if open.still >= most {
                open.handle.abort();
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Slab<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection while it is served.
pub struct Wire<F> {
    // Dropped before the place: who hears that the last connection has ended finds its socket closed.
    serving: Abortable<F>,
    moved: Arc<AtomicBool>,
    said: Said,
    idle: Option<Box<Idle>>,
    _place: Place,
}

/// How often a connection was polled without a look at its socket, and until when it pauses therefore. actix-http is
/// polled again and again while a client has sent more requests than it keeps, behind one that waits (CWE-400).
struct Idle {
    polls: u8,
    pause: Pin<Box<Sleep>>,
}

impl Idle {
    fn note(idle: &mut Option<Box<Self>>) {
        let now = Instant::now();
        let idle = idle.get_or_insert_with(|| {
            let pause = Box::pin(sleep_until(now));
            Box::new(Self { polls: 0, pause })
        });
        idle.polls = idle.polls.saturating_add(1);
        if idle.polls > PAUSES.0 {
            idle.pause.as_mut().reset(now + PAUSES.1);
        }
    }
}

impl<F: Future<Output = Result<(), E>> + Unpin, E> Future for Wire<F> {
    type Output = Result<(), E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(idle) = &mut this.idle {
            ready!(idle.pause.as_mut().poll(cx));
        }
        this.moved.store(true, Ordering::Relaxed);
        let (polled, is_due) = this.said.about(|| Pin::new(&mut this.serving).poll(cx));
        if is_due {
            cx.waker().wake_by_ref();
        }
        if this.said.take_use() {
            this.idle = None;
        } else {
            Idle::note(&mut this.idle);
        }
        // One that was ended from outside has ended well: nobody is to be told.
        polled.map(|ended| ended.unwrap_or(Ok(())))
    }
}

struct Place {
    wires: Arc<Wires>,
    key: usize,
    _token: TaskTrackerToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.wires.open().try_remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::future::{pending, ready};

    type Serving = futures_util::future::BoxFuture<'static, Result<(), ()>>;

    #[tokio::test(start_paused = true)]
    async fn what_stands_still_is_ended_and_what_moves_is_waited_for() {
        let wires = Arc::new(Wires::default());
        let begun = tokio::time::Instant::now();
        let [still, moving] = [
            Box::pin(pending()) as Serving,
            Box::pin(async {
                for _ in 0..10 {
                    tokio::time::sleep(LOOKS.0).await;
                }
                Ok(())
            }),
        ]
        .map(|serving| {
            let wire = wires.follow(serving);
            tokio::spawn(async move { (wire.await, begun.elapsed()) })
        });
        wires.gone().await;
        let (ended, after) = still.await.unwrap();
        assert_eq!(ended, Ok(()));
        assert!(after <= LOOKS.0 * u32::from(LOOKS.1 + 1), "{after:?}");
        let (ended, after) = moving.await.unwrap();
        assert_eq!(ended, Ok(()));
        assert!(after >= LOOKS.0 * 10, "{after:?}");
    }

    #[tokio::test]
    async fn the_last_one_to_end_ends_the_waiting_at_once() {
        let wires = Arc::new(Wires::default());
        let wire = wires.follow(Box::pin(ready(Ok(()))) as Serving);
        let mut gone = Box::pin(wires.gone());
        assert_eq!((&mut gone).now_or_never(), None);
        assert_eq!(wire.await, Ok(()));
        assert_eq!((&mut gone).now_or_never(), Some(()));
        assert_eq!(wires.end(), 0);
    }
}
