//! What one backend, or one connector, may tell whom.
//!
//! In: lists of patterns for channels and users. Out: whether all targets of a dispatch are within them. One that is
//! not, and nothing is dispatched.

use std::sync::Arc;

use serde::Deserialize;

use crate::may::{Claims, Pattern};
use crate::target::Target;

/// The bounds of a backend or a connector. One without bounds has no scope.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// Whose bounds they are, for sentences: `the backend shop`.
    pub name: Arc<str>,
    /// Channels that it may tell.
    pub channels: Vec<Pattern>,
    /// Users that it may tell. `*` alone is every user: names of users are often mail addresses, and have no parts.
    pub users: Vec<Pattern>,
    /// Whether it may tell everybody.
    pub everybody: bool,
    /// What it may do with the server API.
    pub api: Api,
}

/// What somebody may do with the server API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// Nothing.
    #[default]
    None,
    /// Look.
    Read,
    /// Look and change.
    All,
}

impl Api {
    /// As configurations write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::All => "all",
        }
    }
}

impl Scope {
    /// The scope of somebody who has a name and may everything.
    #[must_use]
    pub fn whole(name: String) -> Self {
        let pattern = |text| Pattern::parse(text).into_iter().collect();
        Self {
            name: name.into(),
            channels: pattern("**"),
            users: pattern("*"),
            everybody: true,
            api: Api::All,
        }
    }

    /// The first of these targets that is out of bounds.
    #[must_use]
    pub fn breach<'a>(&self, targets: &'a [Target]) -> Option<&'a Target> {
        targets.iter().find(|target| !self.allows(target))
    }

    fn allows(&self, target: &Target) -> bool {
        let none = Claims::default();
        let any = |patterns: &[Pattern], name: &str| patterns.iter().any(|one| one.matches(name, None, &none));
        match target {
            Target::User(name) => self.users.iter().any(|one| one.as_str() == "*") || any(&self.users, name.as_str()),
            Target::Channel(name) => {
                // The usual one of those who may everything is not worth a look at the name.
                self.channels.iter().any(|one| one.as_str() == "**") || any(&self.channels, name.as_str())
            }
            Target::Everybody => self.everybody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::name::{ChannelName, UserName};

    #[test]
    fn one_target_out_of_bounds_is_found() {
        let limits = Limits::default();
        let channel = |name: &str| Target::Channel(ChannelName::parse(name, &limits).unwrap());
        let user = |name: &str| Target::User(UserName::parse(name, &limits).unwrap());
        let scope = Scope {
            channels: vec![Pattern::parse("shop.**").unwrap()],
            users: vec![Pattern::parse("a*").unwrap()],
            ..Scope::default()
        };
        assert_eq!(scope.breach(&[channel("shop.a.b"), user("adam")]), None);
        let other = channel("other");
        assert_eq!(scope.breach(&[channel("shop.a"), other.clone()]), Some(&other));
        assert_eq!(scope.breach(&[Target::Everybody]), Some(&Target::Everybody));
        assert_eq!(
            scope.breach(&[user("a.b")]),
            Some(&user("a.b")),
            "* ends at a separator"
        );
        let every_user = Scope {
            users: vec![Pattern::parse("*").unwrap()],
            ..Scope::default()
        };
        assert_eq!(every_user.breach(&[user("adam"), user("adam@shop.example:7/x")]), None);
        assert!(every_user.breach(&[channel("adam")]).is_some());
        let whole = Scope::whole("root".to_owned());
        assert_eq!(whole.breach(&[channel("a.b"), user("a.b@c"), Target::Everybody]), None);
        assert_eq!(whole.api, Api::All);
        let open = Scope {
            everybody: true,
            ..Scope::default()
        };
        assert_eq!(open.breach(&[Target::Everybody]), None);
        assert!(Api::None < Api::Read && Api::Read < Api::All);
    }

    #[test]
    fn what_somebody_may_is_written_as_it_is_read() {
        for api in [Api::None, Api::Read, Api::All] {
            assert_eq!(serde_json::from_value::<Api>(api.word().into()).unwrap(), api);
        }
    }
}
