//! The keys of an identity provider.
//!
//! In: where they are, and whoever fetches. Out: the keys that are good now. They are fetched again in the
//! background, by one loop, so that there is never more than one request; a client can only make it earlier, and only
//! every half a minute, however many names of keys it invents. While the provider is down, what it said last holds
//! for a day.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use log::{info, warn};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use turted_core::{Backoff, ConnectorState, Report, Shutdown};

use super::keys::{Key, Mismatch, fitting, set};
use super::rules::{Fault, FaultKind};
use super::token::Header;

/// Most bytes of an answer.
pub const MOST_BYTES: usize = 256 << 10;
/// How long an answer may take.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How long keys hold when nobody says it.
const USUAL: Duration = Duration::from_secs(10 * 60);
/// The same when somebody does: never shorter and never longer.
const BOUNDS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));
/// How long keys are good for while they cannot be fetched.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// An unknown key makes for one request in this time.
const EVERY: Duration = Duration::from_secs(30);

/// What somebody answered with status 200.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// The whole body.
    pub body: Bytes,
    /// Of `Cache-Control`.
    pub max_age: Option<Duration>,
}

/// Whoever fetches: within [`PATIENCE`], at most [`MOST_BYTES`], without following redirects, and only from where
/// nobody on the way can put other keys: by `https`, or from this machine.
pub trait Fetch: Send + Sync {
    /// Asks with `GET`.
    ///
    /// # Errors
    /// A sentence about "it", without anything that was answered.
    fn get<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Fetched, String>>;
}

/// Where keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// At this address.
    At(String),
    /// Where the discovery document of this issuer says.
    Issuer(String),
}

/// Keys, and how fresh they are.
#[derive(Clone)]
struct State {
    keys: Arc<[Key]>,
    /// When they came.
    got: Option<Instant>,
    /// When the last request began.
    began: Option<Instant>,
    is_asking: bool,
    /// Whether the last request brought keys.
    is_well: bool,
    /// How many requests have ended.
    rounds: u64,
}

/// The keys of one issuer. They are never put together with those of another.
pub struct Jwks {
    source: Source,
    state: watch::Sender<State>,
    wanted: Notify,
    report: Report,
}

impl Jwks {
    /// Keys that are still to come.
    #[must_use]
    pub fn new(source: Source) -> Self {
        let state = State {
            keys: Arc::default(),
            got: None,
            began: None,
            is_asking: true,
            is_well: false,
            rounds: 0,
        };
        Self {
            source,
            state: watch::Sender::new(state),
            wanted: Notify::new(),
            report: Report::default(),
        }
    }

