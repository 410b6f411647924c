//! The commands that all dialects share: IDENT, JOIN, LEAVE, PUBLISH, CALL, ECHO, PING, and RESUME.
//!
//! In: a message `{"type":…,"data":…,"ref":…}`, or a word and its data. Out: a [`Command`] with its tag, or a rejection
//! with the tag as far as it could be read. It decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;
use turted_core::json::check_depth;
use turted_core::{Call, ChannelName, EventName, Intent, Limits, Payload, Publication, Rejection, Tag, UserName};

/// Longest `ref` in bytes of JSON text.
const TAG_BYTES: usize = 64;
/// Longest resume token and event id accepted.
pub const TOKEN_BYTES: usize = 128;
const KNOWN: &str = "IDENT, JOIN, LEAVE, PUBLISH, CALL, ECHO, PING, RESUME";

/// A message that was understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Something that others must decide.
    Intent(Intent),
    /// Send this JSON back, byte for byte.
    Echo(Bytes),
    /// Say that you are there.
    Ping,
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Reads one message. Unknown members are ignored, the type is matched without regard to case.
pub fn read(text: &str, limits: &Limits) -> (Tag, Result<Command, Rejection>) {
    let bad = |why: String| Rejection::BadMessage(why);
    if let Err(error) = check_depth(text.as_bytes(), limits) {
        return (None, Err(bad(format!("the message {error}"))));
    }
    let whole: &RawValue = match serde_json::from_str(text) {
        Ok(whole) => whole,
        Err(error) => return (None, Err(bad(format!("the message is not JSON: {error}")))),
    };
    let Some(members) = object(whole) else {
        return (None, Err(bad("the message must be a JSON object".into())));
    };
    match tag(members.get("ref").copied()) {
        Ok(tag) => {
            let word = members.get("type").and_then(|raw| string(raw));
            let word = word.ok_or_else(|| bad("type must be a string".into()));
            let data = members.get("data").copied();
            (tag, word.and_then(|word| interpret(&word, data, limits)))
        }
        Err(rejection) => (None, Err(rejection)),
    }
}

/// What a word means; it is matched without regard to case.
///
/// # Errors
/// What is wrong with the word or its data.
pub fn interpret(word: &str, data: Option<&RawValue>, limits: &Limits) -> Result<Command, Rejection> {
    match word.to_ascii_uppercase().as_str() {
        "IDENT" => ident(data, limits).map(Command::Intent),
        "JOIN" => channel(data, limits).map(|channel| Command::Intent(Intent::Join(channel.into()))),
        "LEAVE" => channel(data, limits).map(|channel| Command::Intent(Intent::Leave(channel.into()))),
        "PUBLISH" => publish(data, limits).map(Command::Intent),
        "CALL" => call(data, limits).map(Command::Intent),
        "ECHO" => Ok(Command::Echo(Bytes::copy_from_slice(
            data.map_or("null", RawValue::get).as_bytes(),
        ))),
        "PING" => Ok(Command::Ping),
        "RESUME" => resume(data).map(Command::Intent),
        _ => Err(Rejection::UnknownType(shorten(word), KNOWN)),
    }
}

fn ident(data: Option<&RawValue>, limits: &Limits) -> Result<Intent, Rejection> {
    let data: Value = data
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .ok_or(Rejection::MissingField("data"))?;
    // The original takes `username`, else `user`.
    let name = data.get("username").or_else(|| data.get("user"));
    let claimed = match name {
        None => None,
        Some(Value::String(name)) => {
            Some(UserName::parse(name, limits).map_err(|error| Rejection::BadName(format!("the user name {error}")))?)
        }
        Some(_) => return Err(Rejection::BadName("the user name must be a string".into())),
    };
    let data = data.into();
    Ok(Intent::Ident { claimed, data })
}

fn channel(data: Option<&RawValue>, limits: &Limits) -> Result<ChannelName, Rejection> {
    channel_in(&data.and_then(object).ok_or(Rejection::MissingField("data"))?, limits)
}

