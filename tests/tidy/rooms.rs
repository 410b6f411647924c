//! Who may know whom: the table of ARCHITECTURE.md as data, and what the manifests say about it.
//!
//! In: folders and manifests. Out: forbidden words per room, dependencies per crate. Refuses to know how a
//! Rust file is read.

use std::fs;
use std::path::Path;

use crate::root;

/// A folder (or file) and the words that its production code never uses.
pub struct Room {
    /// Beginning of the file names it holds.
    pub folder: &'static str,
    /// Paths or words; `actix` stands for itself and needs its siblings listed.
    pub never: &'static [&'static str],
    /// Said to whoever breaks it.
    pub because: &'static str,
}

/// What a file never names that implements what is said.
pub const IMPURE: &[&str] = &[
    "actix",
    "actix_web",
    "actix_rt",
    "actix_ws",
    "actix_http",
    "tokio",
    "Instant::now",
    "SystemTime::now",
    "std::net",
];

/// Not held to the rules of core: it stands in for the server in the tests of connectors.
pub const TESTKIT: &str = "core/src/testkit/";

/// The rules, in the order in which an event flows.
pub const ROOMS: &[Room] = &[
    Room {
        folder: "core/src/",
        never: &[
            "actix",
            "actix_web",
            "actix_rt",
            "actix_ws",
            "actix_http",
            "actix_server",
            "turted::",
            "std::fs",
            "std::net::TcpStream",
            "std::net::TcpListener",
            "tokio::net",
            "tokio::fs",
            "tokio::spawn",
            "std::thread::spawn",
        ],
        because: "core holds words and contracts: no actix, no I/O",
    },
    Room {
        folder: "connectors/",
        never: &[
            "actix",
            "actix_web",
            "actix_rt",
            "actix_ws",
            "actix_http",
            "actix_server",
            "turted::",
        ],
        because: "a connector knows core and its own driver",
    },
    Room {
        folder: "engines/",
        never: &[
            "actix",
            "actix_web",
            "actix_rt",
            "actix_ws",
            "actix_http",
            "actix_server",
            "turted::",
        ],
        because: "an engine knows core and its own driver",
    },
    Room {
        folder: "responders/",
        never: &[
            "actix",
            "actix_web",
            "actix_rt",
            "actix_ws",
            "actix_http",
            "actix_server",
            "turted::",
        ],
        because: "whoever answers knows core and its own driver",
    },
    Room {
        folder: "src/dispatcher/",
        never: &[
            "actix_web",
            "actix_ws",
            "actix_http",
            "actix_server",
            "crate::dialects",
            "crate::carriers",
            "crate::gate",
            "crate::client",
            "crate::http",
            "crate::pages",
            "crate::auth",
            "crate::config",
        ],
        because: "the Dispatcher knows neither dialects nor carriers",
    },
    Room {
        folder: "src/engine/",
        never: &[
            "actix_web",
            "actix_ws",
            "actix_http",
            "actix_server",
            "turted_engine_redis",
            "crate::engines",
            "crate::dialects",
            "crate::carriers",
            "crate::gate",
            "crate::client",
            "crate::http",
            "crate::pages",
            "crate::auth",
            "crate::config",
        ],
        because: "what several nodes share is kept by an engine that nobody here knows",
    },
    Room {
        folder: "src/client/",
        never: &[
            "actix_web",
            "actix_ws",
            "actix_http",
            "actix_server",
            "crate::gate",
            "crate::carriers",
            "crate::dialects",
            "crate::http",
            "crate::pages",
            "crate::auth",
            "crate::config",
        ],
        because: "a client does not know which wire carries it, nor what it speaks",
    },
    Room {
        folder: "src/gate/",
        never: &[
            "crate::carriers",
            "crate::dialects",
            "crate::http",
            "crate::pages",
            "crate::auth",
            "crate::config",
        ],
        because: "the gate is passed by everybody, whatever they speak",
    },
    Room {
        folder: "src/carriers/",
        never: &[
            "crate::dialects",
            "crate::http",
            "crate::pages",
            "crate::auth",
            "crate::observe",
            "crate::registry",
            "crate::config",
        ],
        because: "a carrier moves bytes; it knows no dialect",
    },
    Room {
        folder: "src/dialects/",
        never: &[
            "crate::http",
            "crate::pages",
            "crate::auth",
            "crate::observe",
            "crate::registry",
        ],
        because: "a dialect says what is said; doors and wires are given to it",
    },
    Room {
        folder: "src/observe/",
        never: &["crate::carriers", "crate::dialects", "crate::gate", "crate::config"],
        because: "an observer hears notes of core",
    },
    Room {
        folder: "src/responders/",
        never: &[
            "actix",
            "actix_web",
            "actix_ws",
            "crate::dispatcher",
            "crate::client",
            "crate::carriers",
            "crate::dialects",
            "crate::gate",
            "crate::pages",
            "crate::auth",
        ],
        because: "whoever answers a call knows who asks and what, and no wire",
    },
    Room {
        folder: "src/outbound/",
        never: &[
            "actix_web",
            "actix_ws",
            "crate::dispatcher",
            "crate::client",
            "crate::carriers",
            "crate::dialects",
            "crate::gate",
            "crate::pages",
            "crate::auth",
            "crate::config",
        ],
        because: "whoever asks somebody else says what and why; this room only asks",
    },
    Room {
        folder: "src/auth/",
        never: &[
            "actix",
            "actix_web",
            "crate::dispatcher",
            "crate::client",
            "crate::carriers",
            "crate::dialects",
            "crate::gate",
        ],
        because: "an authenticator sees credentials and nothing else",
    },
    Room {
        folder: "src/config/",
        never: &[
            "actix",
            "actix_web",
            "actix_ws",
            "actix_http",
            "actix_server",
            "crate::dispatcher",
            "crate::client",
            "crate::carriers",
            "crate::dialects",
            "crate::gate",
            "crate::pages",
            "crate::auth",
        ],
        because: "the configuration is plain values; others make of them what they need",
    },
    Room {
        folder: "src/fuzzing/",
        never: &["crate::server", "crate::gate", "crate::pages"],
        because: "what is fuzzed takes bytes and gives values",
    },
    Room {
        folder: "src/pages/",
        never: &["crate::carriers", "crate::dialects", "crate::config"],
        because: "pages show what there is; they take no clients",
    },
    Room {
        folder: "src/server/",
        never: &["actix_files", "actix_ws"],
        because: "the server assembles; it answers no request itself",
    },
    Room {
        folder: "src/cli/",
        never: &["crate::dispatcher", "crate::client", "crate::carriers", "crate::gate"],
        because: "a command line runs the server from outside",
    },
];

