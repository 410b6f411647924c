//! What happens when all outboxes together hold more than they may.
//!
//! In: a look from whoever made one grow, which costs the reading of one number. Out, only beyond the bound: the
//! heaviest clients of all workers end as slow, until it is kept again. It asks the couriers, since only they know
//! their voices; a client that is ended hears why and may come back for what it missed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix::{Addr, Message};
use futures_util::future::join_all;
use log::warn;

use super::courier::Courier;
use crate::dispatcher::Queued;

/// Between two lines in the log.
const PAUSE: Duration = Duration::from_secs(60);

/// Sees to the bound of all outboxes together. One for the whole server.
#[derive(Debug)]
pub struct Relief {
    /// What they hold.
    pub queued: Arc<Queued>,
    is_busy: AtomicBool,
    // Locked when a worker begins, and beyond the bound.
    couriers: Mutex<Vec<Addr<Courier>>>,
    told: Mutex<Told>,
}

/// When the last line was written, and how many clients were ended since.
#[derive(Debug, Default)]
struct Told {
    at: Option<Instant>,
    untold: usize,
}

/// Asks a courier what its voices hold.
#[derive(Debug, Message)]
#[rtype(result = "Weight")]
pub struct Weigh;

/// What the voices of one worker hold that can still be ended; shared frames count for each.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, actix::MessageResponse)]
pub struct Weight {
    /// The heaviest one.
    pub heaviest: usize,
    /// All of them.
    pub sum: usize,
}

/// Asks a courier to end voices that hold at least so much, the heaviest first, as long as the bound is exceeded; it
/// answers with how many these were.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub struct Shed(pub usize);

impl Relief {
    /// Relief for these.
    #[must_use]
    pub fn new(queued: Arc<Queued>) -> Arc<Self> {
        Arc::new(Self {
            queued,
            is_busy: AtomicBool::new(false),
            couriers: Mutex::default(),
            told: Mutex::default(),
        })
    }

    /// A worker begins.
    pub fn enlist(&self, courier: Addr<Courier>) {
        lock(&self.couriers).push(courier);
    }

    /// Looks whether the bound is kept, and begins to see to it if it is not. Called on a worker's thread.
    pub fn look(self: &Arc<Self>) {
        if self.queued.is_exceeded() && !self.is_busy.swap(true, Ordering::AcqRel) {
            let busy = Busy(Arc::clone(self));
            actix::spawn(async move { busy.0.relieve().await });
        }
    }

    async fn relieve(&self) {
        let couriers = lock(&self.couriers).clone();
        let mut ended = 0;
        while self.queued.is_exceeded() {
            // A courier that is gone has nobody to end; the server ends then as well.
            let weights = join_all(couriers.iter().map(|courier| courier.send(Weigh))).await;
            let weights = || weights.iter().flatten();
            let heaviest = weights().map(|weight| weight.heaviest).max().unwrap_or(0);
            // Who is ended frees at most what it holds. When all of them hold little, it is others that hold much: it
            // is on its way, and nobody is to be ended in vain.
            let is_elsewhere = weights().map(|weight| weight.sum).sum::<usize>() < self.queued.bytes() / 2;
            if heaviest == 0 || is_elsewhere {
                break;
            }
            // Those of one worker in order, those of all within a factor of two.
            let shed = couriers.iter().map(|courier| courier.send(Shed(heaviest / 2 + 1)));
            ended += join_all(shed).await.into_iter().flatten().sum::<usize>();
        }
        self.tell(ended, Instant::now());
    }

    fn tell(&self, ended: usize, now: Instant) {
        let mut told = lock(&self.told);
        told.untold += ended;
        let is_due = told.at.is_none_or(|at| now.saturating_duration_since(at) >= PAUSE);
        if told.untold > 0 && is_due {
            let most = self.queued.most();
            let ended = std::mem::take(&mut told.untold);
            told.at = Some(now);
            warn!(
                "what waits for all clients was more than the {most} bytes of limits.outbox_total: the clients that read \
                 too slowly and held most of it were ended (4008), {ended} since this was last told"
            );
        }
    }
}

/// Ends the work also when it was broken off.
struct Busy(Arc<Relief>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
