//! The door through which `fuzz/` reaches the parsers that are private. It exists only with `--cfg fuzzing`, which
//! cargo-fuzz sets.
//!
//! In: any bytes. Out: nothing, or a panic where a promise is broken: what was read can be written and read again, what
//! is answered is well-formed, and nothing grows beyond a small multiple of what came in. It refuses to know where the
//! bytes come from.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a promise that is broken is a panic"
)]

use std::fmt::Write as _;
use std::str::from_utf8;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use turted_core::envelope::{self, Body};
use turted_core::{
    ChannelName, Conversation, Delivery, Ending, Epoch, EventName, Intent, Limits, Notice, Protocol, Reaction,
    Rejection, Welcome,
};

use crate::carriers::engineio::packet::{Eio, Encoding, Packet, Record, Speaker, Wrapped};
use crate::carriers::engineio::{jsonp, payload};
use crate::carriers::form;
use crate::carriers::sockjs::path::Path;
use crate::carriers::sockjs::{frame as sockjs, incoming};
use crate::dialects::bayeux::{self, Bayeux};
use crate::dialects::classic::Classic;
use crate::dialects::command::{self, Command};
use crate::dialects::native::Native;
use crate::dialects::primus;
use crate::dialects::socketio::attachments::Assembler;
use crate::dialects::socketio::turted::Turted;
use crate::dialects::socketio::{self, SocketIo, Terms, Version};

mod nodefony;
mod rackhd;
mod realizehit;
mod wires;

pub use crate::auth::jwt::fuzz::jwt;
pub use crate::dialects::bayeux::fuzz::bayeux_batch;
pub use nodefony::{nodefony, nodefony_login};
pub use rackhd::rackhd;
pub use realizehit::realizehit;
pub use wires::{event_stream, websocket};

/// Bad messages in a row that end a client.
const BAD_MESSAGES: u32 = 20;
/// Largest WebSocket message: small, so that inputs reach it.
const MESSAGE: usize = 64;
/// How many bytes of answers a byte of a conversation may cost, besides [`WORDS`].
const GROWTH: usize = 4;
/// What the words of an answer take that do not come from the client.
const WORDS: usize = 1024;

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(text).is_ok()
}

/// A command of the native and the classic dialect. What goes back to the client byte for byte is JSON.
pub fn command(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let (tag, command) = command::read(text, &Limits::default());
    assert!(tag.is_none_or(|tag| is_json(tag.as_bytes()) && tag.len() <= text.len()));
    match command {
        Ok(Command::Echo(data)) => assert!(is_json(&data)),
        Ok(_) => {}
        Err(rejection) => assert!(rejection.to_string().len() <= WORDS, "{rejection}"),
    }
}

/// A conversation in the native dialect: every answer is a JSON object.
pub fn native(story: &[u8]) {
    let object = |reaction: &Reaction| match reaction {
        Reaction::Send(text) => assert!(text.starts_with(b"{") && is_json(text), "{text:?}"),
        other => assert!(!matches!(other, Reaction::SendBinary(_))),
    };
    converse(&Native::new(Limits::default(), BAD_MESSAGES), story, object);
}

/// A session of Bayeux. Of what the messages of a batch are answered, most is not theirs.
pub fn bayeux(story: &[u8]) {
    let protocol = Bayeux(Arc::new(bayeux::terms()));
    converse_within(64, &protocol, story, bayeux::fuzz::check);
}

/// A conversation in the dialect of TURTED 1 and 2: every answer is a JSON object.
pub fn classic(story: &[u8]) {
    let object = |reaction: &Reaction| match reaction {
        Reaction::Send(text) => assert!(text.starts_with(b"{") && is_json(text), "{text:?}"),
        other => assert!(!matches!(other, Reaction::SendBinary(_))),
    };
    converse(&Classic::new(Limits::default(), BAD_MESSAGES), story, object);
}

/// A conversation of Primus: every answer is JSON.
pub fn primus(story: &[u8]) {
    let json = |reaction: &Reaction| match reaction {
        Reaction::Send(text) => assert!(is_json(text), "{text:?}"),
        other => assert!(!matches!(other, Reaction::SendBinary(_))),
    };
    let limits = Limits::default();
    let terms = primus::Terms {
        event: EventName::unnamed(),
        channel: ChannelName::parse("chat", &limits).ok(),
        bare: true,
        ping: Duration::from_secs(30),
        limits,
        bad_messages: BAD_MESSAGES,
    };
    converse(&primus::Primus::new(terms), story, json);
}

