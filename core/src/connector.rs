//! The contract of a way in.
//!
//! In: a [`ConnectorContext`] with everything the server gives. Out: dispatches through its inbox, and a
//! state for those who watch. A connector knows its own driver and this crate, nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use log::{debug, warn};
use serde::de::DeserializeOwned;

use crate::auth::Authenticator;
use crate::backoff::Backoff;
use crate::dispatch::{Dispatch, Receipt};
use crate::endpoint::Endpoint;
use crate::envelope::Refusal;
use crate::inbox::{Inbox, PushError};
use crate::limits::Limits;
use crate::mapping::{Message, Recipe};
use crate::occupancy::Occupancy;
use crate::relay::{Relay, Relays};
use crate::report::Report;
use crate::shutdown::Shutdown;

/// How long a connector waits before it offers a dispatch again to a server that is overloaded: at first, and in the
/// end.
const OVERLOADED: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(500));

/// A way in. It runs inside a supervised actor, which calls `run` again, with backoff, when it fails or panics.
pub trait PushConnector: Send + 'static {
    /// A door on the server's own port. Asked for before `run`, and also by those who only check whether all would fit
    /// together: it must do nothing but build the value.
    fn endpoint(&self, _cx: &ConnectorContext) -> Option<Endpoint> {
        None
    }

    /// Where it listens by itself, if it does. The server says so in its first lines; when it is more than this
    /// machine, the server insists on a guard at the backends' door, as it does for its own address.
    fn listens(&self) -> Option<SocketAddr> {
        None
    }

    /// What of the world only one connector may use, such as a queue: two that claim the same are a mistake, which is
    /// found before anything starts. Must not touch the network.
    fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }

    /// Whether it will look at [`ConnectorContext::occupancy`], which is kept only when some connector does.
    fn watches(&self) -> bool {
        false
    }

    /// How others may publish what its source tells. Must not touch the network before it is used.
    fn relay(&self) -> Option<Arc<dyn Relay>> {
        None
    }

    /// The name of the connector whose [`relay`](Self::relay) it will use, if it does: the server refuses to start when
    /// there is none.
    fn through(&self) -> Option<&str> {
        None
    }

    /// Works until [`ConnectorContext::shutdown`] is ready, then returns `Ok`. Everything that a new attempt
    /// must not inherit is created in here.
    ///
    /// # Errors
    /// A reason that a person can act on; the supervisor logs it and tries again.
    fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>>;
}

/// Something that only one connector may use at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The key of the section that names it.
    pub key: &'static str,
    /// What it is and where, without a credential: `queue "orders" at localhost:5672/`. Equal texts are the same thing.
    pub what: String,
}

/// The section `[connectors.<name>]` of one type of connector.
pub trait ConnectorConfig: DeserializeOwned {
    /// The value of `type` in the section.
    const TYPE: &'static str;
    /// What it builds.
    type Connector: PushConnector;

    /// Checks what types alone cannot say, and builds the connector. Must not touch the network.
    ///
    /// # Errors
    /// Which value is impossible, and what is allowed.
    fn build(self) -> Result<Self::Connector, SettingError>;
}

/// All powers of a connector in one value.
#[derive(Clone)]
pub struct ConnectorContext {
    /// The name of its section; labels logs and metrics.
    pub name: Arc<str>,
    /// Where events go.
    pub inbox: Inbox,
    /// Who may push.
    pub backends: Arc<dyn Authenticator>,
    /// Bounds for names and payloads.
    pub limits: Limits,
    /// When to stop.
    pub shutdown: Shutdown,
    /// What the connector tells about itself.
    pub report: Report,
    /// Which channels somebody needs, for a connector that [`watches`](PushConnector::watches) them; else empty for
    /// ever. A new run begins a new [`Watch`](crate::occupancy::Watch), which gets all that is needed first.
    pub occupancy: Occupancy,
    /// The [`relay`](PushConnector::relay) of each connector that has one.
    pub relays: Relays,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "the source wants to know"]
pub enum Outcome {
    /// Everything in it has its receipt: acknowledge it.
    Dispatched,
    /// It can never be dispatched, and none of it was: reject it for good.
    Refused(Refusal),
    /// The server is going down and has not taken it: leave it where it is.
    Left,
}

impl ConnectorContext {
    /// Turns a message into dispatches and waits until each has its receipt, however long the server is overloaded.
    /// Counts the message once. To keep the order of a source, await one message before the next.
    pub async fn take(&self, recipe: &Recipe, message: &dyn Message) -> Outcome {
        let (outcome, doubt) = match recipe.read(message, &self.name, &self.limits) {
            Ok((dispatches, doubt)) => (self.deliver(dispatches).await, doubt),
            Err(refusal) => (Outcome::Refused(refusal), None),
        };
        match &outcome {
            Outcome::Dispatched => {
                self.report.accepted();
                doubt.iter().for_each(|doubt| self.doubt(doubt));
            }
            Outcome::Refused(refusal) => self.refuse(refusal),
            Outcome::Left => {}
        }
        outcome
    }

