//! The names that are followed.
//!
//! In: the key `paths`. Out: the files that match now, the folders to watch, and whether a name is one of them. It
//! opens nothing.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use glob::{MatchOptions, Pattern};
use turted_core::SettingError;

/// As shells do: `*` stops at a slash and passes over hidden files.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// What matches.
#[derive(Debug, Default)]
pub struct Matches {
    /// The files.
    pub files: BTreeSet<PathBuf>,
    /// The first file beyond the bound.
    pub beyond: Option<PathBuf>,
    /// Folders that cannot be looked into, and why.
    pub closed: Vec<(PathBuf, String)>,
}

/// Checked patterns. Clones share them.
#[derive(Debug, Clone)]
pub struct Paths(Arc<[(String, Pattern)]>);

impl Paths {
    /// Checks the patterns; those that do not begin with a slash count from the current folder.
    ///
    /// # Errors
    /// Which is wrong, or that there is none.
    pub fn new(patterns: &[String]) -> Result<Self, SettingError> {
        let wrong = |text: &str, why: &str| SettingError::new("paths", format!("{text:?} {why}"));
        if patterns.is_empty() {
            return Err(SettingError::new(
                "paths",
                "must name at least one file, e.g. [\"/var/log/app/*.log\"]",
            ));
        }
        let check = |text: &String| {
            if text.is_empty() || text.ends_with('/') {
                return Err(wrong(text, "must be the path of a file, or a pattern for some"));
            }
            let absolute = std::path::absolute(text).map_err(|error| wrong(text, &error.to_string()))?;
            let absolute = absolute.to_str().ok_or_else(|| wrong(text, "is not UTF-8"))?.to_owned();
            let pattern =
                Pattern::new(&absolute).map_err(|error| wrong(text, &format!("is no pattern: {}", error.msg)))?;
            Ok((absolute, pattern))
        };
        patterns.iter().map(check).collect::<Result<_, _>>().map(Self)
    }

    /// What matches now, up to `most` names.
    #[must_use]
    pub fn find(&self, most: usize) -> Matches {
        let mut found = Matches::default();
        for (text, _) in self.0.iter() {
            let is_plain = !has_wildcard(text);
            for path in glob::glob_with(text, OPTIONS).into_iter().flatten() {
                let path = match path {
                    Ok(path) => path,
                    Err(error) => {
                        found.closed.push((error.path().to_owned(), error.error().to_string()));
                        continue;
                    }
                };
                if !is_plain && path.is_dir() {
                    continue;
                }
                if !found.files.contains(&path) && found.files.len() == most {
                    found.beyond = Some(path);
                    return found;
                }
                found.files.insert(path);
            }
        }
        found
    }

    /// True when a file of this name would be followed.
    #[must_use]
    pub fn include(&self, path: &Path) -> bool {
        self.0
            .iter()
            .any(|(_, pattern)| pattern.matches_path_with(path, OPTIONS))
    }

    /// The folder in which each pattern begins: before the first part with a wildcard.
    pub fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.0.iter().map(|(text, _)| {
            let is_plain = |part: &Component<'_>| !has_wildcard(&part.as_os_str().to_string_lossy());
            let plain: PathBuf = Path::new(text).components().take_while(is_plain).collect();
            if plain.as_os_str().len() == text.len() {
                plain.parent().unwrap_or(&plain).to_owned()
            } else {
                plain
            }
        })
    }
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(pattern: &str) -> Paths {
        Paths::new(&[pattern.to_owned()]).unwrap()
    }

    #[test]
    fn patterns_match_as_in_a_shell_and_begin_in_a_folder() {
        for (pattern, folder) in [
            ("/var/log/app.log", "/var/log"),
            ("/var/log/*.log", "/var/log"),
            ("/var/log/*/x[0-9].log", "/var/log"),
            ("/var/**/a.log", "/var"),
            ("/*.log", "/"),
        ] {
            assert_eq!(paths(pattern).folders().next().unwrap(), Path::new(folder), "{pattern}");
        }
        let logs = paths("/var/log/*.log");
        assert!(logs.include(Path::new("/var/log/a.log")));
        for other in ["/var/log/.a.log", "/var/log/a.log.1", "/var/log/b/a.log"] {
            assert!(!logs.include(Path::new(other)), "{other}");
        }
    }

    #[test]
    fn what_can_never_match_is_refused() {
        for wrong in ["", "/var/log/", "/var/[a", "/var/***/a"] {
            assert_eq!(Paths::new(&[wrong.to_owned()]).unwrap_err().key, "paths", "{wrong}");
        }
        assert!(Paths::new(&[]).is_err());
    }

    #[test]
    fn no_more_is_found_than_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.log", "b.log", "c.log", ".d.log", "e.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("folder.log")).unwrap();
        let logs = paths(&format!("{}/*.log", folder.path().display()));
        assert_eq!((logs.find(3).files.len(), logs.find(3).beyond), (3, None));
        let beyond = Some(folder.path().join("c.log"));
        assert_eq!((logs.find(2).files.len(), logs.find(2).beyond), (2, beyond));
    }
}
