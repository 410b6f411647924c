//! From a text to claims that somebody signed.
//!
//! In: what somebody presented. Out: what it says, once a key holds; else the sentence that says what is wrong with
//! it, which never holds any of it. Refuses to know: what the claims mean.

use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto::verify;
use serde_json::{Map, Value};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use turted_core::Limits;
use turted_core::json::check_depth;

use super::claims::{object, text};
use super::keys::Key;

/// Longest token in bytes.
pub const MOST_BYTES: usize = 8 << 10;
/// Longest name of a key.
const MOST_KID: usize = 200;

/// A token whose form is right.
#[derive(Clone, Copy)]
pub struct Form<'a> {
    message: &'a [u8],
    signature: &'a str,
    header: &'a str,
    claims: &'a str,
}

/// What its header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// How it is signed.
    pub algorithm: Algorithm,
    /// With which key.
    pub kid: Option<String>,
}

impl<'a> Form<'a> {
    /// Takes it apart.
    ///
    /// # Errors
    /// A sentence.
    pub fn of(whole: &'a str) -> Result<Self, String> {
        if whole.len() > MOST_BYTES {
            return Err(format!("it is {} bytes long, allowed are {MOST_BYTES}", whole.len()));
        }
        let parts: Vec<&str> = whole.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else {
            return Err(format!("it has {} parts, not three", parts.len()));
        };
        if signature.is_empty() {
            return Err("it has no signature".into());
        }
        for part in [header, claims, signature] {
            let is_ours = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if !part.bytes().all(is_ours) {
                return Err("it has characters that base64url without padding has not".into());
            }
        }
        let message = &whole.as_bytes()[..header.len() + 1 + claims.len()];
        Ok(Self {
            message,
            signature,
            header,
            claims,
        })
    }

    /// Its header.
    ///
    /// # Errors
    /// A sentence.
    pub fn header(&self) -> Result<Header, String> {
        let members = opened(self.header, "the header")?;
        let algorithm = text(&members, "alg").map_err(in_header)?;
        let algorithm = algorithm.ok_or("the header has no alg")?;
        let known = || {
            format!(
                "the header has the alg {}, which is none that verifies anything",
                shown(algorithm)
            )
        };
        let algorithm = algorithm.parse().map_err(|_| known())?;
        if members.contains_key("crit") {
            return Err("the header has crit, and nothing critical is understood here".into());
        }
        if members.contains_key("b64") {
            return Err("the header has b64, and claims are always base64url here".into());
        }
        let kid = text(&members, "kid").map_err(in_header)?;
        if kid.is_some_and(|kid| kid.len() > MOST_KID) {
            return Err(format!("the header has a kid of more than {MOST_KID} bytes"));
        }
        let kid = kid.map(str::to_owned);
        Ok(Header { algorithm, kid })
    }

    /// What it says, believed or not: to choose who is to verify it, and for nothing else.
    ///
    /// # Errors
    /// A sentence.
    pub fn unverified(&self) -> Result<Map<String, Value>, String> {
        opened(self.claims, "what it says")
    }

    /// What it says, if one of the keys holds.
    ///
    /// # Errors
    /// A sentence.
    pub fn verified(&self, algorithm: Algorithm, keys: &[&Key], limits: &Limits) -> Result<Map<String, Value>, String> {
        // The claims are looked at by `rules.rs`: in the order in which a person mends them, with a sentence for
        // each, and not before a signature holds.
        let holds = |key: &&Key| verify(self.signature, self.message, key.decoding(), algorithm).unwrap_or(false);
        if !keys.iter().any(holds) {
            return Err("the signature does not hold".into());
        }
        let json = decoded(self.claims, "what it says")?;
        check_depth(&json, limits).map_err(|why| format!("what it says {why}"))?;
        object(&json, "what it says")
    }
}

fn in_header(why: String) -> String {
    format!("in the header, {why}")
}

fn opened(part: &str, what: &str) -> Result<Map<String, Value>, String> {
    object(&decoded(part, what)?, what)
}

fn decoded(part: &str, what: &str) -> Result<Vec<u8>, String> {
    let json = URL_SAFE_NO_PAD.decode(part);
    json.map_err(|_| format!("{what} is not base64url without padding"))
}

/// A text of somebody else in a sentence: quoted, and not longer than a line.
pub fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(80).collect::<String>())
}
