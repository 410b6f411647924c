//! Puts packets and their attachments together.
//!
//! In: text and binary messages, in the order in which they came. Out: packets that are whole, with their attachments;
//! or which rule was broken. In the JSON stands `{"_placeholder":true,"num":0}` where an attachment belongs; it stays
//! there, so that text and attachments can be sent on as they are. It refuses to know what they mean.

use bytes::Bytes;

use super::packet::{Packet, PacketError, Version};

/// Why messages do not make a packet. Each of these ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttachmentError {
    /// The text is no packet.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// Attachments follow their packet immediately.
    #[error("text came while attachments were outstanding")]
    Interrupted,
    /// No packet has announced it.
    #[error("a binary message came that no packet has announced")]
    Unexpected,
    /// Its number is missing, or not below the count of attachments.
    #[error("a placeholder stands for no attachment")]
    Placeholder,
    /// Each attachment has its place.
    #[error("there are not as many placeholders as attachments")]
    Count,
    /// Text and attachments together are bounded.
    #[error("the packet is too large with its attachments")]
    TooLarge,
}

/// A packet with all of its attachments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    text: Box<str>,
    version: Version,
    /// The attachments, in the order of their numbers.
    pub attachments: Vec<Bytes>,
}

impl Whole {
    /// The packet itself.
    ///
    /// # Errors
    /// None: the text has been read before.
    pub fn packet(&self) -> Result<Packet<'_>, PacketError> {
        Packet::read(&self.text, self.version)
    }
}

/// Waits for the attachments of one client's packets. It holds one packet at most.
#[derive(Debug)]
pub struct Assembler {
    version: Version,
    max_bytes: usize,
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    whole: Whole,
    outstanding: u8,
    room: usize,
}

impl Assembler {
    /// For packets of up to `max_bytes`, their text and attachments together.
    #[must_use]
    pub fn new(version: Version, max_bytes: usize) -> Self {
        Self {
            version,
            max_bytes,
            waiting: None,
        }
    }

    /// A text message has come. Its packet, unless attachments are to follow.
    ///
    /// # Errors
    /// When it is no packet, or not its turn.
    pub fn text<'a>(&mut self, text: &'a str) -> Result<Option<Packet<'a>>, AttachmentError> {
        if self.waiting.is_some() {
            return Err(AttachmentError::Interrupted);
        }
        let packet = Packet::read(text, self.version)?;
        let outstanding = packet.head.attachments;
        if outstanding == 0 {
            return Ok(Some(packet));
        }
        let json = packet.data.map_or("", |data| data.get());
        if placeholders(json, outstanding)? != usize::from(outstanding) {
            return Err(AttachmentError::Count);
        }
        let room = self
            .max_bytes
            .checked_sub(text.len())
            .ok_or(AttachmentError::TooLarge)?;
        let whole = Whole {
            text: text.into(),
            version: self.version,
            attachments: Vec::with_capacity(usize::from(outstanding)),
        };
        self.waiting = Some(Box::new(Waiting {
            whole,
            outstanding,
            room,
        }));
        Ok(None)
    }

    /// A binary message has come. The whole packet, if this was the last that was missing.
    ///
    /// # Errors
    /// When none was expected, or it is too large.
    pub fn binary(&mut self, data: &[u8]) -> Result<Option<Whole>, AttachmentError> {
        let mut waiting = self.waiting.take().ok_or(AttachmentError::Unexpected)?;
        waiting.room = waiting.room.checked_sub(data.len()).ok_or(AttachmentError::TooLarge)?;
        waiting.outstanding -= 1;
        // A copy: a slice would hold all of the request or the buffer that it came in, however small it is itself.
        waiting.whole.attachments.push(Bytes::copy_from_slice(data));
        if waiting.outstanding == 0 {
            return Ok(Some(waiting.whole));
        }
        self.waiting = Some(waiting);
        Ok(None)
    }
}

/// An object that has been read so far and holds no other.
#[derive(Default)]
struct Flat<'a> {
    key: Option<&'a str>,
    marked: bool,
    number: Option<u8>,
}

