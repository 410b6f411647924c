//! Reads the repository: Rust files as rules want to see them, and every other text file.
//!
//! In: the working tree, without what is built or fetched. Out: names relative to the root, and texts.
//! It knows just enough Rust for `use` trees and test modules, and refuses to know any rule.

use std::fs;
use std::path::Path;

use crate::root;

/// Folders that hold nothing written by us.
const SKIPPED: [&str; 4] = ["target", "node_modules", ".git", "vendor"];

/// One Rust file.
pub struct Source {
    /// Path relative to the root, with slashes.
    pub name: String,
    /// The whole text, or the part that was asked for.
    pub text: String,
}

/// Every Rust file below core, connectors, engines, src, tests and fuzz.
pub fn rust_files() -> Vec<Source> {
    let mut found = Vec::new();
    for room in ["core", "connectors", "engines", "responders", "src", "tests", "fuzz"] {
        walk(&root().join(room), &mut found);
    }
    found.retain(|(name, _)| name.ends_with(".rs"));
    found.into_iter().map(|(name, text)| Source { name, text }).collect()
}

/// Every text file of the repository.
pub fn text_files() -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(root(), &mut found);
    found
}

fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if SKIPPED.contains(&name.as_str()) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let relative = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            found.push((relative, text));
        }
    }
}

impl Source {
    /// True when a `mod name;` stands in it.
    pub fn declares(&self, name: &str) -> bool {
        let declaration = format!("mod {name};");
        self.text.lines().any(|line| {
            let line = line.trim();
            line == declaration || line.starts_with("pub") && line.ends_with(&format!(" {declaration}"))
        })
    }

    /// The file without comments that stand on lines of their own.
    pub fn without_comments(&self) -> Source {
        let kept = self.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        Source {
            name: self.name.clone(),
            text: kept.collect::<Vec<_>>().join("\n"),
        }
    }

    /// The file without comments and without its test module; nothing at all when it is a test file.
    pub fn production_code(&self) -> Source {
        let mut code = self.without_comments();
        let tests = ["/tests/", "/tests.rs", "_tests.rs"]
            .iter()
            .any(|place| code.name.contains(place));
        let marks = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub(crate) mod tests {"];
        let end = marks.iter().filter_map(|mark| code.text.find(mark)).min();
        code.text
            .truncate(if tests { 0 } else { end.unwrap_or(code.text.len()) });
        code
    }

    /// Every path of every `use`, braces expanded and `super` resolved.
    pub fn used_paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for statement in self.text.split(';') {
            let start = statement.lines().position(|line| {
                let line = line.trim_start();
                line.starts_with("use ") || line.starts_with("pub") && line.contains(" use ")
            });
            let Some(start) = start else { continue };
            let tree: String = statement.lines().skip(start).flat_map(|line| [line, " "]).collect();
            let Some((_, tree)) = tree.split_once("use ") else {
                continue;
            };
            expand("", tree.trim(), &mut paths);
        }
        paths.iter().map(|path| self.absolute(path)).collect()
    }

    fn absolute(&self, path: &str) -> String {
        let inside = self
            .name
            .rsplit_once("src/")
            .map_or(self.name.as_str(), |(_, inside)| inside);
        let mut module: Vec<&str> = inside.trim_end_matches(".rs").split('/').collect();
        if matches!(module.last(), Some(&("mod" | "lib" | "main"))) {
            module.pop();
        }
        let mut rest = path.strip_prefix("self::").unwrap_or(path);
        if rest == path && !path.starts_with("super::") {
            return path.to_owned();
        }
        while let Some(above) = rest.strip_prefix("super::") {
            module.pop();
            rest = above;
        }
        module.insert(0, "crate");
        module.push(rest);
        module.join("::")
    }
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let Some((head, rest)) = tree.split_once('{') else {
        let path = tree.split_whitespace().next().unwrap_or_default();
        paths.push(format!("{prefix}{path}").trim_end_matches("::self").to_owned());
        return;
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let prefix = format!("{prefix}{}", head.trim());
    let (mut depth, mut start) = (0_usize, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                expand(&prefix, inner[start..at].trim(), paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inner[start..].trim().is_empty() {
        expand(&prefix, inner[start..].trim(), paths);
    }
}

#[test]
fn use_trees_are_read_as_the_compiler_reads_them() {
    let text = "//! Doc.\nuse a::{b, c::{self, d as e}};\npub(crate) use super::super::dispatcher::Log;\nfn f() {}\n";
    let source = Source {
        name: "src/protocol/native/mod.rs".into(),
        text: text.into(),
    };
    assert_eq!(
        source.used_paths(),
        ["a::b", "a::c", "a::c::d", "crate::dispatcher::Log"]
    );
}

#[test]
fn production_code_is_what_stands_above_the_tests() {
    let text = "//! tokio\nfn f() {}\n#[cfg(test)]\nmod tests {\n use tokio;\n}\n";
    let source = Source {
        name: "src/a.rs".into(),
        text: text.into(),
    };
    assert_eq!(source.production_code().text, "fn f() {}\n");
}
