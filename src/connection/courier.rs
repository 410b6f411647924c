//! One worker's courier: carries what the Dispatcher has for the clients of this thread.
//!
//! In: one message per turn of the Dispatcher. Out: frames in outboxes, without a message, an allocation or a lock per
//! client. It owns the lanes and gives a number to another only when the Dispatcher has retired it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::{Actor, Context, Handler, Message};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use slab::Slab;

use super::lane::Lane;
use crate::dispatcher::{Carry, Parcel};

/// The lanes of one worker.
#[derive(Default)]
pub struct Lanes(RefCell<Slab<Rc<Lane>>>);

impl Lanes {
    /// Takes a lane in; the number is its address for the Dispatcher.
    pub fn insert(&self, lane: Rc<Lane>) -> u32 {
        // 2^32 sockets do not fit into one machine.
        u32::try_from(self.0.borrow_mut().insert(lane)).unwrap_or(u32::MAX)
    }

    fn get(&self, lane: u32) -> Option<Rc<Lane>> {
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
        delivered.map(|lane| u64::from(!lane.deliver(frame))).sum()
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
    lanes: Rc<Lanes>,
    backlog: Arc<AtomicUsize>,
    meters: Meters,
}

impl Courier {
    /// A courier for these lanes; it counts `backlog` down for each message that it has carried out.
    #[must_use]
    pub fn new(lanes: Rc<Lanes>, backlog: Arc<AtomicUsize>, meters: Meters) -> Self {
        Self { lanes, backlog, meters }
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
                    let dropped = self.lanes.deliver(&frame, &lanes);
                    if dropped > 0 {
                        self.meters.dropped.inc_by(dropped);
                    }
                }
                Parcel::Tell { lane, notice, tag } => {
                    if let Some(lane) = self.lanes.get(lane) {
                        lane.tell(&notice, &tag);
                    }
                }
                Parcel::Clear { lane } => {
                    if let Some(lane) = self.lanes.get(lane) {
                        lane.clear();
                    }
                }
                Parcel::End { lane, ending } => {
                    if let Some(lane) = self.lanes.get(lane) {
                        lane.end(ending);
                    }
                }
                Parcel::Retire { lane } => self.lanes.retire(lane),
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
