//! Notices when a part ends without which the server is none.
//!
//! In: guards that such parts hold. Out: the name of the first that ended although nobody wanted the server to stop. A
//! panic in an actor ends only that actor: without this, a server whose centre is gone would answer 503 for ever.

use std::sync::Arc;

use log::error;
use tokio::sync::watch;
use turted_core::Shutdown;

/// Hands guards out, and waits for the first that is dropped too early.
pub struct Vitals {
    shutdown: Shutdown,
    ended: Arc<watch::Sender<Option<&'static str>>>,
}

/// Held by a part for as long as it lives.
pub struct Vital {
    part: &'static str,
    shutdown: Shutdown,
    ended: Arc<watch::Sender<Option<&'static str>>>,
}

impl Vitals {
    /// Nobody is missed any more when `shutdown` is wanted.
    pub fn new(shutdown: Shutdown) -> Self {
        let ended = Arc::new(watch::Sender::new(None));
        Self { shutdown, ended }
    }

    /// A guard for this part.
    pub fn guard(&self, part: &'static str) -> Vital {
        Vital {
            part,
            shutdown: self.shutdown.clone(),
            ended: Arc::clone(&self.ended),
        }
    }

    /// The part that ended. Never resolves while all is well.
    pub async fn ended(&self) -> &'static str {
        let mut ended = self.ended.subscribe();
        match ended.wait_for(Option::is_some).await.map(|part| *part) {
            Ok(Some(part)) => part,
            // The sender lives here: it cannot be gone.
            _ => std::future::pending().await,
        }
    }
}

impl Drop for Vital {
    fn drop(&mut self) {
        if !self.shutdown.is_wanted() {
            error!("{} has ended by itself: the server cannot go on", self.part);
            self.ended
                .send_if_modified(|ended| ended.is_none() && ended.replace(self.part).is_none());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn the_first_part_that_ends_too_early_is_named_and_none_after_the_wish_to_stop() {
        let (_trigger, shutdown) = Shutdown::new();
        let vitals = Vitals::new(shutdown);
        let (first, second) = (vitals.guard("a"), vitals.guard("b"));
        assert_eq!(vitals.ended().now_or_never(), None);
        drop(second);
        drop(first);
        assert_eq!(vitals.ended().now_or_never(), Some("b"));

        let (trigger, shutdown) = Shutdown::new();
        let vitals = Vitals::new(shutdown);
        let guard = vitals.guard("a");
        trigger.fire();
        drop(guard);
        assert_eq!(vitals.ended().now_or_never(), None, "it was meant to end");
    }
}
