//! Writes messages of nodefony.
//!
//! In: checked values. Out: JSON objects. Errors are `code:argument:sentence`, which clients cut at the colons.

use std::time::SystemTime;

use bytes::Bytes;
use serde_json::{Value, json};
use turted_core::Payload;

const VERSION: &str = "1.0";

/// The path of a service.
pub fn path(service: &str) -> String {
    format!("/service/{service}")
}

/// An error as clients of all generations read it.
pub fn error(code: u16, argument: &str, sentence: &str) -> Value {
    json!({"error": cause(code, argument, sentence)})
}

/// What an error says. What would be cut is replaced.
fn cause(code: u16, argument: &str, sentence: &str) -> String {
    let safe = |text: &str| text.replace(':', " ");
    format!("{code}:{}:{}", safe(argument), safe(sentence))
}

/// What a client that has connected is told.
pub struct Connected<'a> {
    /// Its id.
    pub id: &'a str,
    /// From where it comes.
    pub address: Value,
    /// The time.
    pub now: SystemTime,
    /// What it is to do when it loses its wire.
    pub advice: Value,
    /// The services.
    pub services: Value,
}

pub fn connected(told: Connected<'_>) -> Bytes {
    let Connected {
        id,
        address,
        now,
        advice,
        services,
    } = told;
    bytes(&json!({
        "version": VERSION, "channel": "/meta/connect", "successful": true, "error": "", "clientId": id,
        "timestamp": humantime::format_rfc3339_millis(now).to_string(), "advice": advice,
        "ext": {"address": address}, "data": services,
    }))
}

/// The answer to a wish about a subscription; `None`: it is granted.
pub fn subscription(channel: &str, id: &str, service: &str, wrong: Option<&Value>) -> Bytes {
    let mut answer = json!({
        "version": VERSION, "channel": channel, "clientId": id, "subscription": path(service), "error": "",
        "successful": wrong.is_none(),
    });
    if let Some(wrong) = wrong {
        answer["error"] = wrong.clone();
    }
    bytes(&answer)
}

/// A subscription that was granted has ended: clients take that for the end only if it is successful. Why it broke off
/// they can read.
pub fn ended(id: &str, service: &str, why: Option<(u16, &str)>) -> Bytes {
    let path = path(service);
    let why = why
        .map(|(code, sentence)| cause(code, &path, sentence))
        .unwrap_or_default();
    bytes(&json!({
        "version": VERSION, "channel": "/meta/unsubscribe", "clientId": id, "subscription": path, "error": why,
        "successful": true,
    }))
}

/// Something from a service: a text as it is, anything else as the text of its JSON.
pub fn service(name: &str, payload: &Payload) -> Bytes {
    let text = serde_json::from_str::<String>(payload.as_str());
    let data = text.unwrap_or_else(|_| payload.as_str().to_owned());
    bytes(&json!({"version": VERSION, "channel": path(name), "data": data}))
}

/// The answer to what was said to a service: without a channel, by which clients tell it from what a service says.
pub fn published(id: &Value, wrong: Option<&Value>) -> Bytes {
    let mut answer = json!({"version": VERSION, "successful": wrong.is_none(), "id": id});
    if let Some(wrong) = wrong {
        answer["error"] = wrong.clone();
    }
    bytes(&answer)
}

pub fn disconnected(id: &str) -> Bytes {
    bytes(&json!({"version": VERSION, "channel": "/meta/disconnect", "clientId": id, "successful": true}))
}

pub fn failed(code: u16, argument: &str, sentence: &str) -> Bytes {
    bytes(&json!({ "error": error(code, argument, sentence) }))
}

fn bytes(value: &Value) -> Bytes {
    value.to_string().into()
}
