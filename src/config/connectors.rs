//! What flows in: the tables `[connectors.<name>]`. What flows out: for each its name, its type and its settings, which the
//! connector itself reads with [`ConnectorSection::parse`]. Refuses to know: any connector.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use super::decode::decode;
use super::miss::unknown_word;
use super::problem::{Place, Problem, join_key};
use super::secret::{MASK, is_secret_name, mask_url};
use super::tagged::Tagged;
use super::tree::{Node, Value};

/// The connectors by name.
pub type Connectors = BTreeMap<String, ConnectorSection>;

/// One `[connectors.<name>]`.
#[derive(Clone)]
pub struct ConnectorSection {
    /// What the administrator calls it: `a-z`, `0-9`, `_` and `-`.
    pub name: String,
    /// Its `type`.
    pub kind: String,
    kind_place: Place,
    settings: Node,
}

impl ConnectorSection {
    /// The settings (everything but `type`) as the connector's own type.
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

    /// A problem with one of the settings (a plain key, dotted for one in an inner table), for what types alone cannot check.
    pub fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        let full = key
            .split('.')
            .filter(|part| !part.is_empty())
            .fold(self.key(), |full, part| join_key(&full, part));
        Problem::new(self.settings.place_of(key), full, message)
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
        join_key("connectors", &self.name)
    }
}

/// What runs when nobody says anything about connectors: `[connectors.rest]`, `type = "rest"`.
pub(super) fn default_node() -> Node {
    let mut connectors = Node::empty_table(Place::Default);
    let mut rest = Node::empty_table(Place::Default);
    rest.force_table()
        .insert("type".to_owned(), Node::text(Place::Default, "rest"));
    connectors.force_table().insert("rest".to_owned(), rest);
    connectors
}

/// Reads the table `[connectors]`.
pub(super) fn read(node: &Node, problems: &mut Vec<Problem>) -> Connectors {
    let Some(table) = node.table() else {
        let message = format!("must be a table, not {}", node.kind());
        problems.push(Problem::new(node.place.clone(), "connectors", message));
        return Connectors::new();
    };
    let mut connectors = Connectors::new();
    for (name, node) in table {
        let key = join_key("connectors", name);
        if name.is_empty()
            || !name
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
        {
            let message = "the name of a connector may hold only a-z, 0-9, _ and -";
            problems.push(Problem::new(node.place.clone(), &key, message));
        }
        if let Some(Tagged { kind, kind_place, rest }) = Tagged::split(node, &key, problems) {
            let section = ConnectorSection {
                name: name.clone(),
                kind,
                kind_place,
                settings: rest,
            };
            connectors.insert(name.clone(), section);
        }
    }
    connectors
}

impl PartialEq for ConnectorSection {
    /// The same settings, wherever they were written.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.kind == other.kind && self.settings.same_settings(&other.settings)
    }
}

impl fmt::Debug for ConnectorSection {
    /// Name and type only: the settings may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ConnectorSection");
        shown
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Serialize for ConnectorSection {
    /// As the file would say it. Shown masked: texts under names that sound like a secret, passwords in URLs; a text that held
    /// `${NAME}` is shown with it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = toml::Table::new();
        shown.insert("type".to_owned(), toml::Value::from(self.kind.as_str()));
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
