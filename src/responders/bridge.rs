//! A service that is a socket: what a client says into the call goes there, and what comes from there is told.
//!
//! In: an address of the configuration, which is the only one that is reached (CWE-918), and calls. Out: `null` when
//! the connection stands, then what comes as texts, and the answer when the peer has ended. A letter is never cut; what
//! is no UTF-8 is replaced. Each call has a connection of its own, which ends with it.

use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, WriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;
use turted_core::{Call, Caller, Failure, Limits, Line, Payload, Responder, Told};

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
    /// What is waited for.
    pub times: Times,
}

/// How long a service is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// How long it may take to connect, and to take what a client says.
    pub limit: Duration,
    /// After how long without a word of either side it ends. Zero: never.
    pub idle: Duration,
}

impl Responder for Bridge {
    fn answer(&self, call: Call, _: Caller, line: Line) -> BoxFuture<'static, Result<Payload, Failure>> {
        let Self { remote, times } = self.clone();
        async move {
            let first = text(&call.params);
            match remote {
                Remote::Tcp(address) => {
                    let wire = connect(times.limit, TcpStream::connect(address)).await?;
                    carry(wire, first, line, times).await
                }
                Remote::Unix(path) => {
                    let wire = connect(times.limit, UnixStream::connect(path)).await?;
                    carry(wire, first, line, times).await
                }
            }
        }
        .boxed()
    }

    fn patience(&self) -> Duration {
        self.times.limit * 2
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
        io::ErrorKind::BrokenPipe => "EPIPE",
        io::ErrorKind::NotFound => "ENOENT",
        _ => "EIO",
    };
    Failure::Refused(word.to_owned())
}

/// Carries what is said both ways until one side ends. The client's half is a task of its own: what was taken from the
/// client goes out although the client, and this call with it, has gone.
async fn carry<S>(wire: S, first: Option<String>, line: Line, times: Times) -> Result<Payload, Failure>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let Line { told, said } = line;
    let (reads, writes) = tokio::io::split(wire);
    // Dropped with this call, by which the other half learns that nobody listens any more.
    let (_listens, nobody_listens) = oneshot::channel();
    let moves = Arc::new(Notify::new());
    let mouth = Mouth {
        writes,
        limit: times.limit,
        moves: Arc::clone(&moves),
    };
    told.tell(Payload::null()).await;
    let mut speaking = tokio::spawn(mouth.speak(first, said, nobody_listens));
    let mut listening = pin!(listen(reads, told, &moves));
    let ended = tokio::select! {
        heard = &mut listening => heard,
        spoken = &mut speaking => {
            // A peer that takes nothing more may have said something before, which waits to be read.
            let spoken = spoken.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
            match timeout(LAST_WORDS, listening).await {
                Ok(heard) => heard.and(spoken),
                Err(_) => spoken,
            }
        }
        () = stillness(&moves, times.idle) => Err(io::ErrorKind::TimedOut.into()),
    };
    ended.map(|()| Payload::null()).map_err(|error| failed(&error))
}

/// Comes to its end when nothing has moved for that long; never when that is zero.
async fn stillness(moves: &Notify, idle: Duration) {
    if idle.is_zero() {
        return std::future::pending().await;
    }
    while timeout(idle, moves.notified()).await.is_ok() {}
}

/// Tells what the peer says, until its end.
async fn listen(mut reads: impl AsyncRead + Unpin, told: Told, moves: &Notify) -> io::Result<()> {
    let (mut buffer, mut cut) = (vec![0; READ], Vec::new());
    loop {
        let count = reads.read(&mut buffer).await?;
        moves.notify_one();
        cut.extend_from_slice(&buffer[..count]);
        let whole = if count == 0 { cut.len() } else { whole(&cut) };
        if whole > 0 {
            let said = String::from_utf8_lossy(&cut[..whole]).into_owned();
            cut.drain(..whole);
            let payload = Payload::parse(Value::from(said).to_string().into(), &Limits::default());
            // A text is JSON, and not deep.
            if !told.tell(payload.unwrap_or_else(|_| Payload::null())).await {
                return Ok(());
            }
        }
        if count == 0 {
            return Ok(());
        }
    }
}

/// The half of a socket to which a client speaks.
struct Mouth<S> {
    writes: WriteHalf<S>,
    limit: Duration,
    moves: Arc<Notify>,
}