/// A conversation over Socket.IO 4: answers are packets with all of their attachments.
pub fn socketio4(story: &[u8]) {
    socketio(Version::V4, story);
}

/// A conversation over Socket.IO 5, with connection state recovery: answers are packets with all of their attachments.
pub fn socketio5(story: &[u8]) {
    socketio(Version::V5, story);
}

fn socketio(version: Version, story: &[u8]) {
    let terms = Terms {
        version,
        recovery: true,
        limits: Limits::default(),
        message_bytes: 1_000_000,
        bad_messages: BAD_MESSAGES,
    };
    let mut client = Assembler::new(version, usize::MAX);
    converse(&SocketIo::new(terms, Turted::new), story, |reaction| match reaction {
        Reaction::Send(text) => drop(client.text(from_utf8(text).unwrap()).expect("a packet")),
        Reaction::SendBinary(data) => drop(client.binary(data).expect("an attachment that was announced")),
        _ => {}
    });
}

/// Plays the lines of a story in the words of `tests/transcripts`; a line without such a word is a message. Whoever is
/// sent away comes back.
fn converse(protocol: &dyn Protocol, story: &[u8], check: impl FnMut(&Reaction)) {
    converse_within(GROWTH, protocol, story, check);
}

/// A conversation whose answers take `growth` bytes for each that was said, at most, besides [`WORDS`].
fn converse_within(growth: usize, protocol: &dyn Protocol, story: &[u8], mut check: impl FnMut(&Reaction)) {
    let mut conversation = open(protocol, &mut check);
    for line in story.split(|byte| *byte == b'\n') {
        let (mut out, mut room) = (Vec::new(), growth * line.len() + WORDS);
        if let Some(body) = line.strip_prefix(b"push ") {
            out.extend(event(protocol, body).map(Reaction::Send));
        } else if let Some(digits) = line.strip_prefix(b"C# ") {
            let data = hex::decode(digits).unwrap_or_else(|_| digits.to_vec());
            // Attachments wait for the last of them, and an echo may have to send all of them twice.
            room += GROWTH * story.len();
            conversation.receive_binary(data.into(), &mut out);
        } else if let Some(text) = line.strip_prefix(b"hasty ") {
            let text = String::from_utf8_lossy(text);
            conversation.refuse(&text, &Rejection::TooFast(100), &mut out);
        } else if line == b"woken" {
            conversation.wake(&mut out);
        } else {
            let text = String::from_utf8_lossy(line.strip_prefix(b"C: ").unwrap_or(line));
            conversation.receive(&text, &mut out);
        }
        let ending = answer(&mut *conversation, &mut out, |reaction| {
            check(reaction);
            if let Reaction::Send(data) | Reaction::SendBinary(data) = reaction {
                room = room
                    .checked_sub(data.len())
                    .expect("an answer grows beyond what was said");
            }
        });
        if let Some(ending) = ending {
            conversation.farewell(ending, &mut out);
            out.iter().for_each(&mut check);
            conversation = open(protocol, &mut check);
        }
    }
    let mut out = Vec::new();
    conversation.farewell(Ending::GoingAway, &mut out);
    out.iter().for_each(check);
}

/// Does what a conversation asks for: first everything for the wire, then what the client wants. Why the connection
/// ends, if it does.
fn answer(
    conversation: &mut dyn Conversation,
    out: &mut Vec<Reaction>,
    mut check: impl FnMut(&Reaction),
) -> Option<Ending> {
    while !out.is_empty() {
        let mut wishes = Vec::new();
        for reaction in out.drain(..) {
            check(&reaction);
            match reaction {
                Reaction::Close(ending) => return Some(ending),
                Reaction::Want(intent, tag) => wishes.push((intent, tag)),
                _ => {}
            }
        }
        for (intent, tag) in wishes {
            if let Some(notice) = grant(intent) {
                conversation.notify(&notice, &tag, out);
            }
        }
    }
    None
}

fn open(protocol: &dyn Protocol, check: impl FnMut(&Reaction)) -> Box<dyn Conversation> {
    let (mut conversation, mut out) = (protocol.open(), Vec::new());
    let welcome = Welcome {
        connection: "CONNECTION".into(),
        resume: "TOKEN".into(),
        window: 120,
        ping: 25,
    };
    conversation.welcome(&welcome, &mut out);
    out.iter().for_each(check);
    conversation
}

