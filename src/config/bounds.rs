//! What flows in: the keys `push`, `users`, `everybody` and `api` of a backend or a connector. What flows out: whom it
//! may tell, and what else it may. Refuses to know: who keeps whom to it.

use serde::de::DeserializeOwned;
use turted_core::may::Pattern;
use turted_core::{Api, Scope};

use super::decode::decode;
use super::problem::{Problem, join_key};
use super::tree::Node;

/// Whom one backend, or one connector, may tell. As soon as one of the keys is there, those that are not mean nobody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bounds {
    push: Option<Vec<Pattern>>,
    users: Option<Vec<Pattern>>,
    everybody: Option<bool>,
    api: Option<Api>,
}

impl Bounds {
    /// Takes the keys out of a table, those of connectors or (with `api`) of backends; `None` when there are none.
    pub(super) fn take(table: &mut Node, key: &str, has_api: bool, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut found = false;
        let mut taken = |name: &str| {
            let node = table.force_table().remove(name);
            found |= node.is_some();
            node.map(|node| (node, join_key(key, name)))
        };
        let (push, users, everybody) = (taken("push"), taken("users"), taken("everybody"));
        let api = if has_api { taken("api") } else { None };
        // What could not be read must not become a right: such a configuration is refused anyway.
        let bounds = Self {
            push: push.and_then(|place| patterns(place, problems)),
            users: users.and_then(|place| patterns(place, problems)),
            everybody: everybody.and_then(|place| value(place, problems)),
            api: api.and_then(|place| value(place, problems)),
        };
        found.then_some(bounds)
    }

    /// The same as it is enforced; `name` is whose it is, for sentences.
    #[must_use]
    pub fn scope(&self, name: String) -> Scope {
        Scope {
            name: name.into(),
            channels: self.push.clone().unwrap_or_default(),
            users: self.users.clone().unwrap_or_default(),
            everybody: self.everybody.unwrap_or_default(),
            api: self.api(),
        }
    }

    /// What it may do with the server API.
    #[must_use]
    pub fn api(&self) -> Api {
        self.api.unwrap_or_default()
    }

    /// Each key that was written, as TOML.
    pub(super) fn shown(&self) -> impl Iterator<Item = (&'static str, toml::Value)> {
        let list = |patterns: &Vec<Pattern>| patterns.iter().map(Pattern::as_str).collect::<Vec<_>>().into();
        let word = |api: Api| toml::Value::from(api.word());
        [
            ("push", self.push.as_ref().map(list)),
            ("users", self.users.as_ref().map(list)),
            ("everybody", self.everybody.map(toml::Value::from)),
            ("api", self.api.map(word)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

fn value<T: DeserializeOwned>((node, key): (Node, String), problems: &mut Vec<Problem>) -> Option<T> {
    let decoded = decode::<T>(&node, &key);
    problems.extend(decoded.problems);
    decoded.value
}

fn patterns((node, key): (Node, String), problems: &mut Vec<Problem>) -> Option<Vec<Pattern>> {
    let patterns: Vec<Pattern> = value((node.clone(), key.clone()), problems)?;
    let asks = |pattern: &&Pattern| pattern.wants_user() || pattern.claims().next().is_some();
    if let Some(pattern) = patterns.iter().find(asks) {
        let why = format!(
            "has {:?}, which asks who somebody is; a backend or a connector is nobody: write names and *",
            pattern.as_str()
        );
        problems.push(Problem::new(node.place, key, why));
    }
    Some(patterns)
}
