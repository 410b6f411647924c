//! Every request that turted makes of somebody else.
//!
//! In: destinations, which are constants of the configuration or were announced by one, and what is to be sent there.
//! Out: what was answered, within bounds of time, size and number. Redirects are not followed, and metadata services
//! are not asked (CWE-918). Refuses to know: what is asked, and why.

mod address;
mod caller;
mod destination;
mod hook;
mod tls;

use actix::{Actor, Addr, Arbiter};

pub use destination::{Answer, Bounds, Destination, Request, check_url};
pub use hook::Hook;
#[cfg(feature = "cli")]
pub use tls::client_config;

use crate::observe::metrics::Outcomes;
use caller::Caller;

/// The way out. Clones share it.
#[derive(Clone)]
pub struct Outbound {
    caller: Addr<Caller>,
    outcomes: Outcomes,
}

impl Outbound {
    /// Opens it, on a thread of its own. Must be called inside an actix `System`.
    #[must_use]
    pub fn start(outcomes: Outcomes) -> Self {
        let caller = Caller::start_in_arbiter(&Arbiter::new().handle(), |_| Caller::default());
        Self { caller, outcomes }
    }

    /// Somebody who may be asked, for this purpose (a word for the numbers).
    ///
    /// # Errors
    /// What is wrong with the URL: a fragment of a sentence.
    pub fn toward(&self, purpose: &'static str, url: &str, bounds: Bounds) -> Result<Destination, String> {
        Destination::new(self.caller.clone(), self.outcomes.clone(), purpose, url, bounds)
    }
}

#[cfg(test)]
mod tests;
