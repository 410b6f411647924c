//! What the server answers, taken apart.
//!
//! In: values of the driver. Out: texts, numbers, lists and entries of a stream; an error for any other shape.

use bytes::Bytes;
use redis::Value;

use crate::trouble::Trouble;

/// An entry of the stream, not understood yet.
pub struct Raw {
    /// Its place.
    pub place: u64,
    /// Names and values, in their order.
    pub fields: Vec<(Bytes, Bytes)>,
}

impl Raw {
    /// The value of a field that is there once.
    pub fn field(&self, name: &str) -> Result<Option<&Bytes>, String> {
        let mut found = self.fields.iter().filter(|(field, _)| field == name.as_bytes());
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(format!("it has {name} twice")),
            (one, _) => Ok(one.map(|(_, value)| value)),
        }
    }

    /// Its size, about.
    pub fn size(&self) -> usize {
        self.fields.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

/// The entries of the only stream in an answer to XREAD.
pub fn entries(value: Value) -> Result<Vec<Raw>, Trouble> {
    if matches!(value, Value::Nil) {
        return Ok(Vec::new());
    }
    let stream = list(value)?.pop().ok_or_else(odd)?;
    let entries = list(list(stream)?.pop().ok_or_else(odd)?)?;
    entries.into_iter().map(entry).collect()
}

fn entry(value: Value) -> Result<Raw, Trouble> {
    let [id, fields] = <[Value; 2]>::try_from(list(value)?).map_err(|_| odd())?;
    let id = text(id)?;
    let place = id
        .split('-')
        .next()
        .and_then(|place| place.parse().ok())
        .ok_or_else(odd)?;
    let mut values = match fields {
        // An entry that was deleted meanwhile.
        Value::Nil => Vec::new(),
        fields => list(fields)?,
    }
    .into_iter();
    let mut fields = Vec::with_capacity(values.len() / 2);
    while let (Some(name), Some(value)) = (values.next(), values.next()) {
        fields.push((bytes(name)?, bytes(value)?));
    }
    Ok(Raw { place, fields })
}

/// A list.
pub fn list(value: Value) -> Result<Vec<Value>, Trouble> {
    match value {
        Value::Array(list) => Ok(list),
        _ => Err(odd()),
    }
}

/// A text.
pub fn text(value: Value) -> Result<String, Trouble> {
    String::from_utf8(bytes(value)?.into()).map_err(|_| odd())
}

/// A number.
pub fn number(value: &Value) -> Result<i64, Trouble> {
    match value {
        Value::Int(number) => Ok(*number),
        _ => Err(odd()),
    }
}

fn bytes(value: Value) -> Result<Bytes, Trouble> {
    match value {
        Value::BulkString(bytes) => Ok(bytes.into()),
        Value::SimpleString(text) => Ok(text.into()),
        _ => Err(odd()),
    }
}

/// Says that an answer has another shape than it must.
pub fn odd() -> Trouble {
    Trouble::away("answered in a form that is not Redis'")
}
