//! The backends of the benchmark: keep-alive HTTP/1.1 connections that push.
//!
//! In: a body to POST. Out: success when the server answers 2xx, otherwise what it said. It knows just enough HTTP for
//! that; it keeps as many connections as there are pushes under way and reuses them.

use std::{cell::RefCell, net::SocketAddr};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The longest answer worth reading, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// A pool of connections that push to one URL.
#[derive(Debug)]
pub struct Publisher {
    server: SocketAddr,
    head: String,
    idle: RefCell<Vec<TcpStream>>,
}

impl Publisher {
    /// Pushes go to `path` on `server`; `authority` is the `Host` header, `token` the optional bearer token.
    pub fn new(server: SocketAddr, authority: &str, path: &str, token: Option<&str>) -> Self {
        let authorization = token
            .map(|token| format!("Authorization: Bearer {token}\r\n"))
            .unwrap_or_default();
        Self {
            server,
            head: format!(
                "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n{authorization}"
            ),
            idle: RefCell::default(),
        }
    }

    /// Pushes `body` and waits for the answer.
    pub async fn push(&self, body: &str) -> Result<()> {
        let mut stream = self.connection().await.context("failed to connect for a push")?;
        let request = format!("{}Content-Length: {}\r\n\r\n{body}", self.head, body.len());
        stream
            .write_all(request.as_bytes())
            .await
            .context("failed to send a push")?;
        let answer = Answer::read(&mut stream)
            .await
            .context("failed to read the answer to a push")?;
        if !(200..300).contains(&answer.status) {
            let hint = match answer.status {
                401 | 403 => " (give the server's push token with --token)",
                404 => " (is --peer right for this server?)",
                503 => " (it is overloaded: lower --rate or --window)",
                _ => "",
            };
            bail!(
                "the server answered a push with {}: {}{hint}",
                answer.status,
                answer.text
            );
        }
        if answer.keep_alive {
            self.idle.borrow_mut().push(stream);
        }
        Ok(())
    }

    /// An idle connection the server has not closed meanwhile, or a new one.
    async fn connection(&self) -> std::io::Result<TcpStream> {
        loop {
            let Some(stream) = self.idle.borrow_mut().pop() else {
                break;
            };
            let silent = stream.try_read(&mut [0]);
            if silent.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {
                return Ok(stream);
            }
        }
        let stream = TcpStream::connect(self.server).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    keep_alive: bool,
    text: String,
}

/// How the end of an answer's body is recognised.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Answer {
    async fn read(stream: &mut TcpStream) -> Result<Self> {
        let mut bytes = Vec::with_capacity(1024);
        let head_end = loop {
            if let Some(end) = find(&bytes, b"\r\n\r\n") {
                break end + 4;
            }
            if read_more(stream, &mut bytes).await? == 0 {
                bail!("the server closed the connection without an answer");
            }
        };
        let (status, body, keep_alive) = parse_head(&String::from_utf8_lossy(&bytes[..head_end]))?;
        while !body.is_complete(&bytes[head_end..]) {
            if read_more(stream, &mut bytes).await? == 0 {
                break;
            }
        }
        Ok(Self {
            status,
            keep_alive,
            text: String::from_utf8_lossy(&bytes[head_end..]).trim().to_owned(),
        })
    }
}

impl Body {
    fn is_complete(&self, received: &[u8]) -> bool {
        match self {
            Body::Length(length) => received.len() >= *length,
            Body::Chunked => received == b"0\r\n\r\n" || received.ends_with(b"\r\n0\r\n\r\n"),
            Body::UntilClose => false,
        }
    }
}

async fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<usize> {
    if bytes.len() > LONGEST_ANSWER {
        bail!("the answer is longer than {LONGEST_ANSWER} bytes");
    }
    Ok(stream.read_buf(bytes).await?)
}

/// Status, body framing, and whether the connection may be used again.
fn parse_head(head: &str) -> Result<(u16, Body, bool)> {
    let mut lines = head.lines();
    let status_line = lines.next().unwrap_or_default();
    let status = status_line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .with_context(|| format!("not an HTTP/1.1 answer: {status_line:?}"))?;
    let mut body = if status == 204 {
        Body::Length(0)
    } else {
        Body::UntilClose
    };
    let mut keep_alive = true;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            body = Body::Length(value.parse().context("bad Content-Length in the answer")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            body = Body::Chunked;
        } else if name.eq_ignore_ascii_case("connection") {
            keep_alive = !value.eq_ignore_ascii_case("close");
        }
    }
    let reusable = keep_alive && body != Body::UntilClose;
    Ok((status, body, reusable))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_tell_status_framing_and_reuse() {
        let cases = [
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
                (200, Body::Length(2), true),
            ),
            (
                "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
                (202, Body::Chunked, false),
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", (204, Body::Length(0), true)),
            ("HTTP/1.1 200 OK\r\n\r\n", (200, Body::UntilClose, false)),
        ];
        for (head, expected) in cases {
            assert_eq!(parse_head(head).unwrap(), expected, "{head}");
        }
        assert!(parse_head("SSH-2.0-OpenSSH\r\n").is_err());
    }

    #[test]
    fn bodies_end_where_their_framing_says() {
        assert!(Body::Length(2).is_complete(b"OK"));
        assert!(!Body::Length(3).is_complete(b"OK"));
        assert!(Body::Chunked.is_complete(b"2\r\nOK\r\n0\r\n\r\n"));
        assert!(!Body::Chunked.is_complete(b"2\r\nOK\r\n"));
    }
}
