//! The section `[connectors.<name>]` with `type = "redis"`.
//!
//! In: settings. Out: a connector, or the key that cannot be as it is. It does not touch the network.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use turted_core::units::{duration, size};
use turted_core::{ConnectorConfig, Envelope, Recipe, SettingError, Vocabulary};

use crate::Redis;
use crate::demand::Wanted;
use crate::publish::Publisher;
use crate::pubsub::Subscriptions;
use crate::server::{Login, Server};
use crate::streams::{DeadLetter, Streams};

/// What stands between the words of a channel or a stream: `{channel.1}` of `chat:room.7` is `room`.
const SEPARATORS: &[char] = &[':', '.'];

/// Settings. `url` and at least one of `channels`, `patterns`, `on_demand` and `streams` are needed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// `redis://[user:password@]host[:port][/database]`, `rediss://…` for TLS, `redis+unix:///path?db=0` for a socket.
    /// `?protocol=resp3` asks for the newer protocol.
    url: String,
    /// Goes before that of the URL, and needs no escapes.
    username: Option<String>,
    /// Goes before that of the URL, and needs no escapes.
    password: Option<String>,
    /// A file with certificates (PEM) to trust instead of the system's; for TLS.
    ca: Option<PathBuf>,
    /// Pub/Sub channels, at most once.
    #[serde(default)]
    channels: Vec<String>,
    /// Pub/Sub patterns such as `chat.*`, at most once. A message that several subscriptions match comes once for each
    /// of them.
    #[serde(default)]
    patterns: Vec<String>,
    /// Pub/Sub channels that are heard only while a client is in the channel of the same name, at most once: patterns
    /// as `[may]` has them, `["**"]` for every channel. What clients hear by a pattern of their own asks for nothing.
    #[serde(default)]
    on_demand: Vec<String>,
    /// How much of Pub/Sub may wait while the server is overloaded; what does not fit is dropped and counted as
    /// `overflow`. Default 8 MiB.
    #[serde(default = "defaults::buffer", deserialize_with = "size::deserialize")]
    buffer: usize,
    /// Streams, at least once.
    #[serde(default)]
    streams: Vec<String>,
    /// The consumer group, made when it is not there. Members of a group share its entries, so each server needs a
    /// group of its own to hear everything. Default `turted`.
    group: Option<String>,
    /// Who we are in the group. It must be the same after a restart, and another for each member of a group. Default
    /// `turted`.
    consumer: Option<String>,
    /// Where a group begins that is made: at `new` entries, or at the `beginning` of the stream. Default `new`.
    start: Option<Start>,
    /// After how long an entry is taken over that another member of the group took and did not acknowledge. Default 30
    /// s, at least 1 s.
    #[serde(default = "defaults::claim_after", deserialize_with = "duration::deserialize")]
    claim_after: Duration,
    /// The field of an entry that is its body. With a mapping, an entry without it is read as a JSON object of its
    /// fields. Default `body`.
    body: Option<String>,
    /// How many entries are read at once from each stream, 1 to 10,000. Default 100.
    #[serde(default = "defaults::batch")]
    batch: usize,
    /// A stream for entries that can never be dispatched, with the fields `turted.reason`, `turted.stream` and
    /// `turted.id`. Default none: they are acknowledged, counted and gone.
    dead_letter: Option<String>,
    /// About how many dead letters are kept. Default 10,000.
    #[serde(default = "defaults::dead_letter_length")]
    dead_letter_length: usize,
    /// How a message becomes a dispatch. Names: `{channel}`, `{pattern}`; of streams `{stream}`, `{id}`, `{field.…}`.
    /// Words of a channel or stream stand between `:` or `.`.
    #[serde(default)]
    envelope: Envelope,
}

/// Where a consumer group begins that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// With entries that are added from then on.
    New,
    /// With the oldest entry of the stream.
    Beginning,
}

impl Start {
    /// As Redis writes it.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::New => "$",
            Self::Beginning => "0",
        }
    }
}

mod defaults {
    use std::time::Duration;

    pub fn buffer() -> usize {
        8 << 20
    }

    pub fn claim_after() -> Duration {
        Duration::from_secs(30)
    }

    pub fn batch() -> usize {
        100
    }

    pub fn dead_letter_length() -> usize {
        10_000
    }
}

