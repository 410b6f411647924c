//! realizehit's patterns and their one spelling, for its dialect and for its backends' door:
//! `{"kind":"news","channel":"CNN"}` is `channel:CNN|kind:news`.
//!
//! In: JSON from outside. Out: the spelling, or the original's words for what is wrong. Values are what JavaScript
//! makes of them as texts; names and values hold nothing but letters and digits, so that nothing has to be escaped.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Number, Value};

/// Names that every object of JavaScript has.
const INHERITED: [&str; 7] = [
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// The spelling of a pattern.
///
/// # Errors
/// What the original says.
pub fn canonical(pattern: Option<&Value>) -> Result<String, &'static str> {
    const NOTHING: &str = "Cannot stringify without having filters";
    let pairs: BTreeMap<String, &Value> = match pattern {
        None | Some(Value::Null) => return Err(NOTHING),
        Some(Value::Object(pairs)) => pairs.iter().map(|(name, value)| (name.clone(), value)).collect(),
        // An array is an object whose names are numbers.
        Some(Value::Array(list)) => list
            .iter()
            .enumerate()
            .map(|(at, value)| (at.to_string(), value))
            .collect(),
        // What counts as false is no pattern at all.
        Some(other) if is_nothing(other) => return Err(NOTHING),
        Some(_) => return Err("invalid filters provided"),
    };
    if pairs.is_empty() {
        return Err(NOTHING);
    }
    let mut chunks = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        if name.is_empty() {
            return Err("chunk not defined");
        }
        if !is_plain(&name) {
            return Err("invalid filter provided");
        }
        if is_nothing(value) {
            return Err("chunk not defined");
        }
        if INHERITED.contains(&name.as_str()) {
            return Err("filter already exist");
        }
        let value = text(value);
        if !is_plain(&value) {
            return Err("invalid chunk provided");
        }
        if value.is_empty() {
            return Err("invalid filter.prop chunk provided");
        }
        chunks.push(format!("{name}:{value}"));
    }
    Ok(chunks.join("|"))
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// What counts as false in JavaScript.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        _ => false,
    }
}

/// A value as JavaScript writes it into a text. What no value may hold anyhow is not written in full.
fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => "null".into(),
        Value::Bool(is_true) => is_true.to_string().into(),
        Value::String(text) => text.into(),
        Value::Number(number) => whole(number).into(),
        Value::Array(list) => match list.as_slice() {
            [] | [Value::Null] => "".into(),
            [one] => text(one),
            // There are commas between them.
            _ => ",".into(),
        },
        Value::Object(_) => "[object Object]".into(),
    }
}

fn whole(number: &Number) -> String {
    // All numbers of JavaScript are such, and so it writes them below 1e21: with as few digits as tell them apart.
    match number.as_f64() {
        Some(number) if number.fract() == 0.0 && number.abs() < 1e21 => number.to_string(),
        _ => ".".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str) -> Result<String, &'static str> {
        canonical(Some(&serde_json::from_str(pattern).unwrap()))
    }

    /// Computed with the original.
    #[test]
    fn patterns_are_spelt_as_by_the_original() {
        for (pattern, spelling) in [
            (r#"{"testing":"yolasda"}"#, "testing:yolasda"),
            (r#"{"foo":"bar"}"#, "foo:bar"),
            (r#"{"kind":"news","channel":"CNN"}"#, "channel:CNN|kind:news"),
            (r#"{"b":"2","a":"1","B":"3","A":"4"}"#, "A:4|B:3|a:1|b:2"),
            (r#"{"user":42,"vip":true}"#, "user:42|vip:true"),
            (r#"{"10":"x","9":"y","a":"z"}"#, "10:x|9:y|a:z"),
            (
                r#"{"z":"1","aa":"2","a":"3","Z":"4","a1":"5","0":"6"}"#,
                "0:6|Z:4|a:3|a1:5|aa:2|z:1",
            ),
            (
                r#"{"user":"xosofox","device":"mobile7","zone":"eu1"}"#,
                "device:mobile7|user:xosofox|zone:eu1",
            ),
            (r#"["CNN","tvnews"]"#, "0:CNN|1:tvnews"),
            (r#"{"a":["only"]}"#, "a:only"),
            (r#"{"a":[0],"b":[[false]]}"#, "a:0|b:false"),
            (r#"{"n":100000000000000000000}"#, "n:100000000000000000000"),
            (r#"{"lang":"pt"}"#, "lang:pt"),
            // Beyond what JavaScript tells apart.
            (r#"{"n":9007199254740993}"#, "n:9007199254740992"),
            (r#"{"n":123456789012345683968}"#, "n:123456789012345680000"),
            (r#"{"id":"507f1f77bcf86cd799439011"}"#, "id:507f1f77bcf86cd799439011"),
        ] {
            assert_eq!(of(pattern).as_deref(), Ok(spelling), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_in_the_words_of_the_original() {
        const NOTHING: &str = "Cannot stringify without having filters";
        assert_eq!(canonical(None), Err(NOTHING));
        for (pattern, why) in [
            ("null", NOTHING),
            ("{}", NOTHING),
            ("[]", NOTHING),
            ("0", NOTHING),
            ("false", NOTHING),
            ("\"\"", NOTHING),
            ("7", "invalid filters provided"),
            ("true", "invalid filters provided"),
            ("\"foo:bar\"", "invalid filters provided"),
            (r#"{"a-b":"x"}"#, "invalid filter provided"),
            (r#"{"é":"x"}"#, "invalid filter provided"),
            (r#"{"a":"x y"}"#, "invalid chunk provided"),
            (r#"{"a":"*"}"#, "invalid chunk provided"),
            (r#"{"a":1.5}"#, "invalid chunk provided"),
            (r#"{"a":-1}"#, "invalid chunk provided"),
            (r#"{"a":1e21}"#, "invalid chunk provided"),
            (r#"{"a":["x","y"]}"#, "invalid chunk provided"),
            (r#"{"a":{"b":"c"}}"#, "invalid chunk provided"),
            (r#"{"":"x"}"#, "chunk not defined"),
            (r#"{"a":""}"#, "chunk not defined"),
            (r#"{"a":0}"#, "chunk not defined"),
            (r#"{"a":0.0}"#, "chunk not defined"),
            (r#"{"a":false}"#, "chunk not defined"),
            (r#"{"a":null}"#, "chunk not defined"),
            (r#"["x",0]"#, "chunk not defined"),
            (r#"{"a":[]}"#, "invalid filter.prop chunk provided"),
            (r#"{"a":[[]]}"#, "invalid filter.prop chunk provided"),
            (r#"{"a":[""]}"#, "invalid filter.prop chunk provided"),
            (r#"{"a":[null]}"#, "invalid filter.prop chunk provided"),
            (r#"{"a":{}}"#, "invalid chunk provided"),
            (r#"{"constructor":""}"#, "chunk not defined"),
            (r#"{"constructor":"x"}"#, "filter already exist"),
            (r#"{"constructor":"x y"}"#, "filter already exist"),
            (r#"{"toString":"x"}"#, "filter already exist"),
        ] {
            assert_eq!(of(pattern), Err(why), "{pattern}");
        }
    }
}
