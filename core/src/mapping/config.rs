//! The key `envelope` of a connector's section.
//!
//! In: `"turted"` or a table. Out: an [`Envelope`], whose templates are well formed; whether the source has what they
//! name is seen when a [`Recipe`](super::Recipe) is made of it.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Template;

/// How the messages of a source become dispatches.
#[derive(Debug, Clone, Default)]
pub enum Envelope {
    /// The body is a push, `{"event", "targets", "payload", …}`, or a list of them; `auth` is not looked at. The
    /// default.
    #[default]
    Turted,
    /// Each member of the dispatch is a template.
    Mapped(Box<Mapping>),
}

/// The members of a dispatch as templates.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// What happened.
    pub event: Template,
    /// Whom to tell: users.
    #[serde(default)]
    pub users: Names,
    /// Whom to tell: channels.
    #[serde(default)]
    pub channels: Names,
    /// Whether to tell everybody.
    #[serde(default)]
    pub broadcast: Switch,
    /// What goes with it; the source says what it is by default.
    #[serde(default)]
    pub payload: Option<serde_json::Value>,
    /// The idempotency key.
    #[serde(default)]
    pub id: Option<Template>,
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrTable;
        impl<'de> Visitor<'de> for WordOrTable {
            type Value = Envelope;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"turted\", or a table with event, users, channels, broadcast, payload, id")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Envelope, E> {
                match text {
                    "turted" => Ok(Envelope::Turted),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Envelope, A::Error> {
                Mapping::deserialize(MapAccessDeserializer::new(map)).map(|mapping| Envelope::Mapped(Box::new(mapping)))
            }
        }
        deserializer.deserialize_any(WordOrTable)
    }
}

/// A template or a list of them.
#[derive(Debug, Clone, Default)]
pub struct Names(pub Vec<Template>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Names, E> {
                Template::parse(text)
                    .map(|template| Names(vec![template]))
                    .map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Names, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(Names)
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

/// True, false, or a template that becomes one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Switch {
    /// Always the same.
    Fixed(bool),
    /// As the message says.
    Mapped(Template),
}

impl Default for Switch {
    fn default() -> Self {
        Self::Fixed(false)
    }
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoolOrText;
        impl Visitor<'_> for BoolOrText {
            type Value = Switch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, or a text with a placeholder such as \"{json.public|false}\"")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Switch, E> {
                Ok(Switch::Fixed(value))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Switch, E> {
                let template = Template::parse(text).map_err(E::custom)?;
                match template.constant() {
                    Some(constant) => truth(constant)
                        .map(Switch::Fixed)
                        .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                    None => Ok(Switch::Mapped(template)),
                }
            }
        }
        deserializer.deserialize_any(BoolOrText)
    }
}

/// What a text means as a yes or no.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" | "" => Some(false),
        _ => None,
    }
}
