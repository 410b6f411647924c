//! What flows in: the tables `[server]`, `[tls]`, `[limits]`, `[history]` and `[observe]`. What flows out: plain
//! structs, with every default beside its field. Refuses to know: what the rooms make of them; ranges are checked in
//! `checks.rs`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use turted_core::units::{duration, size};

use super::proxy::Network;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// `[server]`: where it listens and what it serves besides events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port; `localhost:7117` is taken as 127.0.0.1. Default 127.0.0.1:7117.
    #[serde(deserialize_with = "fields::address")]
    pub listen: SocketAddr,
    /// Worker threads; `None` (written as 0) means one per core. Default 0.
    #[serde(with = "fields::workers")]
    pub workers: Option<NonZeroUsize>,
    /// A folder to serve instead of the built-in pages. Default none.
    pub static_dir: Option<PathBuf>,
    /// Serve the built-in demo pages. Default true.
    pub demo: bool,
    /// Web origins that may connect besides this host and loopback: `https://app.example.com`, `https://*.example.com`
    /// or `*`.
    pub origins: Vec<String>,
    /// Peers that pass requests on for others: their `X-Forwarded-For` and identity headers are believed. Default none.
    pub proxies: Vec<Network>,
    /// How long a shutdown may take before what is left is cut off. Default 10 s.
    #[serde(with = "duration")]
    pub shutdown_timeout: Duration,
    /// `error`, `warn`, `info`, `debug`, `trace`, `off`, or a filter such as `info,turted::connection=debug`. Default
    /// `info`.
    pub loglevel: String,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7117),
            workers: None,
            static_dir: None,
            demo: true,
            origins: Vec::new(),
            proxies: Vec::new(),
            shutdown_timeout: Duration::from_secs(10),
            loglevel: "info".to_owned(),
        }
    }
}

/// `[tls]`: both files are required once the table is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate and its chain, PEM.
    pub cert: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// What happens to a client that does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Slow {
    /// It is closed with code 4008 and may come back for what it missed.
    Close,
    /// It misses events and is not told.
    Drop,
}

/// `[limits]`: what one client, one backend and one address may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest message of a client. Default 64 KiB.
    #[serde(with = "size")]
    pub message_bytes: usize,
    /// Largest push of a backend. Default 1 MiB.
    #[serde(with = "size")]
    pub push_bytes: usize,
    /// How deep JSON may nest. Default 64.
    pub json_depth: usize,
    /// Longest name of a user, channel or event, in bytes, 1 to 200. Default 200.
    pub name_bytes: usize,
    /// Channels one connection may be in. Default 128.
    pub channels_per_connection: usize,
    /// Messages per second one client may send on average. Default 100.
    pub messages_per_second: u32,
    /// Messages one client may send at once after a pause. Default 200.
    pub messages_burst: u32,
    /// A client that sends this many malformed messages in a row is closed. Default 20.
    pub bad_messages: u32,
    /// Bytes that may wait for one client. Default 1 MiB.
    #[serde(with = "size")]
    pub outbox_bytes: usize,
    /// Events that may wait for one client. Default 4096.
    pub outbox_frames: usize,
    /// What happens when one of these two is reached. Default `close`.
    pub slow: Slow,
    /// Bytes that may wait for all clients together, a shared event counted once; beyond it the heaviest end as slow,
    /// whatever `slow` says. Default 512 MiB.
    #[serde(with = "size")]
    pub outbox_total: usize,
    /// Bytes of ids and names that are kept of connections which lost their wire and may come back. Default 64 MiB.
    #[serde(with = "size")]
    pub parked_bytes: usize,
    /// Connections altogether. Default 100,000.
    pub connections: usize,
    /// Connections from one address; behind a reverse proxy all clients share its address. Default 1,000.
    pub connections_per_address: usize,
    /// Bytes of all request bodies under way together. Default 64 MiB.
    #[serde(with = "size")]
    pub bodies_total: usize,
    /// Requests that one HTTP/2 connection may have under way. Default 250.
    pub requests_per_connection: usize,
    /// How long a client may take to send the head of its request. Default 5 s.
    #[serde(with = "duration")]
    pub header_timeout: Duration,
    /// How long a client may be nobody where nobody may hear or do anything. Default 10 s.
    #[serde(with = "duration")]
    pub ident: Duration,
    /// A sign of life is asked for this often; two without an answer end the connection. Default 25 s.
    #[serde(with = "duration")]
    pub ping: Duration,
}