/// What a server answers that believes everybody, and remembers nobody's past but a few.
fn grant(intent: Intent) -> Option<Notice> {
    Some(match intent {
        Intent::Ident { claimed: None, .. } => Notice::Rejected(Rejection::MissingField("data.username")),
        Intent::Ident { data, .. } if data.get("password").is_some() => Notice::Rejected(Rejection::IdentDenied(None)),
        Intent::Ident {
            claimed: Some(user), ..
        } => Notice::Identified(Some(user), Vec::new()),
        Intent::Join(channel) => Notice::Joined(channel),
        Intent::Leave(channel) if channel.as_str().len() > 5 => Notice::Rejected(Rejection::NotJoined(channel)),
        Intent::Leave(channel) => Notice::Left(channel),
        Intent::Resume { token, last } => Notice::Resumed {
            connection: "CONNECTION".into(),
            recovered: &*token == "TOKEN",
            expired: false,
            replayed: 0,
            since: last.filter(|_| &*token != "TOKEN"),
        },
        _ => return None,
    })
}

fn event(protocol: &dyn Protocol, body: &[u8]) -> Option<Bytes> {
    let Ok(Body::One(push)) = envelope::parse(body, &Limits::default()) else {
        return None;
    };
    let dispatch = push.dispatch;
    Some(protocol.encode_event(&Delivery {
        id: &Epoch::new("EPOCH").id(1),
        event: &dispatch.event,
        payload: &dispatch.payload,
        via: dispatch.targets.first()?,
        from: None,
    }))
}

/// A Socket.IO packet of either version. Its head and its JSON, written and read again, are the same.
pub fn socketio_packet(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    for version in [Version::V4, Version::V5] {
        let Ok(packet) = socketio::packet::Packet::read(text, version) else {
            continue;
        };
        let json = packet.data.map_or("", RawValue::get);
        let written = packet.head.write(json.as_bytes());
        assert!(written.len() <= text.len() + 1);
        let again = socketio::packet::Packet::read(from_utf8(&written).unwrap(), version).unwrap();
        assert_eq!((again.head, again.data.map_or("", RawValue::get)), (packet.head, json));
        if let Some(event) = packet.event() {
            let arguments = format!("[{}]", event.arguments);
            let arguments: Vec<&RawValue> = serde_json::from_str(&arguments).unwrap();
            let all: Vec<&RawValue> = serde_json::from_str(json).unwrap();
            assert_eq!(arguments.len() + 1, all.len());
            let first = event.first_argument().map(RawValue::get);
            assert_eq!(first, all.get(1).map(|argument| argument.get()));
        }
    }
}

/// An Engine.IO packet of either protocol, from a text and from a binary message. Written and read again it is the
/// same.
pub fn engineio_packet(data: &[u8]) {
    for version in [Eio::V3, Eio::V4] {
        let text = from_utf8(data).ok().map(|text| Packet::from_text(text, version));
        let binary = Packet::from_binary(Bytes::copy_from_slice(data), version);
        for packet in text.into_iter().chain([binary]).flatten() {
            let bytes = bytes_of(&packet);
            for base64 in [false, true] {
                let encoding = Encoding::Unknown;
                let speaker = Speaker {
                    version,
                    base64,
                    encoding,
                };
                let again = match record(&packet, &bytes).message(speaker) {
                    Wrapped::Text(text) => Packet::from_text(String::from_utf8(text.into_owned()).unwrap(), version),
                    Wrapped::Binary(data) => Packet::from_binary(data.into_owned().into(), version),
                };
                assert_eq!(again.as_ref(), Ok(&packet));
            }
        }
    }
}

/// The bytes that a [`record`] of this packet borrows.
fn bytes_of(packet: &Packet<'_>) -> Vec<u8> {
    match packet {
        Packet::Text { kind, data } => [&[kind.digit()], data.as_bytes()].concat(),
        Packet::Binary(data) => data.to_vec(),
    }
}

fn record<'a>(packet: &Packet<'_>, bytes: &'a [u8]) -> Record<'a> {
    match packet {
        Packet::Text { .. } => Record::Text(bytes),
        Packet::Binary(_) => Record::Binary(bytes),
    }
}

