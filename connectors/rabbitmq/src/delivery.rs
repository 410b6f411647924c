//! One message of a queue, as a mapping sees it.
//!
//! In: a delivery of the driver. Out: its body, its id and what it has under the names of the [`vocabulary`].

use std::borrow::Cow;

use lapin::message::Delivery;
use lapin::types::{AMQPValue, ShortString};
use turted_core::mapping::{Message, Vocabulary};

/// The names that a mapping of this source may use.
pub fn vocabulary() -> Vocabulary {
    let plain = [
        "exchange",
        "message_id",
        "correlation_id",
        "app_id",
        "user_id",
        "type",
        "content_type",
        "content_encoding",
        "reply_to",
        "timestamp",
        "expiration",
        "priority",
        "redelivered",
    ];
    plain.into_iter().fold(
        Vocabulary::new().with_words("routing_key").with_any("header"),
        Vocabulary::with,
    )
}

/// A delivery, to be looked into.
pub struct Letter<'a>(pub &'a Delivery);

impl Message for Letter<'_> {
    fn body(&self) -> &[u8] {
        &self.0.data
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        field(self.0, name)
    }

    fn id(&self) -> Option<Cow<'_, str>> {
        let id = self.0.properties.message_id().as_ref()?;
        (!id.as_str().is_empty()).then(|| id.as_str().into())
    }
}

/// What a delivery has under a name of the [`vocabulary`].
pub fn field<'a>(delivery: &'a Delivery, name: &str) -> Option<Cow<'a, str>> {
    let properties = &delivery.properties;
    match name {
        "routing_key" => Some(delivery.routing_key.as_str().into()),
        "exchange" => Some(delivery.exchange.as_str().into()),
        "message_id" => short(properties.message_id()),
        "correlation_id" => short(properties.correlation_id()),
        "app_id" => short(properties.app_id()),
        "user_id" => short(properties.user_id()),
        "type" => short(properties.kind()),
        "content_type" => short(properties.content_type()),
        "content_encoding" => short(properties.content_encoding()),
        "reply_to" => short(properties.reply_to()),
        "expiration" => short(properties.expiration()),
        "timestamp" => properties.timestamp().map(|seconds| seconds.to_string().into()),
        "priority" => properties.priority().map(|priority| priority.to_string().into()),
        "redelivered" => Some(if delivery.redelivered { "true" } else { "false" }.into()),
        _ => {
            let header = name.strip_prefix("header.")?;
            text(properties.headers().as_ref()?.inner().get(header)?)
        }
    }
}

fn short(text: &Option<ShortString>) -> Option<Cow<'_, str>> {
    text.as_ref().map(|text| text.as_str().into())
}

/// A header as text; lists, tables and bytes that are no text have none.
fn text(value: &AMQPValue) -> Option<Cow<'_, str>> {
    Some(match value {
        AMQPValue::Boolean(value) => value.to_string().into(),
        AMQPValue::ShortShortInt(value) => value.to_string().into(),
        AMQPValue::ShortShortUInt(value) => value.to_string().into(),
        AMQPValue::ShortInt(value) => value.to_string().into(),
        AMQPValue::ShortUInt(value) => value.to_string().into(),
        AMQPValue::LongInt(value) => value.to_string().into(),
        AMQPValue::LongUInt(value) => value.to_string().into(),
        AMQPValue::LongLongInt(value) => value.to_string().into(),
        AMQPValue::Timestamp(value) => value.to_string().into(),
        AMQPValue::Float(value) => value.to_string().into(),
        AMQPValue::Double(value) => value.to_string().into(),
        AMQPValue::ShortString(value) => value.as_str().into(),
        AMQPValue::LongString(value) => std::str::from_utf8(value.as_bytes()).ok()?.into(),
        AMQPValue::ByteArray(value) => std::str::from_utf8(value.as_slice()).ok()?.into(),
        AMQPValue::DecimalValue(_) | AMQPValue::FieldArray(_) | AMQPValue::FieldTable(_) | AMQPValue::Void => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use lapin::BasicProperties;
    use lapin::types::FieldTable;

    use super::*;

    #[test]
    fn every_name_of_the_vocabulary_reads_what_the_message_has() {
        let mut headers = FieldTable::default();
        headers.insert("x-user".into(), AMQPValue::LongString("adam".into()));
        headers.insert("a.b".into(), AMQPValue::LongInt(-7));
        headers.insert("yes".into(), AMQPValue::Boolean(true));
        headers.insert("none".into(), AMQPValue::Void);
        let mut delivery = Delivery::mock(1, "shop".into(), "order.new".into(), true, b"{}".to_vec());
        delivery.properties = BasicProperties::default()
            .with_headers(headers)
            .with_message_id("m1".into())
            .with_type("order".into())
            .with_priority(3)
            .with_timestamp(1_700_000_000);
        let letter = Letter(&delivery);
        for (name, text) in [
            ("routing_key", Some("order.new")),
            ("exchange", Some("shop")),
            ("message_id", Some("m1")),
            ("type", Some("order")),
            ("priority", Some("3")),
            ("timestamp", Some("1700000000")),
            ("redelivered", Some("true")),
            ("app_id", None),
            ("header.x-user", Some("adam")),
            ("header.a.b", Some("-7")),
            ("header.yes", Some("true")),
            ("header.none", None),
            ("header.absent", None),
        ] {
            assert_eq!(letter.field(name).as_deref(), text, "{name}");
        }
        assert_eq!((letter.id().as_deref(), letter.body()), (Some("m1"), &b"{}"[..]));
        delivery.properties = BasicProperties::default().with_message_id("".into());
        assert_eq!(Letter(&delivery).id(), None, "an empty id tells nothing apart");
    }
}
