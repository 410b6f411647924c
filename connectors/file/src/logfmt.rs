//! Reads `level=info msg="it works" retry` as pairs.
//!
//! In: the text of a line. Out: its pairs in order. Nothing is malformed: what is no pair is a key without a value. It
//! knows no particular key.

use serde_json::Value;

/// The pairs of a line, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields(Vec<(String, Option<String>)>);

impl Fields {
    /// Reads a line. Values may stand in double quotes, with `\"`, `\\`, `\n`, `\r`, `\t` inside; a missing quote at
    /// the end is forgiven.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        let (mut fields, mut rest) = (Vec::new(), line.trim_start());
        while !rest.is_empty() {
            let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            let (value, after) = match after.strip_prefix('=') {
                Some(value) => {
                    let (value, after) = take_value(value);
                    (Some(value), after)
                }
                None => (None, after),
            };
            if !key.is_empty() {
                fields.push((key.to_owned(), value));
            }
            rest = after.trim_start();
        }
        Self(fields)
    }

    /// The value of a key, the last one if it comes again; `true` for a key without a value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.0.iter().rev().find(|(known, _)| known == key)?;
        Some(value.as_deref().unwrap_or("true"))
    }

    /// A JSON object: strings, and `true` for a key without a value.
    #[must_use]
    pub fn json(&self) -> String {
        let pairs = self.0.iter().map(|(key, value)| {
            let value = value.as_deref().map_or(Value::Bool(true), Value::from);
            (key.clone(), value)
        });
        Value::Object(pairs.collect()).to_string()
    }
}

/// The value at the beginning of `text`, and what comes after it.
fn take_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
        return (value.to_owned(), rest);
    };
    let (mut value, mut signs) = (String::new(), quoted.chars());
    while let Some(sign) = signs.next() {
        match sign {
            '"' => break,
            '\\' => match signs.next() {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some(plain) => value.push(plain),
                None => value.push('\\'),
            },
            plain => value.push(plain),
        }
    }
    (value, signs.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_they_are_written() {
        for (line, json) in [
            ("", "{}"),
            ("  ", "{}"),
            ("a=1", r#"{"a":"1"}"#),
            (r#"a=1  b="two words" c"#, r#"{"a":"1","b":"two words","c":true}"#),
            (r#"a="say \"hi\"\n" b="""#, r#"{"a":"say \"hi\"\n","b":""}"#),
            (r#"a="open"#, r#"{"a":"open"}"#),
            (r#"a="x\"#, r#"{"a":"x\\"}"#),
            ("a= b=2", r#"{"a":"","b":"2"}"#),
            ("=1 a=b=c", r#"{"a":"b=c"}"#),
            ("a=1 a=2", r#"{"a":"2"}"#),
            ("ü=é", r#"{"ü":"é"}"#),
        ] {
            assert_eq!(Fields::parse(line).json(), json, "{line}");
        }
        let fields = Fields::parse("a=1 a=2 b");
        assert_eq!(
            (fields.get("a"), fields.get("b"), fields.get("c")),
            (Some("2"), Some("true"), None)
        );
    }

    #[test]
    fn no_line_panics() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let signs = ['a', '=', '"', '\\', ' ', 'é', '\t'];
            let line: String = (0..random.usize(0..16))
                .map(|_| signs[random.usize(0..signs.len())])
                .collect();
            let _ = Fields::parse(&line).json();
        }
    }
}
