//! Somebody who may be asked, and how much.
//!
//! In: a URL and bounds, once; requests. Out: answers, or why there is none, as a value and as a number. How many are
//! under way at once is settled here, before the caller has any work.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::Addr;
use bytes::Bytes;
use http::{Method, Uri};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::caller::{Call, Caller};
use crate::observe::metrics::Outcomes;

/// How much of one destination's time, and of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Requests under way.
    pub at_once: usize,
    /// Requests that wait for one of those to end; more are not sent.
    pub waiting: usize,
    /// Bytes of an answer's body.
    pub bytes: usize,
    /// From asking to the last byte of the answer, waiting included.
    pub timeout: Duration,
}

/// What is sent.
#[derive(Clone)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: Method,
    /// Beside those that HTTP needs.
    pub headers: Vec<(&'static str, String)>,
    /// Empty for `GET`.
    pub body: Bytes,
}

/// What came back, whatever its status; 3xx is an answer like any other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in small letters, and those values that are text.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The first value of a header, by its name in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let is_it = |(key, _): &&(Box<str>, Box<str>)| **key == *name;
        self.headers.iter().find(is_it).map(|(_, value)| &**value)
    }
}

/// Why there is no answer. None of the sentences holds anything that was sent or that came back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// Too many wait already.
    #[error("too many questions wait for it already")]
    Crowded,
    /// Not within the time limit.
    #[error("it did not answer within {0:?}")]
    Late(Duration),
    /// No connection, or one that broke: why.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// Its name leads where nobody is asked.
    #[error("its name leads to a link-local or metadata address, which is asked only if the URL itself says so")]
    Forbidden,
    /// The body goes beyond the bound.
    #[error("its answer is longer than {0} bytes")]
    TooLarge(usize),
    /// The server is going down.
    #[error("the server is going down")]
    Stopped,
}

impl OutboundError {
    fn word(&self) -> &'static str {
        match self {
            Self::Crowded => "crowded",
            Self::Late(_) => "late",
            Self::Unreachable(_) => "unreachable",
            Self::Forbidden => "forbidden_address",
            Self::TooLarge(_) => "too_large",
            Self::Stopped => "stopped",
        }
    }
}

/// Somebody who may be asked. Clones share the bounds.
#[derive(Clone)]
pub struct Destination(Arc<Shared>);

struct Shared {
    caller: Addr<Caller>,
    outcomes: Outcomes,
    purpose: &'static str,
    url: Uri,
    bounds: Bounds,
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// One that waits, until it waits no more.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Destination {
    pub(super) fn new(
        caller: Addr<Caller>,
        outcomes: Outcomes,
        purpose: &'static str,
        url: &str,
        bounds: Bounds,
    ) -> Result<Self, String> {
        let url = parse(url)?;
        Ok(Self(Arc::new(Shared {
            caller,
            outcomes,
            purpose,
            url,
            bounds,
            free: Arc::new(Semaphore::new(bounds.at_once.clamp(1, Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
        })))
    }

    /// Sends it, and waits for the whole answer. Whoever stops waiting ends the request.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn send(&self, request: Request) -> Result<Answer, OutboundError> {
        let limit = self.0.bounds.timeout;
        let sent = timeout(limit, self.ask(request)).await;
        let answer = sent.unwrap_or(Err(OutboundError::Late(limit)));
        let outcome = match &answer {
            Ok(answer) => class(answer.status),
            Err(error) => error.word(),
        };
        self.0.outcomes.count(self.0.purpose, outcome);
        answer
    }

    async fn ask(&self, request: Request) -> Result<Answer, OutboundError> {
        let shared = &*self.0;
        let free = match Arc::clone(&shared.free).try_acquire_owned() {
            Ok(free) => free,
            Err(_) => {
                let before = shared.waiting.fetch_add(1, Ordering::Relaxed);
                let _place = Place(&shared.waiting);
                if before >= shared.bounds.waiting {
                    return Err(OutboundError::Crowded);
                }
                let free = Arc::clone(&shared.free).acquire_owned().await;
                free.map_err(|_| OutboundError::Stopped)?
            }
        };
        let (reply, answer) = oneshot::channel();
        let call = Call {
            url: shared.url.clone(),
            request,
            bytes: shared.bounds.bytes,
            reply,
            free,
        };
        shared.caller.send(call).await.map_err(|_| OutboundError::Stopped)?;
        answer.await.map_err(|_| OutboundError::Stopped)?
    }
}

/// Says where, without what a query may hide.
impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.url.authority().map(http::uri::Authority::as_str);
        f.debug_tuple("Destination")
            .field(&authority.unwrap_or_default())
            .finish()
    }
}

fn class(status: u16) -> &'static str {
    match status {
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500..600 => "5xx",
        _ => "other",
    }
}

/// Whether a URL can be asked.
///
/// # Errors
/// What is wrong with it: a fragment of a sentence.
pub fn check_url(url: &str) -> Result<(), String> {
    parse(url).map(drop)
}

fn parse(url: &str) -> Result<Uri, String> {
    let example = "write something like https://app.example.com/turted";
    let uri: Uri = url.parse().map_err(|_| format!("is no URL; {example}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("must begin with http:// or https://; {example}"));
    }
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    if authority.contains('@') {
        return Err("must not hold credentials: URLs end up in logs".to_owned());
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(format!("names no host; {example}"));
    }
    Ok(uri)
}
