//! The section `[responders.<name>]` with `type = "mongodb"`.
//!
//! In: settings. Out: somebody who answers for each collection, or which key cannot be as it is. It does not touch the
//! network.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mongodb::options::{ConnectionString, Tls};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Unexpected, Visitor};
use turted_core::units::{duration, size};
use turted_core::{Named, Responder, SettingError};

use crate::Collection;
use crate::database::{Database, Terms};
use crate::fields::{FieldPath, Fields};
use crate::rackhd;

/// What a URL looks like. The driver's own words could repeat a part of one, and so of a password (CWE-532).
const URL: &str = "is no URL of MongoDB, as mongodb://user:password@localhost:27017/pxe is one; letters that mean \
                   something in a URL need their escapes (%40 for @), and mongodb+srv is not known here";

/// Settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MongodbConfig {
    /// `mongodb://[user:password@]host[:port][,…][/database][?options]`, as MongoDB has it; `tls=true` for TLS, and
    /// `tlsCAFile=` for a certificate that is not one of the web's. Required.
    url: String,
    /// The database. Default: that of the URL.
    database: Option<String>,
    /// What clients may ask for, by the name of the call, or `"rackhd"` for the collections of RackHD. Required.
    collections: Collections,
    /// How long an answer may take, 100 ms to 1 min. Default 5 s.
    #[serde(default = "five_seconds", with = "duration")]
    timeout: Duration,
    /// Questions under way at once, 1 to 1000; some more wait. Default 16.
    #[serde(default = "sixteen")]
    at_once: usize,
    /// Most documents of one answer, 1 to 100,000. Default 1000.
    #[serde(default = "thousand")]
    limit: u64,
    /// Most bytes of one answer, at most 16 MiB. Default 512 KiB.
    #[serde(default = "bytes", with = "size")]
    bytes: usize,
    /// Whether A is another letter than a where clients ask for texts. Default false, as in Waterline.
    #[serde(default)]
    case_sensitive: bool,
}

fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

fn sixteen() -> usize {
    16
}

fn thousand() -> u64 {
    1000
}

fn bytes() -> usize {
    512 * 1024
}

/// What clients may ask for.
enum Collections {
    RackHd,
    These(BTreeMap<String, CollectionConfig>),
}

/// One collection.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CollectionConfig {
    /// Its name in the database. Default: as clients call it.
    name: Option<String>,
    /// The field that clients know as `id`. Default `_id`.
    key: Option<String>,
    /// Fields, besides the key, that hold ObjectIds, which clients say as texts. Default none.
    #[serde(default)]
    ids: Vec<String>,
    /// Fields that hold times, which clients say as texts. Default `createdAt` and `updatedAt`.
    times: Option<Vec<String>>,
    /// Fields that clients do not get; they may ask for documents by them. Default none.
    #[serde(default)]
    hidden: Vec<String>,
    /// Names of fields, at any depth and in any case, that clients neither get nor ask for: those that have this in
    /// them, or that are just this if it begins with `=`. Default none.
    #[serde(default)]
    secrets: Vec<String>,
}

impl CollectionConfig {
    fn fields(self) -> Fields {
        let standard = Fields::default();
        Fields {
            key: self.key.unwrap_or(standard.key),
            ids: self.ids,
            times: self.times.unwrap_or(standard.times),
            hidden: self.hidden,
            secrets: self.secrets,
        }
    }
}

impl<'de> Deserialize<'de> for Collections {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrTables;
        impl<'de> Visitor<'de> for WordOrTables {
            type Value = Collections;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"rackhd\", or for each collection a table with name, key, ids, times, hidden, secrets")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Collections, E> {
                match text {
                    "rackhd" => Ok(Collections::RackHd),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Collections, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(Collections::These)
            }
        }
        deserializer.deserialize_any(WordOrTables)
    }
}

impl MongodbConfig {
    /// The value of `type` in the section.
    pub const TYPE: &'static str = "mongodb";

