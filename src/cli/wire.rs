//! A WebSocket as `listen` wants it: texts in both directions.
//!
//! In: a URL. Out: whole texts, and why they stop. Pings are answered, pieces are put together, silence is noticed.
//! Refuses to know what the texts say.

use std::time::Duration;

use actix_ws::Item;
use awc::Client;
use awc::error::{WsClientError, WsProtocolError};
use awc::ws::{CloseCode, CloseReason, Frame, Message};
use bytes::{Bytes, BytesMut};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::time::timeout;

use super::line;
use super::remote::Broken;

/// Bytes of one text. Larger than any server's `limits.push_bytes` should be.
const LARGEST: usize = 64 * 1024 * 1024;

/// Silence before the server has said how often it pings.
const FIRST_PATIENCE: Duration = Duration::from_secs(60);

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What awc gives, without its name.
trait Frames: Stream<Item = Result<Frame, WsProtocolError>> + Sink<Message, Error = WsProtocolError> + Unpin {}

impl<T> Frames for T where
    T: Stream<Item = Result<Frame, WsProtocolError>> + Sink<Message, Error = WsProtocolError> + Unpin
{
}

/// An open WebSocket.
pub struct Wire {
    frames: Box<dyn Frames>,
    pieces: Pieces,
    patience: Duration,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A whole text message.
    Text(String),
    /// The server closed, with this code (RFC 6455 section 7.4; `None`: without a word) and reason.
    Closed(Option<u16>, String),
}

impl Wire {
    /// Connects.
    ///
    /// # Errors
    /// Why the server could not be reached, or how it refused.
    pub async fn open(client: &Client, url: &str) -> Result<Self, Broken> {
        let connected = client
            .ws(url)
            .max_frame_size(LARGEST)
            .protocols(["turted.v1"])
            .connect()
            .await;
        let (_, frames) = connected.map_err(|error| match error {
            WsClientError::InvalidResponseStatus(status) => Broken::status(url, status),
            WsClientError::SendRequest(error) => Broken::unanswered(url, &error),
            error => Broken {
                reason: format!("{url} is no WebSocket: {error}"),
                again: false,
            },
        })?;
        Ok(Self {
            frames: Box::new(frames),
            pieces: Pieces::default(),
            patience: FIRST_PATIENCE,
        })
    }

    /// The server pings this often: two silent intervals and a little more, and the wire counts as broken.
    pub fn expect_pings(&mut self, interval: Duration) {
        self.patience = interval.saturating_mul(2) + Duration::from_secs(5);
    }

    /// Sends a text.
    ///
    /// # Errors
    /// When the wire is broken.
    pub async fn say(&mut self, text: String) -> Result<(), Broken> {
        self.send(Message::Text(text.into())).await
    }

    /// Waits for the next text, or for the end.
    ///
    /// # Errors
    /// When the wire breaks, or is silent for too long.
    pub async fn hear(&mut self) -> Result<Heard, Broken> {
        loop {
            let frame = match timeout(self.patience, self.frames.next()).await {
                Err(_) => return Err(Broken::passing(format!("no sign of life for {:?}", self.patience))),
                Ok(None) => return Ok(Heard::Closed(None, String::new())),
                Ok(Some(frame)) => frame.map_err(|error| Broken::passing(error.to_string()))?,
            };
            let text = match frame {
                Frame::Text(text) => text,
                Frame::Continuation(item) => match self.pieces.add(item)? {
                    Some(text) => text,
                    None => continue,
                },
                Frame::Ping(data) => {
                    self.send(Message::Pong(data)).await?;
                    continue;
                }
                Frame::Close(reason) => return Ok(closed(reason)),
                Frame::Pong(_) | Frame::Binary(_) => continue,
            };
            let text = String::from_utf8(text.into()).map_err(|_| Broken::passing("a text that is not UTF-8"))?;
            return Ok(Heard::Text(text));
        }
    }

    /// Says goodbye and waits a moment for the answer; whether it comes does not matter any more.
    pub async fn close(mut self) {
        let goodbye = async {
            self.send(Message::Close(Some(CloseCode::Normal.into()))).await?;
            while let Heard::Text(_) = self.hear().await? {}
            Ok::<(), Broken>(())
        };
        let _ = timeout(GOODBYE, goodbye).await;
    }

    async fn send(&mut self, message: Message) -> Result<(), Broken> {
        match timeout(self.patience, self.frames.send(message)).await {
            Ok(sent) => sent.map_err(|error| Broken::passing(error.to_string())),
            Err(_) => Err(Broken::passing("the server reads nothing")),
        }
    }
}

/// A message that proxies have cut, as far as it is here.
#[derive(Debug, Default)]
struct Pieces(BytesMut);

impl Pieces {
    /// Adds a piece. The whole comes with the last one.
    fn add(&mut self, item: Item) -> Result<Option<Bytes>, Broken> {
        let (bytes, is_last) = match item {
            Item::FirstText(bytes) | Item::FirstBinary(bytes) => {
                self.0.clear();
                (bytes, false)
            }
            Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
        };
        if self.0.len() + bytes.len() > LARGEST {
            return Err(Broken::passing(format!("a message of more than {LARGEST} bytes")));
        }
        self.0.extend_from_slice(&bytes);
        Ok(is_last.then(|| self.0.split().freeze()))
    }
}

fn closed(reason: Option<CloseReason>) -> Heard {
    match reason {
        Some(CloseReason { code, description }) => {
            Heard::Closed(Some(code.into()), line::plain(&description.unwrap_or_default()))
        }
        None => Heard::Closed(None, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_a_whole_with_the_last_one() {
        let mut pieces = Pieces::default();
        let piece = |text: &'static str| Bytes::from_static(text.as_bytes());
        for _ in 0..2 {
            assert_eq!(pieces.add(Item::FirstText(piece("a"))).unwrap(), None);
            assert_eq!(pieces.add(Item::Continue(piece("b"))).unwrap(), None);
            assert_eq!(pieces.add(Item::Last(piece("c"))).unwrap(), Some(piece("abc")));
        }
        assert_eq!(pieces.add(Item::FirstText(piece("lost"))).unwrap(), None);
        assert_eq!(pieces.add(Item::FirstText(piece("x"))).unwrap(), None);
        assert_eq!(pieces.add(Item::Last(piece("y"))).unwrap(), Some(piece("xy")));
        let large = Bytes::from(vec![b'x'; LARGEST]);
        assert_eq!(pieces.add(Item::FirstText(large)).unwrap(), None);
        assert!(pieces.add(Item::Last(piece("!"))).is_err());
    }

    #[test]
    fn a_close_frame_tells_its_code() {
        let reason = CloseReason {
            code: CloseCode::Other(4008),
            description: Some("slow\n".to_owned()),
        };
        assert_eq!(closed(Some(reason)), Heard::Closed(Some(4008), "slow ".to_owned()));
        assert_eq!(closed(None), Heard::Closed(None, String::new()));
    }
}
