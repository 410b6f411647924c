//! From a method in `[auth]` to an authenticator.
//!
//! In: what the configuration says. Out: what stands at a door. Secrets pass through here and are not kept.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use log::error;
use turted_core::mapping::Template;
use turted_core::{Adviser, Authenticator, Limits, Tickets, Wants};

use super::tokens;
use crate::auth::jwt::Jwks;
use crate::auth::{
    self, AcceptAll, Advice, Backends, ByTicket, Callback, Chain, Digest, Headers, Password, Token, TokenScheme,
};
use crate::config::{self, Ask, Backend, Config, Forward, Hash, HeaderTemplate, May, Method, Secret, Secrets};
use crate::outbound::{Bounds, Hook, Outbound};

/// What methods need besides their own settings.
pub struct Means<'a> {
    /// Bounds for names.
    pub limits: Limits,
    /// The claims that rules ask for.
    pub claims: Arc<[Arc<str>]>,
    /// The way to somebody who has to be asked. `None`: nobody is asked, since nothing is served.
    pub outbound: Option<&'a Outbound>,
    /// Keys that are to be fetched for as long as the server runs, and whose they are.
    pub jwks: RefCell<Vec<(Arc<str>, Arc<Jwks>)>>,
}

impl<'a> Means<'a> {
    /// What this configuration gives them.
    pub fn new(config: &Config, outbound: Option<&'a Outbound>) -> Self {
        Self {
            limits: config.limits.core(),
            claims: config.may.as_ref().map(May::claims).unwrap_or_default().into(),
            outbound,
            jwks: RefCell::default(),
        }
    }
}

/// The authenticator of the clients' door: who shows a ticket has been somebody before, whatever the methods are.
pub fn of_clients(methods: &[Method], means: &Means<'_>, tickets: &Arc<dyn Tickets>) -> Arc<dyn Authenticator> {
    let is_jwt = |method: &Method| matches!(method, Method::Jwt(_));
    let by_ticket: Box<dyn Authenticator> = Box::new(ByTicket(Arc::clone(tickets)));
    let all = methods.iter().enumerate().map(|(at, method)| match method {
        // Several issuers: each looks at its own tokens, and the last one says what is wrong with the others.
        Method::Jwt(jwt) => tokens::authenticator(jwt, methods[at + 1..].iter().any(is_jwt), means),
        method => one(method, means),
    });
    Arc::new(Chain::new(std::iter::once(by_ticket).chain(all).collect()))
}

/// The authenticator of the door of these backends.
pub fn of_backends(backends: &[Backend], means: &Means<'_>) -> Arc<dyn Authenticator> {
    let all = backends.iter().map(|backend| auth::Backend {
        method: one(&backend.method, means),
        name: backend.name.clone(),
        scope: backend.scope().map(Arc::new),
    });
    Arc::new(Backends::new(all.collect()))
}

fn one(method: &Method, means: &Means<'_>) -> Box<dyn Authenticator> {
    let limits = means.limits;
    match method {
        Method::Jwt(jwt) => tokens::authenticator(jwt, false, means),
        Method::AcceptAll => Box::new(AcceptAll),
        Method::Password(password) => Box::new(Password::new(password.expose())),
        Method::Headers(headers) => Box::new(Headers {
            user: headers.user.template.clone(),
            claims: claims(&headers.claims),
            wanted: Arc::clone(&means.claims),
            limits,
        }),
        Method::Callback(callback) => match asked(callback, means) {
            Some(callback) => Box::new(callback),
            None => Box::new(Chain::new(Vec::new())),
        },
        Method::Hmac(secret) => Box::new(hmac(secret, limits)),
        Method::Salted { hash, prefix, suffix } => Box::new(salted(*hash, prefix.as_ref(), suffix.as_ref(), limits)),
    }
}

fn claims(claims: &BTreeMap<String, HeaderTemplate>) -> Vec<(Arc<str>, Template)> {
    let claims = claims.iter();
    claims
        .map(|(name, value)| (name.as_str().into(), value.template.clone()))
        .collect()
}

/// Bytes of an answer to a question.
const ANSWER: usize = 64 * 1024;

fn asked(callback: &config::Callback, means: &Means<'_>) -> Option<Callback> {
    let bounds = Bounds {
        at_once: callback.at_once,
        // As many as a crowd that comes back at once; the time limit is over them all.
        waiting: callback.at_once.saturating_mul(16),
        bytes: ANSWER,
        timeout: callback.timeout,
    };
    let hook = hook(
        means.outbound?,
        "ident",
        callback.url.as_str(),
        &callback.secret,
        bounds,
    )?;
    let mut forward = Wants::default();
    for one in &callback.forward {
        match one {
            Forward::Cookies => forward.cookies.push("*".into()),
            Forward::Cookie(name) => forward.cookies.push(name.as_str().into()),
            Forward::Header(name) => forward.headers.push(name.as_str().into()),
        }
    }
    let within = callback.grants.as_deref().map(Arc::from);
    let keeps = Callback::new(hook, forward, callback.cache, means.limits);
    Some(keeps.claims(Arc::clone(&means.claims)).within(within))
}

/// Who is asked about what rules leave open.
pub fn adviser(ask: &Ask, outbound: &Outbound) -> Option<Arc<dyn Adviser>> {
    let bounds = Bounds {
        at_once: 64,
        waiting: 1024,
        bytes: ANSWER,
        timeout: ask.timeout,
    };
    let hook = hook(outbound, "may", ask.url.as_str(), &ask.secret, bounds)?;
    Some(Arc::new(Advice::new(hook, ask.cache)))
}

fn hook(outbound: &Outbound, purpose: &'static str, url: &str, secrets: &Secrets, bounds: Bounds) -> Option<Hook> {
    let destination = outbound.toward(purpose, url, bounds);
    // The configuration has looked at the URL.
    let destination = destination.map_err(|why| error!("the url of {purpose} {why}")).ok()?;
    Some(Hook::new(destination, secrets.expose()))
}

/// The token authenticator that a method asks for, if it asks for one: it can also issue tokens.
#[cfg(feature = "cli")]
#[must_use]
pub fn token(method: &Method, limits: Limits) -> Option<Token> {
    match method {
        Method::AcceptAll | Method::Password(_) | Method::Jwt(_) | Method::Callback(_) | Method::Headers(_) => None,
        Method::Hmac(secret) => Some(hmac(secret, limits)),
        Method::Salted { hash, prefix, suffix } => Some(salted(*hash, prefix.as_ref(), suffix.as_ref(), limits)),
    }
}

fn hmac(secret: &Secret, limits: Limits) -> Token {
    let secret = secret.expose().to_owned();
    Token::new(TokenScheme::Hmac { secret }, limits)
}

fn salted(hash: Hash, prefix: Option<&Secret>, suffix: Option<&Secret>, limits: Limits) -> Token {
    let text = |secret: Option<&Secret>| secret.map(Secret::expose).unwrap_or_default().to_owned();
    let hash = match hash {
        Hash::Md5 => Digest::Md5,
        Hash::Sha1 => Digest::Sha1,
        // The configuration never salts an HMAC.
        Hash::Sha256 | Hash::HmacSha256 => Digest::Sha256,
        Hash::Sha512 => Digest::Sha512,
    };
    let (prefix, suffix) = (text(prefix), text(suffix));
    Token::new(TokenScheme::Digest { hash, prefix, suffix }, limits)
}