/// A body of polling, of both protocols; the first byte says who posts it and how. Its packets, written and read again,
/// are the same, but for what protocol 3 has to escape.
pub fn engineio_payload(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let version = if choice & 1 == 0 { Eio::V4 } else { Eio::V3 };
    let format = if choice & 2 == 0 {
        payload::Format::Text
    } else {
        payload::Format::Octets
    };
    let known = [Encoding::Unknown, Encoding::Once, Encoding::Twice];
    let speaker = Speaker {
        version,
        base64: choice & 4 != 0,
        encoding: known[usize::from(choice >> 3) % known.len()],
    };
    let body = Bytes::copy_from_slice(body);
    let Ok(post) = payload::decode(&body, format, speaker) else {
        return;
    };
    let packets = post.packets;
    assert!((1..=payload::MAX_PACKETS).contains(&packets.len()));
    let bytes: Vec<Vec<u8>> = packets.iter().map(bytes_of).collect();
    let records = packets.iter().zip(&bytes).map(|(packet, bytes)| record(packet, bytes));
    let speaker = Speaker {
        encoding: post.encoding,
        ..speaker
    };
    let answer = payload::encode(records, speaker);
    // A character of two bytes may have to become an escape of six, and `4` a record of three or four bytes.
    assert!(
        answer.bytes.len() <= 4 * body.len() + 16,
        "{} of {}",
        answer.bytes.len(),
        body.len()
    );
    let again = payload::decode(&answer.bytes, answer.format, speaker).expect("what was written can be read");
    assert_eq!(again.packets.len(), packets.len());
    let stays = |bytes: &[u8], packet: &Packet<'_>| {
        matches!(packet, Packet::Binary(_)) || bytes.is_ascii() || version == Eio::V4 || !speaker.base64
    };
    for ((before, after), bytes) in packets.iter().zip(&again.packets).zip(&bytes) {
        assert!(before == after || !stays(bytes, before), "{before:?} became {after:?}");
    }
}

/// A form of a script-tag client, and a payload on the way to one: it cannot leave the string in its script.
pub fn jsonp(data: &[u8]) {
    if let Ok(payload) = jsonp::field(data) {
        assert!(payload.len() <= data.len());
    }
    let script = jsonp::wrap(jsonp::Index::parse("3").unwrap(), data);
    let script = from_utf8(&script).unwrap();
    let literal = script
        .strip_prefix("___eio[3](")
        .and_then(|rest| rest.strip_suffix(");"));
    let meant: String = serde_json::from_str(literal.unwrap()).unwrap();
    assert_eq!(meant, String::from_utf8_lossy(data));
    assert!(!script.contains(['<', '\n', '\u{2028}', '\u{2029}']));
}

/// A field of an urlencoded form. What it means, encoded and read again, is the same.
pub fn urlencoded(form: &[u8]) {
    let Some(value) = form::field(form, b"d=") else {
        return;
    };
    assert!(value.len() + 2 <= form.len());
    let mut encoded = String::from("a=b&d=");
    for byte in &value {
        write!(encoded, "%{byte:02x}").unwrap();
    }
    assert_eq!(form::field(encoded.as_bytes(), b"d="), Some(value));
}

/// What SockJS clients send. The messages, put into a frame and read again, are the same, and no transport lets them
/// out of it.
pub fn sockjs_incoming(data: &[u8]) {
    let field = incoming::form_field(data);
    let frame = from_utf8(data)
        .map(incoming::frame)
        .unwrap_or(Err(incoming::Unreadable::Broken));
    for messages in [incoming::array(data), incoming::array(&field), frame]
        .into_iter()
        .flatten()
    {
        assert!(messages.iter().map(String::len).sum::<usize>() <= data.len());
        let frames: Vec<String> = messages.iter().map(|text| sockjs::message(text)).collect();
        let Some(merged) = sockjs::merge(frames.iter().map(String::as_str)) else {
            continue;
        };
        assert_eq!(incoming::array(&merged.as_bytes()[1..]), Ok(messages));
        let wrapped = |form: sockjs::Form| String::from_utf8(form.wrap(&merged).to_vec()).unwrap();
        assert_eq!(wrapped(sockjs::Form::Xhr).matches(['\r', '\n']).count(), 1);
        assert_eq!(wrapped(sockjs::Form::EventSource).matches(['\r', '\n']).count(), 4);
        assert_eq!(wrapped(sockjs::Form::HtmlFile("f".into())).matches('<').count(), 2);
        assert_eq!(wrapped(sockjs::Form::Jsonp("f".into())).matches('<').count(), 0);
    }
}

/// The part of a URL behind the prefix of a SockJS service.
pub fn sockjs_path(data: &[u8]) {
    let Ok(rest) = from_utf8(data) else { return };
    let Some(path) = Path::parse(rest) else { return };
    assert!(!path.methods().is_empty());
    if let Path::Session(session, _) = path {
        assert!(!session.is_empty() && !session.contains(['/', '.']));
    }
}