    /// Who answers, by the names that clients call; `section` is for the log.
    ///
    /// # Errors
    /// Every key that cannot be as it is.
    pub fn build(self, section: &str) -> Result<Vec<Named>, SettingError> {
        let mut wrong = Vec::new();
        let mut bound = |key: &str, is_good: bool, range: &str| {
            if !is_good {
                wrong.push(SettingError::new(key, format!("must be {range}")));
            }
        };
        let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(60));
        bound(
            "timeout",
            (shortest..=longest).contains(&self.timeout),
            "from 100ms to 1m",
        );
        bound("at_once", (1..=1000).contains(&self.at_once), "from 1 to 1000");
        bound("limit", (1..=100_000).contains(&self.limit), "from 1 to 100000");
        bound("bytes", (1024..=16 << 20).contains(&self.bytes), "from 1 KiB to 16 MiB");
        let url = url(&self.url).map_err(|error| wrong.push(error)).ok();
        let name = url
            .as_ref()
            .and_then(|url| self.database.clone().or_else(|| url.default_database.clone()));
        if url.is_some() && !name.as_deref().is_some_and(is_database) {
            let why =
                "must be the name of a database, without / \\ . \" $ * < > : | ? and spaces, here or at the end of url";
            wrong.push(SettingError::new("database", why));
        }
        let collections = self.collections.read(&mut wrong);
        let (Some(url), Some(name), true) = (url, name, wrong.is_empty()) else {
            return Err(SettingError::several(wrong));
        };
        let database = Arc::new(Database::new(Terms {
            section: section.to_owned(),
            url,
            name,
            timeout: self.timeout,
            at_once: self.at_once,
            limit: self.limit,
            bytes: self.bytes,
        }));
        let all = collections.into_iter().map(|(name, collection, fields)| {
            let responder: Arc<dyn Responder> = Arc::new(Collection {
                database: Arc::clone(&database),
                name: collection,
                fields: Arc::new(fields),
                is_exact: self.case_sensitive,
                patience: self.timeout,
            });
            (Arc::from(name), responder)
        });
        Ok(all.collect())
    }
}

fn url(text: &str) -> Result<ConnectionString, SettingError> {
    let url = ConnectionString::parse(text).map_err(|_| SettingError::new("url", URL))?;
    if let Some(Tls::Enabled(tls)) = &url.tls
        && tls.allow_invalid_certificates == Some(true)
    {
        let why = "must not let any certificate pass; name the one to trust with tlsCAFile=";
        return Err(SettingError::new("url", why));
    }
    Ok(url)
}

/// What MongoDB takes for the name of a database.
fn is_database(name: &str) -> bool {
    let bad = |letter: char| letter.is_control() || "/\\. \"$*<>:|?".contains(letter);
    !name.is_empty() && name.len() < 64 && !name.contains(bad)
}

