//! The entries of streams, as the server's answers hold them.
//!
//! In: answers to XREADGROUP and XAUTOCLAIM. Out: entries that the shared `envelope` can read. Nothing in an entry is
//! trusted to be text.

use std::borrow::Cow;
use std::sync::Arc;

use redis::Value;
use serde::Serializer;
use turted_core::Message;

/// One entry of a stream that we have to acknowledge.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub stream: Arc<str>,
    pub id: String,
    /// Names and values in their order; `None` when the producer has trimmed the stream and it is gone.
    pub fields: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

/// What XAUTOCLAIM found.
pub struct Claimed {
    /// Where to go on; `0-0` when all was seen.
    pub cursor: String,
    pub entries: Vec<Entry>,
    /// How many entries were pending but are no longer in the stream.
    pub trimmed: usize,
}

/// The answer to XREADGROUP: entries of each stream in order. `None` when it has an unknown shape.
pub fn read(answer: Value, streams: &[Arc<str>]) -> Option<Vec<Entry>> {
    let lists: Vec<(Value, Value)> = match answer {
        Value::Nil => Vec::new(),
        Value::Map(pairs) => pairs,
        Value::Array(list) => list.into_iter().map(pair).collect::<Option<_>>()?,
        _ => return None,
    };
    let mut entries = Vec::new();
    for (name, list) in lists {
        let name = bytes(name)?;
        let stream = streams.iter().find(|stream| stream.as_bytes() == name)?;
        entries.extend(list_of(list, stream)?);
    }
    Some(entries)
}

/// The answer to XAUTOCLAIM. `None` when it has an unknown shape.
pub fn claimed(answer: Value, stream: &Arc<str>) -> Option<Claimed> {
    let mut parts = array(answer)?.into_iter();
    let cursor = text(parts.next()?)?;
    // Before Redis 7 an entry that is gone stands as nil in the list, without its id, and stays pending.
    let found = array(parts.next()?)?.into_iter().filter(|entry| *entry != Value::Nil);
    Some(Claimed {
        cursor,
        entries: list_of(Value::Array(found.collect()), stream)?,
        trimmed: parts.next().and_then(array).map_or(0, |ids| ids.len()),
    })
}

fn list_of(list: Value, stream: &Arc<str>) -> Option<Vec<Entry>> {
    let entry = |value| {
        let (id, fields) = pair(value)?;
        let fields = match fields {
            Value::Nil => None,
            Value::Map(pairs) => Some(
                pairs
                    .into_iter()
                    .map(|(name, value)| Some((bytes(name)?, bytes(value)?)))
                    .collect::<Option<_>>()?,
            ),
            fields => {
                let (mut fields, mut list) = (Vec::new(), array(fields)?.into_iter());
                while let Some(name) = list.next() {
                    fields.push((bytes(name)?, bytes(list.next()?)?));
                }
                Some(fields)
            }
        };
        Some(Entry {
            stream: Arc::clone(stream),
            id: text(id)?,
            fields,
        })
    };
    array(list)?.into_iter().map(entry).collect()
}

fn pair(value: Value) -> Option<(Value, Value)> {
    let mut list = array(value)?.into_iter();
    Some((list.next()?, list.next()?))
}

fn array(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(list) => Some(list),
        _ => None,
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

fn text(value: Value) -> Option<String> {
    String::from_utf8(bytes(value)?).ok()
}

/// The id of an entry: milliseconds and a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId(u64, u64);

impl EntryId {
    /// Reads `1526919030474-55`.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, number) = text.split_once('-')?;
        Some(Self(time.parse().ok()?, number.parse().ok()?))
    }
}

impl std::fmt::Display for EntryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// An entry with its fields, as the `envelope` reads it.
pub struct Letter<'a> {
    entry: &'a Entry,
    fields: &'a [(Vec<u8>, Vec<u8>)],
    body: Cow<'a, [u8]>,
    key: String,
}

impl<'a> Letter<'a> {
    /// `name` is the field that is the body. An entry without it is read as a JSON object of its fields, all of them
    /// texts.
    pub fn new(entry: &'a Entry, fields: &'a [(Vec<u8>, Vec<u8>)], name: &str) -> Self {
        let body = match find(fields, name) {
            Some(value) => Cow::Borrowed(value),
            None => Cow::Owned(object(fields).unwrap_or_default()),
        };
        Self {
            entry,
            fields,
            body,
            key: format!("{}/{}", entry.stream, entry.id),
        }
    }
}

