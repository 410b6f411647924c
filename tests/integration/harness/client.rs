//! A client of the native protocol on a WebSocket.
//!
//! In: commands. Out: messages in the order in which they came, each within a time limit. Nothing is swallowed: what
//! arrives while an answer is awaited is kept in `early`.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::server::Server;
use super::{Value, json, to_channel, within};

/// An open native connection.
pub struct Client {
    wire: WebSocketStream<TcpStream>,
    /// Its public id.
    pub connection: String,
    /// The secret to come back with.
    pub token: String,
    /// The data of its WELCOME.
    pub welcome: Value,
    /// Messages, events above all, that came while an answer was awaited.
    pub early: VecDeque<Value>,
    asked: u64,
    marked: bool,
}

impl Client {
    /// Connects and reads the WELCOME.
    pub async fn connect(server: &Server) -> Self {
        Self::over(server, server.wire().await).await
    }

    /// The same on a TCP connection that exists.
    pub async fn over(server: &Server, wire: TcpStream) -> Self {
        Self::greet(&server.address, wire).await
    }

    /// Connects to any server.
    pub async fn at(address: &str) -> Self {
        let wire = within("a TCP connection", TcpStream::connect(address)).await;
        Self::greet(address, wire.expect("the server accepts")).await
    }

    /// Connects with these headers in its request.
    pub async fn bringing(server: &Server, headers: &[(&str, &str)]) -> Self {
        Self::knock(&server.address, server.wire().await, headers).await
    }

    async fn greet(address: &str, wire: TcpStream) -> Self {
        Self::knock(address, wire, &[]).await
    }

    async fn knock(address: &str, wire: TcpStream, headers: &[(&str, &str)]) -> Self {
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        for (name, value) in headers {
            let name: ::http::HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let upgrade = client_async(request, wire);
        let (wire, _) = within("the upgrade", upgrade)
            .await
            .expect("the server speaks WebSocket");
        let (early, welcome) = (VecDeque::new(), Value::Null);
        let mut client = Self {
            wire,
            connection: String::new(),
            token: String::new(),
            welcome,
            early,
            asked: 0,
            marked: false,
        };
        let welcome = client.next().await;
        assert_eq!(welcome["type"], "WELCOME", "{welcome}");
        client.welcome = welcome["data"].clone();
        client.connection = client.welcome["connection"].as_str().expect("an id").to_owned();
        client.token = client.welcome["resume"].as_str().expect("a token").to_owned();
        client
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.text(&message.to_string()).await;
    }

    /// Sends a text as it is.
    pub async fn text(&mut self, text: &str) {
        self.frame(Message::text(text)).await;
    }

    /// Sends any frame.
    pub async fn frame(&mut self, frame: Message) {
        within("room to write", self.wire.send(frame))
            .await
            .expect("the wire is open");
    }

    /// Sends a text, and does not mind when the server has closed.
    pub async fn try_text(&mut self, text: &str) -> bool {
        within("room to write", self.wire.send(Message::text(text)))
            .await
            .is_ok()
    }

    /// The next message as it came over the wire. An end is `{"type":"#close","code":…}`, without a code when the wire
    /// just broke.
    pub async fn next_text(&mut self) -> String {
        loop {
            match within("a message", self.wire.next()).await {
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    return json!({"type": "#close", "code": frame.map(|frame| u16::from(frame.code))}).to_string();
                }
                Some(Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_) | Error::Protocol(_)))
                | None => {
                    return json!({"type": "#close"}).to_string();
                }
                Some(other) => panic!("the server sent {other:?}"),
            }
        }
    }

    /// The next message, of whatever kind.
    pub async fn next(&mut self) -> Value {
        let text = self.next_text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next message, which must be of this type; gives its data.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let message = self.next().await;
        assert_eq!(message["type"], kind, "{message}");
        message["data"].clone()
    }

    /// Sends a command and gives its answer; events that come first go to `early`.
    pub async fn ask(&mut self, kind: &str, data: Value) -> Value {
        self.asked += 1;
        let number = self.asked;
        self.send(json!({"type": kind, "data": data, "ref": number})).await;
        self.answer(json!(number)).await
    }

    /// The answer to the command with this ref.
    pub async fn answer(&mut self, reference: Value) -> Value {
        loop {
            let message = self.next().await;
            if message["ref"] == reference {
                return message;
            }
            let unexpected = matches!(message["type"].as_str(), Some("ERROR" | "BYE" | "#close"));
            assert!(!unexpected, "instead of the answer to {reference}: {message}");
            self.early.push_back(message);
        }
    }

    /// Joins a channel.
    pub async fn join(&mut self, channel: &str) {
        let answer = self.ask("JOIN", json!({"channel": channel})).await;
        assert_eq!(
            (&answer["type"], &answer["data"]["channel"]),
            (&json!("OK"), &json!(channel)),
            "{answer}"
        );
    }

    /// The next event.
    pub async fn event(&mut self) -> Value {
        let message = match self.early.pop_front() {
            Some(message) => message,
            None => self.next().await,
        };
        assert_eq!(message["type"], "EVENT", "{message}");
        message
    }

    /// The next `count` events.
    pub async fn events(&mut self, count: usize) -> Vec<Value> {
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            events.push(self.event().await);
        }
        events
    }

    /// Everything that this connection has been sent up to now. A later event of its own marks the end: deliveries to
    /// one connection keep the order of their dispatches, so nothing earlier can still be under way.
    pub async fn heard(&mut self, server: &Server) -> Vec<Value> {
        let channel = format!("mark-{}", self.connection);
        if !self.marked {
            self.join(&channel).await;
            self.marked = true;
        }
        server.receipt(&to_channel(&channel, "MARK", json!(null))).await;
        let mut heard: Vec<Value> = self.early.drain(..).collect();
        loop {
            let message = self.next().await;
            if message["data"]["via"]["channel"] == channel.as_str() {
                return heard;
            }
            heard.push(message);
        }
    }

    /// Reads until the server closes; gives the BYE, if one came, and the close code.
    pub async fn until_closed(&mut self) -> (Option<Value>, Option<u64>) {
        let mut bye = None;
        loop {
            let message = self.next().await;
            match message["type"].as_str() {
                Some("BYE") => bye = Some(message["data"].clone()),
                Some("#close") => return (bye, message["code"].as_u64()),
                _ => {}
            }
        }
    }

    /// Loses its wire without a word, as a train does in a tunnel; gives what is needed to come back.
    pub fn lose_wire(self) -> String {
        let wire = socket2::SockRef::from(self.wire.get_ref());
        let _ = wire.set_linger(Some(std::time::Duration::ZERO));
        self.token
    }
}
