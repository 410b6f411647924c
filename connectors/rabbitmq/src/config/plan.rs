//! From settings to what the broker is asked for.
//!
//! In: queue, exchange and bindings as they were written. Out: a [`Topology`] with nothing left to doubt but the
//! broker's consent. Every text that becomes a "short string" of AMQP is measured here: the driver panics at a longer
//! one.

use std::collections::BTreeMap;

use lapin::ExchangeKind;
use lapin::types::{AMQPValue, FieldTable, LongString};
use serde_json::Value;
use turted_core::SettingError;

use super::{Binding, Exchange, ExchangeType, HeadersBinding, Match, Queue, QueueType};
use crate::topology::{Source, Topology};

/// Longest short string of AMQP 0-9-1, in bytes.
const SHORT: usize = 255;

/// Arguments that have keys of their own.
const NAMED: [(&str, &str); 4] = [
    ("x-queue-type", "type"),
    ("x-delivery-limit", "delivery_limit"),
    ("x-dead-letter-exchange", "dead_letter_exchange"),
    ("x-dead-letter-routing-key", "dead_letter_routing_key"),
];

/// Checks what belongs together.
pub fn topology(queue: Queue, exchange: Option<Exchange>, bindings: Vec<Binding>) -> Result<Topology, SettingError> {
    name("queue", &queue.name)?;
    let source = match exchange {
        Some(exchange) => Some(source(exchange, bindings)?),
        None if bindings.is_empty() => None,
        None => return Err(SettingError::new("bindings", "need an exchange to bind the queue to")),
    };
    Ok(Topology {
        passive: queue.passive,
        arguments: arguments(&queue)?,
        name: queue.name,
        source,
    })
}

/// A name that people gave: 1 to 255 bytes.
pub fn name(key: &str, text: &str) -> Result<(), SettingError> {
    if text.is_empty() {
        return Err(SettingError::new(key, "must not be empty"));
    }
    short(key, text)
}

fn short(key: &str, text: &str) -> Result<(), SettingError> {
    if text.len() <= SHORT {
        return Ok(());
    }
    Err(SettingError::new(
        key,
        format!("has {} bytes, allowed are {SHORT}", text.len()),
    ))
}

fn arguments(queue: &Queue) -> Result<FieldTable, SettingError> {
    let bare = Queue {
        passive: true,
        ..Queue::from(queue.name.clone())
    };
    if queue.passive && *queue != bare {
        return Err(SettingError::new(
            "queue.passive",
            "leaves no other key but name: the queue is as it is",
        ));
    }
    if queue.delivery_limit.is_some() && queue.kind != Some(QueueType::Quorum) {
        return Err(SettingError::new("queue.delivery_limit", "needs type = \"quorum\""));
    }
    if queue.dead_letter_routing_key.is_some() && queue.dead_letter_exchange.is_none() {
        return Err(SettingError::new(
            "queue.dead_letter_routing_key",
            "needs dead_letter_exchange",
        ));
    }
    for (argument, key) in NAMED {
        if queue.arguments.contains_key(argument) {
            return Err(SettingError::new(
                "queue.arguments",
                format!("{argument} has a key of its own: {key}"),
            ));
        }
    }
    let mut table = values("queue.arguments", &queue.arguments)?;
    let mut text = |key: &str, text: &str| {
        table.insert(key.into(), AMQPValue::LongString(LongString::from(text)));
    };
    match queue.kind {
        Some(QueueType::Classic) => text("x-queue-type", "classic"),
        Some(QueueType::Quorum) => text("x-queue-type", "quorum"),
        None => {}
    }
    if let Some(exchange) = &queue.dead_letter_exchange {
        short("queue.dead_letter_exchange", exchange)?;
        text("x-dead-letter-exchange", exchange);
    }
    if let Some(key) = &queue.dead_letter_routing_key {
        short("queue.dead_letter_routing_key", key)?;
        text("x-dead-letter-routing-key", key);
    }
    if let Some(limit) = queue.delivery_limit {
        table.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(limit.into()));
    }
    Ok(table)
}

fn source(exchange: Exchange, bindings: Vec<Binding>) -> Result<Source, SettingError> {
    name("exchange", &exchange.name)?;
    let wrong = |why: &str| SettingError::new("bindings", why);
    if bindings.is_empty() && exchange.kind != Some(ExchangeType::Fanout) {
        return Err(wrong(
            "are missing: say which messages of the exchange to take, e.g. [\"order.*\"], or [\"\"] for a fanout exchange",
        ));
    }
    let mut bound = Vec::new();
    for binding in bindings {
        bound.push(match (binding, exchange.kind) {
            (Binding::Key(_), Some(ExchangeType::Headers)) => {
                return Err(wrong(
                    "of a headers exchange are tables: { headers = { … }, match = \"all\" }",
                ));
            }
            (Binding::Headers(_), Some(ExchangeType::Topic | ExchangeType::Direct | ExchangeType::Fanout)) => {
                return Err(wrong(
                    "may be tables only for a headers exchange; here they are routing keys",
                ));
            }
            (Binding::Key(key), _) => {
                short("bindings", &key)?;
                (key, FieldTable::default())
            }
            (Binding::Headers(binding), _) => (String::new(), headers(&binding)?),
        });
    }
    if bound.is_empty() {
        bound.push(Default::default());
    }
    Ok(Source {
        exchange: exchange.name,
        kind: exchange.kind.map(|kind| match kind {
            ExchangeType::Topic => ExchangeKind::Topic,
            ExchangeType::Direct => ExchangeKind::Direct,
            ExchangeType::Fanout => ExchangeKind::Fanout,
            ExchangeType::Headers => ExchangeKind::Headers,
        }),
        bindings: bound,
    })
}

fn headers(binding: &HeadersBinding) -> Result<FieldTable, SettingError> {
    let mut table = values("bindings", &binding.headers)?;
    let which = match binding.which {
        Match::All => "all",
        Match::Any => "any",
    };
    table.insert("x-match".into(), AMQPValue::LongString(which.into()));
    Ok(table)
}

fn values(key: &str, from: &BTreeMap<String, Value>) -> Result<FieldTable, SettingError> {
    let mut table = FieldTable::default();
    for (name, value) in from {
        short(key, name)?;
        let value = match value {
            Value::String(text) => AMQPValue::LongString(LongString::from(text.as_str())),
            Value::Bool(value) => AMQPValue::Boolean(*value),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => AMQPValue::LongLongInt(whole),
                (None, Some(fraction)) => AMQPValue::Double(fraction),
                (None, None) => return Err(SettingError::new(key, format!("{name} is too large a number"))),
            },
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(SettingError::new(
                    key,
                    format!("{name} must be a text, a number or a boolean"),
                ));
            }
        };
        table.insert(name.as_str().into(), value);
    }
    Ok(table)
}