impl Collections {
    /// By the name that clients call: which collection, and what is known of its fields.
    fn read(self, wrong: &mut Vec<SettingError>) -> Vec<(String, String, Fields)> {
        let all = match self {
            Self::RackHd => {
                let all = rackhd::collections().into_iter();
                let owned =
                    |(name, collection, fields): (&str, &str, _)| (name.to_owned(), collection.to_owned(), fields);
                return all.map(owned).collect();
            }
            Self::These(all) => all,
        };
        if all.is_empty() {
            wrong.push(SettingError::new("collections", "must not be empty"));
        }
        let mut read = Vec::new();
        for (called, config) in all {
            let name = config.name.clone().unwrap_or_else(|| called.clone());
            let fields = config.fields();
            let key = |key: &str| format!("collections.{called}{key}");
            if called.is_empty() || called.len() > 200 || called.contains(char::is_control) {
                let why = "is called by 1 to 200 bytes without control characters";
                wrong.push(SettingError::new(key(""), why));
            }
            if name.is_empty() || name.len() > 200 || name.starts_with("system.") || name.contains(['$', '\0']) {
                let why = "must be a collection's: 1 to 200 bytes without $, and none of the system's";
                wrong.push(SettingError::new(key(".name"), why));
            }
            let paths = [
                ("key", std::slice::from_ref(&fields.key)),
                ("ids", &fields.ids),
                ("times", &fields.times),
            ];
            for (list, names) in paths {
                if let Some(Err(why)) = names.iter().map(|name| FieldPath::parse(name)).find(Result::is_err) {
                    wrong.push(SettingError::new(
                        key(&format!(".{list}")),
                        format!("is not right: {why}"),
                    ));
                }
            }
            if fields
                .secrets
                .iter()
                .any(|secret| secret.trim_start_matches('=').is_empty())
            {
                wrong.push(SettingError::new(key(".secrets"), "must not have an empty name in it"));
            }
            read.push((called, name, fields));
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        match serde_json::from_str::<MongodbConfig>(text) {
            Err(error) => error.to_string(),
            Ok(config) => match config.build("x") {
                Ok(all) => all.iter().map(|(name, _)| format!("{name} ")).collect(),
                Err(error) => error.all().iter().map(|error| format!("{error}\n")).collect(),
            },
        }
    }

    #[test]
    fn the_collections_of_rackhd_are_there_by_one_word() {
        let twelve = "catalogs files graphDefs graphObjs logs lookups nodes pollers profiles skus taskDefs templates ";
        assert_eq!(
            problems(r#"{"url":"mongodb://localhost/pxe","collections":"rackhd"}"#),
            twelve
        );
    }

    #[test]
    fn what_cannot_be_is_said_with_its_key_and_without_a_password() {
        let url = r#""url":"mongodb://u:secret@localhost/pxe""#;
        for (text, expected) in [
            (
                r#"{"url":"mongodb://u:sec/ret@h","collections":"rackhd"}"#,
                "url: is no URL of MongoDB",
            ),
            (
                r#"{"url":"mongodb+srv://u:secret@h.example.com/x","collections":"rackhd"}"#,
                "url: is no URL of MongoDB",
            ),
            (
                r#"{"url":"mongodb://u:secret@h/x?tls=true&tlsInsecure=true","collections":"rackhd"}"#,
                "url: must not let any certificate pass",
            ),
            (
                r#"{"url":"mongodb://u:secret@h","collections":"rackhd"}"#,
                "database: must be the name of a database",
            ),
            (
                &format!(r#"{{{url},"database":"a b","collections":"rackhd"}}"#),
                "database: must be",
            ),
            (
                &format!(r#"{{{url},"collections":"other"}}"#),
                "invalid value: string \"other\", expected \"rackhd\"",
            ),
            (
                &format!(r#"{{{url},"collections":{{}}}}"#),
                "collections: must not be empty",
            ),
            (
                &format!(r#"{{{url},"collections":{{"a":{{"name":"$cmd"}}}}}}"#),
                "collections.a.name: must be a collection's",
            ),
            (
                &format!(r#"{{{url},"collections":{{"a":{{"name":"system.users"}}}}}}"#),
                "collections.a.name: must be",
            ),
            (
                &format!(r#"{{{url},"collections":{{"a":{{"ids":["$a"]}}}}}}"#),
                "collections.a.ids: is not right",
            ),
            (
                &format!(r#"{{{url},"collections":{{"a":{{"secrets":["="]}}}}}}"#),
                "collections.a.secrets: must not",
            ),
            (
                &format!(r#"{{{url},"collections":{{"a":{{"other":1}}}}}}"#),
                "unknown field `other`",
            ),
            (
                &format!(r#"{{{url},"collections":"rackhd","at_once":0,"limit":0}}"#),
                "at_once: must be from 1 to 1000\nlimit: must",
            ),
            (
                &format!(r#"{{{url},"collections":"rackhd","timeout":"2m"}}"#),
                "timeout: must be from 100ms to 1m",
            ),
        ] {
            let said = problems(text);
            assert!(said.starts_with(expected), "{text}: {said}");
            assert!(!said.contains("secret@") && !said.contains("ret@"), "{said}");
        }
    }
}
