//! One Engine.IO packet, of protocol 3 or 4.
//!
//! In: a WebSocket message or one item of a polling payload; a record that is to go out. Out: a [`Packet`], or which
//! rule was broken; a WebSocket message. It refuses to know sessions, timers, and what the data of a message says.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

/// Standard base64, written with padding and read with or without it.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The protocol that a client speaks: `EIO` in its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eio {
    /// engine.io-client 1.x to 3.x, which Socket.IO 1.x and 2.x use.
    V3,
    /// engine.io-client 4.x and later, which Socket.IO 3.x and 4.x use.
    V4,
}

impl Eio {
    /// Reads the parameter `EIO`. Every client sends it, so that a missing one is none of these versions.
    #[must_use]
    pub fn parse(eio: Option<&str>) -> Option<Self> {
        match eio {
            Some("3") => Some(Self::V3),
            Some("4") => Some(Self::V4),
            _ => None,
        }
    }
}

/// What decides how packets are written for one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speaker {
    /// Its protocol.
    pub version: Eio,
    /// It takes nothing but text: `b64=1` in its query, or JSONP.
    pub base64: bool,
    /// What its earlier posts showed.
    pub encoding: Encoding,
}

/// How often a client without octet streams encodes its text as UTF-8. Nothing in a handshake tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// It has not sent any text yet that shows it.
    #[default]
    Unknown,
    /// As everybody does.
    Once,
    /// As engine.io-client 1.x does.
    Twice,
}

/// What a packet is for. The order is that of the type numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first packet of a session: its id and times.
    Open,
    /// The session is over.
    Close,
    /// A sign of life that asks for a [`Pong`](Kind::Pong).
    Ping,
    /// The answer to a [`Ping`](Kind::Ping), with the same data.
    Pong,
    /// Data of the layer above.
    Message,
    /// From now on the client uses this transport.
    Upgrade,
    /// Nothing; it ends a waiting poll.
    Noop,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Open,
        Self::Close,
        Self::Ping,
        Self::Pong,
        Self::Message,
        Self::Upgrade,
        Self::Noop,
    ];

    /// Its ASCII digit, with which the text of a packet begins.
    #[must_use]
    pub const fn digit(self) -> u8 {
        b'0' + self as u8
    }

    fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// One packet that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Everything but a binary message.
    Text {
        /// Its type.
        kind: Kind,
        /// What follows the type; empty for most kinds.
        data: Cow<'a, str>,
    },
    /// A message of bytes, without any prefix.
    Binary(Bytes),
}

/// Why something is no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Not even a type.
    #[error("a packet is empty")]
    Empty,
    /// Types are 0 to 6.
    #[error("a packet has an unknown type")]
    UnknownType,
    /// Of all types only messages have a binary form.
    #[error("a binary packet is not a message")]
    BinaryKind,
    /// A `b` that is not followed by base64.
    #[error("a binary packet is not base64")]
    NotBase64,
}

impl<'a> Packet<'a> {
    /// Reads a text message of a WebSocket, or a text item of a polling payload.
    ///
    /// # Errors
    /// When the text does not begin with a type, or with `b` and base64.
    pub fn from_text(text: impl Into<Cow<'a, str>>, version: Eio) -> Result<Self, PacketError> {
        let text = text.into();
        let first = *text.as_bytes().first().ok_or(PacketError::Empty)?;
        if first == b'b' {
            return from_base64(&text[1..], version);
        }
        let kind = Kind::numbered(first.wrapping_sub(b'0')).ok_or(PacketError::UnknownType)?;
        let data = match text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[1..]),
            Cow::Owned(mut text) => {
                text.remove(0);
                Cow::Owned(text)
            }
        };
        Ok(Self::Text { kind, data })
    }

    /// Reads a binary message of a WebSocket, or a binary item of an octet stream. Protocol 3 begins it with the number
    /// of the type, as a byte.
    ///
    /// # Errors
    /// Only of version 3: when that byte is missing or not the one of a message.
    pub fn from_binary(bytes: Bytes, version: Eio) -> Result<Self, PacketError> {
        if version == Eio::V4 {
            return Ok(Self::Binary(bytes));
        }
        match Kind::numbered(*bytes.first().ok_or(PacketError::Empty)?) {
            Some(Kind::Message) => Ok(Self::Binary(bytes.slice(1..))),
            Some(_) => Err(PacketError::BinaryKind),
            None => Err(PacketError::UnknownType),
        }
    }
}

