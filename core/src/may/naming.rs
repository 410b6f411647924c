//! How a user is called.
//!
//! In: `{sub}`, or `{tenant}:{sub}`, and the claims of a token. Out: the name, or the claim that is missing.
//! `{claim.x}` is the same as `{x}`, as patterns write it; `{{` and `}}` are braces.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::claims::find;

/// A text with claims in it, at least one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Naming {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Claim(String),
}

impl TryFrom<String> for Naming {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::parse(&text)
    }
}

impl Default for Naming {
    /// `{sub}`
    fn default() -> Self {
        Self {
            text: "{sub}".into(),
            parts: vec![Part::Claim("sub".into())],
        }
    }
}

impl Serialize for Naming {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// What a value is, in a word.
#[must_use]
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl Naming {
    /// Reads a text.
    ///
    /// # Errors
    /// A sentence about what is wrong with it, which fits behind the name of a key.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if from.starts_with("{{") || from.starts_with("}}") {
                plain.push_str(&from[..1]);
                rest = &from[2..];
                continue;
            }
            let inner = from.strip_prefix('{').and_then(|from| from.split_once('}'));
            let (inner, after) = inner.ok_or("has a brace without its partner; write {{ or }} for a plain one")?;
            let path = inner.strip_prefix("claim.").unwrap_or(inner);
            if path.is_empty() || path.contains('{') {
                return Err("has a placeholder without a name; write {{ or }} for a plain brace");
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            } else if !parts.is_empty() {
                return Err("has two placeholders with nothing between them, so that two users could get one name");
            }
            parts.push(Part::Claim(path.to_owned()));
            rest = after;
        }
        plain.push_str(rest);
        if !parts.iter().any(|part| matches!(part, Part::Claim(_))) {
            return Err("names no claim, so that everybody would be one user; write for example \"{sub}\"");
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        let text = text.to_owned();
        Ok(Self { text, parts })
    }

    /// The claim that is the whole text, if one is.
    #[must_use]
    pub fn sole(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Claim(path)] => Some(path),
            _ => None,
        }
    }

    /// The text with these claims.
    ///
    /// # Errors
    /// A sentence about the first claim that is missing, or no text or whole number, or that holds what stands behind
    /// it: `{org}:{sub}` must not make one user of `a:b` and `c`, and of `a` and `b:c`.
    pub fn render(&self, claims: &Map<String, Value>) -> Result<String, String> {
        let mut text = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            let next = match self.parts.get(at + 1) {
                Some(Part::Text(next)) => Some(next.as_str()),
                _ => None,
            };
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Claim(path) => match find(claims, path) {
                    None => return Err(format!("there is no {path}")),
                    Some(Value::String(value)) if value.is_empty() => return Err(format!("{path} is empty")),
                    Some(Value::String(value)) if next.is_some_and(|next| value.contains(next)) => {
                        return Err(format!(
                            "{path} has {next:?} in it, which ends it in the name",
                            next = next.unwrap_or_default()
                        ));
                    }
                    Some(Value::String(value)) => text.push_str(value),
                    // Applications with numeric ids write the number.
                    Some(Value::Number(number)) if number.is_u64() || number.is_i64() => {
                        text.push_str(&number.to_string());
                    }
                    Some(other) => return Err(format!("{path} is {}, neither a text nor a whole number", kind(other))),
                },
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(naming: &str, claims: &str) -> Result<String, String> {
        let naming = Naming::parse(naming).unwrap();
        naming.render(&serde_json::from_str(claims).unwrap())
    }

    #[test]
    fn claims_make_a_name() {
        let claims = r#"{"sub":"adam","n":7,"org":{"id":"acme"},"https://a.b/id":"x","f":1.5,"l":["a"],"e":""}"#;
        for (naming, name) in [
            ("{sub}", "adam"),
            ("{claim.sub}", "adam"),
            ("u{n}", "u7"),
            ("{org.id}:{sub}", "acme:adam"),
            ("{https://a.b/id}", "x"),
            ("{{{sub}}}", "{adam}"),
        ] {
            assert_eq!(user(naming, claims).as_deref(), Ok(name), "{naming}");
        }
        for (naming, why) in [
            ("{nobody}", "there is no nobody"),
            ("{e}", "e is empty"),
            ("{f}", "f is a number, neither a text nor a whole number"),
            ("{l}", "l is a list, neither a text nor a whole number"),
            ("{sub}d{n}", "sub has \"d\" in it, which ends it in the name"),
            ("{org}", "org is an object, neither a text nor a whole number"),
        ] {
            assert_eq!(user(naming, claims), Err(why.to_owned()), "{naming}");
        }
    }

    #[test]
    fn every_whole_number_is_a_name_however_large_or_small() {
        let claims = format!(r#"{{"least":{},"most":{}}}"#, i64::MIN, u64::MAX);
        assert_eq!(user("{least}", &claims), Ok(i64::MIN.to_string()));
        assert_eq!(user("{most}", &claims), Ok(u64::MAX.to_string()));
    }

    #[test]
    fn a_configuration_reads_and_writes_it_and_knows_when_one_claim_is_all_of_it() {
        let read = |text: &str| serde_json::from_value::<Naming>(text.into());
        for (text, sole) in [
            ("{sub}", Some("sub")),
            ("{claim.org.id}", Some("org.id")),
            ("u{sub}", None),
            ("{org}:{sub}", None),
        ] {
            let naming = read(text).unwrap();
            assert_eq!(naming, Naming::parse(text).unwrap());
            assert_eq!(naming.sole(), sole, "{text}");
            assert_eq!(serde_json::to_value(&naming).unwrap(), text);
        }
        assert_eq!(Naming::default(), read("{sub}").unwrap());
        assert!(read("adam").is_err());
    }

    #[test]
    fn what_is_no_naming_is_told() {
        for wrong in [
            "", "adam", "{sub", "sub}", "{}", "{claim.}", "{{sub}}", "{a{b}", "{a}{b}",
        ] {
            assert!(Naming::parse(wrong).is_err(), "{wrong}");
        }
    }
}