impl ConnectorConfig for RedisConfig {
    const TYPE: &'static str = "redis";
    type Connector = Redis;

    fn build(self) -> Result<Redis, SettingError> {
        let hears_always = !self.channels.is_empty() || !self.patterns.is_empty();
        if !hears_always && self.on_demand.is_empty() && self.streams.is_empty() {
            return Err(SettingError::new(
                "",
                "needs channels, patterns, on_demand or streams: what to hear",
            ));
        }
        for (key, names) in [
            ("channels", &self.channels),
            ("patterns", &self.patterns),
            ("on_demand", &self.on_demand),
            ("streams", &self.streams),
        ] {
            check_names(key, names)?;
        }
        let wanted = Wanted::parse(&self.on_demand)?;
        let recipe = Recipe::new(self.envelope.clone(), &self.vocabulary(), &Value::from("{json}"))?;
        let streams = self.streams()?;
        let login = Login {
            username: self.username,
            password: self.password,
        };
        let server = Arc::new(Server::new(&self.url, login, self.ca)?);
        let hears = hears_always || wanted.is_some();
        let subscriptions = hears.then_some(Subscriptions {
            channels: self.channels,
            patterns: self.patterns,
            wanted,
            buffer: self.buffer,
        });
        Ok(Redis {
            relay: Arc::new(Publisher::new(Arc::clone(&server))),
            server,
            recipe,
            subscriptions,
            streams,
        })
    }
}

impl RedisConfig {
    /// Only what this section hears of, so that a mapping cannot name what never comes.
    fn vocabulary(&self) -> Vocabulary {
        let mut words = Vocabulary::new();
        if !self.channels.is_empty() || !self.patterns.is_empty() || !self.on_demand.is_empty() {
            words = words.with_words_between("channel", SEPARATORS);
        }
        if !self.patterns.is_empty() {
            words = words.with("pattern");
        }
        if !self.streams.is_empty() {
            words = words
                .with_words_between("stream", SEPARATORS)
                .with("id")
                .with_any("field");
        }
        words
    }

    fn streams(&self) -> Result<Option<Streams>, SettingError> {
        let named = [
            ("group", &self.group),
            ("consumer", &self.consumer),
            ("body", &self.body),
            ("dead_letter", &self.dead_letter),
        ];
        for (key, value) in named {
            if value.as_ref().is_some_and(String::is_empty) {
                return Err(SettingError::new(key, "must not be empty"));
            }
            if self.streams.is_empty() && value.is_some() {
                return Err(SettingError::new(key, "is for streams, and this section has none"));
            }
        }
        if self.streams.is_empty() {
            return Ok(None);
        }
        if self.claim_after < Duration::from_secs(1) {
            return Err(SettingError::new("claim_after", "must be at least 1s"));
        }
        if !(1..=10_000).contains(&self.batch) {
            return Err(SettingError::new("batch", "must be 1 to 10000"));
        }
        if self.dead_letter_length == 0 {
            return Err(SettingError::new("dead_letter_length", "must be at least 1"));
        }
        if self
            .dead_letter
            .as_ref()
            .is_some_and(|stream| self.streams.contains(stream))
        {
            return Err(SettingError::new(
                "dead_letter",
                "must not be one of streams: its entries would come again for ever",
            ));
        }
        let or = |value: &Option<String>, default: &str| value.clone().unwrap_or_else(|| default.to_owned());
        Ok(Some(Streams {
            names: self.streams.iter().map(|name| Arc::from(name.as_str())).collect(),
            group: or(&self.group, "turted"),
            consumer: or(&self.consumer, "turted"),
            start: self.start.unwrap_or(Start::New),
            claim_after: self.claim_after,
            body: or(&self.body, "body"),
            needs_body: matches!(self.envelope, Envelope::Turted),
            batch: self.batch,
            dead_letter: self.dead_letter.clone().map(|stream| DeadLetter {
                stream,
                length: self.dead_letter_length,
            }),
            positions: HashMap::new(),
        }))
    }
}

fn check_names(key: &str, names: &[String]) -> Result<(), SettingError> {
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(SettingError::new(key, "must not have an empty name in it"));
        }
        if names[..at].contains(name) {
            return Err(SettingError::new(key, format!("has {name} twice")));
        }
    }
    Ok(())
}
