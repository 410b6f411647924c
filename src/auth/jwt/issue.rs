//! Makes tokens, for `turted token` and for trying things out.
//!
//! In: a secret, and what a token is to say. Out: the token. An application makes its own, with a library of its
//! language.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Map, Value};

use super::provider;

/// What a token is to say.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Whatever else, under its name.
    pub claims: Map<String, Value>,
    /// How long it is good for.
    pub ttl: Duration,
}

/// A token that is signed with this secret, from now on.
///
/// # Errors
/// A sentence; it does not hold the secret.
pub fn issue(secret: &str, algorithm: Algorithm, draft: &Draft, now: SystemTime) -> Result<String, String> {
    provider::install();
    let now = now
        .duration_since(UNIX_EPOCH)
        .map_err(|_| "the clock stands before 1970".to_owned())?;
    let mut claims = draft.claims.clone();
    claims.insert("iat".into(), now.as_secs().into());
    claims.insert("exp".into(), (now + draft.ttl).as_secs().into());
    let key = EncodingKey::from_secret(secret.as_bytes()).map_err(|_| "the secret is empty".to_owned())?;
    encode(&Header::new(algorithm), &claims, &key).map_err(|_| format!("{algorithm:?} cannot be made with a secret"))
}
