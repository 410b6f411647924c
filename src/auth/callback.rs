//! The user's backend says who somebody is.
//!
//! In: the cookies and headers of a request that may leave the house, and the data of IDENT. Out: the identity that the
//! backend answers, or its no. An answer that is neither is `unavailable`: never a refusal, and never nobody.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::BoxFuture;
use log::warn;
use serde_json::{Map, Value, json};
use turted_core::may::{Claims, Pattern};
use turted_core::{Authenticator, Denial, Identity, Limits, Refusal, Seldom, Visitor, Wants};

use super::answer::{Said, read};
use super::cache::{Cache, Key, key};
use super::flights::Flights;
use crate::outbound::{Answer, Hook};

/// When to ask again a backend that did not say when.
const RETRY: Duration = Duration::from_secs(1);
/// The longest pause that a backend may ask for.
const LONGEST: Duration = Duration::from_secs(60);
/// Headers that every browser sends: they say nothing about who somebody is.
const EVERYBODYS: [&str; 6] = [
    "accept-language",
    "host",
    "origin",
    "referer",
    "sec-ch-ua",
    "user-agent",
];

/// How a backend is asked.
pub struct Callback {
    hook: Hook,
    forward: Wants,
    cache: Duration,
    claims: Arc<[Arc<str>]>,
    within: Option<Arc<[Pattern]>>,
    limits: Limits,
    known: Cache<Result<Identity, Denial>>,
    flights: Flights<Result<Identity, Refusal>>,
    /// It did not answer.
    silent: Seldom,
    /// What it answered means nothing.
    wrong: Seldom,
}

impl Callback {
    /// Asks there; `forward` is what of a request leaves the house, and `cache` how long an answer holds for the same
    /// question.
    #[must_use]
    pub fn new(hook: Hook, forward: Wants, cache: Duration, limits: Limits) -> Self {
        Self {
            hook,
            forward,
            cache,
            claims: Arc::default(),
            within: None,
            limits,
            known: Cache::default(),
            flights: Flights::default(),
            silent: Seldom::default(),
            wrong: Seldom::default(),
        }
    }

    /// Keeps these claims, which rules ask for, and no others.
    #[must_use]
    pub fn claims(mut self, claims: Arc<[Arc<str>]>) -> Self {
        self.claims = claims;
        self
    }

    /// Lets what the backend grants count within these patterns only.
    #[must_use]
    pub fn within(mut self, within: Option<Arc<[Pattern]>>) -> Self {
        self.within = within;
        self
    }

    /// What is forwarded, if it says anything about anybody.
    fn forwarded(&self, visitor: &Visitor<'_>) -> Option<Map<String, Value>> {
        let pairs = |pairs: &[(Box<str>, Box<str>)], wanted: &[Box<str>]| -> Map<String, Value> {
            let is_wanted = |name: &str| wanted.iter().any(|one| matches!(&**one, "*") || **one == *name);
            let pairs = pairs.iter().filter(|(name, _)| is_wanted(name));
            pairs
                .map(|(name, value)| (name.to_string(), Value::from(&**value)))
                .collect()
        };
        let cookies = pairs(&visitor.brought.cookies, &self.forward.cookies);
        let headers = pairs(&visitor.brought.headers, &self.forward.headers);
        let says_something = match visitor.data {
            Value::Null => false,
            Value::Object(data) => !data.is_empty(),
            _ => true,
        };
        let is_own = |name: &String| !EVERYBODYS.contains(&name.as_str());
        if cookies.is_empty() && !says_something && !headers.keys().any(is_own) {
            return None;
        }
        let mut all = Map::new();
        all.insert("verb".to_owned(), "ident".into());
        all.insert("address".to_owned(), json!(visitor.address));
        all.insert("data".to_owned(), visitor.data.clone());
        all.insert("cookies".to_owned(), cookies.into());
        all.insert("headers".to_owned(), headers.into());
        Some(all)
    }

    async fn ask(&self, visitor: &Visitor<'_>) -> Result<Option<Identity>, Refusal> {
        let Some(mut question) = self.forwarded(visitor) else {
            return Ok(None);
        };
        let key = key(Value::from(question.clone()).to_string().as_bytes());
        for (name, value) in [("connection", visitor.connection), ("dialect", visitor.dialect)] {
            if !value.is_empty() {
                question.insert(name.to_owned(), value.into());
            }
        }
        // Where no answer holds for another question, each is asked.
        let verdict = match self.cache.is_zero() {
            true => self.pose(key, question).await,
            false => self.flights.join(key, self.pose(key, question)).await,
        };
        verdict.map(Some)
    }

    /// Poses a question, unless the answer is known.
    async fn pose(&self, key: Key, question: Map<String, Value>) -> Result<Identity, Refusal> {
        if let Some(known) = self.known.get(&key, Instant::now()) {
            return known.map_err(Refusal::Denied);
        }
        // Before the answer: what is to be asked again after its time must not be known still.
        let asked = Instant::now();
        let answer = match self.hook.ask(Value::from(question).to_string()).await {
            Ok(answer) => answer,
            Err(why) => return Err(self.unavailable(&why.to_string(), None)),
        };
        let now = SystemTime::now();
        let said = read(&answer, &self.limits, now).map_err(|why| self.unavailable(&why, Some(&answer)))?;
        let (verdict, holds) = match said {
            Ok(said) => {
                let holds = said.ttl.map_or(self.cache, |ttl| ttl.min(self.cache));
                (Ok(self.identity(said)), holds)
            }
            Err(denial) => (Err(denial), self.cache),
        };
        self.known.put(key, verdict.clone(), asked + holds, Instant::now());
        verdict.map_err(Refusal::Denied)
    }

    fn identity(&self, said: Said) -> Identity {
        Identity {
            claims: Claims::pick(&said.claims, &self.claims),
            within: self.within.clone(),
            ..said.identity
        }
    }

    fn unavailable(&self, why: &str, answer: Option<&Answer>) -> Refusal {
        let told = if answer.is_some() { &self.wrong } else { &self.silent };
        told.tell(Instant::now(), |more| {
            warn!("the backend of [auth.clients] type \"callback\" does not say who somebody is: {why}{more}");
        });
        Refusal::Unavailable { after: pause(answer) }
    }
}

/// When it is worth while to ask again.
pub fn pause(answer: Option<&Answer>) -> Duration {
    let said = answer.and_then(|answer| answer.header("retry-after")?.parse().ok());
    said.map_or(RETRY, |seconds| Duration::from_secs(seconds).clamp(RETRY, LONGEST))
}

impl Authenticator for Callback {
    fn wants(&self) -> Wants {
        self.forward.clone()
    }

    fn verify<'a>(&'a self, visitor: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>> {
        Box::pin(self.ask(visitor))
    }
}
