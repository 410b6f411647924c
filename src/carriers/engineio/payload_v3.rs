//! The two formats of polling bodies in Engine.IO 3.
//!
//! In: a body, or records one by one. Out: packets, or which rule was broken; bytes. Text is `<length in UTF-16
//! units>:<packet>`; octets are a mark (0 text, 1 binary), the length in bytes as one byte per decimal digit, 0xff, and
//! the packet. It refuses to know which of them is to be used.

use bytes::Bytes;

use super::legacy_text;
use super::packet::{Eio, Encoding, Packet, Record, Speaker, push_base64};
use super::payload::{PayloadError, Post, push, text};

/// Longest length, in digits: more than any body that is read.
const MAX_DIGITS: usize = 10;
const TEXT: u8 = 0;
const BINARY: u8 = 1;
const END_OF_LENGTH: u8 = 0xff;

/// Reads the text format. Second encodings are taken away where they are found, unless the client is known to encode
/// once or takes octets (then it would have sent octets).
pub fn decode_text(mut rest: &str, speaker: Speaker) -> Result<Post<'_>, PayloadError> {
    let mut packets = Vec::new();
    let mut encoding = if speaker.base64 {
        speaker.encoding
    } else {
        Encoding::Once
    };
    while !rest.is_empty() {
        let colon = rest.bytes().take(MAX_DIGITS + 1).position(|byte| byte == b':');
        let (digits, after) = rest.split_at(colon.ok_or(PayloadError::BadLength)?);
        let units = number(digits.bytes().map(|digit| digit.wrapping_sub(b'0')))?;
        let after = &after[1..];
        let item = prefix(after, units)?;
        rest = &after[item.len()..];
        let undone = (encoding != Encoding::Once).then(|| legacy_text::undo(item)).flatten();
        encoding = match encoding {
            Encoding::Unknown if undone.is_some() => Encoding::Twice,
            Encoding::Unknown if !item.is_ascii() => Encoding::Once,
            known => known,
        };
        let packet = match undone {
            Some(undone) => Packet::from_text(undone, Eio::V3)?,
            None => Packet::from_text(item, Eio::V3)?,
        };
        push(packet, &mut packets)?;
    }
    Ok(Post { packets, encoding })
}

/// The beginning of `text` that has exactly so many UTF-16 units.
fn prefix(text: &str, units: usize) -> Result<&str, PayloadError> {
    let mut left = units;
    for (at, c) in text.char_indices() {
        if left == 0 {
            return Ok(&text[..at]);
        }
        left = left.checked_sub(c.len_utf16()).ok_or(PayloadError::BadLength)?;
    }
    if left == 0 {
        Ok(text)
    } else {
        Err(PayloadError::Truncated)
    }
}

/// Reads the octet stream. Binary packets share the memory of `body`.
pub fn decode_octets(body: &Bytes) -> Result<Post<'_>, PayloadError> {
    let (mut packets, mut at) = (Vec::new(), 0);
    while let Some((mark, rest)) = body.get(at..).and_then(<[u8]>::split_first) {
        let digits = rest.iter().take(MAX_DIGITS + 1).position(|byte| *byte == END_OF_LENGTH);
        let digits = digits.ok_or(PayloadError::BadLength)?;
        let length = number(rest[..digits].iter().copied())?;
        let begin = at + 1 + digits + 1;
        let end = begin.checked_add(length).filter(|end| *end <= body.len());
        let end = end.ok_or(PayloadError::Truncated)?;
        let packet = match *mark {
            TEXT => Packet::from_text(text(&body[begin..end])?, Eio::V3)?,
            BINARY => Packet::from_binary(body.slice(begin..end), Eio::V3)?,
            _ => return Err(PayloadError::BadMark),
        };
        push(packet, &mut packets)?;
        at = end;
    }
    Ok(Post {
        packets,
        encoding: Encoding::Once,
    })
}

/// The number that decimal digits mean; there must be one, and at most [`MAX_DIGITS`] were looked for.
fn number(digits: impl ExactSizeIterator<Item = u8>) -> Result<usize, PayloadError> {
    if digits.len() == 0 {
        return Err(PayloadError::BadLength);
    }
    let number = digits.into_iter().try_fold(0_usize, |number, digit| match digit {
        0..=9 => number.checked_mul(10)?.checked_add(usize::from(digit)),
        _ => None,
    });
    number.ok_or(PayloadError::BadLength)
}

