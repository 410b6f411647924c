//! Engine.IO, protocols 3 and 4: sessions over polling and WebSocket, and the change from one to the other.
//!
//! In: requests whose clients may come in. Out: connections, and answers that carry their packets. Packets wait in the
//! outbox as WebSocket frames, so that a change of the wire changes nothing in it; polls take them out of these. It
//! knows no dialect.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use turted_core::{Delivery, EncodeEvent, Ending};

use super::Mount;
use super::websocket::{Incoming, frame, translate};
use crate::client::heartbeat::Heartbeat;
use crate::client::requests::rules::{Second, Start};
use crate::client::{Framing, Inbound, Rules};
use turted_core::Protocol;

mod door;
mod errors;
pub mod jsonp;
mod legacy_text;
pub mod packet;
pub mod payload;
mod payload_v3;
pub mod upgrade;

pub use door::EngineIo;

use packet::{Eio, Encoding, Kind, Packet, Record, Speaker, Wrapped};

/// What an operator may say about one service.
#[derive(Debug, Clone)]
pub struct EngineIoOptions {
    /// Between two signs of life. Default 25 s.
    pub ping_interval: Duration,
    /// How long an answer to a ping may take. Default 20 s.
    pub ping_timeout: Duration,
    /// Largest message. Clients of protocol 4 keep to it in the bodies of their requests as well. Default 1,000,000
    /// bytes.
    pub max_payload: usize,
    /// How long a client may take to say that it wants events; `None` when it need not say so. Default none.
    pub connect_timeout: Option<Duration>,
    /// Whether the first request says who its client is, by its query, cookies or headers. Default false: the client
    /// says it later.
    pub is_told: bool,
}

impl Default for EngineIoOptions {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 1_000_000,
            connect_timeout: None,
            is_told: false,
        }
    }
}

/// What is spoken with one kind of client.
pub struct Generation {
    /// Over a WebSocket from the beginning.
    pub socket: Mount,
    /// Over polling, and later over a WebSocket, perhaps.
    pub session: Mount,
}

/// Clients of protocol 3 put as much as they have into one body: its bound, unless messages may be larger.
pub const BODY: usize = 1_000_000;

/// One path.
pub struct Service {
    /// What the operator wants.
    pub options: EngineIoOptions,
    /// What distinguishes its sessions from those of other services.
    pub name: String,
    /// Protocol 4.
    pub v4: Generation,
    /// Protocol 3, if it is spoken.
    pub v3: Option<Generation>,
    /// Protocol 3 with clients that take only text.
    pub v3_text: Option<Generation>,
}

impl Service {
    /// What is spoken with this client; `None` when its version is not.
    #[must_use]
    pub fn generation(&self, speaker: Speaker) -> Option<&Generation> {
        match (speaker.version, speaker.base64) {
            (Eio::V4, _) => Some(&self.v4),
            (Eio::V3, false) => self.v3.as_ref(),
            (Eio::V3, true) => self.v3_text.as_ref(),
        }
    }
}

impl EngineIoOptions {
    /// The rules for clients of this version, on a socket of their own and in a session.
    #[must_use]
    pub fn rules(&self, version: Eio) -> (Rules, Rules) {
        let base = Rules::socket(self.ping_interval);
        let heartbeat = match version {
            Eio::V4 => Heartbeat {
                every: Some(self.ping_interval),
                patience: Some(self.ping_timeout),
            },
            // The client asks.
            Eio::V3 => Heartbeat {
                every: None,
                patience: Some(self.ping_interval + self.ping_timeout),
            },
        };
        let start = self.connect_timeout.map_or(base.start, Start::WhenSaid);
        let socket = Rules {
            heartbeat,
            start,
            second: Second::Ends,
            ..base
        };
        let session = Rules {
            linger: Duration::from_secs(30),
            ..socket.clone()
        };
        (socket, session)
    }

    /// The first packet.
    #[must_use]
    pub fn open(&self, session: &str, may_upgrade: bool) -> Bytes {
        let upgrades = if may_upgrade { r#"["websocket"]"# } else { "[]" };
        let (interval, timeout) = (self.ping_interval.as_millis(), self.ping_timeout.as_millis());
        let max = self.max_payload;
        let open = format!(
            r#"0{{"sid":"{session}","upgrades":{upgrades},"pingInterval":{interval},"pingTimeout":{timeout},"maxPayload":{max}}}"#
        );
        frame::text(open.as_bytes())
    }
}

/// Messages as packets for clients of this kind.
pub struct EngineFraming(Speaker);

/// For protocol 4.
pub static V4: EngineFraming = EngineFraming(Speaker {
    version: Eio::V4,
    base64: false,
    encoding: Encoding::Unknown,
});
/// For protocol 3.
pub static V3: EngineFraming = EngineFraming(Speaker {
    version: Eio::V3,
    base64: false,
    encoding: Encoding::Unknown,
});
/// For protocol 3 without binary messages.
pub static V3_TEXT: EngineFraming = EngineFraming(Speaker {
    version: Eio::V3,
    base64: true,
    encoding: Encoding::Unknown,
});

impl Framing for EngineFraming {
    fn message(&self, text: &[u8]) -> Bytes {
        message(text)
    }

