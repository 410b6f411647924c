//! One message of a queue that is there on demand, as a mapping sees it.
//!
//! In: a delivery, and the channel that it is for. Out: what every message has, the channel, and its content as JSON
//! whatever it is. It has no id: what two watches hear is told to both.

use std::borrow::Cow;

use lapin::message::Delivery;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use turted_core::json::{check_depth, without_mark};
use turted_core::mapping::{Message, Vocabulary};
use turted_core::{ChannelName, Limits};

use crate::delivery::{field, vocabulary};

/// The names that a rule may use.
pub fn words() -> Vocabulary {
    vocabulary().with("channel").with_json("content")
}

/// A delivery for a channel.
pub struct Heard<'a> {
    /// What came.
    pub delivery: &'a Delivery,
    /// Who needs it.
    pub channel: &'a ChannelName,
    /// How deep JSON may be.
    pub limits: &'a Limits,
}

impl Message for Heard<'_> {
    fn body(&self) -> &[u8] {
        &self.delivery.data
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "channel" => Some(self.channel.as_str().into()),
            "content" => Some(content(self.delivery, self.limits)),
            _ => field(self.delivery, name),
        }
    }
}

/// The body when its type is JSON and it is; else its bytes, as Node.js writes a buffer, beside its type.
fn content<'a>(delivery: &'a Delivery, limits: &Limits) -> Cow<'a, str> {
    let kind = delivery.properties.content_type().as_ref().map(|kind| kind.as_str());
    let body = without_mark(&delivery.data);
    if kind.is_some_and(is_json)
        && let Ok(text) = std::str::from_utf8(body)
        && check_depth(body, limits).is_ok()
        && serde_json::from_str::<IgnoredAny>(text).is_ok()
    {
        return text.into();
    }
    let mut raw = json!({"data": {"type": "Buffer", "data": delivery.data}});
    if let Some(kind) = kind {
        raw["contentType"] = Value::from(kind);
    }
    raw.to_string().into()
}

/// `application/json`, `text/json`, `application/vnd.acme+json`, each with or without parameters.
fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "application/json" | "text/json") || kind.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use lapin::BasicProperties;

    use super::*;

    #[test]
    fn the_content_is_json_or_the_bytes_beside_their_type() {
        let deep = "[".repeat(2000);
        for (kind, body, content) in [
            (Some("application/json"), r#"{"a": 1.0}"#, r#"{"a": 1.0}"#),
            (Some("Application/JSON; charset=utf-8"), "null", "null"),
            (Some("text/json"), "[1]", "[1]"),
            (Some("application/vnd.acme+json"), "1", "1"),
            (
                Some("text/plain"),
                "pl",
                r#"{"contentType":"text/plain","data":{"data":[112,108],"type":"Buffer"}}"#,
            ),
            (None, "1", r#"{"data":{"data":[49],"type":"Buffer"}}"#),
            (
                Some("application/json"),
                "",
                r#"{"contentType":"application/json","data":{"data":[],"type":"Buffer"}}"#,
            ),
            (
                Some("application/json"),
                "{",
                r#"{"contentType":"application/json","data":{"data":[123],"type":"Buffer"}}"#,
            ),
        ] {
            let mut delivery = Delivery::mock(1, "e".into(), "k".into(), true, body.into());
            if let Some(kind) = kind {
                delivery.properties = BasicProperties::default().with_content_type(kind.into());
            }
            assert_eq!(
                super::content(&delivery, &Limits::default()),
                content,
                "{kind:?} {body}"
            );
        }
        let mut delivery = Delivery::mock(1, "e".into(), "k".into(), true, deep.into());
        delivery.properties = BasicProperties::default().with_content_type("application/json".into());
        // CWE-674
        assert!(super::content(&delivery, &Limits::default()).starts_with(r#"{"contentType":"#));
    }
}
