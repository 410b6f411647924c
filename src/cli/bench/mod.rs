//! `turted bench`: how fast is this server, and does it lose anything?
//!
//! In: the command line. Out: a report, and an error when deliveries were lost or doubled. Subscribers join, warm-up
//! and measured publishes go out, every delivery is checked. The same run measures turted's peers, Nchan and Socket.IO.
//! Nothing here uses the server's own code: the benchmark sees what a client sees.
//!
//! `peer` (what a kind of server wants) → `subscriber` (reads) → `tally` (counts) ← `drive` (paces) → `publisher`
//! (pushes); `stamp` marks the payloads, `process` reads the server's costs, `report` tells.

mod drive;
mod peer;
mod process;
mod publisher;
mod report;
mod stamp;
mod subscriber;
mod tally;

use std::{
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::builder::RangedU64ValueParser;
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use tokio::{net::TcpStream, task::spawn_local, time::sleep};
use tokio_tungstenite::tungstenite::http::Uri;

use self::{
    drive::{Drive, Pace},
    peer::Contender,
    process::Watched,
    publisher::Publisher,
    report::{Cost, Report},
    stamp::{MOST_PUBLISHES, SMALLEST_PAYLOAD, Stamp},
    subscriber::{Listening, Socket, listen},
    tally::Tally,
};

/// Subscribers that are connecting at the same time.
const JOINING_AT_ONCE: usize = 200;

/// How long to listen on after the last expected delivery, for doubles.
const AFTERWARDS: Duration = Duration::from_millis(250);

/// Open files the benchmark needs besides its subscribers and publishers.
const OTHER_FILES: u64 = 64;

/// Measure a running server: throughput, latency, loss, and what a delivery and a connection cost it.
///
/// Opens many subscribers to one channel, pushes events to it over HTTP and checks that each subscriber receives each
/// event once and in order. Ends with an error when anything was lost or doubled.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Base URL of the server. Plain http only: the server is measured, not its TLS
    #[arg(long, default_value = "http://127.0.0.1:7117")]
    url: Uri,

    /// What kind of server it is
    #[arg(long, value_enum, default_value = "turted")]
    peer: Contender,

    /// How many WebSockets subscribe
    #[arg(long, default_value_t = 1000, value_name = "N",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    subscribers: usize,

    /// How many events are pushed and measured
    #[arg(long, default_value_t = 200, value_name = "M",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=(MOST_PUBLISHES / 2) as u64))]
    publishes: usize,

    /// Dispatches in flight. The next event is pushed when an earlier one has reached every subscriber
    #[arg(long, default_value_t = 1, value_name = "W",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    window: usize,

    /// Push this many events per second instead, whether or not the server keeps up. Latency then
    /// counts from when an event was due, so that a stalled server cannot hide it
    #[arg(long, value_name = "R", conflicts_with = "window", value_parser = parse_rate)]
    rate: Option<f64>,

    /// Size of the JSON payload in bytes
    #[arg(long, default_value_t = 128, value_name = "BYTES",
          value_parser = RangedU64ValueParser::<usize>::new().range(SMALLEST_PAYLOAD as u64..=1_000_000))]
    payload: usize,

    /// Channel to join and push to
    #[arg(long, default_value = "bench", value_parser = parse_channel)]
    channel: String,

    /// Process id of the server, to report its CPU and memory; its children count too. May be repeated. Linux only
    #[arg(long)]
    pid: Vec<u32>,

    /// Token for the pushes, sent as `Authorization: Bearer TOKEN`
    #[arg(long)]
    token: Option<String>,

    /// Events pushed before measuring begins
    #[arg(long, default_value_t = 20, value_name = "EVENTS",
          value_parser = RangedU64ValueParser::<usize>::new().range(0..=(MOST_PUBLISHES / 2) as u64))]
    warmup: usize,

    /// Seconds to let the server settle before its memory is read
    #[arg(long, default_value_t = 1, value_name = "SECONDS")]
    idle_seconds: u64,

    /// Seconds to wait for a connection, an answer, or an event to reach everybody
    #[arg(long, default_value_t = 30, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the benchmark and prints its report.
///
/// Needs a tokio `LocalSet` around it, as every actix runtime has: subscribers are local tasks of this thread.
///
/// # Errors
/// When the server cannot be reached or refuses, and when deliveries were lost or doubled.
pub async fn run(args: BenchArgs) -> Result<()> {
    let report = measure(&args).await?;
    if args.json {
        println!("{}", report.json());
    } else {
        println!("{report}");
    }
    match report.failure() {
        Some(failure) => bail!(failure),
        None => Ok(()),
    }
}

