//! An Engine.IO client that polls.
//!
//! In: packets. Out: the packets of the server, one after the other, and whole replies for those who want to see them.
//! It writes and reads the payloads of both versions, as text, in base64, and as scripts.

use std::collections::VecDeque;

use super::http::{Reply, Request};
use super::server::Server;
use super::{Value, json};

/// One session.
pub struct Engine<'a> {
    server: &'a Server,
    query: String,
    /// Its id.
    pub sid: String,
    packets: VecDeque<String>,
}

/// Between two packets of version 4.
pub const SEPARATOR: char = '\u{1e}';

impl<'a> Engine<'a> {
    /// Opens a session with this query, e.g. `EIO=4`.
    pub async fn open(server: &'a Server, query: &str) -> Self {
        let mut engine = Self {
            server,
            query: query.into(),
            sid: String::new(),
            packets: VecDeque::new(),
        };
        let reply = engine.get().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        engine.take(&reply);
        let open = engine.next().await;
        let open: Value = serde_json::from_str(open.strip_prefix('0').expect("an open packet")).unwrap();
        assert_eq!(
            (&open["upgrades"], &open["pingInterval"]),
            (&json!(["websocket"]), &json!(25000))
        );
        engine.sid = open["sid"].as_str().expect("an id").to_owned();
        engine
    }

    /// The same, and joins the root namespace; gives what the server says of it.
    pub async fn join(server: &'a Server, query: &str) -> (Self, Value) {
        let mut engine = Self::open(server, query).await;
        if engine.is_v4() {
            engine.say("40").await;
        }
        let joined = engine.next().await;
        let json = joined.strip_prefix("40").unwrap_or_else(|| panic!("joined: {joined}"));
        let joined = serde_json::from_str(json).unwrap_or_default();
        (engine, joined)
    }

    fn is_v4(&self) -> bool {
        self.query.contains("EIO=4")
    }

    fn is_script(&self) -> bool {
        self.query.contains("j=")
    }

    /// The path of its requests.
    pub fn path(&self) -> String {
        let sid = if self.sid.is_empty() {
            String::new()
        } else {
            format!("&sid={}", self.sid)
        };
        format!("/socket.io/?{}&transport=polling{sid}", self.query)
    }

    /// The path of a socket that wants to take over.
    pub fn socket_path(&self) -> String {
        self.path().replace("=polling", "=websocket")
    }

    /// The request of a poll.
    pub fn request(&self) -> Request {
        Request::new("GET", &self.path())
    }

    /// The answer to one poll.
    pub async fn get(&self) -> Reply {
        self.server.ask(self.request()).await
    }

    /// The answer to a POST with this body.
    pub async fn post(&self, body: impl Into<Vec<u8>>) -> Reply {
        self.server.ask(Request::post(&self.path(), body)).await
    }

    /// The answer to a POST with these packets.
    pub async fn try_say(&self, packets: &[&str]) -> Reply {
        let separator = SEPARATOR.to_string();
        let payload = if self.is_v4() {
            packets.join(&separator)
        } else {
            let framed = packets
                .iter()
                .map(|packet| format!("{}:{packet}", packet.encode_utf16().count()));
            framed.collect()
        };
        if self.is_script() {
            // Browsers change line ends in forms, so its clients send them as two characters, and these as three.
            let payload = payload.replace("\\n", "\\\\n").replace('\n', "\\n");
            let field: String = payload.bytes().map(|byte| format!("%{byte:02X}")).collect();
            return self.post(format!("d={field}")).await;
        }
        self.post(payload).await
    }

    /// Sends one packet, which must be taken.
    pub async fn say(&self, packet: &str) {
        let reply = self.try_say(&[packet]).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "ok"), "{packet}");
    }

    /// The next packet, from as many polls as it takes.
    pub async fn next(&mut self) -> String {
        loop {
            if let Some(packet) = self.packets.pop_front() {
                return packet;
            }
            let reply = self.get().await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            self.take(&reply);
        }
    }

    /// The JSON behind `prefix`, with which the next packet must begin.
    pub async fn json(&mut self, prefix: &str) -> Value {
        let packet = self.next().await;
        let json = packet
            .strip_prefix(prefix)
            .unwrap_or_else(|| panic!("{prefix} … not: {packet}"));
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {packet}"))
    }

    /// Takes the packets out of an answer.
    pub fn take(&mut self, reply: &Reply) {
        if reply.header("content-type") == Some("application/octet-stream") {
            return self.take_octets(&reply.body);
        }
        let text = reply.text();
        let payload = if self.is_script() {
            let script = text.strip_prefix("___eio[").and_then(|rest| rest.strip_suffix(");"));
            let (index, string) = script.and_then(|rest| rest.split_once("](")).expect("a script");
            assert!(self.query.contains(&format!("j={index}")), "{text}");
            assert!(!string.contains(['<', '\u{2028}', '\u{2029}']), "{string}");
            serde_json::from_str(string).expect("a string")
        } else {
            text
        };
        if self.is_v4() {
            self.packets.extend(payload.split(SEPARATOR).map(str::to_owned));
            return;
        }
        let units: Vec<u16> = payload.encode_utf16().collect();
        let mut rest = &units[..];
        while !rest.is_empty() {
            let colon = rest.iter().position(|unit| *unit == u16::from(b':')).expect("a length");
            let length: usize = String::from_utf16_lossy(&rest[..colon]).parse().expect("a length");
            let (packet, after) = rest[colon + 1..].split_at(length);
            self.packets
                .push_back(String::from_utf16(packet).expect("whole characters"));
            rest = after;
        }
    }

    /// A mark, the length in bytes as one byte per digit, 0xff, and a text.
    fn take_octets(&mut self, mut rest: &[u8]) {
        while let Some(end) = rest.iter().position(|byte| *byte == 0xff) {
            assert_eq!(rest[0], 0, "a text");
            let length = rest[1..end].iter().fold(0, |sum, digit| sum * 10 + usize::from(*digit));
            let (packet, after) = rest[end + 1..].split_at(length);
            self.packets
                .push_back(String::from_utf8(packet.to_vec()).expect("UTF-8"));
            rest = after;
        }
    }
}
