//! What stands before the JSON of a packet: `<type>[<attachments>-][<namespace>,][<ack id>]`.
//!
//! In: the text of a packet. Out: a [`Head`] and what follows it, or which rule was broken; a packet with its head. It
//! refuses to know what the JSON says.

use bytes::Bytes;

use super::packet::PacketError;

/// Most attachments of one packet.
pub const MAX_ATTACHMENTS: u8 = 10;
/// Longest namespace in bytes.
pub const MAX_NAMESPACE_BYTES: usize = 200;
/// Longest ack id in digits: every number of 64 bits fits.
pub const MAX_ACK_DIGITS: usize = 20;
/// The namespace that is not written.
pub const ROOT: &str = "/";

/// The protocol that a client speaks; the Engine.IO below tells which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Socket.IO 1.x and 2.x, over Engine.IO 3.
    V4,
    /// Socket.IO 3.x and 4.x, over Engine.IO 4.
    V5,
}

/// What a packet is for. The order is that of the type numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Joins a namespace, or tells that it is joined.
    Connect,
    /// Leaves a namespace.
    Disconnect,
    /// Something happened.
    Event,
    /// The answer to an event with an ack id.
    Ack,
    /// A namespace was refused.
    Error,
    /// An [`Event`](Kind::Event) with attachments.
    BinaryEvent,
    /// An [`Ack`](Kind::Ack) with attachments.
    BinaryAck,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Connect,
        Self::Disconnect,
        Self::Event,
        Self::Ack,
        Self::Error,
        Self::BinaryEvent,
        Self::BinaryAck,
    ];

    fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }

    fn takes_ack(self) -> bool {
        matches!(self, Self::Event | Self::Ack) || self.is_binary()
    }
}

/// What stands before the JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// The type.
    pub kind: Kind,
    /// How many binary messages follow: 1 to [`MAX_ATTACHMENTS`] for the binary kinds, else 0.
    pub attachments: u8,
    /// The namespace, [`ROOT`] if none is written.
    pub namespace: &'a str,
    /// The ack id: decimal digits, kept as they are.
    pub ack: Option<&'a str>,
}

impl<'a> Head<'a> {
    /// A head without attachments and ack id.
    #[must_use]
    pub fn new(kind: Kind, namespace: &'a str) -> Self {
        Self {
            kind,
            attachments: 0,
            namespace,
            ack: None,
        }
    }

    /// The head at the beginning of `text`, and what follows. Version 4 has a query behind the name of a namespace,
    /// which means nothing here.
    ///
    /// # Errors
    /// When the type is unknown, or a part is out of its bounds.
    pub(super) fn read(text: &'a str, version: Version) -> Result<(Self, &'a str), PacketError> {
        let number = text.bytes().next().unwrap_or_default().wrapping_sub(b'0');
        let kind = Kind::ALL.get(usize::from(number)).copied();
        let kind = kind.ok_or(PacketError::UnknownType)?;
        let (attachments, rest) = attachments(kind, &text[1..])?;
        let (name, rest) = split_namespace(rest);
        let namespace = match (version, name.split_once('?')) {
            (Version::V4, Some((namespace, _))) => namespace,
            _ => name,
        };
        if namespace.len() > MAX_NAMESPACE_BYTES || namespace.contains(char::is_control) {
            return Err(PacketError::Namespace);
        }
        let (ack, rest) = if kind.takes_ack() {
            split_ack(rest)?
        } else {
            (None, rest)
        };
        let head = Self {
            kind,
            attachments,
            namespace,
            ack,
        };
        Ok((head, rest))
    }

    /// The packet with this JSON behind the head; empty for none.
    #[must_use]
    pub fn write(&self, json: &[u8]) -> Bytes {
        let ack = self.ack.unwrap_or_default();
        let mut out = Vec::with_capacity(6 + self.namespace.len() + ack.len() + json.len());
        out.push(b'0' + self.kind as u8);
        if self.attachments > 0 {
            out.extend_from_slice(self.attachments.to_string().as_bytes());
            out.push(b'-');
        }
        if self.namespace != ROOT {
            out.extend_from_slice(self.namespace.as_bytes());
            out.push(b',');
        }
        out.extend_from_slice(ack.as_bytes());
        out.extend_from_slice(json);
        out.into()
    }
}

fn attachments(kind: Kind, rest: &str) -> Result<(u8, &str), PacketError> {
    if !kind.is_binary() {
        return Ok((0, rest));
    }
    let (digits, after) = rest.split_at(leading_digits(rest, 2));
    let count = digits
        .parse()
        .ok()
        .filter(|count| (1..=MAX_ATTACHMENTS).contains(count));
    let after = after.strip_prefix('-');
    count.zip(after).ok_or(PacketError::Attachments)
}

/// The comma may be missing at the end of a packet.
fn split_namespace(rest: &str) -> (&str, &str) {
    if rest.starts_with('/') {
        rest.split_once(',').unwrap_or((rest, ""))
    } else {
        (ROOT, rest)
    }
}

fn split_ack(rest: &str) -> Result<(Option<&str>, &str), PacketError> {
    let (digits, json) = rest.split_at(leading_digits(rest, MAX_ACK_DIGITS + 1));
    match digits.len() {
        0 => Ok((None, json)),
        1..=MAX_ACK_DIGITS => Ok((Some(digits), json)),
        _ => Err(PacketError::AckId),
    }
}

/// How many ASCII digits `text` begins with, counting up to `most`.
fn leading_digits(text: &str, most: usize) -> usize {
    text.bytes().take(most).take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_query_belongs_to_the_name_in_version_5_only() {
        let text = "0/admin?token=123&x=1,";
        let read = |text, version| Head::read(text, version).map(|(head, _)| head.namespace);
        assert_eq!(read(text, Version::V4), Ok("/admin"));
        assert_eq!(read(text, Version::V5), Ok("/admin?token=123&x=1"));
        assert_eq!(read("0/?token=1", Version::V4), Ok("/"));
    }

    #[test]
    fn a_packet_is_written_without_what_goes_without_saying() {
        let head = |kind, namespace| Head::new(kind, namespace);
        assert_eq!(head(Kind::Connect, ROOT).write(b"{\"sid\":\"x\"}"), "0{\"sid\":\"x\"}");
        assert_eq!(head(Kind::Connect, "/admin").write(b""), "0/admin,");
        assert_eq!(head(Kind::Disconnect, ROOT).write(b""), "1");
        assert_eq!(
            head(Kind::Error, "/nope").write(br#"{"message":"Invalid namespace"}"#),
            r#"4/nope,{"message":"Invalid namespace"}"#
        );
        let ack = Head {
            attachments: 1,
            ack: Some("7"),
            ..head(Kind::BinaryAck, ROOT)
        };
        assert_eq!(
            ack.write(br#"[{"_placeholder":true,"num":0}]"#),
            r#"61-7[{"_placeholder":true,"num":0}]"#
        );
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(
            number in 0..7_usize,
            count in 1..=MAX_ATTACHMENTS,
            name in "/[a-zé?.-]{0,20}",
            ack in prop::option::of("[0-9]{1,20}"),
        ) {
            let kind = Kind::ALL[number];
            let head = Head {
                kind,
                attachments: if kind.is_binary() { count } else { 0 },
                namespace: &name,
                ack: ack.as_deref().filter(|_| kind.takes_ack()),
            };
            for json in ["", "[1]", "{}"] {
                let text = String::from_utf8(head.write(json.as_bytes()).to_vec()).unwrap();
                prop_assert_eq!(Head::read(&text, Version::V5), Ok((head, json)));
            }
        }
    }
}
