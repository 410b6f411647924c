//! A connector that listens, and peers that talk to it.
//!
//! In: settings. Out: a [`House`]; lines of its peers.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use turted_core::ConnectorConfig;
use turted_core::testkit::{Recorder, Run, soon, start};
use turted_tcp::{TcpConfig, TcpConnector};

/// An address on `ip` where nobody listens.
pub fn free(ip: Ipv4Addr) -> SocketAddr {
    let listener = std::net::TcpListener::bind((ip, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A connector as its section would build it.
pub fn built(section: Value) -> Result<TcpConnector, String> {
    let config: TcpConfig = serde_json::from_value(section).map_err(|error| error.to_string())?;
    config.build().map_err(|error| error.to_string())
}

/// A push to a channel, with its end.
pub fn push(number: u64) -> String {
    format!("{{\"event\":\"E\",\"targets\":{{\"channels\":\"c\"}},\"payload\":{number}}}\n")
}

/// A connector that runs.
pub struct House {
    /// The stand-in for the server.
    pub recorder: Recorder,
    /// The connector.
    pub run: Run,
    port: u16,
}

impl House {
    /// Listens on loopback, with these further settings.
    pub async fn open(settings: Value) -> Self {
        Self::on(Ipv4Addr::LOCALHOST, settings).await
    }

    /// Listens on every address.
    pub async fn guarded(settings: Value) -> Self {
        Self::on(Ipv4Addr::UNSPECIFIED, settings).await
    }

    async fn on(ip: Ipv4Addr, mut settings: Value) -> Self {
        let address = free(ip);
        settings["address"] = json!(address.to_string());
        let recorder = Recorder::default();
        let mut run = start(built(settings).unwrap(), &recorder);
        run.running().await;
        Self {
            recorder,
            run,
            port: address.port(),
        }
    }

    /// A new peer.
    pub async fn peer(&self) -> Peer {
        let wire = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.unwrap();
        Peer(BufReader::new(wire))
    }

    /// What was refused, as `code count`.
    pub fn refused(&self) -> Vec<String> {
        let refusals = self.run.report.refusals();
        refusals.iter().map(|(code, count)| format!("{code} {count}")).collect()
    }
}

/// A backend with an open connection.
pub struct Peer(BufReader<TcpStream>);

impl Peer {
    /// Sends bytes as they are.
    pub async fn send(&mut self, text: impl AsRef<[u8]>) {
        soon("room to write", self.0.get_mut().write_all(text.as_ref()))
            .await
            .unwrap();
    }

    /// The same, to somebody who may have closed.
    pub async fn try_send(&mut self, bytes: &[u8]) -> bool {
        soon("room to write", self.0.get_mut().write_all(bytes)).await.is_ok()
    }

    /// The next line, without its end.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        soon("a line", self.0.read_line(&mut line)).await.unwrap();
        line.trim_end().to_owned()
    }

    /// Everything until the server closes.
    pub async fn until_closed(&mut self) -> String {
        let mut text = String::new();
        soon("the end", self.0.read_to_string(&mut text)).await.unwrap();
        text
    }

    /// Says that nothing more will come, and waits until the server has closed, too.
    pub async fn finish(mut self) -> String {
        self.0.get_mut().shutdown().await.unwrap();
        self.until_closed().await
    }
}
