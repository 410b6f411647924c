//! One Socket.IO packet, of protocol 4 or 5.
//!
//! In: the text of an Engine.IO message. Out: a [`Packet`] that borrows from it, or which rule was broken. The JSON is
//! checked, never parsed into a tree and never written anew. It refuses to know which namespaces exist, what an event
//! means, and how deeply JSON may be nested: the caller checks that before. What stands before the JSON is read in
//! `head`.

use serde_json::value::RawValue;

use super::event::{Event, shape};
pub use super::head::{Head, Kind, MAX_ACK_DIGITS, MAX_ATTACHMENTS, MAX_NAMESPACE_BYTES, Version};

/// Names that the libraries keep for events of their own; a packet never carries them.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// One packet that came in. Its JSON has the shape that its kind demands.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// What stands before the JSON.
    pub head: Head<'a>,
    /// The JSON, byte for byte.
    pub data: Option<&'a RawValue>,
}

/// Why a text is no packet. Each of these ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Types are 0 to 6.
    #[error("the packet has no known type")]
    UnknownType,
    /// A binary kind tells how many attachments it has, and a few at most.
    #[error("the packet must have 1 to {MAX_ATTACHMENTS} attachments")]
    Attachments,
    /// Longer than [`MAX_NAMESPACE_BYTES`], or with control characters.
    #[error("the namespace is longer than {MAX_NAMESPACE_BYTES} bytes or holds control characters")]
    Namespace,
    /// Longer than [`MAX_ACK_DIGITS`].
    #[error("the ack id is longer than {MAX_ACK_DIGITS} digits")]
    AckId,
    /// What follows the head is not one JSON value.
    #[error("the packet does not end with JSON")]
    NotJson,
    /// The JSON is missing, superfluous or of another shape than this kind demands.
    #[error("the data does not fit a packet of kind {0:?}")]
    Data(Kind),
    /// An event has a name of the library.
    #[error("the event has a reserved name")]
    ReservedName,
}

impl<'a> Packet<'a> {
    /// Reads the text of a message.
    ///
    /// # Errors
    /// When the reference implementations would close the connection for it.
    pub fn read(text: &'a str, version: Version) -> Result<Self, PacketError> {
        let (head, json) = Head::read(text, version)?;
        let data: Option<&RawValue> = match json {
            "" => None,
            json => Some(serde_json::from_str(json).map_err(|_| PacketError::NotJson)?),
        };
        check(head.kind, version, data)?;
        Ok(Self { head, data })
    }

    /// What happened; `None` for kinds that are no events.
    #[must_use]
    pub fn event(&self) -> Option<Event<'a>> {
        match self.head.kind {
            Kind::Event | Kind::BinaryEvent => Event::read(self.data?),
            _ => None,
        }
    }
}

