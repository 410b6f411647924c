//! What flows in: `[may.anyone]`, `[may.users]`, `[may.<name>]` with its `if`, and `[may.ask]`. What flows out: who may
//! do what, and whom to ask about the rest. Refuses to know: what a pattern matches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use turted_core::may::{Audience, Condition, Grants, Pattern, Permissions, Verb, Who};
use turted_core::units::duration;

use super::decode::decode;
use super::hook::HookUrl;
use super::problem::{Problem, join_key};
use super::secret::Secrets;
use super::tree::Node;

/// `[may]`: who may do what. Without it everybody may join every channel, and nobody may publish or call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct May {
    /// By name: `anyone`, `users`, `ask`, or one of the user's own.
    tables: BTreeMap<String, Table>,
}

/// One table of `[may]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Table {
    Audience(AudienceTable),
    Ask(Box<Ask>),
}

/// What some people may.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AudienceTable {
    /// In tables of one's own: which users.
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    conditions: Option<BTreeMap<String, Values>>,
    /// In `[may.anyone]`: whether connections without a user hear what everybody is told. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    broadcasts: Option<bool>,
    /// Whether those who hear what is published learn by whom. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<bool>,
    join: Vec<Pattern>,
    publish: Vec<Pattern>,
    call: Vec<Pattern>,
    presence: Vec<Pattern>,
    history: Vec<Pattern>,
}

/// `[may.ask]`: what nobody is granted above is asked of the user's backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Where.
    pub url: HookUrl,
    /// Signs the question; several while they are changed.
    pub secret: Secrets,
    /// How long an answer may take. Default 2 s.
    #[serde(default = "two_seconds", with = "duration")]
    pub timeout: Duration,
    /// How long an answer holds for the same question. Default 30 s; 0 asks again each time.
    #[serde(default = "half_a_minute", with = "duration")]
    pub cache: Duration,
    /// Claims that go along with the question. Default none.
    #[serde(default)]
    pub claims: Vec<String>,
    #[serde(default)]
    join: Vec<Pattern>,
    #[serde(default)]
    publish: Vec<Pattern>,
    #[serde(default)]
    call: Vec<Pattern>,
    #[serde(default)]
    presence: Vec<Pattern>,
    #[serde(default)]
    history: Vec<Pattern>,
}

fn two_seconds() -> Duration {
    Duration::from_secs(2)
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

/// What a claim has to be: one value, or one of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Values {
    One(Value),
    Several(Vec<Value>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Flag(bool),
    Number(i64),
    Text(String),
}

impl May {
    /// Reads the tables below `[may]`; what is wrong is noted and left out.
    pub(super) fn read(node: &Node, problems: &mut Vec<Problem>) -> Self {
        let Some(tables) = node.table() else {
            let message = format!("must be tables such as [may.users], not {}", node.kind());
            problems.push(Problem::new(node.place.clone(), "may", message));
            return Self::default();
        };
        let mut may = Self::default();
        for (name, node) in tables {
            let key = join_key("may", name);
            let table = match name.as_str() {
                "ask" => {
                    let decoded = decode::<Ask>(node, &key);
                    problems.extend(decoded.problems);
                    decoded.value.map(|ask| Table::Ask(Box::new(ask)))
                }
                _ => {
                    let decoded = decode::<AudienceTable>(node, &key);
                    problems.extend(decoded.problems);
                    decoded.value.map(Table::Audience)
                }
            };
            if let Some(Table::Audience(table)) = &table {
                table.check(name, &key, node, problems);
            }
            may.tables.extend(table.map(|table| (name.clone(), table)));
        }
        may
    }

    /// Whom to ask about what nobody is granted.
    #[must_use]
    pub fn ask(&self) -> Option<&Ask> {
        self.tables.values().find_map(|table| match table {
            Table::Ask(ask) => Some(&**ask),
            Table::Audience(_) => None,
        })
    }

    /// What it all means.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        let audiences = self.tables.iter().filter_map(|(name, table)| match table {
            Table::Audience(table) => Some(table.audience(name)),
            Table::Ask(_) => None,
        });
        let broadcasts = self.tables.get("anyone").and_then(|table| match table {
            Table::Audience(table) => table.broadcasts,
            Table::Ask(_) => None,
        });
        let asks = self.ask().map(Ask::grants).unwrap_or_default();
        Permissions::new(audiences.collect(), asks, broadcasts.unwrap_or(true))
    }

    /// The claims that some table asks for; no others are kept.
    #[must_use]
    pub fn claims(&self) -> Vec<Arc<str>> {
        let mut claims = BTreeSet::new();
        for table in self.tables.values() {
            let patterns: Vec<&Pattern> = match table {
                Table::Audience(table) => {
                    let named = table.conditions.iter().flat_map(BTreeMap::keys);
                    claims.extend(named.filter_map(|key| key.strip_prefix("claim.")));
                    table.patterns().map(|(_, pattern)| pattern).collect()
                }
                Table::Ask(ask) => {
                    claims.extend(ask.claims.iter().map(String::as_str));
                    ask.patterns().map(|(_, pattern)| pattern).collect()
                }
            };
            claims.extend(patterns.into_iter().flat_map(Pattern::claims));
        }
        claims.into_iter().map(Arc::from).collect()
    }
}

