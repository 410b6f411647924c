//! What flows in: something a person wrote and the reason it cannot stand. What flows out: one line per mistake that
//! names the place, the key and the way out. Refuses to know: TOML, serde and what any key means.

use std::fmt;
use std::sync::Arc;

/// Where a value was written. Ordered as a reader meets them: the file from top to bottom, then the environment, then
/// the flags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Place {
    /// Nobody wrote it: a default of this server.
    Default,
    /// A whole file, when no line can be named (it is missing, it is not UTF-8).
    Whole(Arc<str>),
    /// A line of the configuration file.
    Line {
        /// The file as it was named.
        file: Arc<str>,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// An environment variable, by its name.
    Env(Arc<str>),
    /// A `--set key=value` flag, by its key (never its value, which may be a secret).
    Set(Arc<str>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Default => f.write_str("(default)"),
            Place::Whole(file) => f.write_str(file),
            Place::Line { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Place::Env(name) => f.write_str(name),
            Place::Set(key) => write!(f, "--set {key}"),
        }
    }
}

/// One mistake. Its text never holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where to go and mend it.
    pub place: Place,
    /// The full dotted key, as in `limits.outbox_bytes`; empty when the mistake is not about one key.
    pub key: String,
    /// A lowercase sentence which says what is wrong and, where possible, what would be right.
    pub message: String,
}

impl Problem {
    /// A mistake at `place`, about `key` (may be empty).
    pub fn new(place: Place, key: impl Into<String>, message: impl Into<String>) -> Self {
        Problem {
            place,
            key: key.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    /// `turted.toml:12:1: limits.outbox_byte: unknown key; …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        let said = matches!(&self.place, Place::Set(key) if **key == *self.key);
        if !self.key.is_empty() && !said {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// Every mistake found in one go, in reading order; its text is one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.problems))]
pub struct ConfigError {
    /// Never empty.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// Puts the problems into reading order.
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        ConfigError { problems }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// `parent.child`, with quotes around a child that TOML would want quoted. Control characters come out escaped, so that
/// a key cannot paint on the terminal which shows it.
pub(super) fn join_key(parent: &str, child: &str) -> String {
    let bare = !child.is_empty()
        && child
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let child = if bare { child.to_owned() } else { format!("{child:?}") };
    if parent.is_empty() {
        child
    } else {
        format!("{parent}.{child}")
    }
}

/// `"a", "b", "c"`.
pub(super) fn quoted_list(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("\"{word}\""))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `; did you mean outbox_bytes?` when one of the allowed words is close to the written one, else nothing.
pub(super) fn did_you_mean(written: &str, allowed: &[&str]) -> String {
    let written = written.to_lowercase().replace('-', "_");
    allowed
        .iter()
        .map(|word| (strsim::osa_distance(&written, &word.replace('-', "_")), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4 && *distance < word.len())
        .min()
        .map(|(_, word)| format!("; did you mean {word}?"))
        .unwrap_or_default()
}
