//! What a token says.
//!
//! In: the JSON text of claims. Out: the claims, and of each that means something here its value or the sentence that
//! says what is wrong with it. Two members of one name are refused: who reads the first and who reads the second would
//! see two different tokens.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use turted_core::may::kind;

/// A JSON value in which no object has two members of one name.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Unrepeated).map(Strict)
    }
}

struct Unrepeated;

impl<'de> Visitor<'de> for Unrepeated {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(value)) = list.next_element()? {
            all.push(value);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let Strict(value) = members.next_value()?;
            if all.insert(name, value).is_some() {
                return Err(A::Error::custom("two members have one name"));
            }
        }
        Ok(Value::Object(all))
    }
}

/// An object in which no name stands twice, at any depth. `what` is what a complaint calls it.
///
/// # Errors
/// A sentence that holds nothing of the text.
pub fn object(text: &[u8], what: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(text) {
        Ok(Strict(Value::Object(map))) => Ok(map),
        Ok(_) => Err(format!("{what} is no JSON object")),
        // What serde says of a custom error is ours; everything else may quote the text.
        Err(error) if error.to_string().starts_with("two members") => {
            Err(format!("{what} has two members of one name"))
        }
        Err(_) => Err(format!("{what} is no JSON that can be read")),
    }
}

/// A claim that is a point in time: seconds since 1970. Fractions are allowed (some libraries write them) and dropped.
///
/// # Errors
/// A sentence about what else it is.
pub fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<SystemTime>, String> {
    let number = match claims.get(name) {
        None => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(other) => return Err(format!("{name} is {}, not a number of seconds", kind(other))),
    };
    let whole = number.as_u64();
    // A fraction that is out of range becomes the largest number, which is too far away for any rule.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let cut = || {
        number
            .as_f64()
            .filter(|seconds| *seconds >= 0.0)
            .map(|seconds| seconds as u64)
    };
    let seconds = whole.or_else(cut).ok_or_else(|| format!("{name} is before 1970"))?;
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .map(Some)
        .ok_or_else(|| format!("{name} is no time that can be reckoned with"))
}

/// A claim that is a text.
///
/// # Errors
/// A sentence about what else it is.
pub fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(format!("{name} is {}, not a text", kind(other))),
    }
}

/// A claim that is one text, or a list of texts.
///
/// # Errors
/// A sentence about what else it is.
pub fn texts<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<Vec<&'a str>>, String> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![text])),
        Some(Value::Array(list)) => {
            let all: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            all.map(Some)
                .ok_or_else(|| format!("{name} is a list that has something else than texts"))
        }
        Some(other) => Err(format!("{name} is {}, neither a text nor a list of texts", kind(other))),
    }
}
