//! Identical questions at the same moment are one.
//!
//! In: questions, of which only a digest is kept, and how each is asked. Out: the answer of whoever asked first, to all
//! that came meanwhile, whatever it is. Whoever asks and goes away leaves the asking to the next. Nothing is kept
//! beyond the answer: what comes later is asked again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cache::Key;

/// An answer that is still to come; whoever holds the lock asks.
type Slot<T> = tokio::sync::Mutex<Option<T>>;

/// A question that is under way.
struct Flight<T> {
    slot: Arc<Slot<T>>,
    /// How many wait for it.
    aboard: usize,
}

/// The questions that are under way.
pub struct Flights<T>(Mutex<HashMap<Key, Flight<T>>>);

/// Somebody who waits for an answer.
struct Passenger<'a, T> {
    flights: &'a Flights<T>,
    key: Key,
    slot: Arc<Slot<T>>,
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Flights<T> {
    /// The answer to this question; `ask` runs unless somebody else asks the same at this moment.
    pub async fn join(&self, key: Key, ask: impl Future<Output = T>) -> T {
        let passenger = self.board(key);
        let mut slot = passenger.slot.lock().await;
        if let Some(answer) = &*slot {
            return answer.clone();
        }
        let answer = ask.await;
        *slot = Some(answer.clone());
        // Whoever asks from here on gets an answer of its own time.
        self.land(&passenger);
        answer
    }
}

impl<T> Flights<T> {
    fn board(&self, key: Key) -> Passenger<'_, T> {
        let mut all = self.lock();
        let flight = all.entry(key).or_insert_with(|| Flight {
            slot: Arc::default(),
            aboard: 0,
        });
        flight.aboard += 1;
        let slot = Arc::clone(&flight.slot);
        Passenger {
            flights: self,
            key,
            slot,
        }
    }

    fn land(&self, passenger: &Passenger<'_, T>) {
        let mut all = self.lock();
        if all.get(&passenger.key).is_some_and(|flight| flight.is_of(passenger)) {
            all.remove(&passenger.key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Flight<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Flight<T> {
    fn is_of(&self, passenger: &Passenger<'_, T>) -> bool {
        Arc::ptr_eq(&self.slot, &passenger.slot)
    }
}

impl<T> Drop for Passenger<'_, T> {
    /// The last one that gives up leaves nothing behind.
    fn drop(&mut self) {
        let mut all = self.flights.lock();
        if let Some(flight) = all.get_mut(&self.key)
            && flight.is_of(self)
        {
            flight.aboard -= 1;
            if flight.aboard == 0 {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cache::key;
    use super::*;
    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;

    #[tokio::test]
    async fn who_asks_the_same_at_the_same_moment_gets_the_same_answer_and_who_comes_later_another() {
        let (flights, count, go) = (Flights::default(), AtomicUsize::new(0), Notify::new());
        let ask = |name: &'static [u8]| {
            flights.join(key(name), async {
                let number = count.fetch_add(1, Ordering::SeqCst);
                go.notified().await;
                number
            })
        };
        let all = join_all([ask(b"a"), ask(b"a"), ask(b"b"), ask(b"a")]);
        let release = async {
            go.notify_one();
            go.notify_one();
        };
        let (answers, ()) = tokio::join!(all, release);
        assert_eq!(answers, [0, 0, 1, 0]);
        go.notify_one();
        assert_eq!(ask(b"a").await, 2);
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn who_goes_away_leaves_the_asking_to_the_next_and_nothing_behind() {
        let flights = Flights::default();
        let never = || std::future::pending::<u8>();
        let mut first = Box::pin(flights.join(key(b"a"), never()));
        assert_eq!((&mut first).now_or_never(), None);
        let mut second = Box::pin(flights.join(key(b"a"), async { 7 }));
        assert_eq!((&mut second).now_or_never(), None, "somebody asks already");
        drop(first);
        assert_eq!(second.await, 7);
        let mut third = Box::pin(flights.join(key(b"a"), never()));
        assert_eq!((&mut third).now_or_never(), None);
        drop(third);
        assert!(flights.lock().is_empty());
    }
}
