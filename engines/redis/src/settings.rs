//! What an operator says about the shared order.
//!
//! In: plain values. Out: the word that they are possible, or the key that is not and what is allowed. It opens
//! nothing.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use turted_core::connector::SettingError;
use turted_core::limits::Limits;

use crate::server::Server;

const REALM: RangeInclusive<usize> = 1..=32;
const COUNT: RangeInclusive<u64> = 1..=1_000_000_000_000;
const AGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(366 * 24 * 60 * 60);
const SECRET: RangeInclusive<usize> = 16..=1024;

/// Where the shared order is, and how much of it is kept.
#[derive(Clone)]
pub struct Settings {
    /// `redis://…`, `rediss://…`, `redis+unix://…` or `redis+sentinel://host,host/master/database`, with
    /// `user:password@` where they are needed.
    pub url: String,
    /// Goes before the one in the URL.
    pub username: Option<String>,
    /// Goes before the one in the URL.
    pub password: Option<String>,
    /// Logs in at the Sentinels. Without it they are asked without a login.
    pub sentinel_password: Option<String>,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Nodes of one realm share one order: 1 to 32 letters, digits, `-` and `_`.
    pub realm: String,
    /// About how many entries are kept. Default 100,000.
    pub count: u64,
    /// About how long an entry is kept. Default two minutes.
    pub age: Duration,
    /// Seals what is written: what is not sealed with it is not understood. 16 to 1,024 bytes.
    pub secret: Option<String>,
    /// A batch is only taken for written when a replica has it.
    pub durable: bool,
    /// What everything that is read is checked against.
    pub limits: Limits,
}

impl Settings {
    /// The defaults.
    #[must_use]
    pub fn new(url: impl Into<String>, realm: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            username: None,
            password: None,
            sentinel_password: None,
            ca: None,
            realm: realm.into(),
            count: 100_000,
            age: Duration::from_secs(120),
            secret: None,
            durable: false,
            limits: Limits::default(),
        }
    }

    /// Whether all of this is possible, without asking anybody.
    ///
    /// # Errors
    /// The key that is not, and what is allowed.
    pub fn check(&self) -> Result<(), SettingError> {
        Server::new(self)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let wrong = |key: &str, why: &str| Err(SettingError::new(key, why));
        if !REALM.contains(&self.realm.len()) || !self.realm.bytes().all(is_plain) {
            return wrong("realm", "must be 1 to 32 letters, digits, - and _");
        }
        if !COUNT.contains(&self.count) {
            return wrong("count", "must be from 1 to 1000000000000");
        }
        if !AGE.contains(&self.age) {
            return wrong("age", "must be from 1ms to a year");
        }
        if self
            .secret
            .as_ref()
            .is_some_and(|secret| !SECRET.contains(&secret.len()))
        {
            return wrong("secret", "must have 16 to 1024 bytes");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Settings);

    #[test]
    fn what_is_impossible_is_named_with_what_is_allowed() {
        let good = Settings::new("redis://adam:s3cret@localhost/2", "shop-1_a");
        assert!(good.check().is_ok());
        let wrong: [(&str, Change); 12] = [
            ("realm", |settings| settings.realm = String::new()),
            ("realm", |settings| settings.realm = "a}b".to_owned()),
            ("realm", |settings| settings.realm = "a".repeat(33)),
            ("count", |settings| settings.count = 0),
            ("age", |settings| settings.age = Duration::ZERO),
            ("secret", |settings| settings.secret = Some("short".to_owned())),
            ("url", |settings| settings.url = "http://localhost".to_owned()),
            ("url", |settings| settings.url = "redis+sentinel://localhost".to_owned()),
            ("url", |settings| settings.url = "redis+sentinel:///main".to_owned()),
            ("url", |settings| {
                settings.url = "rediss://localhost/#insecure".to_owned()
            }),
            ("ca", |settings| settings.ca = Some("ca.pem".into())),
            ("password", |settings| {
                settings.url = "redis://localhost".to_owned();
                settings.username = Some("adam".to_owned());
            }),
        ];
        for (key, change) in wrong {
            let mut settings = good.clone();
            change(&mut settings);
            let error = settings.check().unwrap_err();
            assert_eq!(error.key, key, "{}", error.why);
            assert!(!error.why.contains("s3cret"), "{}", error.why);
        }
    }

    #[test]
    fn every_way_to_name_a_server_is_understood() {
        for (url, place) in [
            ("redis://localhost", "redis at localhost:6379"),
            ("rediss://:p%40ss@10.0.0.5:7000/3", "redis at 10.0.0.5:7000"),
            ("redis+unix:///run/redis.sock?db=1", "redis at /run/redis.sock"),
            (
                "redis+sentinel://adam:p%40ss@a,b:7000,[::1]:7001/main/2",
                "redis behind the sentinels a:26379, b:7000, [::1]:7001 (main)",
            ),
        ] {
            let settings = Settings::new(url, "shop");
            assert!(settings.check().is_ok(), "{url}");
            assert_eq!(Server::new(&settings).unwrap().place(), place);
        }
    }
}
