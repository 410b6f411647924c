//! What flows in: `type = "jwt"` below `[auth]`. What flows out: whose tokens are believed, by which keys, and what of
//! them counts. Refuses to know: how a token or a key is read.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use turted_core::may::{Naming, Pattern};
use turted_core::units::{duration, format_size};

use super::decode::decode;
use super::problem::{Problem, join_key};
use super::secret::Secret;
use super::tagged::Tagged;

/// Shortest shared secret in bytes: what HMAC-SHA-256 is good for (RFC 7518, 3.2).
pub const SHORTEST_SECRET: usize = 32;
/// More than this would hide clocks that are wrong.
const MOST_LEEWAY: Duration = Duration::from_secs(5 * 60);

/// A method that takes JSON Web Tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// Shared with whoever makes the tokens; several while one replaces another.
    #[serde(default, with = "several", skip_serializing_if = "Vec::is_empty")]
    pub secret: Vec<Secret>,
    /// Whose tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// For whom they are meant: one of these.
    #[serde(default, with = "several", skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<String>,
    /// Files with public keys in PEM form.
    #[serde(default, with = "several", skip_serializing_if = "Vec::is_empty")]
    pub public_key: Vec<PathBuf>,
    /// Where the issuer's keys are. Default: where its discovery document says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<String>,
    /// How tokens may be signed. Default: all that the keys are for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<JwtAlgorithm>,
    /// What makes the user's name. Default `{sub}`.
    #[serde(default)]
    pub user: Naming,
    /// By how much clocks may differ. Default 30 s.
    #[serde(default = "half_a_minute", with = "duration")]
    pub leeway: Duration,
    /// How long a token may be good for. Default 24 h.
    #[serde(default = "a_day", with = "duration")]
    pub max_lifetime: Duration,
    /// Beyond these its own `may` counts for nothing. Default: no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<Pattern>>,
    /// Whether a token may stand in a URL. Default false.
    #[serde(default)]
    pub query: bool,
}

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names of RFC 7518")]
#[non_exhaustive]
pub enum JwtAlgorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl JwtAlgorithm {
    /// Every one of them, as it is written.
    pub const ALL: [(Self, &str); 12] = [
        (Self::HS256, "HS256"),
        (Self::HS384, "HS384"),
        (Self::HS512, "HS512"),
        (Self::RS256, "RS256"),
        (Self::RS384, "RS384"),
        (Self::RS512, "RS512"),
        (Self::PS256, "PS256"),
        (Self::PS384, "PS384"),
        (Self::PS512, "PS512"),
        (Self::ES256, "ES256"),
        (Self::ES384, "ES384"),
        (Self::EdDsa, "EdDSA"),
    ];

    /// Whether it works with a secret that is shared.
    #[must_use]
    pub fn is_shared(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }

    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        let named = Self::ALL.iter().find(|(one, _)| *one == self);
        named.map_or("", |(_, word)| word)
    }
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

fn a_day() -> Duration {
    Duration::from_secs(24 * 3600)
}

impl Jwt {
    /// Reads what stands beside the type; what is wrong is noted.
    pub(super) fn read(door: &Tagged, key: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let decoded = decode::<Self>(&door.rest, key);
        // With a mistake inside, what is missing may only be its consequence.
        let is_sound = decoded.problems.is_empty();
        problems.extend(decoded.problems);
        let jwt = decoded.value.filter(|_| is_sound)?;
        let before = problems.len();
        let mut refuse = |name: &str, message: String| {
            problems.push(Problem::new(door.rest.place_of(name), join_key(key, name), message));
        };
        jwt.keys(&mut refuse);
        jwt.bounds(&mut refuse);
        (problems.len() == before).then_some(jwt)
    }

