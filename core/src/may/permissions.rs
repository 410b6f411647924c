//! What may be done here, by whom.
//!
//! In: the audiences of a configuration with their grants, and a question: may this identity do that with this name?
//! Out: yes with the rule, no, or that the user's backend is to be asked. Grants add up and their order never matters;
//! the backend comes last. It decides for every way in, and knows none.

use std::fmt;
use std::sync::Arc;

use super::claims::Claims;
use super::grants::{Grants, Verb};
use super::names::Names;
use crate::auth::Identity;

/// Names that begin so are the server's own.
pub const RESERVED: &str = "turted:";

/// Everything that is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Whether there is no rule at all: then everybody may join, and nobody may do anything else.
    is_open: bool,
    audiences: Vec<Audience>,
    asks: Grants,
    /// Whether connections without a user hear what everybody is told.
    broadcasts: bool,
}

/// Some people, and what they may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// As the configuration calls it: `users` for `[may.users]`.
    pub name: Box<str>,
    /// Who they are.
    pub who: Who,
    /// What they may.
    pub grants: Grants,
    /// Whether those who hear what they publish learn who it was.
    pub from: bool,
}

/// Who belongs to an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Also those who have not said who they are.
    Anyone,
    /// Everybody with a name.
    Users,
    /// Everybody with a name of whom all of this holds.
    Those(Vec<Condition>),
}

/// A claim, or the user (`None`), and the values of which it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The claim's path.
    pub claim: Option<Arc<str>>,
    /// Any of these.
    pub values: Vec<Box<str>>,
}

/// The answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It may.
    Yes(Because<'a>),
    /// It may not, whoever is asked.
    No,
    /// The user's backend knows.
    Ask,
}

/// The rule that grants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because<'a> {
    /// There are no rules.
    Open,
    /// A pattern of an audience.
    Audience(&'a Audience, Verb, usize),
    /// A pattern that the identity brought along.
    Own(Verb, usize),
}

impl Default for Permissions {
    fn default() -> Self {
        Self {
            is_open: true,
            audiences: Vec::new(),
            asks: Grants::default(),
            broadcasts: true,
        }
    }
}

impl Permissions {
    /// Permissions of these audiences; what `asks` names and nobody is granted is asked of the user's backend.
    #[must_use]
    pub fn new(audiences: Vec<Audience>, asks: Grants, broadcasts: bool) -> Self {
        Self {
            is_open: false,
            audiences,
            asks,
            broadcasts,
        }
    }

    /// Whether connections without a user hear what everybody is told.
    #[must_use]
    pub fn broadcasts(&self) -> bool {
        self.broadcasts
    }

    /// Whether somebody without a user can do or hear anything at all.
    #[must_use]
    pub fn has_something_for_anyone(&self) -> bool {
        let is_open = |audience: &Audience| audience.who == Who::Anyone && !audience.grants.is_empty();
        self.is_open || self.broadcasts || self.audiences.iter().any(is_open)
    }

