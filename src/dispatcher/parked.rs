//! Connections that lost their wire and may come back.
//!
//! In: the standing of a connection whose wire broke. Out: the same, for the wire that shows one of its secrets within
//! the window. Bounded by age and count; the oldest goes first.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::membership::Standing;

/// A connection without a wire.
#[derive(Debug)]
struct Parked {
    ticket: u64,
    standing: Standing,
}

/// Every connection without a wire.
#[derive(Debug)]
pub struct Parking {
    window: Duration,
    capacity: usize,
    next_ticket: u64,
    places: HashMap<u64, Parked>,
    tokens: HashMap<Arc<str>, u64>,
    order: VecDeque<(Instant, u64)>,
}

impl Parking {
    /// Room for `capacity` connections, each for `window`.
    #[must_use]
    pub fn new(window: Duration, capacity: usize) -> Self {
        Self {
            window,
            capacity,
            next_ticket: 0,
            places: HashMap::new(),
            tokens: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Keeps a connection for a while.
    pub fn park(&mut self, standing: Standing, now: Instant) {
        if self.capacity == 0 {
            return;
        }
        // Tickets that were taken back stay in `order` until their time: bound that queue as well.
        while self.order.len() >= self.capacity {
            self.forget_oldest();
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        for token in &standing.tokens {
            self.tokens.insert(Arc::clone(token), ticket);
        }
        self.places.insert(ticket, Parked { ticket, standing });
        self.order.push_back((now, ticket));
    }

    /// Whether a connection of this secret is waited for.
    #[must_use]
    pub fn knows(&self, token: &str) -> bool {
        self.tokens.contains_key(token)
    }

    /// Who is waited for under this secret.
    #[must_use]
    pub fn peek(&self, token: &str) -> Option<&Standing> {
        let ticket = self.tokens.get(token)?;
        self.places.get(ticket).map(|parked| &parked.standing)
    }

    /// Gives a connection back to whoever knows one of its secrets.
    pub fn take(&mut self, token: &str, now: Instant) -> Option<Standing> {
        self.expire(now);
        let ticket = *self.tokens.get(token)?;
        self.remove(ticket)
    }

    /// Forgets connections that stayed away for too long.
    pub fn expire(&mut self, now: Instant) {
        while let Some((at, _)) = self.order.front() {
            if now.saturating_duration_since(*at) <= self.window {
                break;
            }
            self.forget_oldest();
        }
    }

    /// How many wait.
    #[must_use]
    pub fn count(&self) -> usize {
        self.places.len()
    }

    fn forget_oldest(&mut self) {
        if let Some((_, ticket)) = self.order.pop_front() {
            self.remove(ticket);
        }
    }

    fn remove(&mut self, ticket: u64) -> Option<Standing> {
        let parked = self.places.remove(&ticket)?;
        for token in &parked.standing.tokens {
            // A secret belongs to one connection; it may have moved on to a newer place.
            if self.tokens.get(token) == Some(&parked.ticket) {
                self.tokens.remove(token);
            }
        }
        Some(parked.standing)
    }
}
