//! One worker's courier: carries what the Dispatcher has for the clients of this thread.
//!
//! In: one message per turn of the Dispatcher. Out: frames in outboxes, without a message, an allocation or a lock per
//! client. It owns the voices and gives a lane's number to another only when the Dispatcher has retired it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::{Actor, Context, Handler, Message};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use slab::Slab;

use super::voice::Voice;
use crate::dispatcher::{Carry, Parcel};

/// The voices of one worker.
#[derive(Default)]
pub struct Voices(RefCell<Slab<Rc<Voice>>>);

impl Voices {
    /// Takes a voice in; the number is its lane, its address for the Dispatcher.
    pub fn insert(&self, voice: Rc<Voice>) -> u32 {
        // 2^32 sockets do not fit into one machine.
        u32::try_from(self.0.borrow_mut().insert(voice)).unwrap_or(u32::MAX)
    }

    fn get(&self, lane: u32) -> Option<Rc<Voice>> {
        self.0.borrow().get(lane as usize).cloned()
    }

    /// Frees a number that the Dispatcher does not use (any more).
    pub fn retire(&self, lane: u32) {
        self.0.borrow_mut().try_remove(lane as usize);
    }

    /// Appends a frame to each lane; gives back how many dropped it.
    fn deliver(&self, frame: &bytes::Bytes, lanes: &[u32]) -> u64 {
        let slab = self.0.borrow();
        let delivered = lanes.iter().filter_map(|lane| slab.get(*lane as usize));
        delivered.map(|voice| u64::from(!voice.deliver(frame))).sum()
    }
}

/// What a courier measures. Clones share the numbers.
#[derive(Debug, Clone)]
pub struct Meters {
    /// Seconds from taking a push in to having it in the outboxes of a worker.
    pub latency: Histogram,
    /// Events dropped because an outbox was full.
    pub dropped: Counter,
}

/// The courier of one worker.
pub struct Courier {
    voices: Rc<Voices>,
    backlog: Arc<AtomicUsize>,
    meters: Meters,
}

impl Courier {
    /// A courier for these voices; it counts `backlog` down for each message that it has carried out.
    #[must_use]
    pub fn new(voices: Rc<Voices>, backlog: Arc<AtomicUsize>, meters: Meters) -> Self {
        Self {
            voices,
            backlog,
            meters,
        }
    }
}

impl Actor for Courier {
    type Context = Context<Self>;
}

impl Handler<Carry> for Courier {
    type Result = ();

    fn handle(&mut self, carry: Carry, _: &mut Self::Context) {
        self.backlog.fetch_sub(1, Ordering::Relaxed);
        for parcel in carry.parcels {
            match parcel {
                Parcel::Frame { frame, lanes } => {
                    let dropped = self.voices.deliver(&frame, &lanes);
                    if dropped > 0 {
                        self.meters.dropped.inc_by(dropped);
                    }
                }
                Parcel::Tell { lane, notice, tag } => {
                    if let Some(voice) = self.voices.get(lane) {
                        voice.tell(&notice, &tag);
                    }
                }
                Parcel::Clear { lane } => {
                    if let Some(voice) = self.voices.get(lane) {
                        voice.clear();
                    }
                }
                Parcel::End { lane, ending } => {
                    if let Some(voice) = self.voices.get(lane) {
                        voice.end(ending);
                    }
                }
                Parcel::Retire { lane } => self.voices.retire(lane),
            }
        }
        if let Some(at) = carry.at {
            self.meters.latency.observe(at.elapsed().as_secs_f64());
        }
    }
}

/// Answered when everything that was sent to the courier before is in its lanes.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Fence;

impl Handler<Fence> for Courier {
    type Result = ();

    fn handle(&mut self, _: Fence, _: &mut Self::Context) {}
}