    /// Whether `who` may do this with `names`: with all of them. A backend is asked about one name only, as it may
    /// know no patterns.
    #[must_use]
    pub fn judge<'a>(&self, verb: Verb, names: impl Into<Names<'a>>, who: &Identity) -> Verdict<'_> {
        let names = names.into();
        if names.prefix().starts_with(RESERVED) {
            return Verdict::No;
        }
        if self.is_open && verb == Verb::Join {
            return Verdict::Yes(Because::Open);
        }
        let user = who.user.as_ref().map(crate::UserName::as_str);
        for audience in self.audiences.iter().filter(|audience| audience.has(user, &who.claims)) {
            if let Some(at) = audience.grants.find(verb, names, user, &who.claims) {
                return Verdict::Yes(Because::Audience(audience, verb, at));
            }
        }
        if let Some(at) = who.granted(verb, names) {
            return Verdict::Yes(Because::Own(verb, at));
        }
        match (names, self.asks.find(verb, names, user, &who.claims)) {
            (Names::One(_), Some(_)) => Verdict::Ask,
            _ => Verdict::No,
        }
    }

    /// Why not: a sentence for whoever wrote the rules. It may hold names and claims, and never a credential.
    #[must_use]
    pub fn explain<'a>(&self, verb: Verb, names: impl Into<Names<'a>>, who: &Identity) -> String {
        let names = names.into();
        let name = names.prefix();
        if name.starts_with(RESERVED) {
            return format!("names that begin with {RESERVED} are the server's own");
        }
        if self.is_open {
            return format!("without [may] nobody may {verb}");
        }
        let user = who.user.as_ref().map(crate::UserName::as_str);
        let applies = |audience: &&Audience| audience.has(user, &who.claims);
        let asked: Vec<&Audience> = self.audiences.iter().filter(applies).collect();
        let mut told = match asked.as_slice() {
            [] => "no audience of [may] is about this identity".to_owned(),
            asked => {
                let tables = asked.iter().map(|audience| format!("[may.{}]", audience.name));
                let tables = tables.collect::<Vec<_>>().join(", ");
                match names {
                    Names::One(_) => format!("no pattern of {tables} matches"),
                    Names::Below(_) => format!("no pattern of {tables} covers {names}"),
                }
            }
        };
        if let Some(near) = self.nearest(verb, name, who) {
            told.push_str("; ");
            told.push_str(&near);
        }
        told
    }

    /// The pattern that has most in common with the name, and what it lacks.
    fn nearest(&self, verb: Verb, name: &str, who: &Identity) -> Option<String> {
        let user = who.user.as_ref().map(crate::UserName::as_str);
        let of_audience = |audience| move |text| (Some(audience), text);
        let of_audiences = self
            .audiences
            .iter()
            .flat_map(|audience| audience.grants.of(verb).map(of_audience(audience)));
        let all = of_audiences.chain(who.grants.of(verb).map(|text| (None, text)));
        let parsed = all.filter_map(|(audience, text)| Some((audience, super::Pattern::parse(text).ok()?)));
        let alike = |pattern: &super::Pattern| {
            let prefix = pattern.prefix();
            let common = prefix.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
            (common, common == prefix.len())
        };
        let near = parsed
            .map(|(audience, pattern)| (alike(&pattern), audience, pattern))
            .filter(|((common, _), ..)| *common > 0)
            .max_by_key(|(alike, ..)| *alike);
        let (_, audience, pattern) = near?;
        let missing = pattern.claims().find(|path| !who.claims.is_known(path));
        let lacks = match (missing, audience) {
            _ if user.is_none() && pattern.wants_user() => ", but there is no user".to_owned(),
            (Some(path), _) => format!(", but the claim {path} is missing"),
            _ if brings_separator(&pattern, user, &who.claims) => {
                ", but a value in front of something else must not hold a separator (. : /)".to_owned()
            }
            (None, Some(audience)) if !audience.has(user, &who.claims) => {
                format!(
                    ", but that is of [may.{}], which is not about this identity",
                    audience.name
                )
            }
            _ => String::new(),
        };
        Some(format!("nearest {pattern}{lacks}"))
    }
}

/// Whether a value that the pattern asks for holds a separator, which only the last part may.
fn brings_separator(pattern: &super::Pattern, user: Option<&str>, claims: &Claims) -> bool {
    let divides = |text: &str| text.contains(['.', ':', '/']);
    let is_last = |placeholder: &str| pattern.as_str().ends_with(placeholder);
    let by_user = pattern.wants_user() && !is_last("{user}") && user.is_some_and(divides);
    by_user
        || pattern
            .claims()
            .any(|path| !is_last(&format!("{{claim.{path}}}")) && claims.texts(path).any(divides))
}

impl Audience {
    fn has(&self, user: Option<&str>, claims: &Claims) -> bool {
        match &self.who {
            Who::Anyone => true,
            Who::Users => user.is_some(),
            Who::Those(conditions) => user.is_some_and(|user| conditions.iter().all(|one| one.holds(user, claims))),
        }
    }
}

impl Condition {
    fn holds(&self, user: &str, claims: &Claims) -> bool {
        self.values.iter().any(|value| match &self.claim {
            Some(path) => claims.has(path, value),
            None => user == &**value,
        })
    }
}

impl Because<'_> {
    /// Whether those who hear it learn who published it.
    #[must_use]
    pub fn tells_from(&self) -> bool {
        match self {
            Self::Audience(audience, ..) => audience.from,
            Self::Open | Self::Own(..) => true,
        }
    }
}

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("the absence of [may]: everybody may join everything"),
            Self::Audience(audience, verb, at) => write!(f, "[may.{}] {verb}[{at}]", audience.name),
            Self::Own(verb, at) => write!(f, "the identity's own may.{verb}[{at}]"),
        }
    }
}
