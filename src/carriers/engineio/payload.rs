//! The bodies of polling: several packets in one request or response, of protocol 3 or 4.
//!
//! In: the body of a POST with its content type; records for the answer to a GET. Out: packets, or which rule was
//! broken; a body with its content type. It refuses to know requests, sessions, and how large a body may be: whoever
//! reads it has bounded it. Protocol 3 is written out in `payload_v3`, the wrapping for script tags in `jsonp`.

use bytes::Bytes;

use super::packet::{Eio, Encoding, Packet, PacketError, Record, Speaker, push_base64};
use super::payload_v3;

/// Most packets in one body. Each costs memory of its own, and two bytes of a body are enough for one.
pub const MAX_PACKETS: usize = 1024;

/// Between two packets of version 4. JSON never holds it unescaped.
const SEPARATOR: u8 = 0x1e;

/// How a body is written; it travels as the content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text, UTF-8.
    Text,
    /// The octet stream of version 3.
    Octets,
}

impl Format {
    /// What a request's `Content-Type` says; parameters do not matter, and whatever is not an octet stream is text.
    #[must_use]
    pub fn of(content_type: Option<&str>) -> Self {
        let media = content_type.and_then(|value| value.split(';').next()).map(str::trim);
        if media.is_some_and(|media| media.eq_ignore_ascii_case("application/octet-stream")) {
            Self::Octets
        } else {
            Self::Text
        }
    }

    /// The `Content-Type` of a response. Clients of version 3 compare it literally.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=UTF-8",
            Self::Octets => "application/octet-stream",
        }
    }
}

/// What a client has posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post<'a> {
    /// Its packets, at least one.
    pub packets: Vec<Packet<'a>>,
    /// What its text shows, for [`Speaker::encoding`] from now on.
    pub encoding: Encoding,
}

/// Why a body is no payload. Each of these ends the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Nothing was posted.
    #[error("the payload is empty")]
    Empty,
    /// More than [`MAX_PACKETS`].
    #[error("the payload holds more than {MAX_PACKETS} packets")]
    TooManyPackets,
    /// Text must be UTF-8.
    #[error("the payload is not UTF-8")]
    NotUtf8,
    /// Protocol 4 knows no octet streams.
    #[error("a payload of this version must be text")]
    OctetsRefused,
    /// A length of version 3 is missing, not a number, too long, or ends within a character.
    #[error("the payload holds a bad length")]
    BadLength,
    /// A packet of an octet stream is neither text nor binary.
    #[error("the payload holds neither text nor binary")]
    BadMark,
    /// A length of version 3 leads beyond the end.
    #[error("the payload ends within a packet")]
    Truncated,
    /// An item is no packet.
    #[error(transparent)]
    Packet(#[from] PacketError),
}

/// Reads the body of a POST. With JSONP it is the text from [`jsonp::field`](super::jsonp::field).
///
/// # Errors
/// When anything in it is wrong: a payload is taken as a whole or not at all.
pub fn decode(body: &Bytes, format: Format, speaker: Speaker) -> Result<Post<'_>, PayloadError> {
    if body.is_empty() {
        return Err(PayloadError::Empty);
    }
    match (speaker.version, format) {
        (Eio::V4, Format::Text) => decode_v4(body),
        (Eio::V4, Format::Octets) => Err(PayloadError::OctetsRefused),
        // A client of 1.x that can send octets always does, so that its text reaches us encoded once.
        (Eio::V3, Format::Text) => payload_v3::decode_text(text(body)?, speaker),
        (Eio::V3, Format::Octets) => payload_v3::decode_octets(body),
    }
}

fn decode_v4(body: &[u8]) -> Result<Post<'_>, PayloadError> {
    let mut packets = Vec::new();
    for item in text(body)?.split(char::from(SEPARATOR)) {
        push(Packet::from_text(item, Eio::V4)?, &mut packets)?;
    }
    Ok(Post {
        packets,
        encoding: Encoding::Once,
    })
}

/// Adds one more, if there may be one more.
pub(super) fn push<'a>(packet: Packet<'a>, packets: &mut Vec<Packet<'a>>) -> Result<(), PayloadError> {
    if packets.len() == MAX_PACKETS {
        return Err(PayloadError::TooManyPackets);
    }
    packets.push(packet);
    Ok(())
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, PayloadError> {
    std::str::from_utf8(bytes).map_err(|_| PayloadError::NotUtf8)
}

/// The body of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Its bytes.
    pub bytes: Bytes,
    /// How they are to be read.
    pub format: Format,
}