impl AudienceTable {
    fn check(&self, name: &str, key: &str, node: &Node, problems: &mut Vec<Problem>) {
        let mut refuse = |member: &str, message: String| {
            problems.push(Problem::new(node.place_of(member), join_key(key, member), message));
        };
        let is_own = !matches!(name, "anyone" | "users");
        match &self.conditions {
            None if is_own => refuse(
                "if",
                format!("is missing; [may.{name}] needs one, e.g. if = {{ \"claim.roles\" = \"{name}\" }}"),
            ),
            Some(_) if !is_own => refuse("if", format!("does not belong here; [may.{name}] is about all of them")),
            Some(conditions) if conditions.is_empty() => refuse("if", "must have a condition".to_owned()),
            Some(conditions) => {
                let is_known = |key: &&String| *key == "user" || key.len() > 6 && key.starts_with("claim.");
                for unknown in conditions.keys().filter(|key| !is_known(key)) {
                    refuse(
                        "if",
                        format!("has {unknown:?}; known are \"user\" and \"claim.<name>\""),
                    );
                }
            }
            None => {}
        }
        if self.broadcasts.is_some() && name != "anyone" {
            refuse(
                "broadcasts",
                "belongs to [may.anyone]: everybody with a name hears them".to_owned(),
            );
        }
        if name == "anyone"
            && self
                .patterns()
                .any(|(_, pattern)| pattern.wants_user() || pattern.claims().next().is_some())
        {
            refuse(
                "join",
                "has {user} or {claim.…}, which those without a name never match; use [may.users]".to_owned(),
            );
        }
    }

    fn patterns(&self) -> impl Iterator<Item = (Verb, &Pattern)> {
        by_verb([&self.join, &self.publish, &self.call, &self.presence, &self.history])
    }

    fn audience(&self, name: &str) -> Audience {
        Audience {
            name: name.into(),
            who: match (name, &self.conditions) {
                ("anyone", _) => Who::Anyone,
                (_, None) => Who::Users,
                (_, Some(conditions)) => Who::Those(conditions.iter().map(condition).collect()),
            },
            grants: Grants::new(self.patterns()),
            from: self.from.unwrap_or(true),
        }
    }
}

/// A condition as a file writes it.
fn condition((key, values): (&String, &Values)) -> Condition {
    let values = match values {
        Values::One(value) => std::slice::from_ref(value),
        Values::Several(values) => values,
    };
    Condition {
        claim: key.strip_prefix("claim.").map(Arc::from),
        values: values.iter().map(Value::text).collect(),
    }
}

impl Value {
    fn text(&self) -> Box<str> {
        match self {
            Self::Flag(flag) => flag.to_string().into(),
            Self::Number(number) => number.to_string().into(),
            Self::Text(text) => text.as_str().into(),
        }
    }
}

impl Ask {
    fn patterns(&self) -> impl Iterator<Item = (Verb, &Pattern)> {
        by_verb([&self.join, &self.publish, &self.call, &self.presence, &self.history])
    }

    fn grants(&self) -> Grants {
        Grants::new(self.patterns())
    }
}

/// The patterns of each verb, in the order of [`Verb::ALL`].
fn by_verb(lists: [&Vec<Pattern>; 5]) -> impl Iterator<Item = (Verb, &Pattern)> {
    Verb::ALL
        .into_iter()
        .zip(lists)
        .flat_map(|(verb, list)| list.iter().map(move |pattern| (verb, pattern)))
}
