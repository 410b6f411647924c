//! What flows in: `turted.toml`, the environment (`TURTED_SECTION__KEY`) and flags (`--set section.key=value`), each
//! over the one before. What flows out: a [`Config`] of plain values that are checked, or **all** the mistakes at once,
//! with file, line and key. Refuses to know: any other room; they turn these structs into their own.

mod auth;
#[cfg(test)]
mod auth_tests;
mod backends;
#[cfg(test)]
mod backends_tests;
mod bounds;
mod checks;
mod clients;
mod cluster;
mod decode;
mod defaults;
#[cfg(all(test, feature = "stdin"))]
mod envelope_tests;
mod expand;
mod flat;
#[cfg(test)]
mod fuzz_tests;
mod hook;
mod jwt;
#[cfg(test)]
mod jwt_tests;
mod may;
mod miss;
mod overlay;
mod problem;
mod proxy;
mod reader;
#[cfg(test)]
mod sample_tests;
mod secret;
mod section;
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
use turted_core::SettingError;

pub use auth::{Auth, Hash, Method};
pub use backends::Backend;
pub use bounds::Bounds;
pub use clients::{ClientSection, Clients};
pub use cluster::Cluster;
pub use hook::{Callback, Forward, HookUrl};
pub use jwt::{Jwt, JwtAlgorithm, is_safe};
pub use may::{Ask, May};
pub use problem::{ConfigError, Place, Problem};
pub use proxy::{HeaderTemplate, Headers, Network};
pub use secret::{MASK, Secret, Secrets};
pub use section::{Section, Sections};
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
    /// `[clients.<name>]`, with those that are there when nobody says anything.
    pub clients: Clients,
    /// `[tls]`; without it the server speaks plain HTTP.
    pub tls: Option<Tls>,
    /// `[limits]`
    pub limits: Limits,
    /// `[history]`
    pub history: History,
    /// `[auth]`
    pub auth: Auth,
    /// `[may]`; without it everybody may join everything, which a public server refuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may: Option<May>,
    /// `[observe]`
    pub observe: Observe,
    /// `[cluster]`; without it the server is alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
    /// `[connectors.<name>]`; one named `rest`, of type `rest`, is there unless it is switched off.
    pub connectors: Sections,
    /// `[responders.<name>]`: who answers what clients ask by that name.
    pub responders: Sections,
    /// What was written in a way that the next release will not read, and what to write instead.
    #[serde(skip)]
    pub hints: Vec<Problem>,
}

const SECTIONS: [&str; 11] = [
    "server",
    "clients",
    "tls",
    "limits",
    "history",
    "auth",
    "may",
    "observe",
    "cluster",
    "connectors",
    "responders",
];

/// Where a configuration comes from; the later fields win.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A file that was asked for and must exist. `None`: [`FILE`] in the current folder, if it is there.
    pub file: Option<PathBuf>,
    /// The environment: `TURTED_SECTION__KEY` sets a key (two underscores between the levels), and any other variable
    /// may be named in the file as `${NAME}`.
    pub env: Vec<(String, String)>,
    /// `section.key=value`, one per `--set` flag.
    pub sets: Vec<String>,
}

impl Config {
    /// Reads, merges and checks. `registries` say whether the type of a section is known and its settings are sound;
    /// they are asked once for each of them.
    ///
    /// # Errors
    /// All mistakes that can be told apart, in reading order.
    pub fn load(sources: &Sources, registries: Registries<'_>) -> Result<Config, ConfigError> {
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
            Ok(text) => assemble(text.as_deref().map(|text| (&shown, text)), sources, registries),
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
        let mut root = Node::empty_table(Place::Default);
        defaults::lay_under(&mut root);
        read(&root, &mut Vec::new())
    }
}

/// The judgement of a registry on one section.
pub type Check<'a, S> = &'a dyn Fn(&S) -> Result<(), Vec<Problem>>;

/// Who knows types.
#[derive(Clone, Copy)]
pub struct Registries<'a> {
    /// Those of connectors.
    pub connectors: Check<'a, Section>,
    /// Those of what clients may speak.
    pub clients: Check<'a, ClientSection>,
    /// Those of who answers.
    pub responders: Check<'a, Section>,
    /// That of what keeps the order of several nodes: keys below `[cluster]`, and what is wrong with them.
    pub engines: &'a dyn Fn(&Config) -> Result<(), SettingError>,
}

/// Everything of [`Config::load`] but the reading of the file.
fn assemble(
    file: Option<(&Arc<str>, &str)>,
    sources: &Sources,
    registries: Registries<'_>,
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

    let mut hints = Vec::new();
    flat::rewrite(&mut root, &mut hints, &mut problems);
    defaults::lay_under(&mut root);
    let mut config = read(&root, &mut problems);
    checks::check(&config, &root, &mut problems);
    for section in config.connectors.values().filter(|section| section.is_enabled) {
        problems.extend((registries.connectors)(section).err().into_iter().flatten());
    }
    for client in config.clients.values().filter(|client| client.section.is_enabled) {
        problems.extend((registries.clients)(client).err().into_iter().flatten());
    }
    for section in config.responders.values().filter(|section| section.is_enabled) {
        problems.extend((registries.responders)(section).err().into_iter().flatten());
    }
    let wrong = (registries.engines)(&config).err().map(SettingError::all);
    for SettingError { key, why, .. } in wrong.into_iter().flatten() {
        let key = format!("cluster.{key}");
        let key = key.trim_end_matches('.');
        problems.push(Problem::new(root.place_of(key), key, why));
    }
    for problem in &mut problems {
        if let Some(retold) = flat::retold(problem, &hints) {
            *problem = retold;
        }
    }
    config.hints = hints;
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
        server: table(root, "server", problems).unwrap_or_default(),
        clients: root
            .get("clients")
            .map(|node| clients::read(node, problems))
            .unwrap_or_default(),
        tls: table(root, "tls", problems),
        limits: table(root, "limits", problems).unwrap_or_default(),
        history: table(root, "history", problems).unwrap_or_default(),
        auth: root
            .get("auth")
            .map(|node| Auth::read(node, problems))
            .unwrap_or_default(),
        may: root.get("may").map(|node| May::read(node, problems)),
        observe: table(root, "observe", problems).unwrap_or_default(),
        cluster: table(root, "cluster", problems),
        connectors: root
            .get("connectors")
            .map(|node| section::read(node, "connectors", problems))
            .unwrap_or_default(),
        responders: root
            .get("responders")
            .map(|node| section::read(node, "responders", problems))
            .unwrap_or_default(),
        hints: Vec::new(),
    }
}

fn table<T: DeserializeOwned>(root: &Node, name: &str, problems: &mut Vec<Problem>) -> Option<T> {
    let decoded = decode::decode(root.get(name)?, name);
    problems.extend(decoded.problems);
    decoded.value
}
