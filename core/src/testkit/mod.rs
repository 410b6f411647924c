//! What the tests of a connector stand on. Feature `testkit`.
//!
//! In: a [`Subject`], which puts messages into the source of a connector. Out: [`every_connector`], the suite that each
//! connector passes, and its parts for stories of one's own: a [`Recorder`] in place of the server, and a [`Run`], a
//! connector that works. It takes the place of the server; restarting a connector that failed or panicked is the
//! server's and is tested there.

mod ledger;
mod ledgers;
mod recorder;
mod run;
mod suite;

use std::time::Duration;

pub use ledger::{FakeLedger, FakeRealm, Faults};
pub use ledgers::{Realm, every_ledger};
pub use recorder::Recorder;
pub use run::{PASSWORD, Run, start};
pub use suite::{Subject, every_connector};

/// How long something may take that should happen at once. Generous: a busy machine must not fail a test.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what should happen.
///
/// # Panics
/// When it does not happen within [`PATIENCE`].
#[allow(clippy::panic, reason = "a test fails by panicking")]
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("within {PATIENCE:?}, {what} did not happen"),
    }
}
