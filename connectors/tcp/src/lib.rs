//! Way in: lines over TCP, one message each; `nc` is a client.
//!
//! In: the section `[connectors.<name>]` with `type = "tcp"`, and peers that connect. Out: dispatches, in the order of
//! each peer, and answers where they are wanted. Strangers, those that come in through an address which is more than
//! loopback, prove themselves in their first line: `Bearer <token>`, or the JSON that a push has in `auth`, such as
//! `{"password":"…"}`. Refuses to know: what makes credentials good, and TLS; where the way is not trusted, put a
//! tunnel before it.

mod credentials;
mod peer;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use log::{debug, error, info, warn};
use serde::Deserialize;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use turted_core::envelope::Refusal;
use turted_core::units;
use turted_core::{
    Claim, ConnectorConfig, ConnectorContext, ConnectorError, ConnectorState, Envelope, PushConnector, Recipe,
    SettingError, Vocabulary,
};

use crate::peer::{Pusher, Rules};

/// How long peers may take to notice that the server stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long a peer that is sent away may take to go.
const LINGER: Duration = Duration::from_secs(1);

/// How long to wait when the system has no socket to give.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// The settings of a section with `type = "tcp"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcpConfig {
    /// Where to listen, e.g. `127.0.0.1:7118` or `[::1]:7118`. Required. Anything but loopback asks for credentials.
    pub address: SocketAddr,
    /// How a line becomes an event. Default `"turted"`; a mapping has `{peer}`, the IP address of the sender, `{body}`,
    /// the line as text, and `{json…}`, and its payload is `{json}` by default.
    #[serde(default)]
    pub envelope: Envelope,
    /// Longest line in bytes, its end not counted. A longer one is refused as `too_large`; those after it are not.
    /// Default 64 KiB.
    #[serde(default = "max_line", deserialize_with = "units::size::deserialize")]
    pub max_line: usize,
    /// Most connections at the same time; one more is told so and closed. Default 100.
    #[serde(default = "connections")]
    pub connections: usize,
    /// How long credentials may take. Default 10 s.
    #[serde(default = "first_line", deserialize_with = "units::duration::deserialize")]
    pub first_line: Duration,
    /// How long a peer may take for a line before its connection is closed. Default 1 h.
    #[serde(default = "idle", deserialize_with = "units::duration::deserialize")]
    pub idle: Duration,
    /// Answers each line with one of JSON: `{"ok":true}` when every event in it has its receipt, else
    /// `{"error":{"code":…,"message":…}}`. A peer has to read them: whoever does not is closed. Default false.
    #[serde(default)]
    pub answers: bool,
}

fn max_line() -> usize {
    64 * 1024
}

fn connections() -> usize {
    100
}

fn first_line() -> Duration {
    Duration::from_secs(10)
}

fn idle() -> Duration {
    Duration::from_secs(60 * 60)
}

impl ConnectorConfig for TcpConfig {
    const TYPE: &'static str = "tcp";
    type Connector = TcpConnector;

    fn build(self) -> Result<TcpConnector, SettingError> {
        if !(1..=1 << 30).contains(&self.max_line) {
            return Err(SettingError::new("max_line", "must be between 1 byte and 1 GiB"));
        }
        if !(1..=100_000).contains(&self.connections) {
            return Err(SettingError::new("connections", "must be from 1 to 100000"));
        }
        for (key, time) in [("first_line", self.first_line), ("idle", self.idle)] {
            if time < Duration::from_millis(100) {
                return Err(SettingError::new(key, "must be at least 100ms"));
            }
        }
        Ok(TcpConnector {
            address: self.address,
            connections: self.connections,
            rules: Arc::new(Rules {
                recipe: Recipe::new(self.envelope, &Vocabulary::new().with("peer"), &json!("{json}"))?,
                max_line: self.max_line,
                first_line: self.first_line,
                idle: self.idle,
                answers: self.answers,
                guarded: !is_loopback(self.address.ip()),
            }),
        })
    }
}

/// Only who is on this machine can reach it. `0.0.0.0` and `::` are every address, this machine's others among them.
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Takes each line of each peer as a message; blank ones are nothing and not counted.
#[derive(Debug)]
pub struct TcpConnector {
    address: SocketAddr,
    connections: usize,
    rules: Arc<Rules>,
}

impl PushConnector for TcpConnector {
    fn listens(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn claims(&self) -> Vec<Claim> {
        let key = "address";
        let what = format!("address {}", self.address);
        // The system gives each its own port for 0.
        (self.address.port() != 0)
            .then_some(Claim { key, what })
            .into_iter()
            .collect()
    }

    fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move {
            let failed = |error| ConnectorError::new(format!("cannot listen on {}: {error}", self.address));
            let listener = TcpListener::bind(self.address).await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            info!("connector {} listens on {address}", cx.name);
            cx.report.state(ConnectorState::Running);
            let mut peers = Peers::default();
            loop {
                tokio::select! {
                    () = cx.shutdown.wait() => break,
                    Some(ended) = peers.here.join_next() => note(&cx, ended),
                    Some(ended) = peers.leaving.join_next() => note(&cx, ended),
                    accepted = listener.accept() => match accepted {
                        Ok((wire, from)) => self.welcome(&cx, &mut peers, wire, from),
                        Err(error) => {
                            // Those who are here may go on, and when one of them leaves there is a socket again.
                            warn!("connector {} cannot take a connection: {error}", cx.name);
                            tokio::select! {
                                () = sleep(EXHAUSTED) => {}
                                () = cx.shutdown.wait() => {}
                            }
                        }
                    },
                }
            }
            let all = async { while peers.here.join_next().await.is_some() {} };
            if timeout(FAREWELL, all).await.is_err() {
                debug!("connector {} leaves peers that do not go", cx.name);
            }
            Ok(())
        })
    }
}

/// Connections as tasks of their own, so that a slow peer delays nobody; dropping the sets ends them all.
#[derive(Default)]
struct Peers {
    here: JoinSet<()>,
    /// Those that were too many, while they are told so.
    leaving: JoinSet<()>,
}

impl TcpConnector {
    fn welcome(&self, cx: &ConnectorContext, peers: &mut Peers, wire: TcpStream, from: SocketAddr) {
        while let Some(ended) = peers.here.try_join_next() {
            note(cx, ended);
        }
        // Lines are short and wait for answers.
        let _ = wire.set_nodelay(true);
        let peer = Pusher::new(wire, from.ip(), Arc::clone(&self.rules));
        if peers.here.len() < self.connections {
            peers.here.spawn(peer.serve(cx.clone()));
            return;
        }
        let why = format!("too many connections, allowed are {}", self.connections);
        let refusal = Refusal::new("too_many_connections", why);
        cx.refuse(&refusal);
        // Whoever comes in such numbers that not even this is enough is dropped without a word.
        if peers.leaving.len() < self.connections {
            peers.leaving.spawn(peer.turn_away(refusal, LINGER));
        }
    }
}

fn note(cx: &ConnectorContext, ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!("connector {}: a connection failed: {error}", cx.name);
    }
}

// Compiles the example in the guide for writers of connectors, so that it stays true.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Guide;