/// Writes the answer to a GET: all `records`, in order. Protocol 3 chooses the format by what is in them, and is always
/// [`Format::Text`] for a speaker of base64.
#[must_use]
pub fn encode<'a>(records: impl Iterator<Item = Record<'a>> + Clone, speaker: Speaker) -> Body {
    let octets = speaker.version == Eio::V3 && !speaker.base64 && records.clone().any(needs_octets);
    let format = if octets { Format::Octets } else { Format::Text };
    let mut out = Vec::with_capacity(records.clone().map(room).sum());
    for record in records {
        match (speaker.version, format) {
            (Eio::V4, _) => push_v4(record, &mut out),
            (Eio::V3, Format::Text) => payload_v3::push_text(record, speaker.encoding, &mut out),
            (Eio::V3, Format::Octets) => payload_v3::push_octets(record, &mut out),
        }
    }
    Body {
        bytes: out.into(),
        format,
    }
}

/// Every client reads text beyond ASCII alike from octets; from text those of 1.x read it otherwise than those of 3.x.
fn needs_octets(record: Record<'_>) -> bool {
    match record {
        Record::Text(text) => !text.is_ascii(),
        Record::Binary(_) => true,
    }
}

/// About how many bytes a record takes with its length or separator.
fn room(record: Record<'_>) -> usize {
    match record {
        Record::Text(text) => text.len() + 8,
        Record::Binary(data) => data.len().div_ceil(3) * 4 + 12,
    }
}