    /// How it goes, for those who run the server.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// How old the keys are. `None`: there were never any.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.state.borrow().got.map(|got| got.elapsed())
    }

    /// All the keys, when one of them may be that of this token; a key that is not known yet is waited for.
    ///
    /// # Errors
    /// When there is no such key, or when nobody can say.
    pub(super) async fn for_kid(&self, header: &Header) -> Result<Arc<[Key]>, Fault> {
        let mut states = self.state.subscribe();
        let state = states.borrow_and_update().clone();
        if let Some(keys) = state.with(header) {
            return Ok(keys);
        }
        let is_due = state.began.is_none_or(|began| began.elapsed() >= EVERY);
        if !state.is_asking {
            self.wanted.notify_one();
        }
        let state = match state.is_asking || is_due && state.is_well {
            true => match timeout(PATIENCE, states.wait_for(|later| later.rounds > state.rounds)).await {
                Ok(Ok(later)) => later.clone(),
                _ => state,
            },
            false => state,
        };
        if let Some(keys) = state.with(header) {
            return Ok(keys);
        }
        // Whoever cannot be asked has not said that there is no such key.
        let ends = state
            .began
            .map_or(Duration::ZERO, |began| EVERY.saturating_sub(began.elapsed()));
        match state.is_well {
            true => Err(Fault::denied("no key of the issuer has its kid")),
            false => Err(Fault {
                why: "the keys of the issuer could not be fetched".into(),
                mend: None,
                kind: FaultKind::Unavailable(ends.max(Duration::from_secs(1))),
            }),
        }
    }

    /// Fetches the keys once.
    ///
    /// # Errors
    /// Why they do not come.
    #[cfg(any(test, feature = "cli"))]
    pub async fn once(&self, fetch: &dyn Fetch) -> Result<(), String> {
        let mut address = self.source.address();
        let fetched = self.fetch(fetch, &mut address).await;
        self.store(fetched.as_ref().ok().map(|(keys, _)| keys.clone()));
        fetched.map(drop)
    }

    /// Fetches the keys, and again before they are too old, until the server goes down.
    pub async fn keep(&self, fetch: &dyn Fetch, shutdown: &Shutdown) {
        let mut backoff = Backoff::new(Duration::from_secs(1), EVERY);
        let mut address = self.source.address();
        loop {
            let began = Instant::now();
            self.state.send_modify(|state| {
                state.is_asking = true;
                state.began = Some(began);
            });
            let fetched = tokio::select! {
                () = shutdown.wait() => return,
                fetched = self.fetch(fetch, &mut address) => fetched,
            };
            let (due, is_well) = match fetched {
                Ok((keys, lasting)) => {
                    if !self.state.borrow().is_well {
                        info!("{} keys of {} are there", keys.len(), self.source.name());
                    }
                    self.report.state(ConnectorState::Running);
                    backoff = Backoff::new(Duration::from_secs(1), EVERY);
                    self.store(Some(keys));
                    (began + lasting, true)
                }
                Err(error) => {
                    let pause = backoff.pause();
                    warn!(
                        "the keys of {} could not be fetched, trying again in {}: {error}",
                        self.source.name(),
                        humantime::format_duration(Duration::from_secs(pause.as_secs().max(1)))
                    );
                    let attempts = backoff.failures();
                    self.report.state(ConnectorState::Retrying { error, attempts });
                    self.store(None);
                    (Instant::now() + pause, false)
                }
            };
            let wanted = async {
                self.wanted.notified().await;
                sleep_until(began + EVERY).await;
            };
            tokio::select! {
                () = shutdown.wait() => return,
                () = sleep_until(due) => {}
                // While it is down the pauses are as they are: a client does not make them shorter.
                () = wanted, if is_well => {}
            }
        }
    }

    /// What came of a request.
    fn store(&self, keys: Option<Vec<Key>>) {
        self.state.send_modify(|state| {
            state.is_asking = false;
            state.is_well = keys.is_some();
            state.rounds += 1;
            if let Some(keys) = keys {
                state.keys = keys.into();
                state.got = Some(Instant::now());
            }
        });
    }

    async fn fetch(&self, fetch: &dyn Fetch, address: &mut Option<String>) -> Result<(Vec<Key>, Duration), String> {
        if let (Source::Issuer(issuer), None) = (&self.source, &*address) {
            *address = Some(discover(fetch, issuer).await?);
        }
        let url = address.as_deref().unwrap_or_default();
        let fetched = patiently(fetch, url).await?;
        let keys = set(&fetched.body).map_err(|why| format!("{url} {why}"))?;
        let lasting = fetched.max_age.map_or(USUAL, |age| age.clamp(BOUNDS.0, BOUNDS.1));
        Ok((keys, lasting))
    }
}

impl State {
    /// The keys, if one of them may be that of this token.
    fn with(&self, header: &Header) -> Option<Arc<[Key]>> {
        let is_good = self.got.is_some_and(|got| got.elapsed() < KEPT);
        let fits = fitting(&self.keys, header.kid.as_deref(), header.algorithm);
        (is_good && !matches!(fits, Err(Mismatch::Unknown))).then(|| Arc::clone(&self.keys))
    }
}

impl Source {
    /// Where keys are, if that is known already.
    fn address(&self) -> Option<String> {
        match self {
            Self::At(url) => Some(url.clone()),
            Self::Issuer(_) => None,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::At(url) => url,
            Self::Issuer(issuer) => issuer,
        }
    }
}

async fn patiently(fetch: &dyn Fetch, url: &str) -> Result<Fetched, String> {
    let fetched = timeout(PATIENCE, fetch.get(url)).await;
    let fetched = fetched.map_err(|_| format!("{url} did not answer within {} s", PATIENCE.as_secs()))?;
    let fetched = fetched.map_err(|why| format!("{url}: {why}"))?;
    match fetched.body.len() > MOST_BYTES {
        true => Err(format!("{url} answered with more than {MOST_BYTES} bytes")),
        false => Ok(fetched),
    }
}

/// Where an issuer says that its keys are (OpenID Connect Discovery 1.0).
async fn discover(fetch: &dyn Fetch, issuer: &str) -> Result<String, String> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let fetched = patiently(fetch, &url).await?;
    let document: Value = serde_json::from_slice(&fetched.body).map_err(|_| format!("{url} is no JSON"))?;
    // Section 4.3: a document of somebody else must not say where the keys are.
    match document.get("issuer").and_then(Value::as_str) {
        Some(named) if named == issuer => {}
        Some(_) => {
            return Err(format!(
                "{url} is about another issuer than {issuer:?}; write it exactly as it is there"
            ));
        }
        None => return Err(format!("{url} names no issuer")),
    }
    let keys = document.get("jwks_uri").and_then(Value::as_str);
    let keys = keys.ok_or_else(|| format!("{url} names no jwks_uri"))?;
    Ok(keys.to_owned())
}
