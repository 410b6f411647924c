//! The digest of SASL as stage computes it.
//!
//! In: the value of `Authorization`. Out: its parts, and what the response must be. A text is hashed by the lower byte
//! of each of its UTF-16 units, as the clients do it: the same as Latin-1, which is all that passwords may hold.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};

/// Bytes of MD5.
pub type Hash = [u8; 16];

/// Longest header, and most parts of what it says.
const BYTES: usize = 4096;
const PARTS: usize = 16;

/// What a client answers to a challenge. Its response is a credential.
pub struct Answer {
    /// Who it says it is.
    pub username: String,
    /// Of the challenge.
    pub nonce: String,
    /// Of the challenge.
    pub realm: String,
    /// What shows that it knows the password.
    pub response: Hash,
    uri: String,
    cnonce: String,
}

/// The hash that a password is known by: as good as the password itself.
#[must_use]
pub fn secret(user: &str, realm: &str, password: &str) -> Hash {
    md5(&[user, ":", realm, ":", password])
}

impl Answer {
    /// Reads `SASL mechanism="Digest",<base64>`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(header: &str) -> Result<Self, &'static str> {
        let scheme = header.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("sasl "));
        if scheme.is_none() || header.len() > BYTES {
            return Err("it is no answer of SASL");
        }
        let line = header[5..].trim().strip_prefix("mechanism=\"Digest\",");
        let line = line.ok_or("its mechanism is not Digest")?;
        let line = BASE64_STANDARD.decode(line.trim()).ok();
        let line = line.and_then(|line| String::from_utf8(line).ok());
        let line = line.ok_or("it is no text in base64")?;
        let parts = line.strip_prefix("Digest ").and_then(parts);
        let parts = parts.ok_or("its parts are broken, twice there, or too many")?;
        let part = |name: &str| {
            let found = parts.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned()).ok_or("a part is missing")
        };
        if part("qop")? != "auth" || part("nc")? != "00000001" {
            return Err("its qop is not auth, or its nc is not 1");
        }
        let mut response = Hash::default();
        hex::decode_to_slice(part("response")?, &mut response).map_err(|_| "its response is no digest")?;
        Ok(Self {
            username: part("username")?,
            nonce: part("nonce")?,
            realm: part("realm")?,
            uri: part("digest-uri")?,
            cnonce: part("cnonce")?,
            response,
        })
    }

    /// Whether it was made for this host. A client that has had a WebSocket says `ws` where others say `http`.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        let (scheme, named) = self.uri.split_once('/').unwrap_or_default();
        ["http", "https", "ws", "wss"].contains(&scheme) && named.eq_ignore_ascii_case(host)
    }

    /// What its response must be with this [`secret`].
    #[must_use]
    pub fn expected(&self, secret: &Hash) -> Hash {
        let (first, last) = (hex::encode(secret), hex::encode(md5(&["POST:", &self.uri])));
        let (nonce, cnonce) = (&self.nonce, &self.cnonce);
        md5(&[&first, ":", nonce, ":00000001:", cnonce, ":auth:", &last])
    }
}

/// `name="value",name=value`; no name twice.
fn parts(mut rest: &str) -> Option<Vec<(&str, &str)>> {
    let mut parts: Vec<(&str, &str)> = Vec::new();
    loop {
        let (name, value) = rest.split_once('=')?;
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find(',').unwrap_or(value.len())),
        };
        if parts.len() >= PARTS || parts.iter().any(|(known, _)| *known == name) {
            return None;
        }
        parts.push((name, value));
        if behind.is_empty() {
            return Some(parts);
        }
        rest = behind.strip_prefix(',')?;
    }
}

fn md5(texts: &[&str]) -> Hash {
    let mut md5 = Md5::new();
    for text in texts {
        let bytes: Vec<u8> = text.encode_utf16().map(|unit| unit.to_le_bytes()[0]).collect();
        md5.update(bytes);
    }
    md5.finalize().into()
}