    fn keys(&self, refuse: &mut impl FnMut(&str, String)) {
        let has_public = !self.public_key.is_empty() || self.jwks.is_some();
        if self.secret.is_empty() && !has_public && self.issuer.is_none() {
            let message = "is missing; a jwt takes the secret that it is signed with, or the issuer and the audience of an identity \
                           provider";
            return refuse("secret", message.into());
        }
        if !self.secret.is_empty() && has_public {
            let other = if self.jwks.is_some() { "jwks" } else { "public_key" };
            refuse(
                "secret",
                format!(
                    "does not go with {other}: whoever knows the public key could sign with it; write two [[auth.clients]]"
                ),
            );
        }
        if let Some(short) = self
            .secret
            .iter()
            .map(|one| one.expose().len())
            .find(|size| *size < SHORTEST_SECRET)
        {
            let short = format_size(short);
            refuse(
                "secret",
                format!(
                    "must be at least {SHORTEST_SECRET} bytes long, not {short}: a short one can be guessed from any token; make one with \
                     openssl rand -base64 32"
                ),
            );
        }
        if !self.secret.is_empty() {
            return;
        }
        let why = "is missing; it is demanded with public keys, since their owner signs for others too";
        if self.issuer.is_none() {
            refuse("issuer", why.into());
        }
        if self.audience.is_empty() {
            refuse("audience", why.into());
        }
        if !self.public_key.is_empty() && self.jwks.is_some() {
            refuse(
                "jwks",
                "does not go with public_key; the keys come from one place".into(),
            );
        }
        let fetched = match (&self.jwks, &self.issuer) {
            (Some(jwks), _) => Some(("jwks", jwks)),
            (None, Some(issuer)) if self.public_key.is_empty() => Some(("issuer", issuer)),
            _ => None,
        };
        if let Some((name, url)) = fetched.filter(|(_, url)| !is_safe(url)) {
            let url = super::secret::mask_url(url);
            refuse(
                name,
                format!("{url:?} must be an https URL (http only on this machine), since the keys come from there"),
            );
        }
    }

    fn bounds(&self, refuse: &mut impl FnMut(&str, String)) {
        for path in self.public_key.iter().filter(|path| !path.is_file()) {
            refuse("public_key", format!("there is no file {}", path.display()));
        }
        let is_shared = !self.secret.is_empty();
        if let Some(wrong) = self.algorithms.iter().find(|one| one.is_shared() != is_shared) {
            let with = if is_shared { "a secret" } else { "public keys" };
            let all = JwtAlgorithm::ALL.iter().filter(|(one, _)| one.is_shared() == is_shared);
            let words: Vec<&str> = all.map(|(_, word)| *word).collect();
            refuse(
                "algorithms",
                format!(
                    "{} does not go with {with}; those that do are {}",
                    wrong.word(),
                    words.join(", ")
                ),
            );
        }
        if self.leeway > MOST_LEEWAY {
            refuse(
                "leeway",
                format!("must be at most {}", humantime::format_duration(MOST_LEEWAY)),
            );
        }
        if self.max_lifetime < Duration::from_secs(1) {
            refuse("max_lifetime", "must be at least 1s".into());
        }
        if self.audience.iter().chain(&self.issuer).any(String::is_empty) {
            refuse("issuer", "issuer and audience must not be empty".into());
        }
    }
}

/// Whether nobody on the way can put other keys there: `https`, or this machine.
#[must_use]
pub fn is_safe(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else {
        return false;
    };
    let host = url.host().unwrap_or_default();
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<std::net::IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback());
    match url.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => is_here,
        _ => false,
    }
}

/// One, or a list of several.
mod several {
    use serde::de::value::SeqAccessDeserializer;
    use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
    use serde::ser::{Serialize, Serializer};
    use std::fmt;
    use std::marker::PhantomData;

    pub fn serialize<T: Serialize, S: Serializer>(all: &[T], serializer: S) -> Result<S::Ok, S::Error> {
        match all {
            [one] => one.serialize(serializer),
            all => all.serialize(serializer),
        }
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
        struct OneOrMore<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMore<T> {
            type Value = Vec<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes, or a list of them")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
                T::deserialize(serde::de::value::StrDeserializer::new(text)).map(|one| vec![one])
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
                let all = Vec::<T>::deserialize(SeqAccessDeserializer::new(list))?;
                match all.is_empty() {
                    true => Err(serde::de::Error::custom("must not be an empty list")),
                    false => Ok(all),
                }
            }
        }
        deserializer.deserialize_any(OneOrMore(PhantomData))
    }
}
