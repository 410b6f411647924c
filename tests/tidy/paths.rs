//! Small questions about names: is this word used, does this path begin so, which files could declare that module.
//!
//! In: texts and file names. Out: yes, no, or a list. Touches no file.

/// True when `word` stands in `text` on its own: not as a part of a longer identifier.
pub fn mentions(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let closed = word.ends_with(part);
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(part);
        let after = closed && text[at + word.len()..].chars().next().is_some_and(part);
        !before && !after
    })
}

/// True when the path is `prefix` or something inside of it.
pub fn begins_with(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// True when an absolute path below `needle` stands in `line`; `https://example.org/home/` is none.
pub fn holds_machine_path(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '$' | '*'))
    })
}

/// The module that a file is, and the files that may declare it. `None` for the root of a crate or of a test binary.
pub fn parents(file: &str) -> Option<(String, Vec<String>)> {
    let (folder, base) = file.rsplit_once('/')?;
    let base = base.strip_suffix(".rs")?;
    let root = matches!(base, "main" | "lib" | "build");
    let alone = ["tests", "examples", "benches", "bin", "fuzz_targets"]
        .iter()
        .any(|room| folder.rsplit('/').next() == Some(room));
    if root || alone && !folder.contains("src/") {
        return None;
    }
    let (name, around) = match base {
        "mod" => folder.rsplit_once('/').map(|(around, name)| (name, around))?,
        name => (name, folder),
    };
    let inside = ["mod", "lib", "main"]
        .iter()
        .map(|parent| format!("{around}/{parent}.rs"));
    Some((name.to_owned(), inside.chain([format!("{around}.rs")]).collect()))
}

#[test]
fn a_word_is_found_only_on_its_own() {
    assert!(mentions("use tokio::sync;", "tokio"));
    assert!(!mentions("use tokio_util::codec;", "tokio"));
    assert!(!mentions("use my::tokios;", "tokio"));
    assert!(begins_with("crate::http::routes", "crate::http") && !begins_with("crate::https", "crate::http"));
}

#[test]
fn a_path_on_a_web_site_is_no_machine_path() {
    let needle = concat!("/home", "/");
    assert!(holds_machine_path(&format!("see {needle}adam"), needle));
    assert!(!holds_machine_path(
        &format!("see https://example.org{needle}adam"),
        needle
    ));
}

#[test]
fn parents_are_found_for_files_and_folders() {
    let (name, parents) = self::parents("src/dispatcher/log.rs").unwrap();
    assert_eq!(
        (name.as_str(), parents[0].as_str(), parents[3].as_str()),
        ("log", "src/dispatcher/mod.rs", "src/dispatcher.rs")
    );
    let (name, parents) = self::parents("src/dispatcher/mod.rs").unwrap();
    assert_eq!((name.as_str(), parents[1].as_str()), ("dispatcher", "src/lib.rs"));
    assert!(self::parents("src/main.rs").is_none() && self::parents("tests/one.rs").is_none());
}