fn channel_in(members: &Members<'_>, limits: &Limits) -> Result<ChannelName, Rejection> {
    let name = members.get("channel").and_then(|raw| string(raw));
    let name = name.ok_or(Rejection::MissingField("data.channel"))?;
    ChannelName::parse(&name, limits).map_err(|error| Rejection::BadName(format!("the channel name {error}")))
}

/// As a push, it needs no payload; unlike one it has a name.
fn publish(data: Option<&RawValue>, limits: &Limits) -> Result<Intent, Rejection> {
    let members = data.and_then(object).ok_or(Rejection::MissingField("data"))?;
    let event = members.get("event").and_then(|raw| string(raw));
    let event = event.ok_or(Rejection::MissingField("data.event"))?;
    let echo = match members.get("echo").map(|raw| raw.get()) {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(Rejection::MissingField("data.echo")),
    };
    Ok(Intent::Publish(Publication {
        channel: channel_in(&members, limits)?,
        event: EventName::parse(&event, limits)
            .map_err(|error| Rejection::BadName(format!("the event name {error}")))?,
        payload: members
            .get("payload")
            .map_or_else(Payload::empty_object, |raw| Payload::from_raw(raw)),
        echo,
    }))
}

/// As the name of a channel, the name is short visible text; without `params` they are `{}`.
fn call(data: Option<&RawValue>, limits: &Limits) -> Result<Intent, Rejection> {
    let members = data.and_then(object).ok_or(Rejection::MissingField("data"))?;
    let name = members.get("name").and_then(|raw| string(raw));
    let name = name.ok_or(Rejection::MissingField("data.name"))?;
    ChannelName::parse(&name, limits).map_err(|error| Rejection::BadName(format!("the name {error}")))?;
    Ok(Intent::Call(Call {
        name: name.into(),
        params: members
            .get("params")
            .map_or_else(Payload::empty_object, |raw| Payload::from_raw(raw)),
    }))
}

fn resume(data: Option<&RawValue>) -> Result<Intent, Rejection> {
    let members = data.and_then(object).ok_or(Rejection::MissingField("data"))?;
    let text = |member: &str| {
        let text = members.get(member).and_then(|raw| string(raw));
        text.filter(|text| text.len() <= TOKEN_BYTES).map(Arc::from)
    };
    Ok(Intent::Resume {
        token: text("token").ok_or(Rejection::MissingField("data.token"))?,
        last: text("last"),
    })
}

/// A number or a string of at most 64 bytes; `null` counts as none.
fn tag(raw: Option<&RawValue>) -> Result<Tag, Rejection> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(text) if text.len() <= TAG_BYTES && !text.starts_with(['{', '[', 't', 'f']) => Ok(Some(text.into())),
        Some(_) => Err(Rejection::BadMessage(format!(
            "ref must be a number or a string of at most {TAG_BYTES} bytes"
        ))),
    }
}

fn object(raw: &RawValue) -> Option<Members<'_>> {
    serde_json::from_str(raw.get()).ok()
}

fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// An unknown word goes back to its sender only so far.
fn shorten(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_input_panics() {
        let seeds = [
            r#"{"type":"IDENT","data":{"username":"adam","token":"x"},"ref":1}"#,
            r#"{"type":"RESUME","data":{"token":"t","last":"k3f9-42"},"ref":"a"}"#,
            r#"{"type":"echo","data":[{"a":"\ud800"}]}"#,
            r#"{"type":"CALL","data":{"name":"orders","params":{"a":[1.0]}},"ref":3}"#,
            r#"{"type":"PUBLISH","data":{"channel":"c","event":"E","payload":{"a":[1.0]},"echo":false},"ref":2}"#,
        ];
        let mut random = fastrand::Rng::with_seed(11);
        for round in 0..20_000 {
            let mut bytes = seeds[round % seeds.len()].as_bytes().to_vec();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(0..bytes.len());
                match random.u8(0..3) {
                    0 => bytes[at] = random.u8(..),
                    1 => bytes.truncate(at.max(1)),
                    _ => bytes.insert(at, *random.choice(b"{}[]\",:\\\0n0").unwrap()),
                }
            }
            let _ = read(&String::from_utf8_lossy(&bytes), &Limits::default());
        }
    }
}