impl Limits {
    /// The bounds that the contracts know.
    #[must_use]
    pub fn core(&self) -> turted_core::Limits {
        turted_core::Limits {
            name_bytes: self.name_bytes,
            json_depth: self.json_depth,
            push_bytes: self.push_bytes,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message_bytes: 64 * KIB,
            push_bytes: MIB,
            json_depth: 64,
            name_bytes: 200,
            channels_per_connection: 128,
            messages_per_second: 100,
            messages_burst: 200,
            bad_messages: 20,
            outbox_bytes: MIB,
            outbox_frames: 4096,
            parked_bytes: 64 * MIB,
            slow: Slow::Close,
            outbox_total: 512 * MIB,
            connections: 100_000,
            connections_per_address: 1_000,
            bodies_total: 64 * MIB,
            requests_per_connection: 250,
            header_timeout: Duration::from_secs(5),
            ident: Duration::from_secs(10),
            ping: Duration::from_secs(25),
        }
    }
}

/// `[history]`: how far back a client that lost its wire can catch up. The first bound reached counts; any zero turns
/// it off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// Default 120 s.
    #[serde(with = "duration")]
    pub age: Duration,
    /// Default 64 MiB.
    #[serde(with = "size")]
    pub bytes: usize,
    /// Events. Default 100,000.
    pub count: usize,
}

impl Default for History {
    fn default() -> Self {
        History {
            age: Duration::from_secs(120),
            bytes: 64 * MIB,
            count: 100_000,
        }
    }
}

/// `[observe]`: who may watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Observe {
    /// Write every dispatched event to the log, at level debug. Default false.
    pub log: bool,
    /// Serve numbers for Prometheus at [`Observe::METRICS`]. Default true.
    pub metrics: bool,
    /// Ask for the credentials of a backend there. Default false.
    pub metrics_auth: bool,
    /// Serve a live stream of what happens at [`Observe::STREAM`]. Default true.
    pub stream: bool,
    /// `/health/ready` answers 200 also while a connector has failed or tries again, and says `degraded`; with false it
    /// answers 503 then, which keeps a load balancer from sending clients here. Default true.
    pub ready_while_degraded: bool,
    /// How many may watch it at a time. Default 100.
    pub viewers: usize,
}

impl Observe {
    /// The path of the numbers.
    pub const METRICS: &'static str = "/metrics";
    /// The path of the live stream.
    pub const STREAM: &'static str = "/observe";
}

impl Default for Observe {
    fn default() -> Self {
        Observe {
            log: false,
            metrics: true,
            metrics_auth: false,
            stream: true,
            ready_while_degraded: true,
            viewers: 100,
        }
    }
}

/// How single fields of `[server]` are written.
mod fields {
    use super::{NonZeroUsize, SocketAddr};
    use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
    use std::fmt;

    pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
        struct Address;
        impl Visitor<'_> for Address {
            type Value = SocketAddr;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an IP address and a port, such as \"127.0.0.1:7117\", \"0.0.0.0:80\" or \"[::]:7117\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<SocketAddr, E> {
                let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
                let address = local.as_deref().unwrap_or(text).parse();
                address.map_err(|_| E::invalid_value(Unexpected::Other("this text"), &self))
            }
        }
        deserializer.deserialize_str(Address)
    }

    pub(super) mod workers {
        use super::{Deserialize, Deserializer, NonZeroUsize};
        use serde::ser::{Serialize, Serializer};

        pub(in super::super) fn serialize<S: Serializer>(
            workers: &Option<NonZeroUsize>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            workers.map_or(0, NonZeroUsize::get).serialize(serializer)
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<NonZeroUsize>, D::Error> {
            usize::deserialize(deserializer).map(NonZeroUsize::new)
        }
    }
}