/// The shape of the JSON that each kind demands.
fn check(kind: Kind, version: Version, data: Option<&RawValue>) -> Result<(), PacketError> {
    let fits = match (kind, data) {
        (Kind::Connect, data) => data.is_none_or(|data| shape(data) == b'{'),
        (Kind::Disconnect, data) => data.is_none(),
        (Kind::Error, data) => version == Version::V4 || data.is_some_and(|data| matches!(shape(data), b'{' | b'"')),
        (Kind::Ack | Kind::BinaryAck, Some(data)) => shape(data) == b'[',
        (Kind::Event | Kind::BinaryEvent, Some(data)) => {
            let event = Event::read(data).ok_or(PacketError::Data(kind))?;
            if RESERVED.contains(&event.name.as_ref()) {
                return Err(PacketError::ReservedName);
            }
            true
        }
        (_, None) => false,
    };
    if fits { Ok(()) } else { Err(PacketError::Data(kind)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const V4: Version = Version::V4;
    const V5: Version = Version::V5;

    type Parts<'a> = (Kind, u8, &'a str, Option<&'a str>, Option<&'a str>);

    fn parts(text: &str, version: Version) -> Result<Parts<'_>, PacketError> {
        let packet = Packet::read(text, version)?;
        let head = packet.head;
        let data = packet.data.map(RawValue::get);
        Ok((head.kind, head.attachments, head.namespace, head.ack, data))
    }

    #[test]
    fn every_part_may_be_there_or_not() {
        let auth = r#"{"token":"123"}"#;
        let bin = r#"["bin",{"_placeholder":true,"num":0}]"#;
        let cases: [(&str, Parts<'_>); 15] = [
            ("0", (Kind::Connect, 0, "/", None, None)),
            ("0/", (Kind::Connect, 0, "/", None, None)),
            ("0/admin", (Kind::Connect, 0, "/admin", None, None)),
            ("0/admin,", (Kind::Connect, 0, "/admin", None, None)),
            (r#"0{"token":"123"}"#, (Kind::Connect, 0, "/", None, Some(auth))),
            (
                r#"0/admin,{"token":"123"}"#,
                (Kind::Connect, 0, "/admin", None, Some(auth)),
            ),
            ("1", (Kind::Disconnect, 0, "/", None, None)),
            ("1/custom", (Kind::Disconnect, 0, "/custom", None, None)),
            (
                r#"20["ask","a",1]"#,
                (Kind::Event, 0, "/", Some("0"), Some(r#"["ask","a",1]"#)),
            ),
            (
                r#"2/admin,456["m"]"#,
                (Kind::Event, 0, "/admin", Some("456"), Some(r#"["m"]"#)),
            ),
            (r#"2[1,"x"]"#, (Kind::Event, 0, "/", None, Some(r#"[1,"x"]"#))),
            (r#"30["r1",2]"#, (Kind::Ack, 0, "/", Some("0"), Some(r#"["r1",2]"#))),
            (
                r#"51-["bin",{"_placeholder":true,"num":0}]"#,
                (Kind::BinaryEvent, 1, "/", None, Some(bin)),
            ),
            (
                r#"510-/admin,7["bin",{"_placeholder":true,"num":0}]"#,
                (Kind::BinaryEvent, 10, "/admin", Some("7"), Some(bin)),
            ),
            ("61-7[]", (Kind::BinaryAck, 1, "/", Some("7"), Some("[]"))),
        ];
        for (text, expected) in cases {
            assert_eq!(parts(text, V5), Ok(expected), "{text}");
            assert_eq!(parts(text, V4), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_must_close_the_connection_is_an_error() {
        use PacketError::{AckId, Attachments, Data, Namespace, NotJson, ReservedName, UnknownType};
        let long = format!("0/{}", "n".repeat(MAX_NAMESPACE_BYTES));
        let cases = [
            ("", UnknownType),
            ("7", UnknownType),
            ("abc", UnknownType),
            ("é", UnknownType),
            ("2", Data(Kind::Event)),
            ("2{}", Data(Kind::Event)),
            ("2[]", Data(Kind::Event)),
            ("2[ ]", Data(Kind::Event)),
            ("2[{}]", Data(Kind::Event)),
            ("2[null]", Data(Kind::Event)),
            ("2[true,1]", Data(Kind::Event)),
            ("2[[\"a\"]]", Data(Kind::Event)),
            ("2\"message\"", Data(Kind::Event)),
            ("2/admin,12", Data(Kind::Event)),
            ("2/admin[\"a\"]", Data(Kind::Event)),
            ("2abc[\"message\"]", NotJson),
            ("2[\"message\"]x", NotJson),
            ("2[\"message\"", NotJson),
            ("2[\"message\",]", NotJson),
            ("2-1[\"message\"]", NotJson),
            ("21-[\"message\"]", NotJson),
            ("3", Data(Kind::Ack)),
            ("31{}", Data(Kind::Ack)),
            ("0\"abc\"", Data(Kind::Connect)),
            ("0[]", Data(Kind::Connect)),
            ("0null", Data(Kind::Connect)),
            ("01", Data(Kind::Connect)),
            ("0x", NotJson),
            ("1{}", Data(Kind::Disconnect)),
            ("1/admin,[]", Data(Kind::Disconnect)),
            ("11", Data(Kind::Disconnect)),
            ("4", Data(Kind::Error)),
            ("41", Data(Kind::Error)),
            ("5[\"a\"]", Attachments),
            ("5-[\"a\"]", Attachments),
            ("50-[\"a\"]", Attachments),
            ("511-[\"a\"]", Attachments),
            ("5999999999999999999999-[\"a\"]", Attachments),
            ("5-1-[\"a\"]", Attachments),
            ("51.5-[\"a\"]", Attachments),
            ("5a-[\"a\"]", Attachments),
            ("51[\"a\"]", Attachments),
            ("5", Attachments),
            ("51-", Data(Kind::BinaryEvent)),
            ("61-{}", Data(Kind::BinaryAck)),
            (&long, Namespace),
            ("0/a\u{1e}b,", Namespace),
            ("2123456789012345678901[\"a\"]", AckId),
            ("2[\"connect\"]", ReservedName),
            ("2[\"connect_error\"]", ReservedName),
            ("2[\"disconnect\"]", ReservedName),
            ("2[\"disconnecting\",1]", ReservedName),
            ("2[\"newListener\"]", ReservedName),
            (
                "51-[\"removeListener\",{\"_placeholder\":true,\"num\":0}]",
                ReservedName,
            ),
            ("2[\"\\u0063onnect\"]", ReservedName),
        ];
        for (text, error) in cases {
            assert_eq!(parts(text, V5), Err(error), "{text}");
        }
        assert!(parts(&long[..long.len() - 1], V5).is_ok());
        assert!(parts("212345678901234567890[\"a\"]", V5).is_ok());
    }

    #[test]
    fn an_error_is_any_json_in_version_4() {
        for text in ["4/admin,\"not authorized\"", "4{\"message\":\"x\"}"] {
            assert!(parts(text, V5).is_ok() && parts(text, V4).is_ok(), "{text}");
        }
        for text in ["4", "4123", "4[1]", "4/nope,null"] {
            assert!(parts(text, V5).is_err() && parts(text, V4).is_ok(), "{text}");
        }
    }

    #[test]
    fn json_stays_as_it_was_sent() {
        for json in [
            r#"["a",12345678901234567890123,1.0,{"b":1,"a":2}]"#,
            r#"["\ud800",  "\u00e9é \/"]"#,
            "[ \"a\" ,\n1 ]",
        ] {
            let text = format!("2{json}");
            assert_eq!(parts(&text, V5).unwrap().4, Some(json));
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("2[\"a\",{}{}]", "[".repeat(1_000_000), "]".repeat(1_000_000));
        let packet = Packet::read(&deep, V5).unwrap();
        assert_eq!(packet.event().unwrap().arguments.len(), 2_000_000);
    }

    proptest! {
        #[test]
        fn an_event_that_is_written_can_be_read(name in "/[a-z]{0,20}", ack in "[0-9]{0,20}", words in ".*") {
            let head = Head {
                ack: Some(ack.as_str()).filter(|ack| !ack.is_empty()),
                ..Head::new(Kind::Event, &name)
            };
            let json = serde_json::json!([format!("e{words}"), words]).to_string();
            let text = String::from_utf8(head.write(json.as_bytes()).to_vec()).unwrap();
            let packet = Packet::read(&text, V5).unwrap();
            prop_assert_eq!(packet.head, head);
            prop_assert_eq!(packet.data.unwrap().get(), json);
            let event = packet.event().unwrap();
            prop_assert_eq!(event.name, format!("e{words}"));
            prop_assert_eq!(event.arguments, serde_json::to_string(&words).unwrap());
        }
    }

    #[test]
    fn no_text_panics() {
        let seeds = [
            r#"2/admin,456["ask","\ud83d\ude00",{"a":[1,2]}]"#,
            r#"510-/admin?a=1,7["bin",{"_placeholder":true,"num":0}]"#,
            r#"0/admin,{"token":"123"}"#,
            "4/nope,\"é€😀\"",
        ];
        let mut random = fastrand::Rng::with_seed(13);
        for round in 0..50_000 {
            let mut bytes = seeds[round % seeds.len()].as_bytes().to_vec();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(0..bytes.len());
                match random.u8(0..3) {
                    0 => bytes[at] = random.u8(..),
                    1 => bytes.truncate(at.max(1)),
                    _ => bytes.insert(at, *random.choice(b"{}[]\",:/\\?-u0129\xc3").unwrap()),
                }
            }
            let text = String::from_utf8_lossy(&bytes);
            for version in [V4, V5] {
                if let Ok(packet) = Packet::read(&text, version) {
                    let event = packet.event();
                    let _ = event.map(|event| event.first_argument().is_some());
                }
            }
        }
    }
}
