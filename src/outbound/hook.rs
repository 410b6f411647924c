//! A question to the user's backend that it can believe: signed as Standard Webhooks are.
//!
//! In: a destination, the secrets that both sides know, and bodies. Out: the answers. With several secrets, while they
//! are changed, each signs. Refuses to know: what the body says.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use sha2::Sha256;

use super::destination::{Answer, Destination, OutboundError, Request};

/// Marks secrets that are written in base64, as tools for Standard Webhooks make them.
const ENCODED: &str = "whsec_";

/// Where to ask, and what signs. Prints no secret.
#[derive(Clone)]
pub struct Hook {
    destination: Destination,
    keys: Box<[Hmac<Sha256>]>,
}

impl Hook {
    /// Signs with each of these secrets.
    pub fn new<'a>(destination: Destination, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            destination,
            keys: secrets.into_iter().filter_map(key).collect(),
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn ask(&self, body: impl Into<Bytes>) -> Result<Answer, OutboundError> {
        let body = body.into();
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| OutboundError::Unreachable("there are no random numbers".to_owned()))?;
        let id = format!("msg_{}", hex::encode(id));
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = since.as_secs().to_string();
        let signature = sign(&self.keys, &id, &at, &body);
        self.destination
            .send(Request {
                method: Method::POST,
                headers: vec![
                    ("content-type", "application/json".to_owned()),
                    ("accept", "application/json".to_owned()),
                    ("webhook-id", id),
                    ("webhook-timestamp", at),
                    ("webhook-signature", signature),
                ],
                body,
            })
            .await
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hook").field(&self.destination).finish()
    }
}

fn key(secret: &str) -> Option<Hmac<Sha256>> {
    let encoded = secret.strip_prefix(ENCODED).and_then(|rest| STANDARD.decode(rest).ok());
    let bytes = encoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    Hmac::new_from_slice(&bytes).ok().filter(|_| !bytes.is_empty())
}

/// `v1,` and base64 of HMAC-SHA-256 over `id.time.body`, for each key, with a space between them.
fn sign(keys: &[Hmac<Sha256>], id: &str, at: &str, body: &[u8]) -> String {
    let signatures = keys.iter().map(|key| {
        let mut mac = key.clone();
        for part in [id.as_bytes(), b".", at.as_bytes(), b".", body] {
            mac.update(part);
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_standard_webhooks_is_signed_as_it_says() {
        let keys: Vec<_> = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").into_iter().collect();
        let (id, at) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
        let signed = sign(&keys, id, at, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn while_secrets_are_changed_each_signs() {
        let keys: Vec<_> = ["new", "old"].into_iter().filter_map(key).collect();
        let signed = sign(&keys, "msg_1", "1", b"{}");
        let (new, old) = signed.split_once(' ').unwrap();
        assert_eq!(new, sign(&keys[..1], "msg_1", "1", b"{}"));
        assert_eq!(old, sign(&keys[1..], "msg_1", "1", b"{}"));
        assert_ne!(new, old);
        assert!(key("").is_none() && key("whsec_").is_none());
    }
}
