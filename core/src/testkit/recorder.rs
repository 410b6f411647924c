//! A stand-in for the Dispatcher.
//!
//! In: dispatches. Out: receipts, or what the test wants it to say; and the dispatches, for the test to look at. It
//! knows idempotency keys as the Dispatcher does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::dispatch::{Dispatch, Epoch, Receipt};
use crate::inbox::{Intake, PushError};

/// Takes dispatches in and remembers them.
#[derive(Debug, Clone)]
pub struct Recorder {
    inner: Arc<Mutex<Inner>>,
    count: watch::Sender<usize>,
    gate: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Inner {
    dispatches: Vec<Dispatch>,
    receipts: HashMap<Arc<str>, Receipt>,
    overloaded: usize,
    offered: usize,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            inner: Arc::default(),
            count: watch::Sender::new(0),
            gate: watch::Sender::new(true),
        }
    }
}

impl Recorder {
    /// Answers the next `times` offers with [`PushError::Overloaded`].
    pub fn overload(&self, times: usize) {
        self.inner().overloaded = times;
    }

    /// Takes dispatches in but keeps their receipts back until [`release`](Self::release).
    pub fn hold(&self) {
        self.gate.send_replace(false);
    }

    /// Hands out the receipts that were kept back.
    pub fn release(&self) {
        self.gate.send_replace(true);
    }

    /// How often something was offered, overloaded or not.
    #[must_use]
    pub fn offered(&self) -> usize {
        self.inner().offered
    }

    /// What was taken in so far, in order, without repetitions of an idempotency key.
    #[must_use]
    pub fn dispatches(&self) -> Vec<Dispatch> {
        self.inner().dispatches.clone()
    }

    /// The payloads of what was taken in so far.
    #[must_use]
    pub fn payloads(&self) -> Vec<String> {
        let dispatches = &self.inner().dispatches;
        dispatches
            .iter()
            .map(|dispatch| dispatch.payload.as_str().to_owned())
            .collect()
    }

    /// Waits until at least `count` dispatches were taken in.
    ///
    /// # Panics
    /// When they do not come within [`PATIENCE`](super::PATIENCE).
    pub async fn has(&self, count: usize) -> Vec<Dispatch> {
        let mut counter = self.count.subscribe();
        let enough = counter.wait_for(|taken| *taken >= count);
        // The sender lives in `self`, so that the wait can only end with the count.
        let _ = super::soon(&format!("{count} dispatches"), enough).await;
        self.dispatches()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, dispatch: Dispatch) -> Result<Receipt, PushError> {
        let mut inner = self.inner();
        inner.offered += 1;
        if inner.overloaded > 0 {
            inner.overloaded -= 1;
            return Err(PushError::Overloaded);
        }
        let known = dispatch.key.as_ref().and_then(|key| inner.receipts.get(key)).cloned();
        if let Some(receipt) = known {
            return Ok(receipt);
        }
        let receipt = Receipt::new(Epoch::new("testkit").id(inner.dispatches.len() as u64 + 1), 1);
        if let Some(key) = dispatch.key.clone() {
            inner.receipts.insert(key, receipt.clone());
        }
        inner.dispatches.push(dispatch);
        self.count.send_replace(inner.dispatches.len());
        Ok(receipt)
    }
}

impl Intake for Recorder {
    fn accept(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<Receipt, PushError>> {
        Box::pin(async move {
            let receipt = self.take(dispatch);
            let mut gate = self.gate.subscribe();
            // The sender lives in `self`.
            let _ = gate.wait_for(|open| *open).await;
            receipt
        })
    }
}
