//! House rules that run inside `cargo test`.
//!
//! In: the files of this repository. Out: a failing test that lists every place where a rule is broken.
//! The rules of who may know whom are data, in `rooms.rs`; how Rust files are read is in `source.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod circles;
mod paths;
mod rooms;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use source::{Source, rust_files};

/// Longest Rust file, in lines. A longer one holds two ideas.
const LINES: usize = 500;

/// Longest line, in characters; comments too.
const COLUMNS: usize = 120;

/// Words that mark unfinished work; split, so that this file does not find itself.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("db", "g!("),
    concat!("unimpl", "emented!("),
];

/// Each of these is the name of one type, in the whole repository.
const WORDS: [&str; 10] = [
    "Reader", "Command", "Peer", "Message", "Standing", "Settings", "Visit", "Leave", "Offer", "Version",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Fails with every complaint at once, so that one run is enough to mend them all.
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn the_rules_look_at_the_whole_repository() {
    let files = rust_files();
    for room in [
        "core/src/",
        "connectors/rest/src/",
        "engines/redis/src/",
        "src/",
        "tests/",
        "fuzz/",
    ] {
        assert!(
            files.iter().any(|file| file.name.starts_with(room)),
            "no file below {room}"
        );
    }
}

#[test]
fn every_file_begins_by_saying_what_it_is_for() {
    let lacking = |file: &Source| !file.text.trim_start().starts_with("//! ");
    none(
        rust_files()
            .iter()
            .filter(|file| lacking(file))
            .map(|file| format!("{}: no //! first", file.name))
            .collect(),
    );
}

#[test]
fn no_file_is_too_long() {
    let long = |file: &Source| {
        let lines = file.text.lines().count();
        (lines > LINES).then(|| format!("{}: {lines} lines, allowed are {LINES}", file.name))
    };
    none(rust_files().iter().filter_map(long).collect());
}

#[test]
fn no_file_is_an_orphan() {
    let files = rust_files();
    let texts: BTreeMap<&str, &Source> = files.iter().map(|file| (file.name.as_str(), file)).collect();
    let orphan = |file: &&Source| {
        let Some((name, parents)) = paths::parents(&file.name) else {
            return false;
        };
        !parents
            .iter()
            .any(|parent| texts.get(parent.as_str()).is_some_and(|parent| parent.declares(&name)))
    };
    none(
        files
            .iter()
            .filter(orphan)
            .map(|file| format!("{}: no `mod` reaches it", file.name))
            .collect(),
    );
}

#[test]
fn nothing_is_left_unfinished() {
    let mut complaints = Vec::new();
    for file in rust_files() {
        for (number, line) in file.text.lines().enumerate() {
            for word in UNFINISHED.iter().filter(|word| paths::mentions(line, word)) {
                complaints.push(format!("{}:{}: {word}", file.name, number + 1));
            }
        }
    }
    none(complaints);
}

#[test]
fn every_room_knows_only_what_it_may() {
    let mut complaints = Vec::new();
    for file in rust_files() {
        if file.name.starts_with(rooms::TESTKIT) {
            continue;
        }
        let code = file.production_code();
        let used = code.used_paths();
        for room in rooms::ROOMS.iter().filter(|room| file.name.starts_with(room.folder)) {
            for word in room.never {
                let imported = used.iter().any(|path| paths::begins_with(path, word));
                if imported || paths::mentions(&code.text, word) {
                    complaints.push(format!("{}: {word} ({})", file.name, room.because));
                }
            }
        }
    }
    none(complaints);
}

#[test]
fn what_is_said_is_pure_and_only_doors_know_requests() {
    let mut complaints = Vec::new();
    for file in rust_files() {
        let code = file.production_code();
        let is_pure = file.name.starts_with("src/dialects/")
            && [
                "Protocol for ",
                "Conversation for ",
                "EncodeEvent for ",
                "Application for ",
            ]
            .iter()
            .any(|contract| code.text.contains(contract));
        for word in rooms::IMPURE
            .iter()
            .filter(|word| is_pure && paths::mentions(&code.text, word))
        {
            complaints.push(format!(
                "{}: {word} (a dialect's words know no actix, clock or socket)",
                file.name
            ));
        }
    }
    none(complaints);
}

#[test]
fn a_word_means_one_thing() {
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in rust_files() {
        let code = file.production_code();
        for word in WORDS {
            let defines = |kind: &str| paths::mentions(&code.text, &format!("{kind} {word}"));
            if ["struct", "enum", "trait"].into_iter().any(defines) {
                found.entry(word).or_default().push(file.name.clone());
            }
        }
    }
    found.retain(|_, files| files.len() > 1);
    none(
        found
            .into_iter()
            .map(|(word, files)| format!("{word}: {}", files.join(", ")))
            .collect(),
    );
}

#[test]
fn every_room_of_the_table_exists() {
    let missing = |room: &&rooms::Room| !root().join(room.folder).exists();
    none(
        rooms::ROOMS
            .iter()
            .filter(missing)
            .map(|room| format!("{} is in the table only", room.folder))
            .collect(),
    );
}

#[test]
fn every_folder_of_the_server_has_a_row() {
    let folders = fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let rooms = folders.filter(|path| path.is_dir());
    let named = rooms.map(|path| format!("src/{}/", path.file_name().unwrap().to_string_lossy()));
    let lacking = named.filter(|name| !rooms::ROOMS.iter().any(|room| room.folder == name));
    none(lacking.map(|name| format!("{name}: no row in rooms.rs")).collect());
}

#[test]
fn every_comment_fits() {
    let mut complaints = Vec::new();
    for file in rust_files() {
        for (number, line) in file.text.lines().enumerate() {
            // The formatter sees to the code, and leaves texts as long as they are.
            if line.chars().count() > COLUMNS && line.trim_start().starts_with("//") {
                complaints.push(format!("{}:{}: more than {COLUMNS} columns", file.name, number + 1));
            }
        }
    }
    none(complaints);
}

#[test]
fn only_the_list_of_its_room_names_a_crate() {
    let mut complaints = Vec::new();
    for (folder, list) in rooms::LISTS {
        let crates: Vec<String> = rooms::crates(folder)
            .iter()
            .map(|(name, _)| name.replace('-', "_"))
            .collect();
        for file in rust_files() {
            let elsewhere = file.name.starts_with("core/") || file.name.starts_with("src/");
            if !elsewhere || file.name == list {
                continue;
            }
            let code = file.without_comments();
            for name in crates.iter().filter(|name| paths::mentions(&code.text, name)) {
                complaints.push(format!("{}: {name}", file.name));
            }
        }
    }
    none(complaints);
}

#[test]
fn a_crate_of_a_room_depends_on_core_and_its_driver_only() {
    let crates: Vec<_> = rooms::LISTS
        .iter()
        .flat_map(|(folder, _)| rooms::crates(folder))
        .collect();
    let mut complaints = Vec::new();
    for (name, manifest) in &crates {
        let dependencies = rooms::dependencies(manifest);
        if !dependencies.contains(&"turted-core".to_owned()) {
            complaints.push(format!("{name} does not depend on turted-core"));
        }
        let foreign = |dependency: &&String| {
            dependency.starts_with("actix")
                || *dependency == "turted"
                || crates.iter().any(|(other, _)| other == *dependency && other != name)
        };
        complaints.extend(
            dependencies
                .iter()
                .filter(foreign)
                .map(|found| format!("{name} depends on {found}")),
        );
    }
    none(complaints);
}

#[test]
fn core_does_without_actix_and_without_the_server() {
    let manifest = rooms::manifest(&root().join("core/Cargo.toml"));
    let wrong = |name: &String| name.starts_with("actix") || name.starts_with("turted");
    none(rooms::dependencies(&manifest).into_iter().filter(wrong).collect());
}

#[test]
fn every_crate_obeys_the_lints_of_the_workspace() {
    let mut manifests = vec![root().join("Cargo.toml"), root().join("core/Cargo.toml")];
    for (folder, _) in rooms::LISTS {
        let folders = fs::read_dir(root().join(folder)).unwrap();
        manifests.extend(folders.map(|entry| entry.unwrap().path().join("Cargo.toml")));
    }
    let obeys = |path: &PathBuf| {
        let lints = rooms::manifest(path)
            .get("lints")
            .and_then(|lints| lints.get("workspace")?.as_bool());
        lints == Some(true)
    };
    let wrong = manifests.iter().filter(|path| path.exists() && !obeys(path));
    none(
        wrong
            .map(|path| format!("{}: no `[lints] workspace = true`", path.display()))
            .collect(),
    );
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let needles = [
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/home", "/"),
        concat!("/Us", "ers/"),
    ];
    let mut complaints = Vec::new();
    for (name, text) in source::text_files() {
        for (number, line) in text.lines().enumerate() {
            for needle in needles.iter().filter(|needle| paths::holds_machine_path(line, needle)) {
                complaints.push(format!("{name}:{}: {needle}", number + 1));
            }
        }
    }
    none(complaints);
}
