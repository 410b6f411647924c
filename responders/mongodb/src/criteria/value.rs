//! What a field is compared with.
//!
//! In: JSON values as clients say them. Out: the values that MongoDB has for them: an id is an ObjectId or a text, a
//! time a time. Nothing but texts, numbers, booleans and `null` is compared with anything (CWE-943).

use bson::oid::ObjectId;
use bson::{Bson, DateTime};
use serde_json::{Number, Value};

use crate::fields::Kind;

/// Longest text that something is compared with, in bytes.
const TEXT: usize = 1024;

/// The values that this may stand for: for an id that looks like an ObjectId two, for everything else one.
pub fn values(said: &Value, kind: Kind) -> Result<Vec<Bson>, String> {
    Ok(match said {
        Value::Null => vec![Bson::Null],
        Value::Bool(is) => vec![Bson::Boolean(*is)],
        Value::Number(number) => vec![self::number(number)],
        Value::String(text) if text.len() > TEXT => {
            return Err(format!("a text to compare with is at most {TEXT} bytes long"));
        }
        Value::String(text) => match kind {
            Kind::Id => ids(text),
            Kind::Time => vec![Bson::DateTime(time(text)?)],
            Kind::Plain => vec![text.as_str().into()],
        },
        Value::Array(_) | Value::Object(_) => {
            return Err("a field is compared with a text, a number, true, false or null".to_owned());
        }
    })
}

/// The one value to compare with by size.
pub fn value(said: &Value, kind: Kind) -> Result<Bson, String> {
    // Of two the ObjectId.
    let value = values(said, kind)?.into_iter().next();
    Ok(value.unwrap_or_default())
}

fn ids(text: &str) -> Vec<Bson> {
    let plain = Bson::from(text);
    match is_object_id(text).then(|| ObjectId::parse_str(text)) {
        Some(Ok(id)) => vec![id.into(), plain],
        _ => vec![plain],
    }
}

/// Whether a text is how an ObjectId is written.
pub fn is_object_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn time(text: &str) -> Result<DateTime, String> {
    let day = (text.len() == 10).then(|| format!("{text}T00:00:00Z"));
    let time = DateTime::parse_rfc3339_str(day.as_deref().unwrap_or(text));
    time.map_err(|_| "a time is said as in \"2016-01-31T12:30:00.000Z\" or \"2016-01-31\"".to_owned())
}

fn number(number: &Number) -> Bson {
    match number.as_i64() {
        Some(whole) => i32::try_from(whole).map_or(Bson::Int64(whole), Bson::Int32),
        // Every number of JSON is one of these without its options for more.
        None => Bson::Double(number.as_f64().unwrap_or(f64::NAN)),
    }
}
