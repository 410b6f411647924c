//! The user's backend says what somebody may, where rules leave it to it.
//!
//! In: a verb, a name and an identity. Out: yes, no, or that it did not say.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use log::warn;
use serde_json::{Value, json};
use turted_core::may::Verb;
use turted_core::{Adviser, Identity, Seldom, UserName};

use super::answer::may;
use super::cache::{Cache, Key, key};
use super::callback::pause;
use super::flights::Flights;
use crate::outbound::Hook;

/// How a backend is asked.
pub struct Advice {
    hook: Hook,
    cache: Duration,
    known: Cache<bool>,
    flights: Flights<Result<bool, Duration>>,
    silent: Seldom,
    wrong: Seldom,
}

impl Advice {
    /// Asks there; an answer holds that long for the same question.
    #[must_use]
    pub fn new(hook: Hook, cache: Duration) -> Self {
        Self {
            hook,
            cache,
            known: Cache::default(),
            flights: Flights::default(),
            silent: Seldom::new(),
            wrong: Seldom::new(),
        }
    }

    async fn ask(&self, verb: Verb, name: &str, who: &Identity) -> Result<bool, Duration> {
        let question = question(verb, name, who).to_string();
        let key = key(question.as_bytes());
        // Where no answer holds for another question, each is asked.
        match self.cache.is_zero() {
            true => self.pose(key, question).await,
            false => self.flights.join(key, self.pose(key, question)).await,
        }
    }

    /// Poses a question, unless the answer is known.
    async fn pose(&self, key: Key, question: String) -> Result<bool, Duration> {
        if let Some(known) = self.known.get(&key, Instant::now()) {
            return Ok(known);
        }
        let unknown = |told: &Seldom, why: &str, after| {
            told.tell(Instant::now(), |more| {
                warn!("the backend of [may.ask] does not say what somebody may: {why}{more}");
            });
            after
        };
        let answer = self
            .hook
            .ask(question)
            .await
            .map_err(|why| unknown(&self.silent, &why.to_string(), pause(None)))?;
        let said = may(&answer).map_err(|why| unknown(&self.wrong, &why, pause(Some(&answer))))?;
        let now = Instant::now();
        self.known.put(key, said, now + self.cache, now);
        Ok(said)
    }
}

/// `{"verb":"join","name":"doc.7","user":"adam","claims":{"org":"acme","roles":["a","b"]}}`
fn question(verb: Verb, name: &str, who: &Identity) -> Value {
    let user = who.user.as_ref().map(UserName::as_str);
    json!({"verb": verb.word(), "name": name, "user": user, "claims": who.claims.to_json()})
}

impl Adviser for Advice {
    fn may<'a>(&'a self, verb: Verb, name: &'a str, who: &'a Identity) -> BoxFuture<'a, Result<bool, Duration>> {
        Box::pin(self.ask(verb, name, who))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use turted_core::Limits;
    use turted_core::may::Claims;

    #[test]
    fn a_question_says_who_wants_what() {
        let all = json!({"org": "acme", "roles": ["a", "b", "c"]});
        let paths: Vec<Arc<str>> = ["org", "roles"].map(Arc::from).to_vec();
        let adam = Identity {
            claims: Claims::pick(all.as_object().unwrap(), &paths),
            ..Identity::of(UserName::parse("adam", &Limits::default()).unwrap())
        };
        assert_eq!(
            question(Verb::Join, "doc.7", &adam),
            json!({"verb": "join", "name": "doc.7", "user": "adam", "claims": all})
        );
        let nobody = question(Verb::Publish, "doc.7", &Identity::default());
        assert_eq!(
            nobody,
            json!({"verb": "publish", "name": "doc.7", "user": null, "claims": {}})
        );
    }
}
