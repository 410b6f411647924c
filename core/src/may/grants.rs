//! Verbs, and the names that somebody may use them on.
//!
//! In: lists of patterns for each verb, as a configuration, a token's `may` or an answer has them. Out: whether one of
//! them matches. Grants only add up; nothing takes away.

use std::fmt;

use serde_json::Value;

use super::claims::Claims;
use super::names::Names;
use super::pattern::{self, Pattern};

/// Most patterns that a token or an answer may bring.
pub const MOST_GRANTS: usize = 100;

/// What somebody may do with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// Hear a channel from now on.
    Join,
    /// Say something in a channel.
    Publish,
    /// Ask a responder, a service or a resource.
    Call,
    /// See who is in a channel.
    Presence,
    /// Hear what was said in a channel before.
    History,
}

impl Verb {
    /// Every verb, in the order in which they are listed.
    pub const ALL: [Self; 5] = [Self::Join, Self::Publish, Self::Call, Self::Presence, Self::History];

    /// The word in configurations and tokens.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Publish => "publish",
            Self::Call => "call",
            Self::Presence => "presence",
            Self::History => "history",
        }
    }

    /// The verb of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.word() == word)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Patterns by verb. In one allocation, since every connection with grants of its own holds it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// A verb and a pattern in each line, e.g. `join room.*`; no pattern holds a line break.
    lines: Box<str>,
}

impl Grants {
    /// Grants of these patterns.
    pub fn new<'a>(all: impl IntoIterator<Item = (Verb, &'a Pattern)>) -> Self {
        let lines = all.into_iter().map(|(verb, pattern)| format!("{verb} {pattern}"));
        Self {
            lines: lines.collect::<Vec<_>>().join("\n").into(),
        }
    }

    /// Reads `{"join":["room.7","news.**"],"presence":["room.7"]}`.
    ///
    /// # Errors
    /// A sentence about the first member that is none, or about too many.
    pub fn read(may: &Value) -> Result<Self, String> {
        let Some(members) = may.as_object() else {
            return Err("may must be an object of lists of patterns".into());
        };
        let mut all = Vec::new();
        for (word, patterns) in members {
            let verb = Verb::of(word).ok_or_else(|| {
                let known = Verb::ALL.map(Verb::word).join(", ");
                format!("may.{} is no verb; known are {known}", shown(word))
            })?;
            let Some(patterns) = patterns.as_array() else {
                return Err(format!("may.{verb} must be a list of patterns"));
            };
            for (at, text) in patterns.iter().enumerate() {
                let text = text.as_str();
                let text = text.ok_or_else(|| format!("may.{verb}[{at}] must be a text"))?;
                let parsed = Pattern::parse(text).map_err(|why| format!("the pattern of may.{verb}[{at}] {why}"))?;
                all.push((verb, parsed));
                if all.len() > MOST_GRANTS {
                    return Err(format!("may has more than {MOST_GRANTS} patterns"));
                }
            }
        }
        Ok(Self::new(all.iter().map(|(verb, pattern)| (*verb, pattern))))
    }

    /// Whether nothing is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Bytes that they take.
    pub(crate) fn weight(&self) -> usize {
        self.lines.len()
    }

    /// The patterns of a verb, as they were written.
    pub fn of(&self, verb: Verb) -> impl Iterator<Item = &str> {
        let lines = self.lines.lines().filter_map(|line| line.split_once(' '));
        lines
            .filter(move |(word, _)| *word == verb.word())
            .map(|(_, text)| text)
    }

    /// Which of the patterns of `verb` matches `names`, all of them, counted from 0.
    #[must_use]
    pub fn find<'a>(
        &self,
        verb: Verb,
        names: impl Into<Names<'a>>,
        user: Option<&str>,
        claims: &Claims,
    ) -> Option<usize> {
        let names = names.into();
        self.of(verb)
            .position(|text| pattern::matches(text, names, user, claims))
    }
}

/// A word of somebody else in a sentence: quoted, and not longer than a line.
fn shown(word: &str) -> String {
    format!("{:?}", word.chars().take(40).collect::<String>())
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lines.lines()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_token_lists_patterns_by_verb() {
        let grants = Grants::read(&json!({"join": ["room.7", "news.**"], "history": ["room.7"], "call": []})).unwrap();
        let none = Claims::default();
        let find = |verb, name| grants.find(verb, name, None, &none);
        assert_eq!(find(Verb::Join, "room.7"), Some(0));
        assert_eq!(find(Verb::Join, "news.a.b"), Some(1));
        assert_eq!(find(Verb::Join, "room.8"), None);
        assert_eq!(find(Verb::History, "room.7"), Some(0));
        assert_eq!(find(Verb::Publish, "room.7"), None);
        assert_eq!(
            format!("{grants:?}"),
            r#"["history room.7", "join room.7", "join news.**"]"#
        );
        assert!(Grants::read(&json!({})).unwrap().is_empty());
        assert!(!grants.is_empty());
    }

    #[test]
    fn an_identity_with_twenty_grants_takes_less_than_a_kibibyte() {
        let names: Vec<String> = (0..20).map(|number| format!("org.acme.room.{number}.**")).collect();
        let identity = crate::auth::Identity {
            grants: Grants::read(&json!({ "join": names })).unwrap(),
            ..crate::auth::Identity::default()
        };
        assert!(identity.weight() <= 1024, "{}", identity.weight());
        assert!(identity.weight() > 20 * "join org.acme.room.0.**".len());
    }

    #[test]
    fn what_is_no_list_of_patterns_is_refused_with_its_place() {
        let refused = |may: Value| Grants::read(&may).unwrap_err();
        assert_eq!(refused(json!([])), "may must be an object of lists of patterns");
        assert_eq!(
            refused(json!({"jion": []})),
            r#"may."jion" is no verb; known are join, publish, call, presence, history"#
        );
        assert_eq!(refused(json!({"join": "a"})), "may.join must be a list of patterns");
        assert_eq!(refused(json!({"join": ["a", 1]})), "may.join[1] must be a text");
        assert_eq!(
            refused(json!({"call": ["**.a"]})),
            "the pattern of may.call[0] may have ** at its end only"
        );
        let many = |count: usize| json!({"join": vec!["a"; count]});
        assert!(Grants::read(&many(MOST_GRANTS)).is_ok());
        assert_eq!(refused(many(MOST_GRANTS + 1)), "may has more than 100 patterns");
        assert!(refused(json!({"\n".repeat(1000): []})).len() < 200);
    }
}
