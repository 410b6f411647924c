//! The section of the configuration.
//!
//! In: the keys. Out: a [`Plan`] in which every one of them is checked. It touches no file.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::json;
use turted_core::units::{duration, size};
use turted_core::{ConnectorConfig, Envelope, Recipe, SettingError};

use crate::FileConnector;
use crate::follower::Looks;
use crate::line::{payload, vocabulary};
use crate::paths::Paths;
use crate::rule::{Format, Rule};

/// With watches, files are looked for this much less often.
const NET: u32 = 5;

/// The settings of a section with `type = "file"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileConfig {
    /// The files to follow: paths and patterns (`*`, `?`, `[a-z]`, `**`), e.g. `["/var/log/app/*.log"]`. A file that
    /// matches later joins. Required.
    pub paths: Vec<String>,
    /// Where to begin in a file that is there at the start and has no saved position: `end` or `beginning`. Files that
    /// appear later are always read from their beginning. Default `end`.
    pub start: Start,
    /// A file in which positions are kept, so that a restart goes on where the last run ended. One for each section.
    /// Default none.
    pub state_file: Option<PathBuf>,
    /// Longest line in bytes, its end not counted; of a longer one the beginning is taken, and marked. 64 B to 16 MiB,
    /// and no more than `limits.push_bytes`. Default 64 KiB.
    #[serde(deserialize_with = "size::deserialize")]
    pub max_line: usize,
    /// Take a line that has no end after this long, and mark it. Default never.
    #[serde(deserialize_with = "some_duration")]
    pub partial_after: Option<Duration>,
    /// How changes are noticed: `notify` asks the system to tell, `poll` looks; for network file systems. Default
    /// `notify`.
    pub watch: Watch,
    /// How often to look with `poll`; with `notify` every fifth of these, for what the system did not tell. 10 ms to 1
    /// h. Default 1 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub poll: Duration,
    /// How many files are followed at most, 1 to 100,000; those beyond are told in the log. Files that were rotated
    /// away and are still read come on top, up to 100 for each name. Default 1000.
    pub max_files: usize,
    /// Only lines in which this regular expression is found; its named groups become members of the payload. Others are
    /// passed over and not counted. Default all.
    #[serde(rename = "match")]
    pub wanted: Option<String>,
    /// No lines in which this regular expression is found. Default none.
    pub exclude: Option<String>,
    /// What a line is: `text`, `json` or `logfmt`. Default `text`.
    pub format: Format,
    /// How a line becomes an event: `"turted"` for lines that are pushes, or a mapping, which has `{file.path}`,
    /// `{file.name}`, `{file.dir}`, `{line}`, `{match.<group>}`, the marks `{line.cut}`, `{line.replaced}`,
    /// `{line.partial}`, with `format = "logfmt"` `{field.<key>}` and `{fields}`. Default `event = "LOG:LINE"`,
    /// `channels = "log"`.
    pub envelope: Option<Envelope>,
}

impl Default for FileConfig {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            start: Start::End,
            state_file: None,
            max_line: 64 * 1024,
            partial_after: None,
            watch: Watch::Notify,
            poll: Duration::from_secs(1),
            max_files: 1000,
            wanted: None,
            exclude: None,
            format: Format::Text,
            envelope: None,
        }
    }
}

/// Where to begin in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Only what is written from now on.
    End,
    /// All of it.
    Beginning,
}

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Watch {
    /// The system tells.
    Notify,
    /// By looking.
    Poll,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub struct Plan {
    pub paths: Paths,
    pub start: Start,
    pub state_file: Option<PathBuf>,
    pub max_line: usize,
    pub partial_after: Option<Duration>,
    pub watch: Watch,
    pub looks: Looks,
    pub max_files: usize,
    pub rule: Rule,
    pub recipe: Recipe,
}

impl ConnectorConfig for FileConfig {
    const TYPE: &'static str = "file";
    type Connector = FileConnector;

    fn build(self) -> Result<FileConnector, SettingError> {
        let within = |is_it: bool, key: &str, range: &str| {
            is_it
                .then_some(())
                .ok_or_else(|| SettingError::new(key, format!("must be between {range}")))
        };
        within(
            (64..=16 << 20).contains(&self.max_line),
            "max_line",
            "64 bytes and 16 MiB",
        )?;
        within((1..=100_000).contains(&self.max_files), "max_files", "1 and 100000")?;
        let polls = Duration::from_millis(10)..=Duration::from_secs(3600);
        within(polls.contains(&self.poll), "poll", "10ms and 1h")?;
        let rule = Rule::new(self.wanted.as_deref(), self.exclude.as_deref(), self.format)?;
        let envelope = match self.envelope {
            Some(envelope) => envelope,
            None => log_line()?,
        };
        let state_file = self.state_file.map(|path| {
            let wrong = |error| SettingError::new("state_file", format!("{} is no path: {error}", path.display()));
            std::path::absolute(&path).map_err(wrong)
        });
        Ok(FileConnector::new(Plan {
            paths: Paths::new(&self.paths)?,
            start: self.start,
            state_file: state_file.transpose()?,
            max_line: self.max_line,
            partial_after: self.partial_after,
            watch: self.watch,
            looks: Looks {
                poll: self.poll,
                net: self.poll * NET,
            },
            max_files: self.max_files,
            recipe: Recipe::new(envelope, &vocabulary(&rule), &payload(&rule))?,
            rule,
        }))
    }
}

/// What a section without `envelope` does.
fn log_line() -> Result<Envelope, SettingError> {
    let mapping = serde_json::from_value(json!({"event": "LOG:LINE", "channels": "log"}));
    let mapping = mapping.map_err(|error| SettingError::new("envelope", error.to_string()))?;
    Ok(Envelope::Mapped(Box::new(mapping)))
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(settings: serde_json::Value) -> String {
        let mut all = json!({"paths": ["/var/log/*.log"]});
        let members = settings.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(members);
        match serde_json::from_value::<FileConfig>(all) {
            Ok(config) => config.build().err().map(|error| error.key).unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn paths_are_enough() {
        assert_eq!(key(json!({})), "");
        assert_eq!(
            key(json!({"envelope": "turted", "partial_after": "2s", "max_line": "1 KiB"})),
            ""
        );
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        for (settings, wrong) in [
            (json!({"paths": []}), "paths"),
            (json!({"max_line": 3}), "max_line"),
            (json!({"max_files": 0}), "max_files"),
            (json!({"poll": "1ms"}), "poll"),
            (json!({"match": "("}), "match"),
            (json!({"exclude": "("}), "exclude"),
            (
                json!({"envelope": {"event": "{nothing}", "channels": "c"}}),
                "envelope.event",
            ),
            (
                json!({"match": "(?P<a>.)", "envelope": {"event": "E", "channels": "{match.b}"}}),
                "envelope.channels",
            ),
        ] {
            assert_eq!(key(settings.clone()), wrong, "{settings}");
        }
        assert!(key(json!({"path": "x"})).starts_with("unknown field `path`"));
        assert!(key(json!({"start": "middle"})).contains("`end` or `beginning`"));
    }
}
