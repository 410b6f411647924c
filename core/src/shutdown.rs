//! The wish to stop, as a value that can be awaited.
//!
//! In: one call of [`Trigger::fire`]. Out: every [`Shutdown`] handed out becomes ready.

use tokio::sync::watch;

/// Resolves when the server wants its parts to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// A shutdown and the trigger that starts it.
    #[must_use]
    pub fn new() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (Trigger(sender), Self(receiver))
    }

    /// Waits for the wish to stop; also ready when its trigger is gone.
    pub async fn wait(&self) {
        let mut receiver = self.0.clone();
        // An error means that the trigger was dropped, which ends everything as well.
        let _ = receiver.wait_for(|stop| *stop).await;
    }

    /// True from the moment that the server wants to stop, or that its trigger is gone.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

/// Starts the shutdown.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Trigger {
    /// Makes every [`Shutdown`] ready. Calling it again changes nothing.
    pub fn fire(&self) {
        self.0.send_replace(true);
    }
}