/// A manifest as a table.
pub fn manifest(path: &Path) -> toml::Table {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Folders of crates that know core and a driver, and the only file that names each of their crates.
pub const LISTS: [(&str, &str); 3] = [
    ("connectors", "src/registry.rs"),
    ("engines", "src/engines.rs"),
    ("responders", "src/responders/mod.rs"),
];

/// Every crate of such a folder: its name and its manifest.
pub fn crates(folder: &str) -> Vec<(String, toml::Table)> {
    let folders = fs::read_dir(root().join(folder)).unwrap();
    let manifests = folders
        .map(|folder| folder.unwrap().path().join("Cargo.toml"))
        .filter(|path| path.exists());
    manifests
        .map(|path| {
            let manifest = manifest(&path);
            (manifest["package"]["name"].as_str().unwrap().to_owned(), manifest)
        })
        .collect()
}

/// What a crate is built from, dev-dependencies left out. A renamed dependency counts under its real name.
pub fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let tables = ["dependencies", "build-dependencies"];
    let entries = tables
        .iter()
        .filter_map(|table| manifest.get(*table)?.as_table())
        .flatten();
    entries
        .map(|(name, value)| {
            value
                .get("package")
                .and_then(|package| package.as_str())
                .unwrap_or(name)
                .to_owned()
        })
        .collect()
}
