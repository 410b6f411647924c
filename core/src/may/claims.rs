//! What somebody vouches for about a user, beside the name.
//!
//! In: claims of a token, an answer or a header. Out: those that some rule asks for, as texts. It knows no rule.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

/// Most values of all claims together; what is beyond is not kept, so that nothing is granted by it.
const MOST_VALUES: usize = 128;

/// The claims that rules ask for; the others are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims(Box<[(Arc<str>, Fact)]>);

/// One value of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fact {
    /// A text, or a number as its digits.
    Text(Box<str>),
    /// True or false: a condition can ask for it, a pattern cannot.
    Flag(bool),
}

impl Claims {
    /// Of `all`, those under `paths`; a list counts as each of its elements.
    #[must_use]
    pub fn pick(all: &Map<String, Value>, paths: &[Arc<str>]) -> Self {
        let facts = paths.iter().flat_map(|path| {
            let found = find(all, path);
            let several = match found {
                Some(Value::Array(list)) => list.as_slice(),
                Some(value) => std::slice::from_ref(value),
                None => &[],
            };
            let facts = several.iter().filter_map(Fact::of);
            facts.map(|fact| (Arc::clone(path), fact))
        });
        Self(facts.take(MOST_VALUES).collect())
    }

    /// The texts of the claim under `path`.
    pub(super) fn texts(&self, path: &str) -> impl Iterator<Item = &str> {
        self.facts(path).filter_map(|fact| match fact {
            Fact::Text(text) => Some(&**text),
            Fact::Flag(_) => None,
        })
    }

    /// Whether the claim under `path` is `value`, or a list that has it.
    #[must_use]
    pub fn has(&self, path: &str, value: &str) -> bool {
        self.facts(path).any(|fact| fact.text() == value)
    }

    /// Whether there is such a claim, with a value that a rule can use.
    #[must_use]
    pub fn is_known(&self, path: &str) -> bool {
        self.facts(path).next().is_some()
    }

    /// Each claim with one of its values, for whoever is asked instead of a rule.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.0.iter().map(|(path, fact)| (&**path, fact.text()))
    }

    /// As an object: a claim with several values is a list.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let mut claims: Map<String, Value> = Map::new();
        for (path, value) in self.iter() {
            match claims.get_mut(path) {
                None => drop(claims.insert(path.to_owned(), value.into())),
                Some(Value::Array(list)) => list.push(value.into()),
                Some(one) => *one = Value::Array(vec![one.take(), value.into()]),
            }
        }
        claims
    }

    /// Bytes that they take.
    pub(crate) fn weight(&self) -> usize {
        let facts = self.0.iter().map(|fact| size_of_val(fact) + fact.1.text().len());
        facts.sum()
    }

    fn facts(&self, path: &str) -> impl Iterator<Item = &Fact> {
        let is_it = move |(name, _): &&(Arc<str>, Fact)| **name == *path;
        self.0.iter().filter(is_it).map(|(_, fact)| fact)
    }
}

impl Fact {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text.as_str().into())),
            Value::Number(number) if number.is_u64() || number.is_i64() => Some(Self::Text(number.to_string().into())),
            Value::Bool(flag) => Some(Self::Flag(*flag)),
            _ => None,
        }
    }

    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Flag(true) => Cow::Borrowed("true"),
            Self::Flag(false) => Cow::Borrowed("false"),
        }
    }
}

/// The value under a dotted path. Names that hold dots themselves (`https://example.com/roles`) come first.
#[must_use]
pub fn find<'a>(map: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = map.get(path) {
        return Some(value);
    }
    let dots = path.match_indices('.').map(|(at, _)| at);
    dots.rev()
        .find_map(|at| find(map.get(&path[..at])?.as_object()?, &path[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str, paths: &[&str]) -> Claims {
        let all: Map<String, Value> = serde_json::from_str(json).unwrap();
        let paths: Vec<Arc<str>> = paths.iter().map(|path| Arc::from(*path)).collect();
        Claims::pick(&all, &paths)
    }

    fn texts(claims: &Claims, path: &str) -> Vec<String> {
        claims.texts(path).map(str::to_owned).collect()
    }

    #[test]
    fn texts_and_whole_numbers_are_values_and_a_list_is_each_of_its_elements() {
        let said = r#"{"org":"acme","n":7,"f":1.5,"b":true,"o":{"x":"y"},"l":["a",3,true,null,["n"]],"secret":"s"}"#;
        let claims = claims(said, &["org", "n", "f", "b", "o", "l", "o.x", "nothing"]);
        assert_eq!(texts(&claims, "org"), ["acme"]);
        assert_eq!(texts(&claims, "n"), ["7"]);
        assert_eq!(texts(&claims, "l"), ["a", "3"]);
        assert_eq!(texts(&claims, "o.x"), ["y"]);
        for path in ["f", "b", "o", "nothing", "secret"] {
            assert!(texts(&claims, path).is_empty(), "{path}");
        }
        assert!(claims.has("b", "true") && claims.has("l", "true") && !claims.has("b", "false"));
        assert!(claims.has("org", "acme") && !claims.has("org", "acm") && !claims.has("o", "y"));
        assert!(
            claims.is_known("b") && !claims.is_known("f"),
            "a flag is known, a fraction is not"
        );
        let said: Vec<_> = claims.iter().map(|(path, value)| format!("{path}={value}")).collect();
        assert_eq!(said.join(" "), "org=acme n=7 b=true l=a l=3 l=true o.x=y");
    }

    #[test]
    fn each_value_weighs_its_place_and_its_text() {
        let place = size_of::<(Arc<str>, Fact)>();
        let said = r#"{"org":"acme","l":["a","bc"],"b":true}"#;
        assert_eq!(claims(said, &["org"]).weight(), place + 4);
        assert_eq!(claims(said, &["org", "l", "b"]).weight(), 4 * place + 4 + 3 + 4);
        assert_eq!(Claims::default().weight(), 0);
    }

    #[test]
    fn a_name_with_dots_comes_before_a_way_of_that_spelling() {
        let said = r#"{"https://a.b/roles":["x"],"a.b":"whole","a":{"b":"inner"},"c":{"d.e":{"f":"deep"}}}"#;
        let claims = claims(said, &["https://a.b/roles", "a.b", "c.d.e.f"]);
        assert_eq!(texts(&claims, "https://a.b/roles"), ["x"]);
        assert_eq!(texts(&claims, "a.b"), ["whole"]);
        assert_eq!(texts(&claims, "c.d.e.f"), ["deep"]);
    }
}
