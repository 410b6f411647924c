//! From `type = "jwt"` to keys and rules.
//!
//! In: what the configuration says, the files that it names, and the way out to an identity provider. Out: what
//! verifies tokens. Secrets pass through here and are not kept.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Method;
use log::error;
use turted_core::may::Pattern;
use turted_core::{Authenticator, Shutdown};

use super::authenticators::Means;
use crate::auth::jwt::{Algorithm, Fetch, Fetched, Jwks, Jwt, Key, Keys, MOST_BYTES, PATIENCE, Rules, Source};
use crate::config::{self, Auth};
use crate::outbound::{Bounds, Outbound, Request};

/// One request at a time: nobody else asks.
const BOUNDS: Bounds = Bounds {
    at_once: 1,
    waiting: 1,
    bytes: MOST_BYTES,
    timeout: PATIENCE,
};

/// A key of the configuration, and what is wrong with what it names.
pub type Wrong = (&'static str, String);

/// Fetches keys by the one way out.
struct Way<'a>(&'a Outbound);

impl Fetch for Way<'_> {
    fn get<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Fetched, String>> {
        Box::pin(async move {
            if !config::is_safe(url) {
                return Err(
                    "it is neither https nor on this machine, so that others could put their keys there".into(),
                );
            }
            let request = Request {
                method: Method::GET,
                headers: vec![("accept", "application/json".to_owned())],
                body: Bytes::new(),
            };
            let answer = self.0.toward("jwks", url, BOUNDS)?.send(request).await;
            let answer = answer.map_err(|why| why.to_string())?;
            match answer.status {
                200 => Ok(Fetched {
                    max_age: answer.header("cache-control").and_then(max_age),
                    body: answer.body,
                }),
                status => Err(format!("it answered with status {status}")),
            }
        })
    }
}

/// How long an answer may be kept, as `Cache-Control` has it.
fn max_age(header: &str) -> Option<Duration> {
    let directives = header.split(',').map(str::trim);
    let seconds = directives.filter_map(|one| {
        one.get(..8)
            .filter(|name| name.eq_ignore_ascii_case("max-age="))
            .map(|_| &one[8..])
    });
    seconds
        .filter_map(|text| text.trim_matches('"').parse().ok())
        .map(Duration::from_secs)
        .next()
}

/// Fetches keys for as long as the server runs.
pub fn keep(jwks: Arc<Jwks>, outbound: &Outbound, shutdown: Shutdown) {
    let outbound = outbound.clone();
    actix::spawn(async move { jwks.keep(&Way(&outbound), &shutdown).await });
}

/// Fetches keys once, for somebody at a terminal. Must be called inside an actix `System`.
///
/// # Errors
/// Why they do not come.
#[cfg(feature = "cli")]
pub async fn fetched(jwks: &Jwks) -> Result<(), String> {
    let outbound = Outbound::start(crate::observe::metrics::Outcomes::default());
    jwks.once(&Way(&outbound)).await
}

/// Looks for mistakes in what the methods name.
///
/// # Errors
/// The key, and what is wrong with what it names.
pub fn check(auth: &Auth) -> Result<(), (String, String)> {
    let clients = auth.clients.iter().map(|method| ("auth.clients", method));
    let backends = auth.backends.iter().map(|backend| ("auth.backends", &backend.method));
    for (section, method) in clients.chain(backends) {
        if let config::Method::Jwt(jwt) = method {
            keys(jwt).map_err(|(key, why)| (format!("{section}.{key}"), why))?;
        }
    }
    Ok(())
}

/// What stands at a door.
pub fn authenticator(jwt: &config::Jwt, passes_on: bool, means: &Means<'_>) -> Box<dyn Authenticator> {
    let (keys, jwks) = keys(jwt).unwrap_or_else(|(key, why)| {
        // It was all right when the server was built. Without a key nobody comes in.
        error!("{key} {why}");
        (Keys::Fixed(Arc::default()), None)
    });
    let issuer = || jwt.issuer.as_deref().unwrap_or_default().into();
    means.jwks.borrow_mut().extend(jwks.map(|jwks| (issuer(), jwks)));
    let found = Jwt::new(rules(jwt, means), keys);
    Box::new(if passes_on { found.passing_on() } else { found })
}

/// What verifies tokens, and the keys that are still to be fetched, for somebody at a terminal.
///
/// # Errors
/// The key of the configuration, and what is wrong with what it names.
#[cfg(feature = "cli")]
pub fn verifier(jwt: &config::Jwt, config: &config::Config) -> Result<(Jwt, Option<Arc<Jwks>>), Wrong> {
    let (keys, jwks) = keys(jwt)?;
    Ok((Jwt::new(rules(jwt, &Means::new(config, None)), keys), jwks))
}

/// What verifies tokens, and what of it has to be fetched.
///
/// # Errors
/// The key of the configuration, and what is wrong with what it names.
fn keys(jwt: &config::Jwt) -> Result<(Keys, Option<Arc<Jwks>>), Wrong> {
    let fixed = |keys: Vec<Key>| (Keys::Fixed(keys.into()), None);
    if !jwt.secret.is_empty() {
        let all = jwt.secret.iter().map(|secret| Key::secret(secret.expose()));
        let all: Result<_, String> = all.collect();
        return all.map(fixed).map_err(|why| ("secret", why));
    }
    if !jwt.public_key.is_empty() {
        let all: Result<_, String> = jwt.public_key.iter().map(|path| pem(path)).collect();
        return all.map(fixed).map_err(|why| ("public_key", why));
    }
    let source = match (&jwt.jwks, &jwt.issuer) {
        (Some(url), _) => Source::At(url.clone()),
        (None, issuer) => Source::Issuer(issuer.clone().unwrap_or_default()),
    };
    let jwks = Arc::new(Jwks::new(source));
    Ok((Keys::Fetched(Arc::clone(&jwks)), Some(jwks)))
}

fn pem(path: &Path) -> Result<Key, String> {
    let text = std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Key::pem(&text).map_err(|why| format!("{} {why}", path.display()))
}

/// What tokens have to keep to.
fn rules(jwt: &config::Jwt, means: &Means<'_>) -> Rules {
    let mut claims: BTreeSet<Arc<str>> = means.claims.iter().cloned().collect();
    let bound = jwt.grants.iter().flatten();
    claims.extend(bound.flat_map(Pattern::claims).map(Arc::from));
    let words = jwt
        .algorithms
        .iter()
        .map(|one| one.word())
        .filter_map(|word| word.parse().ok());
    let mut algorithms: Vec<Algorithm> = words.collect();
    if algorithms.is_empty() {
        let all = config::JwtAlgorithm::ALL.iter();
        let of_keys = all.filter(|(one, _)| one.is_shared() != jwt.secret.is_empty());
        algorithms = of_keys.filter_map(|(_, word)| word.parse().ok()).collect();
    }
    Rules {
        issuer: jwt.issuer.clone(),
        audience: jwt.audience.clone(),
        algorithms,
        user: jwt.user.clone(),
        leeway: jwt.leeway,
        max_lifetime: jwt.max_lifetime,
        within: jwt.grants.as_deref().map(Arc::from),
        claims: claims.into_iter().collect(),
        limits: means.limits,
        query: jwt.query,
    }
}
