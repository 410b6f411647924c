//! Engine.IO, protocols 3 and 4: sessions over polling and WebSocket, and the change from one to the other.
//!
//! In: requests whose clients may come in. Out: connections, and answers that carry their packets. Packets wait in the outbox as WebSocket frames,
//! so that a change of the wire changes nothing in it; polls take them out of these. It knows no dialect.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use turted_core::{Delivery, EncodeEvent, Ending};

use super::Mount;
use super::websocket::{Incoming, frame, translate};
use crate::connection::heartbeat::Heartbeat;
use crate::connection::rules::{Second, Start};
use crate::connection::{Framing, Inbound, Rules};
use crate::protocol::Protocol;

pub mod jsonp;
mod legacy_text;
pub mod packet;
pub mod payload;
mod payload_v3;
pub mod upgrade;

use packet::{Kind, Message, Packet, Peer, Record, Version};

/// What an operator may say about one service.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Between two signs of life. Default 25 s.
    pub ping_interval: Duration,
    /// How long an answer to a ping may take. Default 20 s.
    pub ping_timeout: Duration,
    /// Largest body of a request and largest message of a WebSocket. Default 1,000,000 bytes.
    pub max_payload: usize,
    /// How long a client may take to say that it wants events; `None` when it need not say so. Default none.
    pub connect_timeout: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 1_000_000,
            connect_timeout: None,
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

/// One path.
pub struct Service {
    /// What the operator wants.
    pub settings: Settings,
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
    pub fn generation(&self, peer: Peer) -> Option<&Generation> {
        match (peer.version, peer.base64) {
            (Version::V4, _) => Some(&self.v4),
            (Version::V3, false) => self.v3.as_ref(),
            (Version::V3, true) => self.v3_text.as_ref(),
        }
    }
}

impl Settings {
    /// The rules for clients of this version, on a socket of their own and in a session.
    #[must_use]
    pub fn rules(&self, version: Version) -> (Rules, Rules) {
        let base = Rules::socket(self.ping_interval);
        let heartbeat = match version {
            Version::V4 => Heartbeat {
                every: Some(self.ping_interval),
                patience: Some(self.ping_timeout),
            },
            // The client asks.
            Version::V3 => Heartbeat {
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
            ..socket
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
pub struct EngineFraming(Peer);

/// For protocol 4.
pub static V4: EngineFraming = EngineFraming(Peer {
    version: Version::V4,
    base64: false,
    legacy: false,
});
/// For protocol 3.
pub static V3: EngineFraming = EngineFraming(Peer {
    version: Version::V3,
    base64: false,
    legacy: false,
});
/// For protocol 3 without binary messages.
pub static V3_TEXT: EngineFraming = EngineFraming(Peer {
    version: Version::V3,
    base64: true,
    legacy: false,
});

impl Framing for EngineFraming {
    fn message(&self, text: &[u8]) -> Bytes {
        message(text)
    }

    fn binary(&self, data: &[u8]) -> Option<Bytes> {
        Some(match Record::Binary(data).message(self.0) {
            Message::Text(text) => frame::text(&text),
            Message::Binary(data) => frame::binary(&data),
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
pub fn packets(incoming: Incoming, version: Version) -> impl Stream<Item = Inbound> {
    incoming.map(move |message| match translate(message) {
        Inbound::Text(text) => Packet::from_text(text, version).map_or(BROKEN, |packet| inbound(packet, version)),
        Inbound::Binary(data) => Packet::from_binary(data, version).map_or(BROKEN, |packet| inbound(packet, version)),
        // Clients close their socket when they only change it or simulate a failure: goodbyes are packets of the protocol above.
        Inbound::Close(_) => GONE,
        other => other,
    })
}

const BROKEN: Inbound = Inbound::Broken(Ending::BrokenFraming);
const GONE: Inbound = Inbound::Close(Ending::Vanished);

/// A packet in the connection's words.
#[must_use]
pub fn inbound(packet: Packet<'_>, version: Version) -> Inbound {
    match (packet, version) {
        (Packet::Binary(data), _) => Inbound::Binary(data),
        (Packet::Text { kind, data }, version) => match (kind, version) {
            (Kind::Message, _) => Inbound::Text(data.into_owned()),
            (Kind::Ping, Version::V3) => Inbound::Ping(frame::text(&[Kind::Pong.digit()])),
            // Only the server asks in protocol 4.
            (Kind::Ping, Version::V4) => BROKEN,
            (Kind::Close, _) => GONE,
            (Kind::Pong | Kind::Open | Kind::Upgrade | Kind::Noop, _) => Inbound::Pong,
        },
    }
}

/// The packets in what an outbox gave.
pub fn records(frames: &[u8], peer: Peer) -> impl Iterator<Item = Record<'_>> + Clone {
    frame::records(frames).map(move |record| match record {
        frame::Record::Text(text) => Record::Text(text),
        // In protocol 3 the type goes before the data.
        frame::Record::Binary(data) => match peer.version {
            Version::V3 => Record::Binary(data.get(1..).unwrap_or_default()),
            Version::V4 => Record::Binary(data),
        },
    })
}