impl Message for Letter<'_> {
    fn body(&self) -> &[u8] {
        &self.body
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "stream" => Some(Cow::Borrowed(&self.entry.stream)),
            "id" => Some(Cow::Borrowed(&self.entry.id)),
            _ => {
                let value = find(self.fields, name.strip_prefix("field.")?)?;
                std::str::from_utf8(value).ok().map(Cow::Borrowed)
            }
        }
    }

    fn id(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.key))
    }
}

/// The value of a field.
pub fn find<'a>(fields: &'a [(Vec<u8>, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    let found = fields.iter().find(|(found, _)| found == name.as_bytes());
    found.map(|(_, value)| value.as_slice())
}

/// The fields as a JSON object; `None` when one is not text.
fn object(fields: &[(Vec<u8>, Vec<u8>)]) -> Option<Vec<u8>> {
    let texts = fields
        .iter()
        .map(|(name, value)| Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?)));
    let texts: Vec<(&str, &str)> = texts.collect::<Option<_>>()?;
    let mut json = Vec::new();
    serde_json::Serializer::new(&mut json).collect_map(texts).ok()?;
    Some(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn list(values: impl IntoIterator<Item = Value>) -> Value {
        Value::Array(values.into_iter().collect())
    }

    fn entry(id: &str, fields: &[(&str, &str)]) -> Entry {
        Entry {
            stream: "orders".into(),
            id: id.into(),
            fields: Some(
                fields
                    .iter()
                    .map(|(name, value)| ((*name).into(), (*value).into()))
                    .collect(),
            ),
        }
    }

    #[test]
    fn both_versions_of_the_protocol_say_the_same() {
        let streams = ["orders".into()];
        let entries = || {
            list([
                list([bulk("1-0"), list([bulk("a"), bulk("b")])]),
                list([bulk("2-0"), Value::Nil]),
            ])
        };
        let second = list([list([bulk("orders"), entries()])]);
        let third = Value::Map(vec![(bulk("orders"), entries())]);
        let gone = Entry {
            fields: None,
            ..entry("2-0", &[])
        };
        let expected = Some(vec![entry("1-0", &[("a", "b")]), gone]);
        assert_eq!(read(second, &streams), expected);
        assert_eq!(read(third, &streams), expected);
        assert_eq!(read(Value::Nil, &streams), Some(vec![]));
    }

    #[test]
    fn an_answer_of_an_unknown_shape_is_none() {
        let streams = ["orders".into()];
        for answer in [
            Value::Int(1),
            list([Value::Int(1)]),
            list([list([bulk("others"), list([])])]),
            list([list([bulk("orders"), list([list([bulk("1-0"), list([bulk("a")])])])])]),
            list([list([bulk("orders"), list([list([Value::Int(1), list([])])])])]),
        ] {
            assert_eq!(read(answer.clone(), &streams), None, "{answer:?}");
        }
    }

    #[test]
    fn the_body_is_a_field_or_all_fields_as_json() {
        let with = entry("1-0", &[("a", "\"b\""), ("body", "{}")]);
        let fields = with.fields.clone().unwrap();
        assert_eq!(Letter::new(&with, &fields, "body").body(), b"{}");
        assert_eq!(Letter::new(&with, &fields, "a").body(), b"\"b\"");
        let all = Letter::new(&with, &fields, "data");
        assert_eq!(all.body(), br#"{"a":"\"b\"","body":"{}"}"#);
        assert_eq!(all.field("field.a").as_deref(), Some("\"b\""));
        assert_eq!(
            (all.field("id").as_deref(), all.id().as_deref()),
            (Some("1-0"), Some("orders/1-0"))
        );
        let binary = [(vec![255], vec![])];
        assert_eq!(Letter::new(&with, &binary, "body").body(), b"");
    }

    #[test]
    fn ids_are_ordered_as_numbers() {
        let id = |text| EntryId::parse(text).unwrap();
        assert!(id("9-10") > id("9-9") && id("10-0") > id("9-10"));
        assert_eq!(id("10-2").to_string(), "10-2");
        assert_eq!(EntryId::parse("$"), None);
    }
}
