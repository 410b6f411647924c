//! From a method in `[auth]` to an authenticator.
//!
//! In: what the configuration says. Out: what stands at a door. Secrets pass through here and are not kept.

use std::sync::Arc;

use turted_core::{Authenticator, Limits};

use super::core_limits;
use crate::auth::{AcceptAll, Backends, Chain, Digest, Password, Token, TokenScheme};
use crate::config::{Backend, Config, Hash, May, Method, Secret};
use crate::outbound::Outbound;

/// What methods need besides their own settings.
#[allow(dead_code)]
pub struct Means<'a> {
    /// Bounds for names.
    pub limits: Limits,
    /// The claims that rules ask for.
    pub claims: Arc<[Arc<str>]>,
    /// The way to somebody who has to be asked. `None`: nobody is asked, since nothing is served.
    pub outbound: Option<&'a Outbound>,
}

impl<'a> Means<'a> {
    /// What this configuration gives them.
    pub fn new(config: &Config, outbound: Option<&'a Outbound>) -> Self {
        Self {
            limits: core_limits(config),
            claims: config.may.as_ref().map(May::claims).unwrap_or_default().into(),
            outbound,
        }
    }
}

/// The authenticator of a door with these methods.
pub fn authenticator(methods: &[Method], means: &Means<'_>) -> Arc<dyn Authenticator> {
    let all = methods.iter().map(|method| one(method, means));
    Arc::new(Chain::new(all.collect()))
}

/// The authenticator of the door of these backends.
pub fn of_backends(backends: &[Backend], means: &Means<'_>) -> Arc<dyn Authenticator> {
    let all = backends
        .iter()
        .map(|backend| (one(&backend.method, means), backend.scope().map(Arc::new)));
    Arc::new(Backends::new(all.collect()))
}

fn one(method: &Method, means: &Means<'_>) -> Box<dyn Authenticator> {
    let limits = means.limits;
    match method {
        Method::AcceptAll => Box::new(AcceptAll),
        Method::Password(password) => Box::new(Password::new(password.expose())),
        Method::Hmac(secret) => Box::new(hmac(secret, limits)),
        Method::Salted { hash, prefix, suffix } => Box::new(salted(*hash, prefix.as_ref(), suffix.as_ref(), limits)),
    }
}

/// The token authenticator that a method asks for, if it asks for one: it can also issue tokens.
#[cfg(feature = "cli")]
#[must_use]
pub fn token(method: &Method, limits: Limits) -> Option<Token> {
    match method {
        Method::AcceptAll | Method::Password(_) => None,
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
