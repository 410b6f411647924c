//! What a client asks of somebody, and who answers.
//!
//! In: a [`Call`] with its [`Caller`], and what the client says into it afterwards. Out: what the responder tells
//! meanwhile, and one answer. Whether the client may ask is decided before; who answers by which name is configured.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::auth::Identity;
use crate::client::Rejection;
use crate::json::Payload;

/// What a client asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Of whom: a name that a configuration gives somebody, 1 to 200 bytes without control characters.
    pub name: Arc<str>,
    /// With what.
    pub params: Payload,
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// As whom.
    pub identity: Arc<Identity>,
    /// The public id of its connection.
    pub connection: Arc<str>,
    /// From where.
    pub address: IpAddr,
}

/// What goes to and fro between a call and its answer. Both directions are bounded: whoever is ahead waits.
pub struct Line {
    /// What the responder tells the client before its answer.
    pub told: Told,
    /// What the client says into the call. `None` when it says nothing more.
    pub said: mpsc::Receiver<Payload>,
}

/// Tells a client something before the answer.
#[derive(Clone)]
pub struct Told(Arc<dyn Fn(Payload) -> BoxFuture<'static, bool> + Send + Sync>);

impl Told {
    /// Tells by this.
    #[must_use]
    pub fn new(tell: impl Fn(Payload) -> BoxFuture<'static, bool> + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Tells it, as soon as the client has room. False when the client has gone.
    pub async fn tell(&self, payload: Payload) -> bool {
        (self.0)(payload).await
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

/// Somebody who answers calls: a backend, a service, a database.
pub trait Responder: Send + Sync + 'static {
    /// Answers. What it returns is dropped, wherever it is, when the client has gone; without a first word or an answer
    /// it is given [`patience`](Self::patience).
    fn answer(&self, call: Call, caller: Caller, line: Line) -> BoxFuture<'static, Result<Payload, Failure>>;

    /// How long a client waits for the first word. Default 10 s.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}

/// Somebody who answers, behind the name that clients call.
pub type Named = (Arc<str>, Arc<dyn Responder>);

/// Who answers, by name. Clones share it.
#[derive(Clone, Default)]
pub struct Responders(Option<Arc<ByName>>);

type ByName = HashMap<Arc<str>, Arc<dyn Responder>>;

impl Responders {
    /// Whoever answers to this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Responder>> {
        self.0.as_ref()?.get(name)
    }
}

impl FromIterator<Named> for Responders {
    fn from_iter<I: IntoIterator<Item = Named>>(all: I) -> Self {
        let all: ByName = all.into_iter().collect();
        Self((!all.is_empty()).then(|| Arc::new(all)))
    }
}

impl fmt::Debug for Responders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().flat_map(|all| all.keys());
        f.debug_set().entries(names).finish()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// It cannot be answered: a word, or a sentence, for the client's developer.
    Refused(String),
    /// Whoever knows is not there; it is worth while to ask again after this time.
    Unavailable {
        /// Which.
        after: Duration,
    },
}

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(why) => Self::CallFailed(why),
            Failure::Unavailable { after } => Self::Unavailable { after },
        }
    }
}
