//! Tokens of any bytes, unsigned and signed.
//!
//! In: any bytes. Out: nothing, or a panic where a promise is broken. It refuses to know where the bytes come from.

#![allow(clippy::unwrap_used, reason = "a promise that is broken is a panic")]

use std::str::from_utf8;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use turted_core::{Authenticator, Brought, Limits, Refusal, Visitor};

use super::keys::set;
use super::{Algorithm, Jwt, Key, Keys, Rules};

/// Longest sentence.
const WORDS: usize = 1024;

/// Tokens: whatever is presented is looked at without a panic, and nobody comes in without a signature. What is signed,
/// a header in the first line and claims in the others, is taken only with a user and an end.
pub fn jwt(data: &[u8]) {
    const SECRET: &str = "a secret of at least thirty-two bytes";
    let Ok(text) = from_utf8(data) else { return };
    let rules = Rules {
        issuer: None,
        audience: vec!["turted".into()],
        algorithms: vec![Algorithm::HS256, Algorithm::EdDSA],
        user: Default::default(),
        leeway: Duration::from_secs(30),
        max_lifetime: Duration::from_secs(3600),
        within: None,
        claims: vec!["org".into()],
        limits: Limits::default(),
        query: false,
    };
    let door = Jwt::new(rules, Keys::Fixed([Key::secret(SECRET).unwrap()].into()));
    let asked = |token: &str| {
        let (data, brought) = (serde_json::Value::Null, Brought::bearer(Some(token)));
        door.verify(&Visitor::new(&data, &brought)).now_or_never().unwrap()
    };
    assert!(!matches!(asked(text), Ok(Some(_))), "{text}");
    let (header, claims) = text.split_once('\n').unwrap_or((r#"{"alg":"HS256"}"#, text));
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let tag = ring::hmac::sign(
        &ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes()),
        message.as_bytes(),
    );
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
    match asked(&token) {
        Ok(Some(identity)) => {
            let longest = SystemTime::now() + Duration::from_secs(3600 + 60);
            assert!(identity.user.is_some() && identity.expires.is_some_and(|end| end <= longest));
        }
        Ok(None) => {}
        Err(Refusal::Denied(denial)) => assert!(denial.why.len() <= WORDS, "{}", denial.why),
        Err(_) => {}
    }
    let _ = set(data);
}