async fn measure(args: &BenchArgs) -> Result<Report> {
    raise_open_files(args)?;
    let (server, authority) = reach(&args.url).await?;
    let base = args.url.path().trim_end_matches('/');
    let patience = Duration::from_secs(args.timeout);
    let watched = Watched::new(args.pid.clone());
    let before = watched.usage()?;

    let begin = Instant::now();
    let listening = Listening {
        server,
        url: format!("ws://{authority}{base}{}", args.peer.subscribe_path(&args.channel)),
        peer: args.peer,
        channel: args.channel.clone(),
        patience,
    };
    let sockets = join(&listening, args.subscribers).await?;
    let joining = begin.elapsed();

    let stamp = Rc::new(Stamp::new(fastrand::u64(..), args.payload));
    let total = args.warmup + args.publishes;
    let tally = Rc::new(Tally::new(args.subscribers, args.warmup, total)?);
    for socket in sockets {
        spawn_local(listen(socket, args.peer, Rc::clone(&stamp), Rc::clone(&tally), begin));
    }
    sleep(Duration::from_secs(args.idle_seconds)).await;
    let idle = watched.usage()?;

    let path = format!("{base}{}", args.peer.publish_path(&args.channel));
    let drive = Drive {
        publisher: Publisher::new(server, &authority, &path, args.token.as_deref()),
        peer: args.peer,
        channel: args.channel.clone(),
        stamp,
        tally: Rc::clone(&tally),
        begin,
        patience,
    };
    let pace = args.rate.map_or(Pace::Window(args.window), Pace::Rate);
    let warmed_up = drive.push_all(0..args.warmup, pace).await?;
    ensure!(
        warmed_up == args.warmup,
        "an event has not reached all {} subscribers within {patience:?} (--timeout) of the warm-up",
        args.subscribers
    );

    let started = watched.usage()?;
    let start = Instant::now();
    let publishes = drive.push_all(args.warmup..total, pace).await?;
    let took = start.elapsed();
    let finished = watched.usage()?;
    sleep(AFTERWARDS).await;

    let cost = before.zip(idle).zip(started.zip(finished));
    Ok(Report {
        peer: args.peer.name(),
        url: args.url.to_string(),
        subscribers: args.subscribers,
        joining,
        pace: match pace {
            Pace::Window(window) => format!("{window} in flight"),
            Pace::Rate(rate) => format!("{rate} per second"),
        },
        payload: args.payload,
        wanted: args.publishes,
        publishes,
        deliveries: tally.measured(),
        took,
        latency: [0.5, 0.99, 1.0].map(|quantile| tally.latency(quantile)),
        lost: tally.lost(args.warmup + publishes),
        doubled: tally.doubled(),
        misordered: tally.misordered(),
        disconnected: tally.disconnected(),
        cost: cost.map(|((before, idle), (started, finished))| Cost {
            cpu: finished.cpu.saturating_sub(started.cpu),
            memory_before: before.memory,
            memory_after: idle.memory,
            processes: finished.processes,
        }),
    })
}

/// Connects all subscribers, a bounded number at a time.
async fn join(listening: &Listening, subscribers: usize) -> Result<Vec<Socket>> {
    iter((0..subscribers).map(|index| listening.connect(index)))
        .buffer_unordered(JOINING_AT_ONCE)
        .try_collect()
        .await
}

/// The first address of `url` that accepts a connection, and the `host:port` for its requests.
async fn reach(url: &Uri) -> Result<(SocketAddr, String)> {
    ensure!(
        url.scheme_str() == Some("http"),
        "--url {url} must begin with http:// (behind TLS, measure the server's plain port)"
    );
    let host = url.host().context("--url names no host")?;
    let authority = format!("{host}:{}", url.port_u16().unwrap_or(80));
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host(&authority)
        .await
        .with_context(|| format!("failed to resolve {host}"))?
        .collect();
    let mut refusal = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(_) => return Ok((address, authority)),
            Err(error) => refusal = Some(error),
        }
    }
    let refusal = refusal.map_or("no address found".to_owned(), |error| error.to_string());
    bail!("nothing answers at {url} ({refusal}); is the server running?")
}

/// Lets this process open as many files as it may, and checks that this is enough.
fn raise_open_files(args: &BenchArgs) -> Result<()> {
    let needed = (args.subscribers + args.window) as u64 + OTHER_FILES;
    let allowed =
        rlimit::increase_nofile_limit(u64::MAX).context("failed to raise the limit of open files (see `ulimit -n`)")?;
    ensure!(
        allowed >= needed,
        "{} subscribers need {needed} open files, but this shell may open only {allowed}; \
         raise its hard limit (`ulimit -Hn {needed}` as root, or nofile in limits.conf)",
        args.subscribers
    );
    Ok(())
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1e6).contains(&rate) => Ok(rate),
        _ => Err("expected events per second, 0.001 to 1000000".to_owned()),
    }
}

/// Channel names that read the same in JSON and in a query, so that they need no escaping anywhere.
fn parse_channel(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if (1..=200).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 200 of the characters A-Z a-z 0-9 - _ . :".to_owned())
    }
}
