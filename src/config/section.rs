//! What flows in: tables `[<room>.<name>]`, of connectors and of what clients may speak. What flows out: for each its
//! name, its type and its settings, which whoever is of that type reads itself with [`Section::parse`]. Refuses to
//! know: any type.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use turted_core::units::duration;

use super::bounds::Bounds;
use super::decode::decode;
use super::miss::unknown_word;
use super::problem::{Place, Problem, join_key};
use super::secret::{MASK, is_secret_name, mask_url};
use super::tagged::Tagged;
use super::tree::{Node, Value};

/// Sections of one room by name.
pub type Sections = BTreeMap<String, Section>;

/// One `[<room>.<name>]`.
#[derive(Clone)]
pub struct Section {
    /// What the administrator calls it: `a-z`, `0-9`, `_` and `-`.
    pub name: String,
    /// Its `type`.
    pub kind: String,
    /// False with `enabled = false`: there is none.
    pub is_enabled: bool,
    /// How long it waits after the server has begun to listen, for clients to be there. Zero where there is no such
    /// key.
    pub start_after: Duration,
    /// Whom it may tell. `None`: everybody, and always where there are no such keys.
    pub bounds: Option<Bounds>,
    wait_place: Option<Place>,
    room: &'static str,
    kind_place: Place,
    settings: Node,
}

impl Section {
    /// The settings (everything but `type`, `enabled`, `start_after`, `push`, `users` and `everybody`) as a type that
    /// knows them.
    ///
    /// # Errors
    /// Every mistake in them, with place and full key; no problem holds the value of a secret.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        let decoded = decode(&self.settings, &self.key());
        match decoded.value {
            Some(value) if decoded.problems.is_empty() => Ok(value),
            _ => Err(decoded.problems),
        }
    }

    /// A problem with one of the settings (a plain key, dotted for one in an inner table), for what types alone cannot
    /// check.
    pub fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        let full = key
            .split('.')
            .filter(|part| !part.is_empty())
            .fold(self.key(), |full, part| join_key(&full, part));
        // Taken out of the settings, but written in the same place.
        let taken = self.wait_place.as_ref().filter(|_| key == "start_after");
        let place = taken.cloned().unwrap_or_else(|| self.settings.place_of(key));
        Problem::new(place, full, message)
    }

    /// The problem to report when `type` is none of the `known` ones.
    pub fn unknown_kind(&self, known: &[&str]) -> Problem {
        Problem::new(
            self.kind_place.clone(),
            join_key(&self.key(), "type"),
            unknown_word(&self.kind, known),
        )
    }

    fn key(&self) -> String {
        join_key(self.room, &self.name)
    }

    /// Takes a setting out that is not for the type to read: a text, if it is there.
    pub(super) fn take_text(&mut self, name: &str, problems: &mut Vec<Problem>) -> Option<String> {
        let node = self.settings.force_table().remove(name)?;
        let Value::Text { text, .. } = &node.value else {
            let message = format!("must be a text in quotes, not {}", node.kind());
            problems.push(Problem::new(node.place.clone(), join_key(&self.key(), name), message));
            return None;
        };
        Some(text.clone())
    }
}

#[derive(Deserialize)]
struct Wait(#[serde(deserialize_with = "duration::deserialize")] Duration);

/// Reads the tables of a room.
pub(super) fn read(node: &Node, room: &'static str, problems: &mut Vec<Problem>) -> Sections {
    let Some(table) = node.table() else {
        let message = format!("must be a table, not {}", node.kind());
        problems.push(Problem::new(node.place.clone(), room, message));
        return Sections::new();
    };
    let mut sections = Sections::new();
    for (name, node) in table {
        let key = join_key(room, name);
        if name.is_empty()
            || !name
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
        {
            let message = "such a name may hold only a-z, 0-9, _ and -";
            problems.push(Problem::new(node.place.clone(), &key, message));
        }
        if let Some(Tagged {
            kind,
            kind_place,
            mut rest,
        }) = Tagged::split(node, &key, problems)
        {
            let is_enabled = match rest.force_table().remove("enabled") {
                None => true,
                Some(Node {
                    value: Value::Bool(is), ..
                }) => is,
                Some(node) => {
                    let message = format!("must be true or false, not {}", node.kind());
                    problems.push(Problem::new(node.place.clone(), join_key(&key, "enabled"), message));
                    true
                }
            };
            let mut wait_place = None;
            let start_after = match rest.force_table().remove("start_after") {
                Some(node) if room == "connectors" => {
                    let decoded = decode::<Wait>(&node, &join_key(&key, "start_after"));
                    problems.extend(decoded.problems);
                    wait_place = Some(node.place.clone());
                    decoded.value.map(|Wait(time)| time).unwrap_or_default()
                }
                Some(node) => {
                    rest.force_table().insert("start_after".to_owned(), node);
                    Duration::ZERO
                }
                None => Duration::ZERO,
            };
            let bounds = match room {
                "connectors" => Bounds::take(&mut rest, &key, false, problems),
                _ => None,
            };
            let section = Section {
                name: name.clone(),
                kind,
                is_enabled,
                start_after,
                bounds,
                wait_place,
                room,
                kind_place,
                settings: rest,
            };
            sections.insert(name.clone(), section);
        }
    }
    sections
}

impl PartialEq for Section {
    /// The same settings, wherever they were written.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.kind == other.kind
            && self.is_enabled == other.is_enabled
            && self.start_after == other.start_after
            && self.bounds == other.bounds
            && self.settings.same_settings(&other.settings)
    }
}

impl fmt::Debug for Section {
    /// Name and type only: the settings may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Section");
        shown
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Serialize for Section {
    /// As the file would say it. Shown masked: texts under names that sound like a secret, passwords in URLs; a text
    /// that held `${NAME}` is shown with it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = toml::Table::new();
        shown.insert("type".to_owned(), toml::Value::from(self.kind.as_str()));
        shown.insert("enabled".to_owned(), toml::Value::from(self.is_enabled));
        if !self.start_after.is_zero() {
            let text = humantime::format_duration(self.start_after).to_string();
            shown.insert("start_after".to_owned(), toml::Value::from(text));
        }
        for (name, value) in self.bounds.iter().flat_map(Bounds::shown) {
            shown.insert(name.to_owned(), value);
        }
        for (name, node) in self.settings.table().into_iter().flatten() {
            shown.insert(name.clone(), masked(name, node));
        }
        shown.serialize(serializer)
    }
}

fn masked(name: &str, node: &Node) -> toml::Value {
    match &node.value {
        Value::Text {
            written: Some(written), ..
        } => toml::Value::from(written.as_str()),
        Value::List(list) => list.iter().map(|node| masked(name, node)).collect::<Vec<_>>().into(),
        Value::Table(table) => toml::Value::Table(
            table
                .iter()
                .map(|(name, node)| (name.clone(), masked(name, node)))
                .collect(),
        ),
        _ if is_secret_name(name) => toml::Value::from(MASK),
        Value::Text { text, .. } => toml::Value::from(mask_url(text).as_ref()),
        Value::Integer(number) => toml::Value::from(*number),
        Value::Float(number) => toml::Value::from(*number),
        Value::Bool(value) => toml::Value::from(*value),
        Value::Date(date) => toml::Value::from(date.as_str()),
    }
}
