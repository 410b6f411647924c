//! HTTP/1.1 by hand: a request as bytes, a reply as bytes, nothing repaired in between.
//!
//! In: method, path, headers, body. Out: status, headers, body. One request per connection.

use std::fmt::Display;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

use super::{Value, within};

/// A request that is being put together.
pub struct Request {
    method: String,
    path: String,
    connection: &'static str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            connection: "close",
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A WebSocket handshake.
    pub fn upgrade(path: &str) -> Self {
        let request = Self {
            connection: "Upgrade",
            ..Self::new("GET", path)
        };
        request
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// A POST with this body.
    pub fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", path).body(body)
    }

    /// Lets the connection stay open for the next request.
    pub fn kept(mut self) -> Self {
        self.connection = "keep-alive";
        self
    }

    /// A POST that wants a JSON answer.
    pub fn json(path: &str, body: impl Display) -> Self {
        Self::new("POST", path)
            .header("Accept", "application/json")
            .body(body.to_string())
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Where it goes.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The request as it goes over the wire.
    pub fn bytes(&self, host: &str) -> Vec<u8> {
        let (method, path, connection) = (&self.method, &self.path, self.connection);
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n");
        // As a page of this server would.
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("referer"))
        {
            head += &format!("Referer: http://{host}/\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || self.method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self, wire: impl AsyncRead + AsyncWrite, host: &str) -> Reply {
        let (mut reader, mut writer) = split(wire);
        let bytes = self.bytes(host);
        let mut answer = Vec::new();
        // A server that refuses a body early may stop reading it: a failed write is no reason not to read the answer.
        let write = async {
            let _ = writer.write_all(&bytes).await;
            let _ = writer.flush().await;
        };
        let read = async {
            while !is_complete(&answer) && reader.read_buf(&mut answer).await? > 0 {}
            std::io::Result::Ok(())
        };
        let both = async { tokio::join!(write, read).1 };
        let read = within(&format!("the answer to {} {}", self.method, self.path), both).await;
        Reply::parse(&answer).unwrap_or_else(|| panic!("{} {}: no answer ({read:?})", self.method, self.path))
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body, unchunked.
    pub body: Vec<u8>,
}

impl Reply {
    /// The head at the beginning of `bytes`, which is taken away, once it is complete.
    pub fn head(bytes: &mut Vec<u8>) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        bytes.drain(..end + 4);
        Some(Self {
            status,
            headers,
            body: Vec::new(),
        })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.to_vec();
        let mut reply = Self::head(&mut rest)?;
        reply.body = rest;
        if reply.header("transfer-encoding") == Some("chunked") {
            reply.body = unchunked(&reply.body);
        }
        Some(reply)
    }

    /// A header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// True when nothing more can belong to the answer; an answer of unknown length ends with its connection.
fn is_complete(answer: &[u8]) -> bool {
    let Some(reply) = Reply::parse(answer) else {
        return false;
    };
    let length = reply
        .header("content-length")
        .and_then(|text| text.parse::<usize>().ok());
    reply.status == 101 || length.is_some_and(|length| reply.body.len() >= length)
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..at]).into_owned();
        let size = usize::from_str_radix(&size, 16).unwrap_or(0);
        let chunk = rest.get(at + 2..at + 2 + size).unwrap_or_default();
        body.extend_from_slice(chunk);
        rest = rest.get(at + 4 + size..).unwrap_or_default();
    }
    body
}
