//! What flows in: passwords and keys. What flows out: the same, to the one who asks with `expose`, and asterisks to
//! everybody else. Refuses to know: what a secret opens.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// What stands in for a secret wherever the configuration is shown.
pub const MASK: &str = "********";

/// A text that is never printed: `Debug` and `Serialize` give asterisks. Never empty when it comes from a
/// configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text, as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The secret itself; compare it in constant time and keep it out of logs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Secret;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
                if text.is_empty() {
                    return Err(E::custom("must not be empty"));
                }
                Ok(Secret::new(text))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// One secret, or several: the newest first, while they are changed. Never none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Secrets(Vec<Secret>);

impl Secrets {
    /// Each of them; see [`Secret::expose`].
    pub fn expose(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Secret::expose)
    }
}

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Secrets;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes, or a list of them")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Secrets, E> {
                Secret::deserialize(serde::de::value::StrDeserializer::new(text)).map(|secret| Secrets(vec![secret]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Secrets, A::Error> {
                let mut secrets = Vec::new();
                while let Some(secret) = list.next_element()? {
                    secrets.push(secret);
                }
                if secrets.is_empty() {
                    return Err(A::Error::custom("must not be empty"));
                }
                Ok(Secrets(secrets))
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}

/// Does a key of this name hold a secret? Used where the meaning of a key is unknown here (the settings of connectors).
pub(super) fn is_secret_name(key: &str) -> bool {
    let key = key.to_lowercase();
    let parts = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "credential",
        "api_key",
        "apikey",
        "private_key",
    ];
    key == "auth" || parts.iter().any(|part| key.contains(part))
}

/// The text with the password of a URL (`amqp://user:password@host`) masked.
pub(super) fn mask_url(text: &str) -> Cow<'_, str> {
    let masked = || {
        let (scheme, rest) = text.split_once("://")?;
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        // A password with an unescaped `/` or `#` must not slip through: then the last `@` of the whole text ends it.
        let end = authority.rfind('@').or_else(|| rest.rfind('@'))?;
        let (user, _) = rest[..end].split_once(':')?;
        Some(format!("{scheme}://{user}:{MASK}{}", &rest[end..]))
    };
    masked().map_or(Cow::Borrowed(text), Cow::Owned)
}