/// What stage says who was told this nonce and realm at this host.
#[cfg(test)]
pub fn said([nonce, realm, host]: [&str; 3], user: &str, password: &str) -> String {
    let line = |response: &str| {
        let line = format!(
            "Digest username=\"{user}\",nonce=\"{nonce}\",realm=\"{realm}\",response={response},\
             digest-uri=\"http/{host}\",cnonce=\"NTAwMDAwMDA=\",qop=auth,nc=00000001"
        );
        format!("SASL mechanism=\"Digest\",{}", BASE64_STANDARD.encode(line))
    };
    let answer = Answer::read(&line(&"0".repeat(32))).ok().unwrap();
    line(&hex::encode(answer.expected(&secret(user, realm, password))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stage 0.1.9 wrote: `register("tom", "Grüße")` at http://127.0.0.1:8601/secure/realtime.
    const STAGE: &str = "SASL mechanism=\"Digest\",\
        RGlnZXN0IHVzZXJuYW1lPSJ0b20iLG5vbmNlPSIxLmFiLmNkIixyZWFsbT0iaG91c2UiLHJlc3BvbnNlPWRjM2Y4\
        NTEzM2QxYzgzYmNhNDEyOGFiYWYyNDc4ZTFlLGRpZ2VzdC11cmk9Imh0dHAvMTI3LjAuMC4xOjg2MDEiLGNub25j\
        ZT0iTlRBd01EQXdNREE9Iixxb3A9YXV0aCxuYz0wMDAwMDAwMQ==";

    #[test]
    fn an_answer_of_stage_is_read_and_holds() {
        let answer = Answer::read(STAGE).ok().unwrap();
        assert_eq!(
            (&*answer.username, &*answer.realm, &*answer.nonce),
            ("tom", "house", "1.ab.cd")
        );
        assert!(answer.is_for("127.0.0.1:8601") && !answer.is_for("127.0.0.1:8602") && !answer.is_for(""));
        assert_eq!(answer.expected(&secret("tom", "house", "Grüße")), answer.response);
        assert_ne!(answer.expected(&secret("tom", "house", "Gruesse")), answer.response);
        assert_eq!(said(["1.ab.cd", "house", "127.0.0.1:8601"], "tom", "Grüße"), STAGE);
    }

    fn line(line: &str) -> String {
        format!("SASL mechanism=\"Digest\",{}", BASE64_STANDARD.encode(line))
    }

    #[test]
    fn what_is_no_answer_is_refused_with_a_reason() {
        let good = "Digest username=\"a, b\",nonce=\"N\",realm=\"R\",response=00000000000000000000000000000000,\
                    digest-uri=\"http/h\",cnonce=\"c=\",qop=auth,nc=00000001";
        assert_eq!(Answer::read(&line(good)).ok().unwrap().username, "a, b");
        let long = format!("{},x=\"{}\"", good, "x".repeat(BYTES));
        let many: String = (0..PARTS).map(|number| format!(",x{number}=1")).collect();
        for (wrong, why) in [
            ("Basic dG9tOng=".to_owned(), "it is no answer of SASL"),
            ("€".to_owned(), "it is no answer of SASL"),
            (line(&long), "it is no answer of SASL"),
            ("SASL mechanism=\"PLAIN\",x".to_owned(), "its mechanism is not Digest"),
            ("SASL mechanism=\"Digest\",?".to_owned(), "it is no text in base64"),
            ("SASL mechanism=\"Digest\",/w==".to_owned(), "it is no text in base64"),
            (line(""), "its parts are broken, twice there, or too many"),
            (line(&good[7..]), "its parts are broken, twice there, or too many"),
            (line("Digest a=\"b"), "its parts are broken, twice there, or too many"),
            (
                line("Digest a=\"b\"c"),
                "its parts are broken, twice there, or too many",
            ),
            (
                line(&format!("{good},")),
                "its parts are broken, twice there, or too many",
            ),
            (
                line(&format!("{good},nonce=x")),
                "its parts are broken, twice there, or too many",
            ),
            (
                line(&format!("{good}{many}")),
                "its parts are broken, twice there, or too many",
            ),
            (line(&good.replace("cnonce", "x")), "a part is missing"),
            (
                line(&good.replace("nc=00000001", "nc=00000002")),
                "its qop is not auth, or its nc is not 1",
            ),
            (
                line(&good.replace("qop=auth", "qop=auth-int")),
                "its qop is not auth, or its nc is not 1",
            ),
            (
                line(&good.replace("=0000000000", "=000000000x")),
                "its response is no digest",
            ),
            (
                line(&good.replace("=0000000000", "=00000000")),
                "its response is no digest",
            ),
        ] {
            assert_eq!(Answer::read(&wrong).err(), Some(why), "{wrong}");
        }
    }
}
