//! One subscriber: a WebSocket that joins the channel and reports what it receives.
//!
//! In: the server's address and what its kind wants to hear. Out: deliveries, entered into the tally. It knows nothing
//! of the pushes and does not parse messages: it looks for the stamp.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Message,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use super::{
    peer::{CLIENT, Contender, Step},
    stamp::Stamp,
    tally::Tally,
};

/// A WebSocket that has been subscribed.
pub type Socket = WebSocketStream<TcpStream>;

/// Read and write buffer of one WebSocket in bytes: small, so that 10,000 of them fit beside the server under test.
const BUFFER: usize = 4 * 1024;

/// Connections from one local address before the next is taken. Linux offers about 28,000 ephemeral ports per address.
const PER_ADDRESS: usize = 20_000;

/// Where and how to subscribe; the same for all subscribers of a run.
#[derive(Debug)]
pub struct Listening {
    /// The server's address.
    pub server: SocketAddr,
    /// The WebSocket's URL.
    pub url: String,
    /// The kind of server.
    pub peer: Contender,
    /// The channel to join (its name needs no escaping).
    pub channel: String,
    /// How long connecting and joining may take together.
    pub patience: Duration,
}

impl Listening {
    /// Connects the subscriber number `index` (from 0) and joins the channel.
    pub async fn connect(&self, index: usize) -> Result<Socket> {
        timeout(self.patience, self.open(index))
            .await
            .unwrap_or_else(|_| Err(anyhow!("no answer within {:?} (--timeout)", self.patience)))
            .with_context(|| {
                let (number, peer) = (index + 1, self.peer.name());
                format!("subscriber {number} failed to join at {} (--peer {peer})", self.url)
            })
    }

    async fn open(&self, index: usize) -> Result<Socket> {
        let tcp = match self.server {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }
        .context("failed to open a socket")?;
        if let Some(source) = source_address(self.server.ip(), index) {
            tcp.bind(SocketAddr::new(source, 0))?;
        }
        let stream = tcp.connect(self.server).await?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER);
        let (mut socket, _) = client_async_with_config(self.url.as_str(), stream, Some(config)).await?;
        let mut client = String::new();
        for step in self.peer.opening(&self.channel) {
            match step {
                Step::Say(text) => socket.send(Message::text(text.replace(CLIENT, &client))).await?,
                Step::Hear { wanted, refusal } => {
                    let heard = hear(&mut socket, wanted, refusal).await?;
                    let id = heard
                        .split(r#""clientId":""#)
                        .nth(1)
                        .and_then(|rest| rest.split('"').next());
                    client = id.unwrap_or(&client).to_owned();
                }
            }
        }
        Ok(socket)
    }
}

/// The local address of subscriber `index`, where one address has too few ports for all: on loopback every 127.0.0.x is
/// ours.
fn source_address(server: IpAddr, index: usize) -> Option<IpAddr> {
    let address = u8::try_from(index / PER_ADDRESS).ok()?;
    let usable = server.is_ipv4() && server.is_loopback() && address > 0;
    usable.then(|| Ipv4Addr::new(127, 0, 0, address.saturating_add(1)).into())
}

async fn hear(socket: &mut Socket, wanted: &str, refusal: &str) -> Result<String> {
    loop {
        let message = socket
            .next()
            .await
            .ok_or_else(|| anyhow!("the server closed the connection before {wanted}"))??;
        match message {
            Message::Text(text) if text.contains(wanted) => return Ok(text.as_str().to_owned()),
            Message::Text(text) if text.contains(refusal) => bail!("the server refused: {text}"),
            Message::Close(frame) => bail!("{} before {wanted}", goodbye(frame)),
            _ => {}
        }
    }
}

/// Reads until the connection ends and enters every event of this run into the tally. Pings are answered on the way.
pub async fn listen(mut socket: Socket, peer: Contender, stamp: Rc<Stamp>, tally: Rc<Tally>, begin: Instant) {
    let mut seen = tally.seen();
    let mut hint = 0;
    let reason = loop {
        let text = match socket.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(frame))) => break goodbye(frame),
            Some(Ok(_)) => continue,
            Some(Err(error)) => break error.to_string(),
            None => break goodbye(None),
        };
        if let Some(mark) = stamp.find(text.as_bytes(), &mut hint) {
            tally.deliver(&mut seen, mark, nanos_since(begin));
        } else if let Some(answer) = peer.answer(&text)
            && let Err(error) = socket.send(Message::text(answer)).await
        {
            break error.to_string();
        }
    };
    tally.leave(&seen, reason);
}

fn goodbye(frame: Option<CloseFrame>) -> String {
    match frame {
        Some(CloseFrame { code, reason }) => format!("closed by the server with {code} {reason}"),
        None => "closed by the server".to_owned(),
    }
}

/// Nanoseconds since `begin`; 64 bits last for 584 years.
pub fn nanos_since(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_one_address_worth_of_subscribers_spread_over_loopback() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(source_address(loopback, 19_999), None);
        assert_eq!(source_address(loopback, 20_000), Some([127, 0, 0, 2].into()));
        assert_eq!(source_address(loopback, 45_000), Some([127, 0, 0, 3].into()));
        assert_eq!(source_address([10, 0, 0, 1].into(), 45_000), None);
    }
}
