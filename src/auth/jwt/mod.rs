//! JSON Web Tokens: whoever signed one says who somebody is, what it may, and for how long.
//!
//! In: `{"token": "eyJ…"}`, or `Authorization: Bearer eyJ…`. Out: the identity that the token states, or a refusal
//! with its reason for the log. Refuses to know: the configuration file, and how keys are fetched ([`Fetch`]).
//!
//! A token with dots and without a colon is one of these; the others belong to the method `token`.

#[cfg(test)]
mod claim_tests;
mod claims;
#[cfg(test)]
mod forge;
#[cfg(fuzzing)]
pub mod fuzz;
#[cfg(any(test, feature = "cli"))]
mod issue;
mod jwks;
mod keys;
mod provider;
mod rules;
mod token;

#[cfg(test)]
mod fetch_tests;
#[cfg(test)]
mod key_tests;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use turted_core::{Authenticator, Identity, Refusal, Visitor};

#[cfg(any(test, feature = "cli"))]
pub use issue::{Draft, issue};
pub use jsonwebtoken::Algorithm;
pub use jwks::{Fetch, Fetched, Jwks, MOST_BYTES, PATIENCE, Source};
pub use keys::Key;
pub use rules::Rules;

use keys::{Mismatch, fitting};
use rules::{Fault, FaultKind, Tell};
use token::{Form, Header};

/// Where the keys of a method are.
#[derive(Clone)]
pub enum Keys {
    /// In the configuration.
    Fixed(Arc<[Key]>),
    /// At an identity provider.
    Fetched(Arc<Jwks>),
}

/// Accepts those who bring a token that one of the keys has signed.
pub struct Jwt {
    rules: Rules,
    keys: Keys,
    /// Whether another method for tokens comes behind it, which may take those of other issuers.
    passes_on: bool,
}

impl Jwt {
    /// An authenticator for tokens that keep to `rules`.
    #[must_use]
    pub fn new(rules: Rules, keys: Keys) -> Self {
        provider::install();
        Self {
            rules,
            keys,
            passes_on: false,
        }
    }

    /// Leaves tokens of other issuers to the next one.
    #[must_use]
    pub fn passing_on(mut self) -> Self {
        self.passes_on = true;
        self
    }

    /// Checks a token at a time, and tells what holds.
    async fn check(&self, token: &str, now: SystemTime, tell: Tell<'_>) -> Result<Option<Identity>, Fault> {
        let form = Form::of(token)?;
        let header = form.header()?;
        if self.passes_on && !self.is_mine(&form, &header) {
            return Ok(None);
        }
        if !self.rules.algorithms.contains(&header.algorithm) {
            let all: Vec<String> = self.rules.algorithms.iter().map(|one| format!("{one:?}")).collect();
            let why = format!("alg is {:?}, allowed are {}", header.algorithm, all.join(", "));
            let same_family = |one: &Algorithm| one.family() == header.algorithm.family();
            let fault = Fault::denied(why);
            return Err(match self.rules.algorithms.iter().any(same_family) {
                true => fault.mend(format!("algorithms = [\"{:?}\"]", header.algorithm)),
                false => fault
                    .mend("secret, or issuer, audience and public_key or jwks: those of whoever makes these tokens"),
            });
        }
        tell(&format_args!("alg is {:?}", header.algorithm));
        let claims = self.verified(&form, &header).await?;
        tell(&"the signature holds");
        self.rules.identity(&claims, now, tell).map(Some)
    }

    fn is_mine(&self, form: &Form<'_>, header: &Header) -> bool {
        let claims = form.unverified().unwrap_or_default();
        self.rules
            .takes(header.algorithm, claims.get("iss").and_then(Value::as_str))
    }

    async fn verified(&self, form: &Form<'_>, header: &Header) -> Result<Map<String, Value>, Fault> {
        let (all, kid) = match &self.keys {
            Keys::Fixed(keys) => (Arc::clone(keys), None),
            Keys::Fetched(jwks) => (jwks.for_kid(header).await?, header.kid.as_deref()),
        };
        let fitting = fitting(&all, kid, header.algorithm).map_err(|mismatch| match mismatch {
            Mismatch::Unknown => Fault::denied("no key of the issuer has its kid"),
            Mismatch::Algorithm => Fault::denied(format!(
                "no key that it may be signed with is for {:?}",
                header.algorithm
            )),
        })?;
        let depth = self.rules.limits;
        let place = match &self.keys {
            Keys::Fixed(_) => "secret or public_key: that of whoever makes these tokens",
            Keys::Fetched(_) => "issuer or jwks: those of whoever makes these tokens",
        };
        let holds = form.verified(header.algorithm, &fitting, &depth);
        holds.map_err(|why| Fault::denied(why).mend(place))
    }

    /// What of a token holds, each in a line; and what does not, with what may have to change.
    ///
    /// # Errors
    /// The sentence, and the line of the configuration. No sentence when the next method is to look at it.
    #[cfg(any(test, feature = "cli"))]
    pub async fn explain(&self, token: &str, held: &mut Vec<String>) -> Result<(), (String, Option<String>)> {
        let mut tell = |line: &dyn fmt::Display| held.push(line.to_string());
        match self.check(token, SystemTime::now(), &mut tell).await {
            Ok(Some(_)) => Ok(()),
            // It is of another issuer: nothing is wrong with it here.
            Ok(None) => Err((String::new(), None)),
            Err(fault) => Err((fault.why, fault.mend)),
        }
    }

    async fn verdict(&self, visitor: &Visitor<'_>) -> Result<Option<Identity>, Refusal> {
        let Some(presented) = presented(visitor) else {
            return Ok(None);
        };
        let token = presented.map_err(Refusal::denied)?;
        if visitor.bearer().is_none() && visitor.token_in_url && !self.rules.query {
            return Err(Refusal::denied(
                "the token stands in the URL, from where it gets into logs; send it in a header or in IDENT, use a ticket, or \
                 set query = true",
            ));
        }
        let checked = self.check(token, SystemTime::now(), &mut |_| {}).await;
        checked.map_err(|fault| match fault.kind {
            FaultKind::Denied => Refusal::denied(fault.why),
            FaultKind::Expired => Refusal::Expired,
            FaultKind::Unavailable(after) => Refusal::Unavailable { after },
        })
    }
}

/// The token that is there; `None` when there is nothing that may be one.
fn presented<'a>(visitor: &Visitor<'a>) -> Option<Result<&'a str, &'static str>> {
    let is_jwt = |text: &&str| text.contains('.') && !text.contains(':');
    match (visitor.bearer(), visitor.data.get("token")) {
        (Some(bearer), _) => Some(bearer).filter(is_jwt).map(Ok),
        (None, None | Some(Value::Null)) => None,
        (None, Some(Value::String(token))) => Some(token.as_str()).filter(is_jwt).map(Ok),
        (None, Some(_)) => Some(Err("the token is no text")),
    }
}

impl Authenticator for Jwt {
    fn verify<'a>(&'a self, visitor: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>> {
        Box::pin(self.verdict(visitor))
    }
}

/// Names what is demanded, and no key.
impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
