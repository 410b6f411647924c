//! A bare WebSocket at any path, for dialects that have no client here.
//!
//! In: texts and bytes. Out: what the server sends, message by message, and how it closes.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::server::Server;
use super::stream::cut;
use super::{Value, within};

/// An open WebSocket.
pub struct Socket {
    wire: WebSocketStream<TcpStream>,
}

/// What came over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// The end, with its code if there was one.
    Closed(Option<u16>),
}

impl Socket {
    /// Opens one.
    pub async fn open(server: &Server, path: &str) -> Self {
        let opened = Self::over(server.wire().await, &server.address, path).await;
        opened.expect("the server speaks WebSocket here")
    }

    /// Opens one with a header in its request; the status of the answer when it is not to be had.
    pub async fn bringing(server: &Server, path: &str, header: (&'static str, &str)) -> Result<Self, u16> {
        let url = format!("ws://{}{path}", server.address);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().append(header.0, header.1.parse().unwrap());
        let upgrade = client_async(request, server.wire().await);
        match within("the upgrade", upgrade).await {
            Ok((wire, _)) => Ok(Self { wire }),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// The same on a wire that exists; `None` when it is not to be had.
    pub async fn over(wire: TcpStream, host: &str, path: &str) -> Option<Self> {
        let url = format!("ws://{host}{path}");
        let upgrade = client_async(url.into_client_request().unwrap(), wire);
        let (wire, _) = within("the upgrade", upgrade).await.ok()?;
        Some(Self { wire })
    }

    /// Sends a text. A server that has closed already shows in what is heard.
    pub async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    /// Sends any frame.
    pub async fn send(&mut self, message: Message) {
        let _ = within("room to write", self.wire.send(message)).await;
    }

    /// What comes next.
    pub async fn next(&mut self) -> Heard {
        loop {
            match self.wire.next().await {
                Some(Ok(Message::Text(text))) => return Heard::Text(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => return Heard::Binary(bytes.to_vec()),
                Some(Ok(Message::Close(frame))) => return Heard::Closed(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Heard::Closed(None),
            }
        }
    }

    /// As [`next`](Self::next); `None` when nothing comes for this long.
    pub async fn next_within(&mut self, time: Duration) -> Option<Heard> {
        tokio::time::timeout(time, self.next()).await.ok()
    }

    /// The next message, which must be a text.
    pub async fn text(&mut self) -> String {
        match within("a text", self.next()).await {
            Heard::Text(text) => text,
            other => panic!("instead of a text: {other:?}"),
        }
    }

    /// The JSON behind `prefix`, with which the next message must begin.
    pub async fn json(&mut self, prefix: &str) -> Value {
        let text = self.text().await;
        let json = text
            .strip_prefix(prefix)
            .unwrap_or_else(|| panic!("{prefix} … not: {text}"));
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Reads to the end; gives the messages before, and the code.
    pub async fn until_closed(&mut self) -> (Vec<Heard>, Option<u16>) {
        let mut heard = Vec::new();
        loop {
            match within("the server to close", self.next()).await {
                Heard::Closed(code) => return (heard, code),
                message => heard.push(message),
            }
        }
    }

    /// Breaks the connection off.
    pub fn cut(self) {
        cut(self.wire.get_ref());
    }
}