    fn binary(&self, data: &[u8]) -> Option<Bytes> {
        Some(match Record::Binary(data).message(self.0) {
            Wrapped::Text(text) => frame::text(&text),
            Wrapped::Binary(data) => frame::binary(&data),
        })
    }

    fn ping(&self) -> Option<Bytes> {
        Some(frame::text(&[Kind::Ping.digit()]))
    }

    fn close(&self, ending: Ending) -> Option<Bytes> {
        Some(match ending {
            Ending::Vanished => frame::close(Ending::Normal.code(), ""),
            _ => frame::close(ending.code(), ending.reason()),
        })
    }
}

fn message(text: &[u8]) -> Bytes {
    frame::text(&[&[Kind::Message.digit()], text].concat())
}

/// Encodes events for [`EngineFraming`].
pub struct EngineEncoder(pub Arc<dyn Protocol>);

impl EncodeEvent for EngineEncoder {
    fn encode(&self, delivery: &Delivery<'_>) -> Bytes {
        message(&self.0.encode_event(delivery))
    }
}

/// What a WebSocket brings.
pub fn packets(incoming: Incoming, version: Eio) -> impl Stream<Item = Inbound> {
    incoming.map(move |message| match translate(message) {
        Inbound::Text(text) => Packet::from_text(text, version).map_or(BROKEN, |packet| inbound(packet, version)),
        Inbound::Binary(data) => Packet::from_binary(data, version).map_or(BROKEN, |packet| inbound(packet, version)),
        // Clients close their socket when they only change it or simulate a failure: goodbyes are packets of the
        // protocol above.
        Inbound::Close(_) => GONE,
        other => other,
    })
}

const BROKEN: Inbound = Inbound::Broken(Ending::BrokenFraming);
const GONE: Inbound = Inbound::Close(Ending::Vanished);

/// A packet in the connection's words.
#[must_use]
pub fn inbound(packet: Packet<'_>, version: Eio) -> Inbound {
    match (packet, version) {
        (Packet::Binary(data), _) => Inbound::Binary(data),
        (Packet::Text { kind, data }, version) => match (kind, version) {
            (Kind::Message, _) => Inbound::Text(data.into_owned()),
            (Kind::Ping, Eio::V3) => Inbound::Ping(frame::text(&[Kind::Pong.digit()])),
            // Only the server asks in protocol 4.
            (Kind::Ping, Eio::V4) => BROKEN,
            (Kind::Close, _) => GONE,
            (Kind::Pong | Kind::Open | Kind::Upgrade | Kind::Noop, _) => Inbound::Pong,
        },
    }
}

/// The packets in what an outbox gave.
pub fn records(frames: &[u8], speaker: Speaker) -> impl Iterator<Item = Record<'_>> + Clone {
    frame::records(frames).map(move |record| match record {
        frame::Record::Text(text) => Record::Text(text),
        // In protocol 3 the type goes before the data.
        frame::Record::Binary(data) => match speaker.version {
            Eio::V3 => Record::Binary(data.get(1..).unwrap_or_default()),
            Eio::V4 => Record::Binary(data),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carriers::tests::encoded;
    use crate::dialects::socketio::turted::Turted;
    use crate::dialects::socketio::{self, SocketIo};
    use turted_core::Limits;

    const OPEN: &str =
        r#"0{"sid":"S","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

    /// What a poll gets of these frames, and its content type.
    fn polled(framing: &EngineFraming, frames: &[Bytes]) -> (Bytes, &'static str) {
        let body = payload::encode(records(&frames.concat(), framing.0), framing.0);
        (body.bytes, body.format.content_type())
    }

    #[test]
    fn the_first_packet_tells_the_times_and_whether_there_is_a_socket() {
        let options = EngineIoOptions::default();
        assert_eq!(options.open("S", true), frame::text(OPEN.as_bytes()));
        let alone = OPEN.replace(r#"["websocket"]"#, "[]");
        assert_eq!(options.open("S", false), frame::text(alone.as_bytes()));
    }

    #[test]
    fn a_socket_carries_one_packet_per_message() {
        for framing in [&V4, &V3, &V3_TEXT] {
            assert_eq!(&framing.message("2[\"é\"]".as_bytes())[..], b"\x81\x0842[\"\xc3\xa9\"]");
            assert_eq!(&framing.ping().unwrap()[..], b"\x81\x012");
            let close = |ending| framing.close(ending).unwrap();
            assert_eq!(&close(Ending::GoingAway)[..], b"\x88\x0c\x03\xe9going away");
            assert_eq!(&close(Ending::Vanished)[..], b"\x88\x02\x03\xe8");
        }
        let binary = |framing: &EngineFraming| framing.binary(&[1, 2, 3]).unwrap();
        assert_eq!(&binary(&V4)[..], b"\x82\x03\x01\x02\x03");
        assert_eq!(&binary(&V3)[..], b"\x82\x04\x04\x01\x02\x03");
        assert_eq!(&binary(&V3_TEXT)[..], b"\x81\x06b4AQID");
    }

    #[test]
    fn a_poll_gets_the_packets_of_an_outbox_and_no_frame_of_the_socket() {
        const TEXT: &str = "text/plain; charset=UTF-8";
        let open = || EngineIoOptions::default().open("S", true);
        let close = || V4.close(Ending::GoingAway).unwrap();

        let frames = [open(), V3.message(b"0"), V3.ping().unwrap(), close()];
        let joined = format!("99:{OPEN}2:401:2");
        assert_eq!(polled(&V3, &frames), (joined.into(), TEXT));
        assert_eq!(polled(&V4, &frames), (format!("{OPEN}\x1e40\x1e2").into(), TEXT));

        let frames = |framing: &EngineFraming| {
            let message = framing.message("51-[\"é\",{\"_placeholder\":true,\"num\":0}]".as_bytes());
            [
                message,
                framing.binary(&[1, 2, 3]).unwrap(),
                framing.message(b"31[]"),
                close(),
            ]
        };
        let json = r#"451-["é",{"_placeholder":true,"num":0}]"#;
        let joined = format!("{json}\x1ebAQID\x1e431[]");
        assert_eq!(polled(&V4, &frames(&V4)), (joined.into(), TEXT));
        let octets = [
            &b"\x00\x04\x00\xff"[..],
            json.as_bytes(),
            b"\x01\x04\xff\x04\x01\x02\x03",
            b"\x00\x05\xff431[]",
        ];
        let octets = octets.concat();
        assert_eq!(polled(&V3, &frames(&V3)), (octets.into(), "application/octet-stream"));
        let text = r#"44:451-["\u00e9",{"_placeholder":true,"num":0}]6:b4AQID5:431[]"#;
        assert_eq!(polled(&V3_TEXT, &frames(&V3_TEXT)), (text.into(), TEXT));
        assert_eq!(polled(&V4, &[]).0, "");
    }

    #[test]
    fn an_event_of_the_protocol_is_a_message() {
        let terms = socketio::Terms {
            version: socketio::Version::V5,
            recovery: true,
            limits: Limits::default(),
            message_bytes: 1000,
            bad_messages: 20,
        };
        let encoder = EngineEncoder(Arc::new(SocketIo::new(terms, Turted::new)));
        assert_eq!(
            encoded(&encoder, "A", "[1]"),
            frame::text(br#"42["EVENT",{"event":"A","payload":[1],"via":{"broadcast":true}},"e-7"]"#)
        );
    }

    #[test]
    fn each_packet_means_the_same_on_a_socket_and_in_a_post() {
        let heard = |text: &'static str, version| {
            let packet = Packet::from_text(text, version).unwrap();
            format!("{:?}", inbound(packet, version))
        };
        for version in [Eio::V3, Eio::V4] {
            assert_eq!(heard("42[\"é\"]", version), r#"Text("2[\"é\"]")"#);
            assert_eq!(heard("4", version), r#"Text("")"#);
            assert_eq!(heard("1", version), "Close(Vanished)");
            for sign_of_life in ["0", "3", "5", "6"] {
                assert_eq!(heard(sign_of_life, version), "Pong", "{sign_of_life}");
            }
        }
        assert_eq!(heard("bAQID", Eio::V4), r#"Binary(b"\x01\x02\x03")"#);
        assert_eq!(heard("b4AQID", Eio::V3), r#"Binary(b"\x01\x02\x03")"#);
        // Only clients of version 3 ask; the answer has no data.
        assert_eq!(heard("2", Eio::V3), r#"Ping(b"\x81\x013")"#);
        assert_eq!(heard("2probe", Eio::V3), r#"Ping(b"\x81\x013")"#);
        assert_eq!(heard("2", Eio::V4), "Broken(BrokenFraming)");
    }
}