/// How many placeholders there are in valid JSON. A placeholder is an object without arrays and objects in it, so that
/// one is found without a stack, however deeply the JSON is nested.
fn placeholders(json: &str, attachments: u8) -> Result<usize, AttachmentError> {
    let (mut count, mut flat, mut rest) = (0, None::<Flat<'_>>, json);
    while let Some(first) = rest.bytes().next() {
        let (token, after) = rest.split_at(token_length(rest, first));
        rest = after;
        match (first, &mut flat) {
            (b'{', _) => flat = Some(Flat::default()),
            (b'[', _) => flat = None,
            (b'}', Some(object)) => {
                if object.marked {
                    let number = object.number.filter(|number| *number < attachments);
                    number.ok_or(AttachmentError::Placeholder)?;
                    count += 1;
                }
                flat = None;
            }
            (b',', Some(object)) => object.key = None,
            (b':' | b' ' | b'\t' | b'\n' | b'\r', _) | (_, None) => {}
            (_, Some(object)) => match object.key {
                None => object.key = Some(token),
                Some(r#""_placeholder""#) => object.marked = token == "true",
                Some(r#""num""#) => object.number = token.parse().ok(),
                Some(_) => {}
            },
        }
    }
    Ok(count)
}

/// The length of the token at the beginning of `rest`, in bytes.
fn token_length(rest: &str, first: u8) -> usize {
    const ALONE: [char; 10] = ['{', '}', '[', ']', ',', ':', ' ', '\t', '\n', '\r'];
    if first == b'"' {
        let mut escaped = false;
        let end = rest.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        // The quote at the beginning, and the one that was found.
        return end.map_or(rest.len(), |end| end + 2);
    }
    rest.find(ALONE).unwrap_or(rest.len()).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::packet::{Head, Kind};
    use super::*;
    use proptest::prelude::*;

    const ONE: &str = r#"51-["bin",{"_placeholder":true,"num":0}]"#;
    const TWO: &str = r#"52-["bin",{"_placeholder":true,"num":0},[{"deep":{"num":1,"_placeholder":true}}]]"#;

    fn assembler() -> Assembler {
        Assembler::new(Version::V5, 100)
    }

    fn refused(text: &str) -> AttachmentError {
        assembler().text(text).unwrap_err()
    }

    #[test]
    fn a_packet_without_attachments_is_whole_at_once() {
        let mut assembler = assembler();
        for _ in 0..2 {
            let packet = assembler.text(r#"2["a",{"_placeholder":true,"num":9}]"#).unwrap();
            assert_eq!(packet.unwrap().head.kind, Kind::Event);
        }
    }

    #[test]
    fn attachments_are_gathered_in_order() {
        let mut assembler = assembler();
        assert!(assembler.text(TWO).unwrap().is_none());
        assert_eq!(assembler.binary(&[1, 2, 3]), Ok(None));
        let whole = assembler.binary(&[]).unwrap().unwrap();
        assert_eq!(whole.attachments, [&[1, 2, 3][..], &[]]);
        let packet = whole.packet().unwrap();
        assert_eq!(packet.event().unwrap().name, "bin");
        assert_eq!(packet.data.unwrap().get(), &TWO[3..]);
        assert!(assembler.text("2[\"next\"]").unwrap().is_some());
    }

    #[test]
    fn an_echo_sends_back_the_same() {
        let mut assembler = assembler();
        assembler.text(ONE).unwrap();
        let whole = assembler.binary(&[255]).unwrap().unwrap();
        let packet = whole.packet().unwrap();
        let echo = Head { ..packet.head }.write(packet.data.unwrap().get().as_bytes());
        assert_eq!((&echo[..], &whole.attachments[0][..]), (ONE.as_bytes(), &[255][..]));
    }

    #[test]
    fn everything_has_its_turn() {
        assert_eq!(assembler().binary(&[1]), Err(AttachmentError::Unexpected));
        let mut assembler = assembler();
        assembler.text(ONE).unwrap();
        assert_eq!(
            assembler.text("2[\"a\"]").unwrap_err(),
            AttachmentError::Interrupted,
            "before the attachment"
        );
        assert!(assembler.binary(&[1]).unwrap().is_some());
        assert_eq!(assembler.binary(&[1]), Err(AttachmentError::Unexpected), "one too many");
    }

    #[test]
    fn placeholders_and_attachments_must_match() {
        use AttachmentError::{Count, Placeholder};
        for (text, error) in [
            (r#"51-["a"]"#, Count),
            (r#"52-["a",{"_placeholder":true,"num":0}]"#, Count),
            (
                r#"51-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#,
                Count,
            ),
            (r#"51-["a",{"_placeholder":true,"num":1}]"#, Placeholder),
            (r#"51-["a",{"_placeholder":true,"num":-1}]"#, Placeholder),
            (r#"51-["a",{"_placeholder":true,"num":0.5}]"#, Placeholder),
            (r#"51-["a",{"_placeholder":true,"num":"0"}]"#, Placeholder),
            (r#"51-["a",{"_placeholder":true,"num":999999999999}]"#, Placeholder),
            (r#"51-["a",{"_placeholder":true}]"#, Placeholder),
            (r#"51-["a",{"_placeholder":"true","num":0}]"#, Count),
            (r#"51-["a",{"_placeholder":false,"num":0}]"#, Count),
            (r#"51-["a","{\"_placeholder\":true,\"num\":0}"]"#, Count),
            (r#"51-["a",["_placeholder",true,"num",0]]"#, Count),
            (r#"51-["a",{"x":"_placeholder","y":true,"num":0}]"#, Count),
        ] {
            assert_eq!(refused(text), error, "{text}");
        }
        assert_eq!(refused("50-[\"a\"]"), AttachmentError::Packet(PacketError::Attachments));
    }

    #[test]
    fn placeholders_are_found_wherever_they_stand() {
        for json in [
            r#"["a",{"b":[[{"c":{"_placeholder":true,"num":0}}]],"d":"\"}{\\"}]"#,
            "[\"a\" , { \"_placeholder\" : true ,\n\"num\" : 0 } ]",
            r#"["a",{"\ud800":"\ud800"},{"num":0,"x":"]","_placeholder":true}]"#,
            r#"["{",{},[],{"_placeholder":true,"num":0},{"é":"€"},1.5e3,null]"#,
        ] {
            assert_eq!(placeholders(json, 1), Ok(1), "{json}");
        }
    }

    #[test]
    fn text_and_attachments_are_bounded_together() {
        let text = |max_bytes| Assembler::new(Version::V4, max_bytes).text(ONE).map(|_| ());
        assert_eq!(text(ONE.len() - 1), Err(AttachmentError::TooLarge));
        let mut exact = Assembler::new(Version::V4, ONE.len() + 2);
        exact.text(ONE).unwrap();
        assert!(exact.binary(&[1, 2]).unwrap().is_some());
        exact.text(ONE).unwrap();
        assert_eq!(exact.binary(&[1, 2, 3]), Err(AttachmentError::TooLarge));
    }

    proptest! {
        #[test]
        fn any_packet_comes_back(attachments in prop::collection::vec(any::<Vec<u8>>(), 1..=10), words in ".*") {
            let places = (0..attachments.len()).map(|num| serde_json::json!({ &words: [{ "_placeholder": true, "num": num }] }));
            let json = serde_json::Value::Array([serde_json::json!("e")].into_iter().chain(places).collect()).to_string();
            let head = Head { attachments: attachments.len() as u8, ..Head::new(Kind::BinaryEvent, "/admin") };
            let text = String::from_utf8(head.write(json.as_bytes()).to_vec()).unwrap();
            let mut assembler = Assembler::new(Version::V5, usize::MAX);
            prop_assert!(assembler.text(&text).unwrap().is_none());
            let mut last = None;
            for data in &attachments {
                prop_assert!(last.is_none());
                last = assembler.binary(data).unwrap();
            }
            let whole = last.unwrap();
            prop_assert_eq!(&whole.attachments, &attachments);
            let packet = whole.packet().unwrap();
            prop_assert_eq!((packet.head, packet.data.unwrap().get()), (head, &json[..]));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = placeholders(&text, 1);
        }
    }

    #[test]
    fn no_conversation_panics() {
        let mut random = fastrand::Rng::with_seed(17);
        let mut assembler = assembler();
        for _ in 0..50_000 {
            let mut text = random.choice([ONE, TWO]).unwrap().as_bytes().to_vec();
            for _ in 0..random.usize(0..3) {
                let at = random.usize(0..text.len());
                text[at] = *random.choice(b"{}[]\",:012-\\ ").unwrap();
            }
            let _ = assembler.text(&String::from_utf8_lossy(&text));
            let _ = assembler.binary(&text[..random.usize(0..9)]);
        }
    }
}