/// What follows the `b`: version 3 repeats the type there.
fn from_base64<'a>(text: &str, version: Eio) -> Result<Packet<'a>, PacketError> {
    let data = match (version, text.as_bytes()) {
        (Eio::V4, data) => data,
        (Eio::V3, []) => return Err(PacketError::Empty),
        (Eio::V3, [digit, data @ ..]) => match Kind::numbered(digit.wrapping_sub(b'0')) {
            Some(Kind::Message) => data,
            Some(_) => return Err(PacketError::BinaryKind),
            None => return Err(PacketError::UnknownType),
        },
    };
    let data = BASE64.decode(data).map_err(|_| PacketError::NotBase64)?;
    Ok(Packet::Binary(data.into()))
}

/// One packet that is to go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// The complete text of a packet, UTF-8, such as `4hello` or `2`.
    Text(&'a [u8]),
    /// The data of a binary message.
    Binary(&'a [u8]),
}

/// One WebSocket message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrapped<'a> {
    /// A text message.
    Text(Cow<'a, [u8]>),
    /// A binary message.
    Binary(Cow<'a, [u8]>),
}

impl<'a> Record<'a> {
    /// The WebSocket message that carries it. Text is never copied.
    #[must_use]
    pub fn message(self, speaker: Speaker) -> Wrapped<'a> {
        match self {
            Self::Text(text) => Wrapped::Text(text.into()),
            Self::Binary(data) if speaker.base64 => {
                let mut text = Vec::new();
                push_base64(data, speaker.version, &mut text);
                Wrapped::Text(text.into())
            }
            Self::Binary(data) => Wrapped::Binary(match speaker.version {
                Eio::V3 => [&[Kind::Message as u8], data].concat().into(),
                Eio::V4 => data.into(),
            }),
        }
    }
}

/// Appends a binary message in its text form.
pub(super) fn push_base64(data: &[u8], version: Eio, out: &mut Vec<u8>) {
    out.extend_from_slice(match version {
        Eio::V3 => b"b4",
        Eio::V4 => b"b",
    });
    out.extend_from_slice(BASE64.encode(data).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const V3: Eio = Eio::V3;
    const V4: Eio = Eio::V4;

    fn speaker(version: Eio, base64: bool) -> Speaker {
        Speaker {
            version,
            base64,
            encoding: Encoding::Unknown,
        }
    }

    fn text(kind: Kind, data: &str) -> Packet<'_> {
        Packet::Text {
            kind,
            data: data.into(),
        }
    }

    /// What a client makes of a message that we have written is what we make of it.
    fn read(message: Wrapped<'_>, version: Eio) -> Packet<'static> {
        match message {
            Wrapped::Text(text) => {
                let text = String::from_utf8(text.into_owned()).unwrap();
                Packet::from_text(text, version).unwrap()
            }
            Wrapped::Binary(bytes) => Packet::from_binary(bytes.into_owned().into(), version).unwrap(),
        }
    }

    #[test]
    fn only_the_two_versions_are_known() {
        assert_eq!(Eio::parse(Some("3")), Some(V3));
        assert_eq!(Eio::parse(Some("4")), Some(V4));
        for other in [
            None,
            Some(""),
            Some("2"),
            Some("5"),
            Some("04"),
            Some("4 "),
            Some("abc"),
        ] {
            assert_eq!(Eio::parse(other), None, "{other:?}");
        }
    }

    #[test]
    fn text_begins_with_its_type() {
        for version in [V3, V4] {
            let read = |text| Packet::from_text(text, version);
            assert_eq!(read("0{\"sid\":\"x\"}"), Ok(text(Kind::Open, "{\"sid\":\"x\"}")));
            assert_eq!(read("1"), Ok(text(Kind::Close, "")));
            assert_eq!(read("2probe"), Ok(text(Kind::Ping, "probe")));
            assert_eq!(read("3"), Ok(text(Kind::Pong, "")));
            assert_eq!(read("4€"), Ok(text(Kind::Message, "€")));
            assert_eq!(read("5"), Ok(text(Kind::Upgrade, "")));
            assert_eq!(read("6"), Ok(text(Kind::Noop, "")));
            assert_eq!(read(""), Err(PacketError::Empty));
            for unknown in ["7", "9", "/", ":", "a", "é", "\0", " 4"] {
                assert_eq!(read(unknown), Err(PacketError::UnknownType), "{unknown:?}");
            }
        }
    }

    #[test]
    fn each_digit_is_the_number_of_its_kind() {
        for (number, kind) in (0..).zip(Kind::ALL) {
            assert_eq!(kind.digit(), b'0' + number);
            assert_eq!(Kind::numbered(number), Some(kind));
        }
        assert_eq!(Kind::numbered(7), None);
    }

    #[test]
    fn version_4_sends_bytes_as_they_are() {
        let bytes = Record::Binary(&[1, 2, 3, 4]);
        assert_eq!(
            bytes.message(speaker(V4, false)),
            Wrapped::Binary([1, 2, 3, 4][..].into())
        );
        assert_eq!(bytes.message(speaker(V4, true)), Wrapped::Text(b"bAQIDBA=="[..].into()));
        assert_eq!(
            Packet::from_binary(Bytes::new(), V4),
            Ok(Packet::Binary(Bytes::new())),
            "an empty message is one"
        );
    }

    #[test]
    fn version_3_puts_the_type_before_bytes() {
        let bytes = Record::Binary(&[1, 2, 3, 4]);
        assert_eq!(
            bytes.message(speaker(V3, false)),
            Wrapped::Binary([4, 1, 2, 3, 4][..].into())
        );
        assert_eq!(
            bytes.message(speaker(V3, true)),
            Wrapped::Text(b"b4AQIDBA=="[..].into())
        );

        let read = |bytes: &'static [u8]| Packet::from_binary(Bytes::from_static(bytes), V3);
        assert_eq!(read(&[4]), Ok(Packet::Binary(Bytes::new())));
        assert_eq!(read(&[]), Err(PacketError::Empty));
        assert_eq!(read(&[2, 1]), Err(PacketError::BinaryKind));
        assert_eq!(read(b"4x"), Err(PacketError::UnknownType));
    }

    #[test]
    fn base64_may_lack_its_padding_but_must_be_base64() {
        let four = Ok(Packet::Binary(Bytes::from_static(&[1, 2, 3, 4])));
        for (text, version) in [("bAQIDBA==", V4), ("bAQIDBA", V4), ("b4AQIDBA==", V3), ("b4AQIDBA", V3)] {
            assert_eq!(Packet::from_text(text, version), four, "{text}");
        }
        assert_eq!(Packet::from_text("b", V4), Ok(Packet::Binary(Bytes::new())));
        for bad in ["b?", "bA", "bAQID BA==", "bé", "bAQ==AQ=="] {
            assert_eq!(Packet::from_text(bad, V4), Err(PacketError::NotBase64), "{bad}");
        }
        assert_eq!(Packet::from_text("b", V3), Err(PacketError::Empty));
        assert_eq!(Packet::from_text("b2AQ==", V3), Err(PacketError::BinaryKind));
        assert_eq!(Packet::from_text("bé", V3), Err(PacketError::UnknownType));
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(data: Vec<u8>, words in ".*", v3: bool, base64: bool) {
            let version = if v3 { V3 } else { V4 };
            let speaker = speaker(version, base64);
            let binary = read(Record::Binary(&data).message(speaker), version);
            prop_assert_eq!(binary, Packet::Binary(data.into()));
            let packet = format!("4{words}");
            let message = read(Record::Text(packet.as_bytes()).message(speaker), version);
            prop_assert_eq!(message, text(Kind::Message, &words));
        }

        #[test]
        fn no_message_panics(words in ".*", data: Vec<u8>) {
            for version in [V3, V4] {
                let _ = Packet::from_text(words.as_str(), version);
                let _ = Packet::from_text(format!("b{words}"), version);
                let _ = Packet::from_binary(data.clone().into(), version);
            }
        }
    }
}