fn push_v4(record: Record<'_>, out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(SEPARATOR);
    }
    match record {
        Record::Text(text) => out.extend_from_slice(text),
        Record::Binary(data) => push_base64(data, Eio::V4, out),
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::Kind;
    use super::*;
    use proptest::prelude::*;

    const V4: Speaker = Speaker {
        version: Eio::V4,
        base64: false,
        encoding: Encoding::Unknown,
    };
    const V3: Speaker = Speaker { version: Eio::V3, ..V4 };

    fn decoded(body: impl AsRef<[u8]>, format: Format, speaker: Speaker) -> Result<Vec<Packet<'static>>, PayloadError> {
        let body = Bytes::copy_from_slice(body.as_ref());
        let post = decode(&body, format, speaker)?;
        Ok(post.packets.into_iter().map(owned).collect())
    }

    fn owned(packet: Packet<'_>) -> Packet<'static> {
        match packet {
            Packet::Text { kind, data } => Packet::Text {
                kind,
                data: data.into_owned().into(),
            },
            Packet::Binary(data) => Packet::Binary(data),
        }
    }

    fn message(data: &str) -> Packet<'_> {
        Packet::Text {
            kind: Kind::Message,
            data: data.into(),
        }
    }

    #[test]
    fn version_4_joins_packets_with_a_separator() {
        let records = [Record::Text(b"4hello"), Record::Binary(&[1, 2, 3, 4])];
        let body = encode(records.iter().copied(), V4);
        assert_eq!(&body.bytes[..], b"4hello\x1ebAQIDBA==");
        assert_eq!(body.format.content_type(), "text/plain; charset=UTF-8");

        let binary = Packet::Binary(Bytes::from_static(&[1, 2, 3, 4]));
        assert_eq!(
            decoded(&body.bytes, Format::Text, V4),
            Ok(vec![message("hello"), binary])
        );
        assert_eq!(decoded("4€😀", Format::Text, V4), Ok(vec![message("€😀")]));
        let lone = encode([Record::Text("4€".as_bytes())].into_iter(), V4);
        assert_eq!((&lone.bytes[..], lone.format), ("4€".as_bytes(), Format::Text));
    }

    #[test]
    fn version_4_refuses_what_ends_the_session() {
        for (body, error) in [
            (&b""[..], PayloadError::Empty),
            (b"4a\x1e", PayloadError::Packet(PacketError::Empty)),
            (b"\x1e4a", PayloadError::Packet(PacketError::Empty)),
            (b"4a\x1e\x1e4b", PayloadError::Packet(PacketError::Empty)),
            (b"abc", PayloadError::Packet(PacketError::UnknownType)),
            (b"4a\x1eb?", PayloadError::Packet(PacketError::NotBase64)),
            (b"4\xff", PayloadError::NotUtf8),
        ] {
            assert_eq!(decoded(body, Format::Text, V4), Err(error), "{body:?}");
        }
        assert_eq!(
            decoded([0, 1, 255, 52], Format::Octets, V4),
            Err(PayloadError::OctetsRefused)
        );
    }

    #[test]
    fn a_body_holds_a_bounded_number_of_packets() {
        for (speaker, format, packet, separator) in [
            (V4, Format::Text, &b"2"[..], &b"\x1e"[..]),
            (V3, Format::Text, b"1:2", b""),
            (V3, Format::Octets, b"\x00\x01\xff2", b""),
        ] {
            let many = |count| vec![packet; count].join(separator);
            assert_eq!(decoded(many(MAX_PACKETS), format, speaker).unwrap().len(), MAX_PACKETS);
            assert_eq!(
                decoded(many(MAX_PACKETS + 1), format, speaker),
                Err(PayloadError::TooManyPackets)
            );
        }
    }

    #[test]
    fn the_content_type_decides_how_a_body_is_read() {
        for octets in [
            "application/octet-stream",
            "Application/Octet-Stream; charset=UTF-8",
            " application/octet-stream ;",
        ] {
            assert_eq!(Format::of(Some(octets)), Format::Octets, "{octets}");
        }
        for text in [
            None,
            Some(""),
            Some("text/plain;charset=UTF-8"),
            Some("application/octet-streams"),
        ] {
            assert_eq!(Format::of(text), Format::Text, "{text:?}");
        }
    }

    #[test]
    fn version_3_uses_octets_where_text_is_read_in_two_ways() {
        let format = |records: &[Record<'_>], speaker| encode(records.iter().copied(), speaker).format;
        let [ascii, beyond, binary] = [
            Record::Text(b"4a"),
            Record::Text("4€".as_bytes()),
            Record::Binary(b"\x01"),
        ];
        assert_eq!(format(&[ascii, ascii], V3), Format::Text);
        assert_eq!(format(&[ascii, beyond], V3), Format::Octets);
        assert_eq!(format(&[binary, ascii], V3), Format::Octets);
        let old = Speaker { base64: true, ..V3 };
        assert_eq!(format(&[ascii, beyond, binary], old), Format::Text);
    }

    #[test]
    fn only_a_client_without_octets_may_have_encoded_twice() {
        let twice = Bytes::from_static(b"5:4\xc3\xa2\xc2\x82\xc2\xacx");
        let old = Speaker { base64: true, ..V3 };
        let post = decode(&twice, Format::Text, old).unwrap();
        assert_eq!((post.packets, post.encoding), (vec![message("€x")], Encoding::Twice));
        let post = decode(&twice, Format::Text, V3).unwrap();
        assert_eq!(
            (post.packets, post.encoding),
            (vec![message("\u{e2}\u{82}\u{ac}x")], Encoding::Once)
        );
    }

    fn any_peer() -> impl Strategy<Value = Speaker> {
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(v3, base64, legacy)| Speaker {
            version: if v3 { Eio::V3 } else { Eio::V4 },
            base64,
            // A client of 1.x is known as such only by text that it has encoded twice.
            encoding: if v3 && base64 && legacy {
                Encoding::Twice
            } else {
                Encoding::Unknown
            },
        })
    }

    proptest! {
        /// What is written for a client of 1.x is what it writes itself, so reading it must give the same.
        #[test]
        fn what_is_written_can_be_read(items in prop::collection::vec((any::<bool>(), "[^\x1e]*"), 1..20), speaker in any_peer()) {
            let texts: Vec<String> = items.iter().map(|(_, words)| format!("4{words}")).collect();
            let records: Vec<Record<'_>> = items.iter().zip(&texts).map(|((binary, words), text)| match binary {
                true => Record::Binary(words.as_bytes()),
                false => Record::Text(text.as_bytes()),
            }).collect();
            let expected: Vec<Packet<'_>> = items.iter().map(|(binary, words)| match binary {
                true => Packet::Binary(Bytes::copy_from_slice(words.as_bytes())),
                false => message(words),
            }).collect();
            let body = encode(records.into_iter(), speaker);
            let post = decode(&body.bytes, body.format, speaker).unwrap();
            // Escapes of JSON and text that looks as if encoded twice are met in `payload_v3` and `legacy_text`.
            let plain = items.iter().all(|(_, words)| words.is_ascii());
            if plain || !speaker.base64 || speaker.version == Eio::V4 {
                prop_assert_eq!(post.packets, expected);
            }
        }
    }

    #[test]
    fn no_body_panics() {
        let seeds: [&[u8]; 5] = [
            b"4hello\x1ebAQIDBA==\x1e2",
            b"6:4hello1:310:b4AQIDBA==",
            b"5:4\xc3\xa2\xc2\x82\xc2\xacx3:4\xf0\x9f\x98\x80",
            b"\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04",
            b"\x00\x01\x00\xff4123456789",
        ];
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..50_000 {
            let mut body = seeds[round % seeds.len()].to_vec();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(0..body.len());
                match random.u8(0..3) {
                    0 => body[at] = random.u8(..),
                    1 => body.truncate(at.max(1)),
                    _ => body.insert(at, *random.choice(b"0149:b\x00\x01\x09\x1e\xff\xc3=").unwrap()),
                }
            }
            let body = Bytes::from(body);
            for version in [Eio::V3, Eio::V4] {
                let speaker = Speaker {
                    version,
                    base64: random.bool(),
                    encoding: if random.bool() { Encoding::Twice } else { Encoding::Once },
                };
                let _ = decode(&body, Format::Text, speaker);
                let _ = decode(&body, Format::Octets, speaker);
                let records = [Record::Text(&body), Record::Binary(&body)];
                let _ = encode(records.into_iter(), speaker);
            }
        }
    }
}
