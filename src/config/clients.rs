//! What flows in: tables `[clients.<name>]`. What flows out: for each of them the path at which clients find it, and a
//! section that whoever is of its type reads. Refuses to know: how any of it is spoken.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::defaults;
use super::problem::Problem;
use super::section::{self, Section};
use super::tree::Node;

/// Where clients come in, by name.
pub type Clients = BTreeMap<String, ClientSection>;

/// One `[clients.<name>]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientSection {
    /// Where it is, with everything below; `None` when its type is none.
    pub path: Option<String>,
    /// Everything else.
    pub section: Section,
}

impl Serialize for ClientSection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = toml::Table::try_from(&self.section).unwrap_or_default();
        let mut map = serializer.serialize_map(None)?;
        if let Some(path) = &self.path {
            map.serialize_entry("path", path)?;
        }
        for (key, value) in &shown {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Reads the table `[clients]`, whose defaults are laid under it already.
pub(super) fn read(node: &Node, problems: &mut Vec<Problem>) -> Clients {
    let mut clients = Clients::new();
    for (name, mut section) in section::read(node, "clients", problems) {
        let written = section.take_text("path", problems);
        // Every type has a default; whoever knows the types says that there is none of this word.
        let path = written.or_else(|| defaults::path_of(&section.kind).map(str::to_owned));
        clients.insert(name, ClientSection { path, section });
    }
    clients
}