    /// Counts one input that is refused, and says so in the log now and again. The sentence of a refusal holds no
    /// credential and nothing of a payload.
    pub fn refuse(&self, refusal: &Refusal) {
        self.report.refused(refusal.code);
        self.say("refused a message", refusal);
    }

    /// Counts one input that is taken although its sender probably meant something else, and says so.
    pub fn doubt(&self, doubt: &Refusal) {
        self.report.doubted(doubt.code);
        self.say("took a message that is probably not meant so", doubt);
    }

    fn say(&self, what: &str, why: &Refusal) {
        let key = format!(
            "see connectors.{}.envelope, which says how a message is read",
            self.name
        );
        say(&self.name, &self.report, what, why, &key);
    }

    async fn deliver(&self, dispatches: Vec<Dispatch>) -> Outcome {
        // What is refused is refused whole: not after the first of them is on its way.
        let refused = dispatches.iter().find_map(|one| self.inbox.permits(&one.targets).err());
        if let Some(why) = refused {
            return Outcome::Refused(Refusal::new("forbidden", why.to_string()));
        }
        for dispatch in dispatches {
            match self.offer(dispatch).await {
                Ok(_) => {}
                Err(PushError::Refused(why)) => return Outcome::Refused(Refusal::new("refused", why)),
                Err(why @ PushError::Forbidden { .. }) => {
                    return Outcome::Refused(Refusal::new("forbidden", why.to_string()));
                }
                Err(PushError::Overloaded | PushError::Away | PushError::Unknown | PushError::ShuttingDown) => {
                    return Outcome::Left;
                }
            }
        }
        Outcome::Dispatched
    }

    /// Offers a dispatch until the server takes it; does not count it.
    ///
    /// # Errors
    /// [`PushError::Refused`], [`PushError::Forbidden`], or [`PushError::ShuttingDown`].
    pub async fn offer(&self, dispatch: Dispatch) -> Result<Receipt, PushError> {
        let mut backoff = Backoff::new(OVERLOADED.0, OVERLOADED.1);
        loop {
            match self.inbox.notify(dispatch.clone()).await {
                Err(PushError::Overloaded | PushError::Away) => tokio::select! {
                    () = tokio::time::sleep(backoff.pause()) => {}
                    () = self.shutdown.wait() => return Err(PushError::ShuttingDown),
                },
                answer => return answer,
            }
        }
    }
}

/// Says in the log, now and again for each code, that something happened to an input of the connector `name`, why, and
/// which key decides about it: `key`, unless the code knows better. Counts nothing.
pub fn say(name: &str, report: &Report, what: &str, why: &Refusal, key: &str) {
    let Some(kept_back) = report.may_say(why.code) else {
        return debug!("connector {name} {what}: {why}");
    };
    let before = match kept_back {
        0 => String::new(),
        more => format!(" ({more} more of these since the last line)"),
    };
    warn!("connector {name} {what}: {why}{before}; {}", decides(why.code, key));
}

/// What decides about inputs that are refused with this code: `key`, unless the code knows better.
#[must_use]
pub fn decides<'a>(code: &str, key: &'a str) -> &'a str {
    match code {
        "denied" => "see [auth.backends], which says who may push",
        "forbidden" => "see push, users and everybody of that backend in [[auth.backends]], or of the connector",
        "too_large" => "see limits.push_bytes, and max_line or the like of the connector",
        "too_deep" => "see limits.json_depth",
        "shutting_down" | "overloaded" => "it may be sent again",
        _ => key,
    }
}

/// Which key of a section has an impossible value, and what is allowed; perhaps more such keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct SettingError {
    /// The key, dotted for one in an inner table; empty for the section as a whole.
    pub key: String,
    /// A sentence that fits "`key` …", without the value of a secret.
    pub why: String,
    /// Others that were found on the way.
    more: Vec<SettingError>,
}

impl SettingError {
    /// An error about `key`.
    #[must_use]
    pub fn new(key: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            why: why.into(),
            more: Vec::new(),
        }
    }

    /// All of `errors` in one, the first of them before the others; one about the section as a whole when there are
    /// none.
    #[must_use]
    pub fn several(errors: Vec<Self>) -> Self {
        let mut errors = errors.into_iter();
        let first = errors.next();
        let mut first = first.unwrap_or_else(|| Self::new("", "has an impossible value"));
        first.more.extend(errors);
        first
    }

    /// Itself and every other one in it.
    #[must_use]
    pub fn all(mut self) -> Vec<Self> {
        let more = std::mem::take(&mut self.more);
        std::iter::once(self)
            .chain(more.into_iter().flat_map(Self::all))
            .collect()
    }
}

/// A sentence that says what failed: lower case, fits "connector x failed: …", no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectorError {
    /// It may work later: the supervisor runs the connector again after a pause.
    #[error("{0}")]
    Retry(String),
    /// It cannot work before the server is started anew.
    #[error("{0}")]
    Fatal(String),
}

impl ConnectorError {
    /// The usual case: it may work later.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self::Retry(why.into())
    }
}
