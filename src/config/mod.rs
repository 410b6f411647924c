//! What flows in: `turted.toml`, the environment (`TURTED_SECTION__KEY`) and flags (`--set section.key=value`), each over the
//! one before. What flows out: a [`Config`] of plain values that are checked, or **all** the mistakes at once, with file, line
//! and key. Refuses to know: any other room; they turn these structs into their own.

mod auth;
#[cfg(test)]
mod auth_tests;
mod checks;
mod clients;
mod connectors;
mod decode;
#[cfg(all(test, feature = "stdin"))]
mod envelope_tests;
mod expand;
#[cfg(test)]
mod fuzz_tests;
mod miss;
mod overlay;
mod problem;
mod reader;
#[cfg(test)]
mod sample_tests;
mod secret;
mod sections;
mod tagged;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use auth::{Auth, Hash, Method};
pub use clients::Clients;
pub use connectors::{ConnectorSection, Connectors};
pub use problem::{ConfigError, Place, Problem};
pub use secret::{MASK, Secret};
pub use sections::{History, Limits, Observe, Server, Slow, Tls};

use miss::unknown_key;
use tree::Node;

/// The file that is read when none is named, if it is there.
pub const FILE: &str = "turted.toml";

/// The whole configuration, checked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[clients]`
    pub clients: Clients,
    /// `[tls]`; without it the server speaks plain HTTP.
    pub tls: Option<Tls>,
    /// `[limits]`
    pub limits: Limits,
    /// `[history]`
    pub history: History,
    /// `[auth]`
    pub auth: Auth,
    /// `[observe]`
    pub observe: Observe,
    /// `[connectors.<name>]`; without any such table one named `rest`, of type `rest`.
    pub connectors: Connectors,
}

const SECTIONS: [&str; 8] = [
    "server",
    "clients",
    "tls",
    "limits",
    "history",
    "auth",
    "observe",
    "connectors",
];

/// Where a configuration comes from; the later fields win.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A file that was asked for and must exist. `None`: [`FILE`] in the current folder, if it is there.
    pub file: Option<PathBuf>,
    /// The environment: `TURTED_SECTION__KEY` sets a key (two underscores between the levels), and any other variable may be
    /// named in the file as `${NAME}`.
    pub env: Vec<(String, String)>,
    /// `section.key=value`, one per `--set` flag.
    pub sets: Vec<String>,
}

impl Config {
    /// Reads, merges and checks. `check_connector` says whether the type of a connector is known and its settings are sound;
    /// it is asked once for each of them.
    ///
    /// # Errors
    /// All mistakes that can be told apart, in reading order.
    pub fn load(sources: &Sources, check_connector: CheckConnector<'_>) -> Result<Config, ConfigError> {
        let name = sources.file.as_deref().unwrap_or(Path::new(FILE));
        let shown: Arc<str> = Arc::from(name.display().to_string());
        let text = match std::fs::read(name) {
            Ok(bytes) => String::from_utf8(bytes)
                .map_err(|_| "is not UTF-8 text".to_owned())
                .map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound && sources.file.is_none() => Ok(None),
            Err(error) => Err(format!("cannot be read: {error}")),
        };
        match text {
            Ok(text) => assemble(text.as_deref().map(|text| (&shown, text)), sources, check_connector),
            Err(message) => Err(ConfigError::new(vec![Problem::new(Place::Whole(shown), "", message)])),
        }
    }

    /// The whole effective configuration as `turted.toml` would say it, with secrets as [`MASK`].
    pub fn to_toml_masked(&self) -> String {
        toml::to_string(self)
            .unwrap_or_else(|error| format!("# this configuration cannot be written as TOML: {error}\n"))
    }
}

impl Default for Config {
    /// What a server without file, variables and flags runs with.
    fn default() -> Self {
        Config {
            server: Server::default(),
            clients: Clients::default(),
            tls: None,
            limits: Limits::default(),
            history: History::default(),
            auth: Auth::default(),
            observe: Observe::default(),
            connectors: connectors::read(&connectors::default_node(), &mut Vec::new()),
        }
    }
}

/// The registry's judgement on one connector.
pub type CheckConnector<'a> = &'a dyn Fn(&ConnectorSection) -> Result<(), Vec<Problem>>;

/// Everything of [`Config::load`] but the reading of the file.
fn assemble(
    file: Option<(&Arc<str>, &str)>,
    sources: &Sources,
    check: CheckConnector<'_>,
) -> Result<Config, ConfigError> {
    let mut problems = Vec::new();
    let document = match file {
        Some((name, text)) => tree::document(text, name),
        None => Ok(Node::empty_table(Place::Default)),
    };
    let mut root = document.unwrap_or_else(|errors| {
        problems.extend(errors);
        Node::empty_table(Place::Default)
    });
    let readable = problems.is_empty();
    root.force_table()
        .entry("connectors".to_owned())
        .or_insert_with(connectors::default_node);
    overlay::lay_environment(&mut root, &sources.env, &mut problems);
    overlay::lay_sets(&mut root, &sources.sets, &mut problems);
    if !readable {
        // Without the file the rest would be judged against the wrong background.
        return Err(ConfigError::new(problems));
    }
    let env: HashMap<&str, &str> = sources
        .env
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let mut unset = Vec::new();
    expand::expand(&mut root, "", &env, &mut unset);

    let config = read(&root, &mut problems);
    checks::check(&config, &root, &mut problems);
    for section in config.connectors.values() {
        problems.extend(check(section).err().into_iter().flatten());
    }
    // A text that still holds its "${NAME}" is wrong in other ways, too; only the cause is told.
    problems.retain(|problem| !unset.iter().any(|cause| cause.key == problem.key));
    problems.extend(unset);
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError::new(problems))
    }
}

/// Each section by itself: what is wrong in one is noted, and its default stands in while the others are read.
fn read(root: &Node, problems: &mut Vec<Problem>) -> Config {
    for (name, node) in root.table().into_iter().flatten() {
        if !SECTIONS.contains(&name.as_str()) {
            let key = problem::join_key("", name);
            problems.push(Problem::new(node.place.clone(), key, unknown_key(name, &SECTIONS)));
        }
    }
    Config {
        server: section(root, "server", problems).unwrap_or_default(),
        clients: section(root, "clients", problems).unwrap_or_default(),
        tls: section(root, "tls", problems),
        limits: section(root, "limits", problems).unwrap_or_default(),
        history: section(root, "history", problems).unwrap_or_default(),
        auth: root
            .get("auth")
            .map(|node| Auth::read(node, problems))
            .unwrap_or_default(),
        observe: section(root, "observe", problems).unwrap_or_default(),
        connectors: root
            .get("connectors")
            .map(|node| connectors::read(node, problems))
            .unwrap_or_default(),
    }
}

fn section<T: DeserializeOwned>(root: &Node, name: &str, problems: &mut Vec<Problem>) -> Option<T> {
    let decoded = decode::decode(root.get(name)?, name);
    problems.extend(decoded.problems);
    decoded.value
}