/// Appends a record in the text format. Text beyond ASCII goes out as ASCII if it is JSON; if not, as a client that is
/// known for it encodes it, else encoded once.
pub fn push_text(record: Record<'_>, encoding: Encoding, out: &mut Vec<u8>) {
    match record {
        Record::Text(text) if text.is_ascii() => push_units(text, out),
        Record::Text(text) => match legacy_text::escape(text) {
            Some(escaped) => push_units(escaped.as_bytes(), out),
            None if encoding == Encoding::Twice => push_units(legacy_text::double(text).as_bytes(), out),
            None => push_units(text, out),
        },
        Record::Binary(data) => {
            let mut packet = Vec::new();
            push_base64(data, Eio::V3, &mut packet);
            push_units(&packet, out);
        }
    }
}

fn push_units(text: &[u8], out: &mut Vec<u8>) {
    // In UTF-8 a character begins with any byte but 10xxxxxx, and takes two units if it begins with 11110xxx.
    let units: usize = text
        .iter()
        .map(|byte| usize::from(byte & 0xc0 != 0x80) + usize::from(*byte >= 0xf0))
        .sum();
    out.extend_from_slice(units.to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(text);
}

/// Appends a record to an octet stream.
pub fn push_octets(record: Record<'_>, out: &mut Vec<u8>) {
    let (mark, kind, data): (_, &[u8], _) = match record {
        Record::Text(text) => (TEXT, &[], text),
        Record::Binary(data) => (BINARY, &[4], data),
    };
    out.push(mark);
    let length = kind.len() + data.len();
    out.extend(length.to_string().bytes().map(|digit| digit - b'0'));
    out.push(END_OF_LENGTH);
    out.extend_from_slice(kind);
    out.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use super::super::packet::{Kind, PacketError};
    use super::*;

    /// Takes only text, and nothing is known of it.
    const OLD: Speaker = Speaker {
        version: Eio::V3,
        base64: true,
        encoding: Encoding::Unknown,
    };

    fn message(data: &str) -> Packet<'_> {
        Packet::Text {
            kind: Kind::Message,
            data: data.into(),
        }
    }

    fn binary(data: &'static [u8]) -> Packet<'static> {
        Packet::Binary(Bytes::from_static(data))
    }

    fn texts(records: &[Record<'_>], encoding: Encoding) -> Vec<u8> {
        let mut out = Vec::new();
        records.iter().for_each(|record| push_text(*record, encoding, &mut out));
        out
    }

    fn octets(records: &[Record<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        records.iter().for_each(|record| push_octets(*record, &mut out));
        out
    }

    #[test]
    fn the_bytes_are_those_of_the_reference() {
        let cases: [(Record<'_>, Packet<'_>, &[u8], &[u8]); 4] = [
            (
                Record::Text(b"4hello"),
                message("hello"),
                b"6:4hello",
                b"\x00\x06\xff4hello",
            ),
            (
                Record::Text("4€".as_bytes()),
                message("€"),
                b"2:4\xe2\x82\xac",
                b"\x00\x04\xff4\xe2\x82\xac",
            ),
            (
                Record::Text("4😀".as_bytes()),
                message("😀"),
                b"3:4\xf0\x9f\x98\x80",
                b"\x00\x05\xff4\xf0\x9f\x98\x80",
            ),
            (
                Record::Binary(&[1, 2, 3, 4]),
                binary(&[1, 2, 3, 4]),
                b"10:b4AQIDBA==",
                b"\x01\x05\xff\x04\x01\x02\x03\x04",
            ),
        ];
        for (record, packet, as_text, as_octets) in cases {
            assert_eq!(texts(&[record], Encoding::Once), as_text);
            assert_eq!(octets(&[record]), as_octets);
            let body = std::str::from_utf8(as_text).unwrap();
            assert_eq!(decode_text(body, OLD).unwrap().packets, std::slice::from_ref(&packet));
            let body = Bytes::from_static(as_octets);
            assert_eq!(decode_octets(&body).unwrap().packets, [packet]);
        }
    }

    #[test]
    fn packets_follow_each_other_without_a_separator() {
        let records = [Record::Text(b"4hello"), Record::Text(b"3")];
        assert_eq!(texts(&records, Encoding::Once), b"6:4hello1:3");
        let post = decode_text("6:4hello1:3", OLD).unwrap();
        let pong = Packet::Text {
            kind: Kind::Pong,
            data: "".into(),
        };
        assert_eq!(post.packets, [message("hello"), pong]);
        assert_eq!(
            texts(&[Record::Text(b"6"), Record::Text(b"1")], Encoding::Once),
            b"1:61:1"
        );
        let open = [b"0".as_slice(), &[b'x'; 96]].concat();
        assert!(texts(&[Record::Text(&open), Record::Text(b"40")], Encoding::Once).ends_with(b"xx2:40"));
        assert_eq!(texts(&[Record::Text(&open)], Encoding::Once)[..4], *b"97:0");
    }

    #[test]
    fn a_length_of_several_digits_is_one_byte_each() {
        let long = [b"4".as_slice(), &[b'x'; 122]].concat();
        let body = octets(&[Record::Text(&long)]);
        assert_eq!(body[..6], [0, 1, 2, 3, 0xff, b'4']);
        assert_eq!(decode_octets(&body.into()).unwrap().packets.len(), 1);
    }

    #[test]
    fn a_second_encoding_is_found_and_undone() {
        let twice = "5:4\u{e2}\u{82}\u{ac}x";
        let post = decode_text(twice, OLD).unwrap();
        assert_eq!((post.packets, post.encoding), (vec![message("€x")], Encoding::Twice));
        let once = decode_text("3:4€x2:4é", OLD).unwrap();
        assert_eq!(
            (once.packets, once.encoding),
            (vec![message("€x"), message("é")], Encoding::Once)
        );
        let known = Speaker {
            encoding: Encoding::Once,
            ..OLD
        };
        let ambiguous = decode_text("3:4Ã¼", known).unwrap();
        assert_eq!(
            ambiguous.packets,
            vec![message("Ã¼")],
            "it has shown before that it encodes once"
        );
    }

    #[test]
    fn text_beyond_ascii_goes_out_so_that_both_lines_of_clients_read_it() {
        let json = "42[\"é😀\"]".as_bytes();
        for encoding in [Encoding::Once, Encoding::Twice] {
            assert_eq!(
                texts(&[Record::Text(json)], encoding),
                br#"24:42["\u00e9\ud83d\ude00"]"#
            );
        }
        let words = Record::Text("4€x".as_bytes());
        assert_eq!(texts(&[words], Encoding::Once), "3:4€x".as_bytes());
        assert_eq!(texts(&[words], Encoding::Twice), b"5:4\xc3\xa2\xc2\x82\xc2\xacx");
    }

    #[test]
    fn broken_text_is_refused() {
        for (body, error) in [
            ("4hello", PayloadError::BadLength),
            (":4", PayloadError::BadLength),
            ("-1:4", PayloadError::BadLength),
            ("+1:4", PayloadError::BadLength),
            ("1.0:4", PayloadError::BadLength),
            ("12345678901:4", PayloadError::BadLength),
            ("2:😀", PayloadError::Packet(PacketError::UnknownType)),
            ("2:4😀", PayloadError::BadLength),
            ("9:4hello", PayloadError::Truncated),
            ("9999999999:4", PayloadError::Truncated),
            ("0:", PayloadError::Packet(PacketError::Empty)),
            ("1:41", PayloadError::BadLength),
            ("1:7", PayloadError::Packet(PacketError::UnknownType)),
            ("2:b2", PayloadError::Packet(PacketError::BinaryKind)),
        ] {
            assert_eq!(decode_text(body, OLD).unwrap_err(), error, "{body}");
        }
    }

    #[test]
    fn broken_octets_are_refused() {
        for (body, error) in [
            (&b"\x02\x01\xff4"[..], PayloadError::BadMark),
            (b"\x00\xff4", PayloadError::BadLength),
            (b"\x00", PayloadError::BadLength),
            (b"\x00\x011\xff4", PayloadError::BadLength),
            (
                b"\x00\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\xff4",
                PayloadError::BadLength,
            ),
            (b"\x00\x02\xff4", PayloadError::Truncated),
            (
                b"\x00\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff4",
                PayloadError::Truncated,
            ),
            (b"\x00\x00\xff", PayloadError::Packet(PacketError::Empty)),
            (b"\x00\x02\xff4\xff", PayloadError::NotUtf8),
            (b"\x01\x01\xff4", PayloadError::Packet(PacketError::UnknownType)),
            (b"\x01\x01\xff\x02", PayloadError::Packet(PacketError::BinaryKind)),
        ] {
            let body = Bytes::from_static(body);
            assert_eq!(decode_octets(&body).unwrap_err(), error, "{body:?}");
        }
    }
}
