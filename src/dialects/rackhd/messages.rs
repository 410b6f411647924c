//! Writes messages of RackHD.
//!
//! In: checked values, and payloads, which go out byte for byte. Out: JSON objects. A resource is named twice: as the
//! implementation has it, and as its specification has it.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::json;
use serde_json::value::RawValue;
use turted_core::{Payload, Target, json};

/// Answers `init`.
pub fn session(id: &str) -> Bytes {
    json!({"handler": "session", "id": id}).to_string().into()
}

/// What went wrong with a resource.
pub fn error(resource: &str, code: &str, message: &str) -> Bytes {
    let params = json!({"code": code, "message": message}).to_string();
    Sentence::new("error", resource).raw("params", &params).end()
}

/// Everything that fits a question.
pub fn list(resource: &str, items: &Payload) -> Bytes {
    let items = items.as_str();
    let items = match items.as_bytes().first() {
        Some(b'[') => items.to_owned(),
        _ if items == "null" => "[]".to_owned(),
        _ => format!("[{items}]"),
    };
    Sentence::new("list", resource).raw("items", &items).end()
}

/// The first that fits a question, or that there is none: it is the id, as the implementation has it, and the data.
pub fn found(resource: &str, answer: &Payload, params: &str) -> Bytes {
    match first(answer.as_str()) {
        Some(document) => Sentence::new("item", resource)
            .raw("id", document)
            .raw("data", document)
            .end(),
        None => {
            let id = serde_json::from_str(params).map(|asked: Asked| asked.id);
            Sentence::new("remove", resource)
                .text("id", &id.unwrap_or_default())
                .raw("params", params)
                .end()
        }
    }
}

/// What a question names by its id.
#[derive(Deserialize)]
struct Asked {
    #[serde(default, deserialize_with = "text_or_nothing")]
    id: String,
}

fn text_or_nothing<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

fn first(answer: &str) -> Option<&str> {
    if answer == "null" {
        return None;
    }
    match serde_json::from_str::<Vec<&RawValue>>(answer) {
        Ok(all) => all.first().map(|first| first.get()),
        Err(_) => Some(answer),
    }
}

/// What somebody published to an exchange, under its routing key.
pub fn letter(via: &Target, key: &str, body: &Payload) -> Bytes {
    Sentence::from("item", super::MQ, via)
        .text("id", key)
        .raw("data", body.as_str())
        .end()
}

/// What became of a document: `destroyed` is a removal, everything else is an item.
pub fn change(resource: &str, via: &Target, event: &str, payload: &Payload) -> Bytes {
    let record = Record::of(payload.as_str());
    match event {
        "destroyed" => Sentence::from("remove", resource, via).text("id", &record.id),
        _ => Sentence::from("item", resource, via).raw("id", &json!([event, record.id]).to_string()),
    }
    .raw("data", record.document)
    .end()
}

/// Whether a payload is a message already: an object with a `handler`.
pub fn is_whole(payload: &Payload) -> bool {
    #[derive(Deserialize)]
    struct Whole {
        #[serde(rename = "handler")]
        _handler: String,
    }
    // A list would do for serde.
    payload.as_str().starts_with('{') && serde_json::from_str::<Whole>(payload.as_str()).is_ok()
}

/// The channel that an event names by which its client hears it.
pub fn channel(event: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Heard {
        via: Via,
    }
    #[derive(Deserialize)]
    struct Via {
        channel: String,
    }
    let heard: Heard = serde_json::from_slice(event).ok()?;
    Some(heard.via.channel)
}

/// A document and its id. A payload is `{"id","record"}`, where the document need not know its id, or the document.
struct Record<'a> {
    id: String,
    document: &'a str,
}

impl<'a> Record<'a> {
    fn of(payload: &'a str) -> Self {
        let parts: Parts<'_> = serde_json::from_str(payload).unwrap_or_default();
        match (parts.id, parts.record) {
            (Some(id), Some(record)) if !parts.has_more => Self {
                id: name(id),
                document: record.get(),
            },
            (id, _) => Self {
                id: id.or(parts.own).map(name).unwrap_or_default(),
                document: payload,
            },
        }
    }
}

/// An id is a text; a number is written as one.
fn name(id: &RawValue) -> String {
    let text = serde_json::from_str(id.get());
    text.unwrap_or_else(|_| match id.get().as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => id.get().to_owned(),
        _ => String::new(),
    })
}