impl<S: AsyncRead + AsyncWrite> Mouth<S> {
    /// Says all that the client says, what waits when nobody listens any more too, and that no more comes.
    async fn speak(
        mut self,
        first: Option<String>,
        mut said: mpsc::Receiver<Payload>,
        mut nobody_listens: oneshot::Receiver<()>,
    ) -> io::Result<()> {
        let spoken = async {
            if let Some(first) = first {
                self.write(&first).await?;
            }
            loop {
                let payload = tokio::select! {
                    payload = said.recv() => payload,
                    _ = &mut nobody_listens, if !said.is_closed() => {
                        said.close();
                        continue;
                    }
                };
                let Some(payload) = payload else {
                    return Ok(());
                };
                if let Some(text) = text(&payload) {
                    self.write(&text).await?;
                }
            }
        };
        let spoken = spoken.await;
        let shut = timeout(self.limit, self.writes.shutdown()).await;
        spoken.and(shut.unwrap_or(Ok(())))
    }

    async fn write(&mut self, text: &str) -> io::Result<()> {
        self.moves.notify_one();
        let written = timeout(self.limit, self.writes.write_all(text.as_bytes())).await;
        written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
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
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::JoinHandle;

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

    /// A call of a bridge to `wire`: what is told, as slowly as it is taken, a way to say something, and its answer.
    fn call(
        wire: DuplexStream,
        idle: Duration,
    ) -> (
        mpsc::Receiver<Payload>,
        mpsc::Sender<Payload>,
        JoinHandle<Result<Payload, Failure>>,
    ) {
        let (teller, told) = mpsc::channel(1);
        let (say, said) = mpsc::channel(16);
        let tell = move |payload| {
            let teller = teller.clone();
            async move { teller.send(payload).await.is_ok() }.boxed()
        };
        let told_by = Told::new(tell);
        let limit = Duration::from_secs(5);
        let carried = carry(wire, None, Line { told: told_by, said }, Times { limit, idle });
        (told, say, tokio::spawn(carried))
    }

    fn word(text: &str) -> Payload {
        Payload::parse(Value::from(text).to_string().into(), &Limits::default()).unwrap()
    }

    async fn heard(told: &mut mpsc::Receiver<Payload>) -> Option<String> {
        let told = timeout(Duration::from_secs(10), told.recv()).await;
        text(&told.expect("a word").expect("a call that goes on"))
    }

    const NEVER: Duration = Duration::ZERO;

    /// Its peer says something and goes while the client, which reads slowly, still speaks: the write fails first.
    #[tokio::test]
    async fn the_last_words_of_a_peer_that_takes_nothing_more_are_told() {
        let (wire, mut peer) = duplex(1024);
        let (mut told, say, answer) = call(wire, NEVER);
        assert_eq!(heard(&mut told).await, None, "it stands");
        peer.write_all(b"1").await.unwrap();
        // Neither is taken: one waits to be told, and the other to be read.
        while told.is_empty() {
            tokio::task::yield_now().await;
        }
        peer.write_all(b"2").await.unwrap();
        drop(peer);
        say.send(word("too late")).await.unwrap();
        say.closed().await;
        assert_eq!(heard(&mut told).await.as_deref(), Some("1"));
        assert_eq!(heard(&mut told).await.as_deref(), Some("2"));
        assert_eq!(answer.await.unwrap(), Err(Failure::Refused("EPIPE".to_owned())));
    }

    #[tokio::test]
    async fn what_a_client_has_said_goes_out_although_it_or_its_peer_has_ended() {
        for client_goes in [true, false] {
            // Nothing fits in before it is read.
            let (wire, mut peer) = duplex(1);
            let (mut told, say, answer) = call(wire, NEVER);
            assert_eq!(heard(&mut told).await, None, "it stands");
            for text in ["one ", "two ", "three"] {
                say.send(word(text)).await.unwrap();
            }
            if client_goes {
                answer.abort();
            } else {
                peer.shutdown().await.unwrap();
                assert!(answer.await.unwrap().is_ok());
            }
            drop(say);
            let mut all = String::new();
            let read = timeout(Duration::from_secs(10), peer.read_to_string(&mut all)).await;
            read.expect("an end").unwrap();
            assert_eq!(all, "one two three");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_neither_side_has_said_anything_for_a_while() {
        let (wire, mut peer) = duplex(1024);
        let (mut told, say, answer) = call(wire, Duration::from_secs(60));
        assert_eq!(heard(&mut told).await, None, "it stands");
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(40)).await;
            say.send(word("x")).await.unwrap();
            tokio::time::sleep(Duration::from_secs(40)).await;
            peer.write_all(b"y").await.unwrap();
            assert_eq!(heard(&mut told).await.as_deref(), Some("y"));
        }
        let since = tokio::time::Instant::now();
        assert_eq!(answer.await.unwrap(), Err(Failure::Refused("ETIMEDOUT".to_owned())));
        assert_eq!(since.elapsed().as_secs(), 60);
    }
}
