//! A service that is a socket: what a client says into the call goes there, and what comes from there is told.
//!
//! In: an address of the configuration, which is the only one that is reached (CWE-918), and calls. Out: `null` when
//! the connection stands, then what comes as texts, and the answer when the peer has ended. A letter is never cut; what
//! is no UTF-8 is replaced. Each call has a connection of its own, which ends with it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use turted_core::{Call, Caller, Failure, Limits, Line, Payload, Responder};

/// Bytes of one read, as the original has it.
const READ: usize = 64 * 1024;
/// How long a peer may go on after its client has said that no more comes.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Where a service is.
#[derive(Debug, Clone)]
pub enum Remote {
    /// Host and port.
    Tcp(String),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// A service that is a socket.
#[derive(Debug, Clone)]
pub struct Bridge {
    /// Where.
    pub remote: Remote,
    /// How long it may take to connect, and to take what a client says.
    pub timeout: Duration,
}

impl Responder for Bridge {
    fn answer(&self, call: Call, _: Caller, line: Line) -> BoxFuture<'static, Result<Payload, Failure>> {
        let Self { remote, timeout: limit } = self.clone();
        async move {
            let first = text(&call.params);
            match remote {
                Remote::Tcp(address) => {
                    let wire = connect(limit, TcpStream::connect(address)).await?;
                    carry(wire, first, line, limit).await
                }
                Remote::Unix(path) => {
                    let wire = connect(limit, UnixStream::connect(path)).await?;
                    carry(wire, first, line, limit).await
                }
            }
        }
        .boxed()
    }

    fn patience(&self) -> Duration {
        self.timeout * 2
    }
}

/// What a client says is a text; nothing else goes over.
fn text(payload: &Payload) -> Option<String> {
    serde_json::from_str::<Option<String>>(payload.as_str()).ok().flatten()
}

async fn connect<S>(limit: Duration, wire: impl Future<Output = io::Result<S>>) -> Result<S, Failure> {
    match timeout(limit, wire).await {
        Ok(Ok(wire)) => Ok(wire),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => Err(Failure::Refused("ETIMEDOUT".to_owned())),
    }
}

/// The system's word, as clients of Node.js know it.
fn failed(error: &io::Error) -> Failure {
    let word = match error.kind() {
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        io::ErrorKind::TimedOut => "ETIMEDOUT",
        io::ErrorKind::ConnectionReset => "ECONNRESET",
        io::ErrorKind::NotFound => "ENOENT",
        _ => "EIO",
    };
    Failure::Refused(word.to_owned())
}

async fn carry<S: AsyncRead + AsyncWrite>(
    wire: S,
    first: Option<String>,
    line: Line,
    limit: Duration,
) -> Result<Payload, Failure> {
    let Line { told, mut said } = line;
    let (mut reads, mut writes) = tokio::io::split(wire);
    let write = async |writes: &mut tokio::io::WriteHalf<S>, text: &str| {
        let written = timeout(limit, writes.write_all(text.as_bytes())).await;
        written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    };
    if let Some(first) = first {
        write(&mut writes, &first).await.map_err(|error| failed(&error))?;
    }
    told.tell(Payload::null()).await;
    let read = async {
        let (mut buffer, mut cut) = (vec![0; READ], Vec::new());
        loop {
            let count = reads.read(&mut buffer).await?;
            cut.extend_from_slice(&buffer[..count]);
            let whole = if count == 0 { cut.len() } else { whole(&cut) };
            if whole > 0 {
                let said = String::from_utf8_lossy(&cut[..whole]).into_owned();
                cut.drain(..whole);
                let payload = Payload::parse(Value::from(said).to_string().into(), &Limits::default());
                // A text is JSON, and not deep.
                if !told.tell(payload.unwrap_or_else(|_| Payload::null())).await || count == 0 {
                    return Ok(());
                }
            } else if count == 0 {
                return Ok(());
            }
        }
    };
    let speak = async {
        while let Some(payload) = said.recv().await {
            if let Some(text) = text(&payload) {
                write(&mut writes, &text).await?;
            }
        }
        writes.shutdown().await?;
        tokio::time::sleep(LAST_WORDS).await;
        Ok(())
    };
    let ended: io::Result<()> = tokio::select! {
        ended = read => ended,
        ended = speak => ended,
    };
    ended.map(|()| Payload::null()).map_err(|error| failed(&error))
}

/// How many of these bytes end with a whole letter: at most three wait for the rest of theirs.
fn whole(bytes: &[u8]) -> usize {
    let Some(start) = bytes.iter().rposition(|byte| byte & 0xC0 != 0x80) else {
        return bytes.len();
    };
    let needs = match bytes[start] {
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF7 => 4,
        _ => 1,
    };
    match bytes.len() - start < needs {
        true => start,
        false => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_not_cut() {
        for letter in ["a", "é", "€", "😀"] {
            let text = format!("x{letter}");
            for cut in 1..=text.len() {
                let expected = if cut == text.len() { cut } else { 1 };
                assert_eq!(whole(&text.as_bytes()[..cut]), expected, "{letter} {cut}");
            }
        }
        assert_eq!(whole(b""), 0);
        assert_eq!(whole(&[0x80; 5]), 5, "no letter begins");
        assert_eq!(whole(&[b'a', 0xFF]), 2);
    }
}