/// The members of a payload that matter, if it is an object.
#[derive(Default)]
struct Parts<'a> {
    id: Option<&'a RawValue>,
    /// `_id`, as the database has it.
    own: Option<&'a RawValue>,
    record: Option<&'a RawValue>,
    has_more: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Parts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Parts<'de>, M::Error> {
                let mut parts = Parts::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "id" => parts.id = Some(map.next_value()?),
                        "record" => parts.record = Some(map.next_value()?),
                        other => {
                            parts.has_more = true;
                            if other == "_id" {
                                parts.own = Some(map.next_value()?);
                            } else {
                                map.next_value::<IgnoredAny>()?;
                            }
                        }
                    }
                }
                Ok(parts)
            }
        }
        from.deserialize_map(Members)
    }
}

/// A message under construction.
struct Sentence(BytesMut);

impl Sentence {
    fn new(handler: &str, resource: &str) -> Self {
        let mut message = Self(BytesMut::with_capacity(128));
        message.0.put_slice(b"{\"handler\":");
        json::write(&mut message.0, &handler);
        message.text("resource", resource).text("type", resource)
    }

    /// One that says by what its client hears it.
    fn from(handler: &str, resource: &str, via: &Target) -> Self {
        let mut message = Self::new(handler, resource);
        message.0.put_slice(b",\"via\":");
        json::write(&mut message.0, via);
        message
    }

    fn text(mut self, key: &str, value: &str) -> Self {
        self.0.put_slice(format!(",\"{key}\":").as_bytes());
        json::write(&mut self.0, &value);
        self
    }

    fn raw(mut self, key: &str, json: &str) -> Self {
        self.0.put_slice(format!(",\"{key}\":{json}").as_bytes());
        self
    }

    fn end(mut self) -> Bytes {
        self.0.put_u8(b'}');
        self.0.freeze()
    }
}

#[cfg(test)]
mod tests {
    use turted_core::Limits;

    use super::*;

    fn payload(text: &str) -> Payload {
        Payload::parse(text.to_owned().into(), &Limits::default()).unwrap()
    }

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_document_and_its_id_are_found_in_every_form_of_a_payload() {
        for (payload, id, document) in [
            (r#"{"id":"a","record":{"x":1.0}}"#, "a", r#"{"x":1.0}"#),
            (r#"{"record":[1],"id":7}"#, "7", "[1]"),
            (
                r#"{"id":"a","record":{},"x":1}"#,
                "a",
                r#"{"id":"a","record":{},"x":1}"#,
            ),
            (r#"{"name":"n","id":"b"}"#, "b", r#"{"name":"n","id":"b"}"#),
            (r#"{"_id":"c","data":1}"#, "c", r#"{"_id":"c","data":1}"#),
            (r#"{"id":{"a":1}}"#, "", r#"{"id":{"a":1}}"#),
            (r#"{"id":null}"#, "", r#"{"id":null}"#),
            ("[1]", "", "[1]"),
            ("\"a\"", "", "\"a\""),
            ("null", "", "null"),
        ] {
            let record = Record::of(payload);
            assert_eq!((record.id.as_str(), record.document), (id, document), "{payload}");
        }
    }

    #[test]
    fn a_change_is_an_item_with_its_event_or_a_removal() {
        let via = Target::Everybody;
        let said = |event| change("nodes", &via, event, &payload(r#"{"id":"a","record":{"x":1.0}}"#));
        assert_eq!(
            text(&said("created")),
            r#"{"handler":"item","resource":"nodes","type":"nodes","via":{"broadcast":true},"id":["created","a"],"data":{"x":1.0}}"#
        );
        assert_eq!(
            text(&said("destroyed")),
            r#"{"handler":"remove","resource":"nodes","type":"nodes","via":{"broadcast":true},"id":"a","data":{"x":1.0}}"#
        );
    }

    #[test]
    fn a_list_is_a_list_and_the_first_is_one() {
        let listed = |answer: &str| text(&list("r", &payload(answer))).to_owned();
        let head = r#"{"handler":"list","resource":"r","type":"r","items":"#;
        assert_eq!(listed("[1, 2.0]"), format!("{head}[1, 2.0]}}"));
        assert_eq!(listed("null"), format!("{head}[]}}"));
        assert_eq!(listed("{}"), format!("{head}[{{}}]}}"));
        let got = |answer: &str, params: &str| text(&found("r", &payload(answer), params)).to_owned();
        let item = r#"{"handler":"item","resource":"r","type":"r","id":{"a":1},"data":{"a":1}}"#;
        assert_eq!(got(r#"{"a":1}"#, "{}"), item);
        assert_eq!(got(r#"[{"a":1},{"a":2}]"#, "{}"), item);
        for (answer, params, id) in [
            ("null", r#"{"id":"x"}"#, "x"),
            ("[]", "{}", ""),
            ("null", "[1]", ""),
            ("null", r#"{"id":["x"]}"#, ""),
        ] {
            let expected = format!(r#"{{"handler":"remove","resource":"r","type":"r","id":"{id}","params":{params}}}"#);
            assert_eq!(got(answer, params), expected);
        }
    }
}
