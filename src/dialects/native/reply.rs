//! Writes native messages.
//!
//! In: checked values. Out: JSON text. Payloads and tags are copied as they are, everything else goes through serde.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};
use turted_core::encode::Delivery;
use turted_core::may::Verb;
use turted_core::{Ending, Notice, Rejection, Tag, Welcome, json};

/// `turted/0.1.0`
pub const SERVER: &str = concat!("turted/", env!("CARGO_PKG_VERSION"));

pub fn welcome(welcome: &Welcome) -> Bytes {
    let data = json!({
        "connection": *welcome.connection,
        "resume": *welcome.resume,
        "window": welcome.window,
        "server": SERVER,
        "ping": welcome.ping,
    });
    message("WELCOME", Some(&data.to_string()), &None)
}

/// The event message: a payload as it came, between members of our own.
pub fn event(delivery: &Delivery<'_>) -> Bytes {
    let mut out = BytesMut::with_capacity(delivery.payload.as_bytes().len() + 160);
    out.put_slice(br#"{"type":"EVENT","data":{"event":"#);
    json::write(&mut out, delivery.event);
    out.put_slice(br#","payload":"#);
    out.put_slice(delivery.payload.as_bytes());
    out.put_slice(br#","via":"#);
    json::write(&mut out, delivery.via);
    if let Some(from) = delivery.from {
        out.put_slice(br#","from":"#);
        json::write(&mut out, from);
    }
    out.put_slice(br#","id":"#);
    json::write(&mut out, delivery.id);
    out.put_slice(b"}}");
    out.freeze()
}

/// The answers to a notice; an incomplete resumption takes two messages.
pub fn notice(notice: &Notice, tag: &Tag) -> Vec<Bytes> {
    let ok = |data: Value| message("OK", Some(&data.to_string()), tag);
    match notice {
        Notice::Identified(user, channels) => vec![ok(match channels.as_slice() {
            [] => json!({ "username": user }),
            channels => json!({"username": user, "channels": channels}),
        })],
        Notice::Removed { channel, reason } => {
            let data = json!({"channel": channel, "reason": reason});
            vec![message("LEFT", Some(&data.to_string()), &None)]
        }
        Notice::Expiring(left) => {
            let data = json!({ "in": left.as_secs() });
            vec![message("EXPIRING", Some(&data.to_string()), &None)]
        }
        Notice::Told(payload) => vec![message("TOLD", Some(payload.as_str()), tag)],
        Notice::Answer(payload) => vec![message("ANSWER", Some(payload.as_str()), tag)],
        Notice::Published(receipt) => vec![ok(json!(receipt))],
        Notice::Joined(channel) | Notice::Left(channel) => vec![ok(json!({ "channel": channel }))],
        Notice::Rejected(rejection) => vec![error(rejection, tag)],
        Notice::Resumed {
            connection,
            recovered,
            expired,
            replayed,
            since,
        } => {
            let mut data = json!({"connection": **connection, "recovered": recovered, "replayed": replayed});
            if *expired {
                data["code"] = "expired".into();
            }
            let mut out = vec![ok(data)];
            if !recovered {
                out.push(gap(since.as_deref()));
            }
            out
        }
        Notice::Missed { since } => vec![gap(Some(since))],
        // What `core` knows and this version of the protocol has no word for.
        _ => Vec::new(),
    }
}

fn gap(since: Option<&str>) -> Bytes {
    message("GAP", Some(&json!({ "since": since }).to_string()), &None)
}

pub fn error(rejection: &Rejection, tag: &Tag) -> Bytes {
    message("ERROR", Some(&rejected(rejection).to_string()), tag)
}

pub fn echo(data: &Bytes, tag: &Tag) -> Bytes {
    // `data` is a part of a text message, so it is UTF-8.
    message("ECHO", std::str::from_utf8(data).ok(), tag)
}

pub fn pong(tag: &Tag) -> Bytes {
    message("PONG", None, tag)
}

pub fn bye(ending: Ending) -> Bytes {
    let data = json!({"code": ending.code(), "reason": ending.reason(), "reconnect": ending.reconnect()});
    message("BYE", Some(&data.to_string()), &None)
}

/// What is said about a refusal: of channels that a request named there is no command that would say which.
pub fn rejected(rejection: &Rejection) -> Value {
    let mut data = json!({"code": rejection.code(), "message": rejection.to_string()});
    match rejection {
        Rejection::Unavailable { after } => {
            data["after"] = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).into();
        }
        Rejection::Denied {
            verb: Verb::Call, name, ..
        } => data["name"] = (**name).into(),
        Rejection::Denied { name, .. } => data["channel"] = (**name).into(),
        _ => {}
    }
    data
}

/// `{"type":…,"data":…,"ref":…}`; `data` and the tag are JSON text.
fn message(word: &str, data: Option<&str>, tag: &Tag) -> Bytes {
    let data = data.map(|data| format!(r#","data":{data}"#)).unwrap_or_default();
    let tag = tag.as_ref().map(|tag| format!(r#","ref":{tag}"#)).unwrap_or_default();
    format!(r#"{{"type":"{word}"{data}{tag}}}"#).into()
}
