//! From the name of a channel to what is asked of the broker.
//!
//! In: a name that somebody needs. Out: the exchange and the routing key that stand for it, as the first rule says that
//! knows such a name; or that none does. It asks nobody.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use lapin::ExchangeKind;
use turted_core::mapping::{Recipe, Template};

/// Longest short string of AMQP 0-9-1, in bytes.
pub const SHORT: usize = 255;

/// A name with places in it, such as `mq:{exchange}:{key}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// What stands before the first place.
    head: String,
    /// Each place, and what stands behind it.
    places: Vec<(String, String)>,
}

impl Form {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split('{');
        let head = parts.next().unwrap_or_default().to_owned();
        let mut places: Vec<(String, String)> = Vec::new();
        for part in parts {
            let place = part.split_once('}');
            let named =
                |place: &&str| !place.is_empty() && place.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let Some((place, behind)) = place.filter(|(place, _)| named(place)) else {
                return Err("has a brace that is no place: a place is {name}, with letters, digits and _".into());
            };
            if places.iter().any(|(known, _)| known == place) {
                return Err(format!("has the place {{{place}}} twice"));
            }
            if places.last().is_some_and(|(_, between)| between.is_empty()) {
                return Err(format!("needs something between {{{place}}} and the place before it"));
            }
            places.push((place.to_owned(), behind.to_owned()));
        }
        let plain = std::iter::once(&head).chain(places.iter().map(|(_, behind)| behind));
        if plain.into_iter().any(|text| text.contains('}')) {
            return Err("has a } without its {".into());
        }
        if head.is_empty() && places.is_empty() {
            return Err("must not be empty".into());
        }
        Ok(Self { head, places })
    }

    /// What its places are called.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|(place, _)| place.as_str())
    }

    /// What stands at each place of this name. A place ends where what stands behind it begins; the last one has the
    /// rest.
    fn read<'a>(&self, name: &'a str) -> Option<Vec<&'a str>> {
        let mut rest = name.strip_prefix(self.head.as_str())?;
        let mut found = Vec::with_capacity(self.places.len());
        for (at, (_, behind)) in self.places.iter().enumerate() {
            let is_last = at + 1 == self.places.len();
            let (text, after) = match is_last {
                true => (rest.strip_suffix(behind.as_str())?, ""),
                false => rest.split_once(behind.as_str())?,
            };
            if text.is_empty() {
                return None;
            }
            found.push(text);
            rest = after;
        }
        rest.is_empty().then_some(found)
    }
}

/// One rule.
pub struct Rule {
    /// Names that it knows.
    pub form: Form,
    /// What may stand at a place, and what it becomes.
    pub allowed: BTreeMap<String, BTreeMap<String, String>>,
    /// The exchange.
    pub exchange: Template,
    /// How the exchange is declared; `None` when it must exist.
    pub kind: Option<ExchangeKind>,
    /// The routing key of the binding.
    pub key: Template,
    /// How a message becomes a dispatch to the channel.
    pub recipe: Recipe,
}

/// What a rule makes of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub key: String,
}

impl Rule {
    /// What to bind for this name; `None` when it is none of the rule's.
    pub fn wanted(&self, name: &str) -> Option<Wanted> {
        let texts = self.form.read(name)?;
        let mut found = Vec::with_capacity(texts.len());
        for (place, text) in self.form.places().zip(texts) {
            let text = match self.allowed.get(place) {
                Some(allowed) => allowed.get(text)?.as_str(),
                None => text,
            };
            found.push((place, text));
        }
        let find = |place: &str| {
            let known = found.iter().find(|(known, _)| *known == place);
            known.map(|(_, text)| Cow::Borrowed(*text))
        };
        let (exchange, key) = (self.exchange.fill(find)?, self.key.fill(find)?);
        // CWE-248: the driver panics at a longer one.
        let fits = (1..=SHORT).contains(&exchange.len()) && key.len() <= SHORT;
        fits.then_some(Wanted { exchange, key })
    }
}

/// All rules of a section, in order. Cheap to clone.
#[derive(Clone)]
pub struct Rules(pub Arc<[Rule]>);

impl Rules {
    /// The first rule that knows this name, and what it makes of it.
    pub fn find(&self, name: &str) -> Option<(usize, Wanted)> {
        let mut rules = self.0.iter().enumerate();
        rules.find_map(|(at, rule)| Some((at, rule.wanted(name)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_ends_where_what_stands_behind_it_begins_and_the_last_has_the_rest() {
        for (form, name, found) in [
            ("nodes", "nodes", Some(vec![])),
            ("nodes", "nodes2", None),
            ("{all}", "a:b", Some(vec!["a:b"])),
            (
                "mq:{exchange}:{key}",
                "mq:on.events:a:b.#",
                Some(vec!["on.events", "a:b.#"]),
            ),
            ("mq:{exchange}:{key}", "mq:on.events", None),
            ("mq:{exchange}:{key}", "mq::key", None),
            ("mq:{exchange}:{key}", "mq:on.events:", None),
            ("a/{x}/b", "a/1/b/2/b", Some(vec!["1/b/2"])),
            ("a/{x}/b", "a/1/c", None),
            ("a/{x}/b", "a//b", None),
            ("a/{x}/b", "a/b", None),
            ("{é_1}x", "a", None),
        ] {
            let read = Form::parse(form).ok().and_then(|form| {
                let texts = form.read(name)?;
                Some(texts.into_iter().map(str::to_owned).collect::<Vec<_>>())
            });
            let found = found.map(|found: Vec<&str>| found.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(read, found, "{form} {name}");
        }
    }

    #[test]
    fn a_form_that_nobody_can_read_is_refused() {
        for (form, why) in [
            ("", "must not be empty"),
            (
                "{",
                "has a brace that is no place: a place is {name}, with letters, digits and _",
            ),
            (
                "{}",
                "has a brace that is no place: a place is {name}, with letters, digits and _",
            ),
            (
                "{{a}}",
                "has a brace that is no place: a place is {name}, with letters, digits and _",
            ),
            ("a}", "has a } without its {"),
            ("{a}}", "has a } without its {"),
            ("{a}{b}", "needs something between {b} and the place before it"),
            ("{a}:{a}", "has the place {a} twice"),
        ] {
            assert_eq!(Form::parse(form), Err(why.to_owned()), "{form}");
        }
    }
}
