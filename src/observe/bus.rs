//! The observer bus.
//!
//! In: each note once. Out: the same note to every observer, each on a thread of its own behind a bounded queue. An
//! observer that is slow loses notes (counted), one that panics is logged and goes on; nobody else notices either.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use log::{error, warn};
use tokio::sync::mpsc;
use turted_core::{Dispatch, Note, Observer, Receipt};

/// Notes that wait for one observer.
const QUEUE: usize = 8192;

/// Where notes go in, and where observers sign up.
#[derive(Default)]
pub struct Bus {
    queues: RwLock<Vec<mpsc::Sender<Note>>>,
    lost: Arc<AtomicU64>,
    /// The one observer that is called in place, because it only adds to atomic numbers.
    meter: Option<Arc<dyn Observer>>,
}

/// A dispatched event, as functions of an embedding program see it.
#[derive(Debug, Clone, Copy)]
pub struct Dispatched<'a> {
    /// Event, targets, payload.
    pub dispatch: &'a Dispatch,
    /// Id and number of connections reached.
    pub receipt: &'a Receipt,
    /// Whether it was pushed to this node; where several nodes share one order, each of them hears of it.
    pub here: bool,
}

/// A bounded stream of notes. Dropping it signs off.
pub type Subscription = mpsc::Receiver<Note>;

impl Bus {
    /// A bus whose `meter` counts every note in place; it must not block.
    #[must_use]
    pub fn metered(meter: Arc<dyn Observer>) -> Self {
        Self {
            meter: Some(meter),
            ..Self::default()
        }
    }

    /// Calls `hear` for every dispatched event of this name.
    pub fn on(&self, event: &str, hear: impl Fn(Dispatched<'_>) + Send + Sync + 'static) {
        let event = event.to_owned();
        self.on_any(move |dispatched| {
            if dispatched.dispatch.event.as_str() == event {
                hear(dispatched);
            }
        });
    }

    /// Calls `hear` for every dispatched event.
    pub fn on_any(&self, hear: impl Fn(Dispatched<'_>) + Send + Sync + 'static) {
        self.add("function", Events(hear));
    }

    /// Adds an observer; `name` is for the log.
    pub fn add(&self, name: &'static str, observer: impl Observer + 'static) {
        let mut notes = self.subscribe(QUEUE);
        let thread = std::thread::Builder::new().name(format!("observer-{name}"));
        let spawned = thread.spawn(move || {
            while let Some(note) = notes.blocking_recv() {
                if catch_unwind(AssertUnwindSafe(|| observer.note(&note))).is_err() {
                    error!("observer {name} panicked; it goes on with the next note");
                }
            }
        });
        if let Err(error) = spawned {
            warn!("failed to start observer {name}: {error}");
        }
    }

    /// Signs up for the notes from now on, as a stream. Whoever lets more than `queue` notes wait loses some.
    pub fn subscribe(&self, queue: usize) -> Subscription {
        let (sender, receiver) = mpsc::channel(queue);
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        // A server where nothing happens would keep everybody who has looked.
        queues.retain(|queue| !queue.is_closed());
        queues.push(sender);
        receiver
    }

    /// Notes that some observer was too slow for.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn forget_closed(&self) {
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|queue| !queue.is_closed());
    }
}

impl Observer for Bus {
    fn note(&self, note: &Note) {
        if let Some(meter) = &self.meter {
            meter.note(note);
        }
        let mut closed = false;
        for queue in &*self.queues.read().unwrap_or_else(PoisonError::into_inner) {
            match queue.try_send(note.clone()) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                }
                Err(mpsc::error::TrySendError::Closed(_)) => closed = true,
            }
        }
        if closed {
            self.forget_closed();
        }
    }
}

struct Events<F>(F);

impl<F: Fn(Dispatched<'_>) + Send + Sync> Observer for Events<F> {
    fn note(&self, note: &Note) {
        if let Note::Dispatched {
            dispatch,
            receipt,
            here,
        } = note
        {
            let here = *here;
            (self.0)(Dispatched {
                dispatch,
                receipt,
                here,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;
    use turted_core::{Epoch, EventName, Limits, Payload};

    fn dispatched(event: &str) -> Note {
        let event = EventName::parse(event, &Limits::default()).unwrap();
        Note::Dispatched {
            dispatch: Arc::new(Dispatch::new(event, Vec::new(), Payload::empty_object())),
            receipt: Receipt::new(Epoch::new("e").id(1), 0),
            here: true,
        }
    }

    #[test]
    fn a_panicking_observer_harms_nobody_and_hears_on() {
        let bus = Bus::default();
        let (heard, hears) = sync_channel(10);
        bus.on("BAD", |_| panic!("on purpose"));
        let also = heard.clone();
        bus.on_any(move |event| also.send(event.dispatch.event.to_string()).unwrap());
        bus.on("GOOD", move |event| {
            heard.send(format!("only {}", event.dispatch.event)).unwrap();
        });
        for event in ["BAD", "GOOD", "BAD"] {
            bus.note(&dispatched(event));
        }
        let mut all: Vec<String> = (0..4).map(|_| hears.recv().unwrap()).collect();
        all.sort();
        assert_eq!(all, ["BAD", "BAD", "GOOD", "only GOOD"]);
    }

    #[test]
    fn a_slow_observer_loses_notes_and_delays_nobody() {
        let bus = Bus::default();
        let slow = bus.subscribe(1);
        for _ in 0..5 {
            bus.note(&dispatched("E"));
        }
        assert_eq!(bus.lost(), 4);
        drop(slow);
        bus.note(&dispatched("E"));
        assert!(bus.queues.read().unwrap().is_empty(), "who left is forgotten");
    }
}
