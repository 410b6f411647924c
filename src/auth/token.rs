//! Tokens that a backend signs for one user, and that the user's client presents.
//!
//! In: `{"username": "adam", "token": "<hex>"}`, or `adam:<hex>` as a bearer token. Out: the name that the
//! token was made for, or a no. Refuses to know: sessions, expiry, and who asked for the token.

use std::borrow::Cow;
use std::fmt;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use serde_json::Value;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use turted_core::{Authenticator, Identity, Limits, Refusal, UserName, Visitor};

/// How a token is made from a user name and a secret.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenScheme {
    /// Hex of HMAC-SHA-256 of the name under `secret`: the one to use for anything new.
    Hmac {
        /// The key; at least 32 random bytes' worth. Empty: no token is accepted.
        secret: String,
    },
    /// Hex of `hash(prefix + name + suffix)`, as TURTED has made tokens since its first version.
    Digest {
        /// The hash function.
        hash: Digest,
        /// Goes before the name. Empty together with `suffix`: no token is accepted.
        prefix: String,
        /// Goes after the name.
        suffix: String,
    },
}

/// The hash functions of the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// The original's default; for compatibility only.
    Md5,
    /// For compatibility only.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Digest {
    fn of(self, parts: [&str; 3]) -> Vec<u8> {
        fn run<D: sha2::Digest>(parts: [&str; 3]) -> Vec<u8> {
            parts.iter().fold(D::new(), D::chain_update).finalize().to_vec()
        }
        match self {
            Self::Md5 => run::<Md5>(parts),
            Self::Sha1 => run::<Sha1>(parts),
            Self::Sha256 => run::<Sha256>(parts),
            Self::Sha512 => run::<Sha512>(parts),
        }
    }
}

impl TokenScheme {
    /// True when the scheme holds no secret at all, so that anybody could make tokens.
    fn is_public(&self) -> bool {
        match self {
            Self::Hmac { secret } => secret.is_empty(),
            Self::Digest { prefix, suffix, .. } => prefix.is_empty() && suffix.is_empty(),
        }
    }

    fn sign(&self, user: &str) -> Vec<u8> {
        match self {
            Self::Hmac { secret } => match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
                Ok(mac) => mac.chain_update(user).finalize().into_bytes().to_vec(),
                // Cannot happen: HMAC takes keys of any length. No bytes are no token.
                Err(_) => Vec::new(),
            },
            Self::Digest { hash, prefix, suffix } => hash.of([prefix, user, suffix]),
        }
    }
}

/// Names the scheme and never its secrets.
impl fmt::Debug for TokenScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hmac { .. } => f.debug_struct("Hmac").finish_non_exhaustive(),
            Self::Digest { hash, .. } => f.debug_struct("Digest").field("hash", hash).finish_non_exhaustive(),
        }
    }
}

/// Accepts those who hold a token for the name they give, and confirms that name.
#[derive(Debug, Clone)]
pub struct Token {
    scheme: TokenScheme,
    limits: Limits,
}

impl Token {
    /// An authenticator for tokens of `scheme`; names are held against `limits`.
    #[must_use]
    pub fn new(scheme: TokenScheme, limits: Limits) -> Self {
        Self { scheme, limits }
    }

    /// The token of one user, lower-case hex. Whoever holds it may be this user for as long as the secret stays.
    #[cfg(any(test, feature = "cli"))]
    #[must_use]
    pub fn issue(&self, user: &UserName) -> String {
        hex::encode(self.scheme.sign(user.as_str()))
    }

    fn check(&self, visitor: &Visitor<'_>) -> Result<Option<Identity>, Refusal> {
        let presented = match visitor.bearer() {
            // The last colon: names may hold colons, hex does not.
            Some(bearer) => match bearer.rsplit_once(':') {
                Some((name, token)) => Some((name.into(), token)),
                None => return Ok(None),
            },
            None if !is_ours(visitor.data.get("token")) => return Ok(None),
            None => presented(visitor.data),
        };
        let (name, token) =
            presented.ok_or_else(|| Refusal::denied("the token comes without a name, or is no text"))?;
        let user = UserName::parse(&name, &self.limits).map_err(|why| Refusal::denied(format!("the name {why}")))?;
        let token = hex::decode(token).map_err(|_| Refusal::denied("the token is not hexadecimal"))?;
        // CWE-208: bytes against bytes in constant time. Their number is public, it is the scheme's.
        if self.scheme.is_public() || !bool::from(self.scheme.sign(user.as_str()).ct_eq(&token)) {
            return Err(Refusal::denied("the token is not the one of that name"));
        }
        Ok(Some(Identity::of(user)))
    }
}

/// Whether this may be a token of a name: one with dots is a JWT, which says the name itself.
fn is_ours(token: Option<&Value>) -> bool {
    match token {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.contains('.'),
        Some(_) => true,
    }
}

/// The name that is claimed, and the token for it.
///
/// CWE-639: the name is looked for where IDENT takes it from (`username`, then `user`), and only where both are
/// absent in `id`. A token of eve with `"id":"eve","username":"adam"` is checked against adam, and fails.
fn presented(data: &Value) -> Option<(Cow<'_, str>, &str)> {
    let name = ["username", "user", "id"]
        .into_iter()
        .find_map(|member| data.get(member).filter(|name| !name.is_null()))?;
    let name = match name {
        Value::String(text) => text.into(),
        // Backends with numeric ids sign the digits.
        Value::Number(number) if number.is_u64() || number.is_i64() => number.to_string().into(),
        _ => return None,
    };
    Some((name, data.get("token")?.as_str()?))
}

impl Authenticator for Token {
    fn verify<'a>(&'a self, visitor: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>> {
        ready(self.check(visitor)).boxed()
    }
}
