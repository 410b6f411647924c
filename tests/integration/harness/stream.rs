//! A response that is read while it is still being written.
//!
//! In: a request. Out: its head, and then the body piece by piece, unchunked, as far as a story wants it. Nothing is
//! read ahead of what was asked for, so that a story can stop reading.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http::{Reply, Request};
use super::server::Server;
use super::{Value, within};

/// One response under way.
pub struct Stream {
    wire: TcpStream,
    head: Reply,
    raw: Vec<u8>,
    body: Vec<u8>,
    is_chunked: bool,
    is_over: bool,
}

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// `id:`
    pub id: Option<String>,
    /// `event:`
    pub name: Option<String>,
    /// `data:`, its lines joined as a browser joins them.
    pub data: String,
}

impl Sent {
    /// The data as JSON.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The name, empty when there is none.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

impl Stream {
    /// Sends a request and reads the head of its response.
    pub async fn open(server: &Server, request: Request) -> Self {
        let wire = server.wire().await;
        let opened = Self::over(wire, &server.address, request).await;
        opened.expect("the server answers")
    }

    /// The same on a wire that exists; `None` when it ends before.
    pub async fn over(mut wire: TcpStream, host: &str, request: Request) -> Option<Self> {
        let bytes = request.bytes(host);
        within("room to write", wire.write_all(&bytes)).await.ok()?;
        let mut raw = Vec::new();
        let head = loop {
            let read = wire.read_buf(&mut raw);
            if within("the head of a response", read).await.ok()? == 0 {
                return None;
            }
            if let Some(head) = Reply::head(&mut raw) {
                break head;
            }
        };
        let is_chunked = head.header("transfer-encoding") == Some("chunked");
        let mut stream = Self {
            wire,
            head,
            raw,
            body: Vec::new(),
            is_chunked,
            is_over: false,
        };
        stream.unchunk();
        Some(stream)
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// A header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The body up to and with `end`; `None` when the response is over before.
    pub async fn try_until(&mut self, end: &str) -> Option<String> {
        let mut looked = 0;
        loop {
            let found = self.body[looked..]
                .windows(end.len())
                .position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let rest = self.body.split_off(looked + at + end.len());
                let taken = std::mem::replace(&mut self.body, rest);
                return Some(String::from_utf8(taken).expect("the server writes UTF-8"));
            }
            looked = self.body.len().saturating_sub(end.len());
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The body up to and with `end`.
    pub async fn until(&mut self, end: &str) -> String {
        let found = within(&format!("{end:?}"), self.try_until(end)).await;
        found.unwrap_or_else(|| panic!("the response ended with {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The next server-sent event; `None` when the response is over.
    pub async fn try_event(&mut self) -> Option<Sent> {
        loop {
            let block = self.try_until("\n\n").await?;
            // A browser ends lines at any of them.
            let block = block.trim_end().replace("\r\n", "\n").replace('\r', "\n");
            let (mut sent, mut data) = (Sent::default(), Vec::new());
            for line in block.split('\n') {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
                match name {
                    "id" => sent.id = Some(value),
                    "event" => sent.name = Some(value),
                    "data" => data.push(value),
                    "" if !line.is_empty() => {}
                    "retry" => {}
                    _ => panic!("no such field: {line:?} in {block:?}"),
                }
            }
            if !data.is_empty() {
                sent.data = data.join("\n");
                return Some(sent);
            }
        }
    }

    /// The next server-sent event.
    pub async fn event(&mut self) -> Sent {
        within("an event", self.try_event())
            .await
            .expect("the response goes on")
    }

    /// As [`event`](Self::event), but it may stay away for this long at most.
    pub async fn event_within(&mut self, time: Duration) -> Option<Sent> {
        tokio::time::timeout(time, self.try_event()).await.ok().flatten()
    }

    /// The rest of the body.
    pub async fn rest(mut self) -> String {
        let read = async { while self.fill().await {} };
        within("the end of the response", read).await;
        String::from_utf8(self.body).expect("the server writes UTF-8")
    }

    /// Breaks the connection off.
    pub fn cut(self) {
        cut(&self.wire);
    }

    /// Reads more. False when the response is over.
    async fn fill(&mut self) -> bool {
        if self.is_over {
            return false;
        }
        self.raw.reserve(64 * 1024);
        // A reset is an end as well.
        if self.wire.read_buf(&mut self.raw).await.unwrap_or(0) == 0 {
            self.is_over = true;
        }
        self.unchunk();
        true
    }

    fn unchunk(&mut self) {
        if !self.is_chunked {
            self.body.append(&mut self.raw);
            return;
        }
        let mut at = 0;
        while let Some(line) = self.raw[at..].windows(2).position(|window| window == b"\r\n") {
            let size = String::from_utf8_lossy(&self.raw[at..at + line]).into_owned();
            let size = usize::from_str_radix(&size, 16).expect("the size of a chunk");
            let begin = at + line + 2;
            let Some(chunk) = self.raw.get(begin..begin + size + 2) else {
                break;
            };
            self.body.extend_from_slice(&chunk[..size]);
            at = begin + size + 2;
            self.is_over |= size == 0;
        }
        self.raw.drain(..at);
    }
}

/// Ends a connection with a reset, as a machine does that lost its power and came back.
pub fn cut(wire: &TcpStream) {
    let _ = socket2::SockRef::from(wire).set_linger(Some(Duration::ZERO));
}
