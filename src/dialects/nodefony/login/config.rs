//! The login as the configuration has it.
//!
//! In: a realm, users with their passwords, a time. Out: a login, or which of them is impossible. A password is shown
//! nowhere.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use turted_core::units::duration;
use turted_core::{SettingError, UserName};

use super::Login;
use crate::carriers::Bounds;
use crate::config::Secret;

/// A login.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginConfig {
    /// What clients are told that the login is for. Default `turted`.
    #[serde(default = "turted")]
    realm: String,
    /// By name.
    users: BTreeMap<String, UserConfig>,
    /// How long a session lasts. Default 12 h.
    #[serde(default = "half_a_day", with = "duration")]
    lasts: Duration,
}

/// Somebody who may log in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserConfig {
    password: Secret,
}

fn turted() -> String {
    "turted".to_owned()
}

fn half_a_day() -> Duration {
    Duration::from_secs(12 * 60 * 60)
}

impl LoginConfig {
    /// The login.
    ///
    /// # Errors
    /// Which values are impossible, and what is allowed.
    pub fn build(self, bounds: &Bounds) -> Result<Login, Vec<SettingError>> {
        let mut wrong = Vec::new();
        if self.realm.is_empty()
            || !self
                .realm
                .chars()
                .all(|one| matches!(one, ' '..='~') && !"\",\\".contains(one))
        {
            let why = "must be ASCII without quotes, commas and backslashes: clients cut it there";
            wrong.push(SettingError::new("login.realm", why));
        }
        if self.lasts < Duration::from_secs(60) {
            wrong.push(SettingError::new("login.lasts", "must be at least 1m"));
        }
        if self.users.is_empty() {
            wrong.push(SettingError::new("login.users", "nobody may log in; name somebody"));
        }
        let mut users = Vec::new();
        for (name, UserConfig { password }) in &self.users {
            let key = format!("login.users.{name}");
            if !is_latin(name) || name.contains(['"', ':']) {
                let why = "must be letters of Latin-1 without quotes and colons: clients write nothing else";
                wrong.push(SettingError::new(&key, why));
            }
            if !is_latin(password.expose()) {
                let why = "must be letters of Latin-1 (to U+00FF): clients hash only half of any other";
                wrong.push(SettingError::new(format!("{key}.password"), why));
            }
            match UserName::parse(name, &bounds.limits) {
                Ok(user) => users.push((user, password.expose())),
                Err(why) => wrong.push(SettingError::new(key, format!("the user name {why}"))),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let login = Login::new(&self.realm, users, self.lasts);
        login.ok_or_else(|| vec![SettingError::new("login", "the system has no random numbers")])
    }
}

/// Whether clients hash the whole of it.
fn is_latin(text: &str) -> bool {
    text.chars().all(|letter| u32::from(letter) <= 0xFF)
}

#[cfg(test)]
mod tests {
    use crate::Server;
    use crate::config::Sources;

    fn wrong(lines: &[&str]) -> Vec<String> {
        let sets = lines.iter().map(|line| format!("clients.nodefony.login.{line}"));
        let sources = Sources {
            sets: sets.collect(),
            ..Sources::default()
        };
        let error = Server::load(&sources).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        error.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_login_has_users_and_what_clients_can_say() {
        let tom = "users.tom.password=Grüße";
        assert!(wrong(&[tom]).is_empty());
        assert!(wrong(&[tom, "realm=a house", "lasts=1m", "users.Jürgen.password=x"]).is_empty());
        for (lines, why) in [
            (&["realm=a"][..], "users: is missing"),
            (&["realm=a", "users={}"], "nobody may log in"),
            (&[tom, "realm=\"a,b\""], "must be ASCII without quotes"),
            (&[tom, "realm=Straße"], "must be ASCII without quotes"),
            (&[tom, "realm=\"\""], "must be ASCII without quotes"),
            (&[tom, "lasts=59s"], "must be at least 1m"),
            (&["users.tom.password=\"\""], "must not be empty"),
            (&["users.tom.password=€"], "must be letters of Latin-1 (to U+00FF)"),
            (&["users.\"a:b\".password=x"], "without quotes and colons"),
            (&["users.\"€\".password=x"], "without quotes and colons"),
            (&[tom, "users.tom.hash=x"], "unknown key; allowed are password"),
        ] {
            let found = wrong(lines);
            assert!(found.len() == 1 && found[0].contains(why), "{lines:?}: {found:?}");
            assert!(!found[0].contains("Grüße"), "no password is shown");
        }
    }
}
