//! One worker's courier: carries what the Dispatcher has for the clients of this thread.
//!
//! In: one message per turn of the Dispatcher. Out: frames in outboxes, without a message, an allocation or a lock per
//! client. It owns the voices and gives a lane's number to another only when the Dispatcher has retired it.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::{Actor, Context, Handler, Message};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use slab::Slab;
use turted_core::Ending;

use super::relief::{Relief, Shed, Weigh, Weight};
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

    fn weigh(&self) -> Weight {
        let slab = self.0.borrow();
        let weights = slab.iter().map(|(_, voice)| voice.weight());
        weights.fold(Weight::default(), |all, weight| Weight {
            heaviest: all.heaviest.max(weight),
            sum: all.sum + weight,
        })
    }

    fn at_least(&self, weight: usize) -> Vec<Rc<Voice>> {
        let slab = self.0.borrow();
        let voices = slab.iter().map(|(_, voice)| voice);
        let mut heavy: Vec<_> = voices.filter(|voice| voice.weight() >= weight).cloned().collect();
        heavy.sort_by_key(|voice| std::cmp::Reverse(voice.weight()));
        heavy
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
    relief: Arc<Relief>,
    _held: Box<dyn Any>,
}

impl Courier {
    /// A courier for these voices; it counts `backlog` down for each message that it has carried out. `held` lives as
    /// long as it does.
    #[must_use]
    pub fn new(
        voices: Rc<Voices>,
        backlog: Arc<AtomicUsize>,
        meters: Meters,
        relief: Arc<Relief>,
        held: impl Any,
    ) -> Self {
        Self {
            voices,
            backlog,
            meters,
            relief,
            _held: Box::new(held),
        }
    }

    fn carry_out(&self, parcel: Parcel) {
        match parcel {
            Parcel::Frame { frame, lanes } => {
                let dropped = self.voices.deliver(&frame, &lanes);
                if dropped > 0 {
                    self.meters.dropped.inc_by(dropped);
                }
            }
            Parcel::Tell { lane, notice, tag } => self.with(lane, |voice| voice.tell(&notice, &tag)),
            Parcel::Renew { lane, presented } => self.with(lane, |voice| voice.renew(presented)),
            Parcel::Clear { lane } => self.with(lane, Voice::clear),
            Parcel::End { lane, ending } => self.with(lane, |voice| voice.end(ending)),
            Parcel::Retire { lane } => self.voices.retire(lane),
        }
    }

    fn with(&self, lane: u32, act: impl FnOnce(&Voice)) {
        if let Some(voice) = self.voices.get(lane) {
            act(&voice);
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
        carry.parcels.into_iter().for_each(|parcel| self.carry_out(parcel));
        if let Some(at) = carry.at {
            self.meters.latency.observe(at.elapsed().as_secs_f64());
        }
        self.relief.look();
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

impl Handler<Weigh> for Courier {
    type Result = Weight;

    fn handle(&mut self, _: Weigh, _: &mut Self::Context) -> Weight {
        self.voices.weigh()
    }
}

impl Handler<Shed> for Courier {
    type Result = usize;

    fn handle(&mut self, Shed(weight): Shed, _: &mut Self::Context) -> usize {
        let heavy = self.voices.at_least(weight).into_iter();
        let ended = heavy.take_while(|_| self.relief.queued.is_exceeded());
        ended.map(|voice| voice.end(Ending::Slow)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::outbox::WhenFull;
    use super::super::{Framing, OutboxBounds, quiet::Quiet};
    use super::*;
    use crate::dispatcher::Queued;
    use bytes::Bytes;
    use turted_core::{Conversation, Notice, Reaction, Rejection, Welcome};

    /// Says every notice.
    struct Talkative;

    impl Conversation for Talkative {
        fn welcome(&mut self, _: &Welcome, _: &mut Vec<Reaction>) {}
        fn receive(&mut self, _: &str, _: &mut Vec<Reaction>) {}
        fn refuse(&mut self, _: &str, _: &Rejection, _: &mut Vec<Reaction>) {}
        fn notify(&mut self, _: &Notice, _: &turted_core::Tag, out: &mut Vec<Reaction>) {
            out.push(Reaction::Send(Bytes::from_static(b"told")));
        }
        fn farewell(&mut self, _: Ending, _: &mut Vec<Reaction>) {}
    }

    /// A carrier that cannot write a message, nor say goodbye.
    struct Broken;

    impl Framing for Broken {
        fn message(&self, _: &[u8]) -> Bytes {
            panic!("a carrier may be wrong")
        }
        fn ping(&self) -> Option<Bytes> {
            None
        }
        fn close(&self, _: Ending) -> Option<Bytes> {
            panic!("a carrier may be wrong")
        }
    }

    fn voice(conversation: Box<dyn Conversation>) -> Rc<Voice> {
        let bounds = OutboxBounds {
            bytes: 1000,
            frames: 10,
        };
        let queued = Queued::new(usize::MAX);
        Rc::new(Voice::new(conversation, &Broken, bounds, WhenFull::Close, &queued))
    }

    #[actix_web::test]
    async fn a_panic_ends_the_client_it_is_about_and_the_courier_goes_on() {
        let (voices, backlog) = (Rc::new(Voices::default()), Arc::new(AtomicUsize::new(3)));
        let (wrong, well) = (voice(Box::new(Talkative)), voice(Box::new(Quiet)));
        let lanes = [voices.insert(Rc::clone(&wrong)), voices.insert(Rc::clone(&well))];
        let meters = Meters {
            latency: Histogram::new([1.0]),
            dropped: Counter::default(),
        };
        let relief = Relief::new(Queued::new(usize::MAX));
        let courier = Courier::new(Rc::clone(&voices), Arc::clone(&backlog), meters, relief, ()).start();
        let notice = Notice::Missed { since: "e-1".into() };
        let frame = Bytes::from_static(b"an event");
        for parcels in [
            vec![
                Parcel::Tell {
                    lane: lanes[0],
                    notice,
                    tag: None,
                },
                Parcel::Frame {
                    frame: frame.clone(),
                    lanes: lanes.to_vec(),
                },
            ],
            vec![Parcel::Retire { lane: lanes[0] }],
        ] {
            courier.send(Carry { parcels, at: None }).await.unwrap();
        }
        assert_eq!(wrong.ended(), Some(Ending::Internal));
        assert!(wrong.is_empty() && well.ended().is_none() && !well.is_empty());
        assert!(voices.get(lanes[0]).is_none() && voices.get(lanes[1]).is_some());
        // Nor can its carrier say goodbye to whoever does not read.
        let more = (0..10).map(|_| Parcel::Frame {
            frame: frame.clone(),
            lanes: vec![lanes[1]],
        });
        let parcels = more.collect();
        courier.send(Carry { parcels, at: None }).await.unwrap();
        assert_eq!(well.ended(), Some(Ending::Slow));
        assert_eq!(backlog.load(Ordering::Relaxed), 0);
    }
}
