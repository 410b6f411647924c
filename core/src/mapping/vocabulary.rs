//! What a source offers to a mapping.
//!
//! In: names, from a connector; a name in braces, from a template. Out: how to look it up, or a sentence with the names
//! there are.

/// The names that templates of a source may use, besides `body` and `json…`, which every source has.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    names: Vec<(String, Shape)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Plain,
    Json,
    Words(&'static [char]),
    Open,
}

/// Where the text of a placeholder comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lookup {
    /// The body as text.
    Body,
    /// A member of the body; the body itself when the path is empty.
    Json(Vec<String>),
    /// What the message has under this name.
    Field(String),
    /// What the message has under this name is JSON.
    JsonField(String),
    /// One of the words in what the message has under this name, counted from 0, and what stands between words.
    Word(String, usize, &'static [char]),
    /// That word and everything behind it.
    Rest(String, usize, &'static [char]),
}

impl Vocabulary {
    /// Nothing but `body` and `json…`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a name, e.g. `exchange` or `file.name`.
    #[must_use]
    pub fn with(self, name: impl Into<String>) -> Self {
        self.add(name, Shape::Plain)
    }

    /// Adds a name whose text is JSON: in a payload, on its own, it stays what it is, as `{json}` does.
    #[must_use]
    pub fn with_json(self, name: impl Into<String>) -> Self {
        self.add(name, Shape::Json)
    }

    /// Adds a name whose text is words between dots; `{routing_key.1}` is the second of them, `{routing_key.1..}` that
    /// one with all that follow.
    #[must_use]
    pub fn with_words(self, name: impl Into<String>) -> Self {
        self.with_words_between(name, &['.'])
    }

    /// The same with words between any of these characters.
    #[must_use]
    pub fn with_words_between(self, name: impl Into<String>, separators: &'static [char]) -> Self {
        self.add(name, Shape::Words(separators))
    }

    /// Adds a family of names that only the messages know: `{header.…}`.
    #[must_use]
    pub fn with_any(self, family: impl Into<String>) -> Self {
        self.add(family, Shape::Open)
    }

    fn add(mut self, name: impl Into<String>, shape: Shape) -> Self {
        self.names.push((name.into(), shape));
        self
    }

    pub(super) fn lookup(&self, name: &str) -> Result<Lookup, String> {
        if name == "body" {
            return Ok(Lookup::Body);
        }
        if name == "json" {
            return Ok(Lookup::Json(Vec::new()));
        }
        if let Some(path) = name.strip_prefix("json.") {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            return if path.iter().any(String::is_empty) {
                Err(format!("{{{name}}} has an empty step between its dots"))
            } else {
                Ok(Lookup::Json(path))
            };
        }
        let found = self.names.iter().find_map(|(known, shape)| match shape {
            Shape::Plain | Shape::Words(_) if known == name => Some(Lookup::Field(known.clone())),
            Shape::Json if known == name => Some(Lookup::JsonField(known.clone())),
            Shape::Words(separators) => {
                let index = name.strip_prefix(known.as_str())?.strip_prefix('.')?;
                match index.strip_suffix("..") {
                    Some(index) => Some(Lookup::Rest(known.clone(), index.parse().ok()?, separators)),
                    None => Some(Lookup::Word(known.clone(), index.parse().ok()?, separators)),
                }
            }
            Shape::Open => {
                let rest = name.strip_prefix(known.as_str())?.strip_prefix('.')?;
                (!rest.is_empty()).then(|| Lookup::Field(name.to_owned()))
            }
            Shape::Plain | Shape::Json => None,
        });
        found.ok_or_else(|| {
            format!(
                "names {{{name}}}, which this source does not have; it has {}",
                self.list()
            )
        })
    }

    fn list(&self) -> String {
        let own = self.names.iter().flat_map(|(name, shape)| match shape {
            Shape::Plain | Shape::Json => vec![format!("{{{name}}}")],
            Shape::Words(_) => vec![format!("{{{name}}}"), format!("{{{name}.0}}")],
            Shape::Open => vec![format!("{{{name}.…}}")],
        });
        let common = ["{body}", "{json}", "{json.…}"].map(str::to_owned);
        own.chain(common).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain_or_a_word_or_of_a_family_and_others_are_refused_with_the_list() {
        let words = Vocabulary::new()
            .with("exchange")
            .with_words("routing_key")
            .with_any("header");
        let field = |name: &str| Ok(Lookup::Field(name.into()));
        assert_eq!(words.lookup("exchange"), field("exchange"));
        assert_eq!(words.lookup("routing_key"), field("routing_key"));
        let second = Lookup::Word("routing_key".into(), 1, &['.']);
        assert_eq!(words.lookup("routing_key.1"), Ok(second));
        let rest = Lookup::Rest("routing_key".into(), 1, &['.']);
        assert_eq!(words.lookup("routing_key.1.."), Ok(rest));
        assert_eq!(words.lookup("header.x-user"), field("header.x-user"));
        assert_eq!(words.lookup("json.a.0"), Ok(Lookup::Json(vec!["a".into(), "0".into()])));
        assert_eq!(
            words.lookup("routingkey").unwrap_err(),
            "names {routingkey}, which this source does not have; it has {exchange}, {routing_key}, {routing_key.0}, \
             {header.…}, {body}, {json}, {json.…}"
        );
        for wrong in [
            "header",
            "header.",
            "routing_key.x",
            "routing_key.1.",
            "routing_key...",
            "json.",
            "json.a..b",
            "",
            "exchange.1",
        ] {
            assert!(words.lookup(wrong).is_err(), "{wrong}");
        }
    }
}
