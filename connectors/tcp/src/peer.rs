//! One connection.
//!
//! In: bytes of a peer. Out: messages, one after the other, and what the peer is told. Whatever it sends or keeps back,
//! it can use up no more than a line of memory and its own place.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use log::debug;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use turted_core::envelope::Refusal;
use turted_core::lines::{Line, Lines};
use turted_core::mapping::Message;
use turted_core::{ConnectorContext, Outcome, Recipe};

use crate::{LINGER, credentials};

/// What one read takes at most.
const CHUNK: usize = 8 * 1024;

/// How long a peer may take to read what it is told.
const DEAF: Duration = Duration::from_secs(10);

/// What is the same for every peer of a connector.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) recipe: Recipe,
    pub(crate) max_line: usize,
    pub(crate) first_line: Duration,
    pub(crate) idle: Duration,
    pub(crate) answers: bool,
    /// Whether the first line must be credentials.
    pub(crate) guarded: bool,
}

/// A connection.
pub(crate) struct Pusher {
    wire: TcpStream,
    address: IpAddr,
    rules: Arc<Rules>,
    lines: Lines,
    chunk: Box<[u8]>,
    /// What of `chunk` has not been looked at.
    unread: std::ops::Range<usize>,
}

/// Why a conversation is over.
enum End {
    /// The peer has left, or does not listen.
    Gone,
    /// The peer is told this, and sent away.
    Farewell(Refusal),
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

impl Pusher {
    pub(crate) fn new(wire: TcpStream, address: IpAddr, rules: Arc<Rules>) -> Self {
        Self {
            wire,
            address,
            lines: Lines::new(rules.max_line),
            rules,
            chunk: vec![0; CHUNK].into(),
            unread: 0..0,
        }
    }

    /// Takes lines until the peer leaves, breaks a rule, or the server stops.
    pub(crate) async fn serve(mut self, mut cx: ConnectorContext) {
        debug!("connector {}: {} is here", cx.name, self.address);
        let Err(end) = self.converse(&mut cx).await;
        if let End::Farewell(why) = end {
            debug!("connector {}: {} is sent away: {why}", cx.name, self.address);
            // A server that stops does not wait for others to go.
            let linger = if cx.shutdown.is_wanted() {
                Duration::ZERO
            } else {
                LINGER
            };
            self.turn_away(why, linger).await;
        }
    }

    async fn converse(&mut self, cx: &mut ConnectorContext) -> Result<std::convert::Infallible, End> {
        if self.rules.guarded {
            let line = self.line(cx, self.rules.first_line).await?;
            let Ok(backend) = credentials::verify(&*cx.backends, &line.bytes).await else {
                return Err(refused(cx, Refusal::new("denied", credentials::WANTED)));
            };
            cx.inbox = cx.inbox.within(backend.scope.as_ref());
            self.answer(Ok(())).await?;
        }
        let mut is_first = !self.rules.guarded;
        loop {
            let line = self.line(cx, self.rules.idle).await?;
            // CWE-352: a web page may make a browser on this machine POST lines to a loopback address; it cannot do so
            // without a head, and what follows the head must not be looked at.
            if std::mem::take(&mut is_first) && is_http(&line.bytes) {
                let why = "this is no HTTP server; send a message per line, and nothing before the first";
                return Err(refused(cx, Refusal::new("http", why)));
            }
            let outcome = self.take(cx, &line).await;
            self.answer(outcome?).await?;
        }
    }

    async fn take(&self, cx: &ConnectorContext, line: &Line) -> Result<Result<(), Refusal>, End> {
        if line.is_cut {
            let why = format!("the line is longer than {} bytes", self.rules.max_line);
            let refusal = Refusal::new("too_large", why);
            cx.refuse(&refusal);
            return Ok(Err(refusal));
        }
        let text = Text {
            body: &line.bytes,
            peer: self.address,
        };
        match cx.take(&self.rules.recipe, &text).await {
            Outcome::Dispatched => Ok(Ok(())),
            Outcome::Refused(refusal) => Ok(Err(refusal)),
            Outcome::Left => Err(shutting_down()),
        }
    }

    /// The next line that is not blank.
    async fn line(&mut self, cx: &ConnectorContext, patience: Duration) -> Result<Line, End> {
        // The whole line counts, so that a peer which sends a byte now and then gains nothing.
        tokio::select! {
            () = cx.shutdown.wait() => Err(shutting_down()),
            line = timeout(patience, self.next()) => line.unwrap_or_else(|_| {
                Err(End::Farewell(Refusal::new("idle", format!("no line came within {patience:?}"))))
            }),
        }
    }

    /// Nothing is lost when the wait is given up, but it is given up only to close.
    async fn next(&mut self) -> Result<Line, End> {
        loop {
            let mut input = &self.chunk[self.unread.clone()];
            let line = self.lines.next(&mut input);
            self.unread.start = self.unread.end - input.len();
            match line {
                Some(line) if line.is_blank() => continue,
                Some(line) => return Ok(line),
                None => {}
            }
            self.unread = 0..self.wire.read(&mut self.chunk).await?;
            if self.unread.is_empty() {
                // A last line may lack its end.
                return self.lines.rest().filter(|line| !line.is_blank()).ok_or(End::Gone);
            }
        }
    }

    async fn answer(&mut self, outcome: Result<(), Refusal>) -> Result<(), End> {
        if !self.rules.answers {
            return Ok(());
        }
        let answer = match outcome {
            Ok(()) => json!({"ok": true}).to_string(),
            Err(refusal) => error(&refusal),
        };
        self.say(answer).await
    }

    async fn say(&mut self, mut line: String) -> Result<(), End> {
        line.push('\n');
        let said = timeout(DEAF, self.wire.write_all(line.as_bytes())).await;
        Ok(said.map_err(|_| End::Gone)??)
    }

    /// Tells the peer why, and closes.
    pub(crate) async fn turn_away(mut self, why: Refusal, linger: Duration) {
        let sentence = match self.rules.answers {
            true => error(&why),
            false => why.message,
        };
        if self.say(sentence).await.is_err() || self.wire.shutdown().await.is_err() {
            return;
        }
        // Closing with unread bytes would take the sentence away from under the peer's eyes (RFC 1122, 4.2.2.13).
        let gone = async { while self.wire.read(&mut self.chunk).await.is_ok_and(|length| length > 0) {} };
        // Gone or not, the connection is dropped now.
        let _ = timeout(linger, gone).await;
    }
}

/// Counts what ends a conversation.
fn refused(cx: &ConnectorContext, refusal: Refusal) -> End {
    cx.refuse(&refusal);
    End::Farewell(refusal)
}

fn shutting_down() -> End {
    End::Farewell(Refusal::new("shutting_down", "the server is shutting down"))
}

fn error(refusal: &Refusal) -> String {
    json!({"error": {"code": refusal.code, "message": refusal.message}}).to_string()
}

/// `POST / HTTP/1.1`
fn is_http(line: &[u8]) -> bool {
    line.trim_ascii_end()
        .rsplit(|byte| *byte == b' ')
        .next()
        .is_some_and(|last| last.starts_with(b"HTTP/"))
}

/// A line as a message.
struct Text<'a> {
    body: &'a [u8],
    peer: IpAddr,
}

impl Message for Text<'_> {
    fn body(&self) -> &[u8] {
        self.body
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        (name == "peer").then(|| self.peer.to_canonical().to_string().into())
    }
}
