//! What flows in: `[[auth.clients]]` of type `callback`. What flows out: where to ask who somebody is, how the question
//! is signed, and what of a request goes along. Refuses to know: how it is asked.

use std::time::Duration;

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};
use turted_core::may::Pattern;
use turted_core::units::duration;

use super::secret::Secrets;
use crate::outbound::check_url;

/// `type = "callback"`: the user's backend is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callback {
    /// Where.
    pub url: HookUrl,
    /// Signs the question; several while they are changed.
    pub secret: Secrets,
    /// What of a request goes along. Default: its cookies.
    #[serde(default = "cookies")]
    pub forward: Vec<Forward>,
    /// How long an answer may take. Default 2 s.
    #[serde(default = "two_seconds", with = "duration")]
    pub timeout: Duration,
    /// How long an answer holds for the same question. Default 10 s; 0 asks again each time.
    #[serde(default = "ten_seconds", with = "duration")]
    pub cache: Duration,
    /// Questions under way at once; more wait. Default 64.
    #[serde(default = "sixty_four")]
    pub at_once: usize,
    /// Beyond these patterns what the backend grants counts for nothing. Default: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<Pattern>>,
}

fn cookies() -> Vec<Forward> {
    vec![Forward::Cookies]
}

fn two_seconds() -> Duration {
    Duration::from_secs(2)
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn sixty_four() -> usize {
    64
}

impl Callback {
    /// Whether a cookie leaves the house: then any page that may connect speaks for whoever looks at it.
    #[must_use]
    pub fn forwards_cookies(&self) -> bool {
        let is_cookie = |one: &Forward| matches!(one, Forward::Cookies | Forward::Cookie(_));
        self.forward.iter().any(is_cookie)
    }
}

/// A URL that turted may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HookUrl(String);

impl HookUrl {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for HookUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let url = String::deserialize(deserializer)?;
        check_url(&url).map_err(D::Error::custom)?;
        Ok(Self(url))
    }
}

/// One thing of a request that goes along with a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forward {
    /// `cookie`: all of them.
    Cookies,
    /// `cookie.<name>`
    Cookie(String),
    /// `header.<name>`, in small letters.
    Header(String),
}

impl Serialize for Forward {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Cookies => serializer.serialize_str("cookie"),
            Self::Cookie(name) => serializer.collect_str(&format_args!("cookie.{name}")),
            Self::Header(name) => serializer.collect_str(&format_args!("header.{name}")),
        }
    }
}

impl<'de> Deserialize<'de> for Forward {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_token = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        };
        match text.split_once('.') {
            None if text == "cookie" => Ok(Self::Cookies),
            Some(("cookie", name)) if is_token(name) && name != "*" => Ok(Self::Cookie(name.to_owned())),
            Some(("header", name)) if is_token(name) => match name.to_ascii_lowercase() {
                name if name == "cookie" => Err(D::Error::custom("\"header.cookie\" is written \"cookie\"")),
                name => Ok(Self::Header(name)),
            },
            _ => Err(D::Error::custom(
                "must be \"cookie\" (all of them), \"cookie.<name>\" or \"header.<name>\"",
            )),
        }
    }
}
