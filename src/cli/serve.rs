//! `turted serve`: runs the server until it is asked to stop.
//!
//! In: a checked configuration. Out: a few lines that say what is where, and a clean end. Refuses to know how the
//! server is built.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use log::{info, warn};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::line;
use crate::Server;
use crate::config::{Config, Method, Observe};
use crate::engine::LinkState;
use crate::server::WayIn;

/// What the shell says of a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// Serves until SIGTERM or SIGINT; SIGHUP changes nothing. Must run inside an actix `System`.
pub async fn run(config: Config) -> Result<()> {
    // Before anything is started, so that no signal is missed.
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut terminate = on(SignalKind::terminate())?;
    // Whoever wants it to end says so: a terminal that is closed, or a habit of reloading, does not.
    let mut hangup = on(SignalKind::hangup())?;
    for hint in &config.hints {
        warn!("{hint}");
    }
    let running = Server::builder().config(config.clone()).build()?.start()?;
    // A server whose standard output is closed goes on serving.
    let _ = line::print(banner(&config, &running.addresses(), running.ways_in(), running.cluster()).trim_end());
    let failed = loop {
        tokio::select! {
            _ = interrupt.recv() => info!("SIGINT: stopping; once more to stop at once"),
            _ = terminate.recv() => info!("SIGTERM: stopping"),
            part = running.failed() => break Some(part),
            _ = hangup.recv() => {
                warn!("SIGHUP: going on; the configuration is read at start only, SIGTERM stops");
                continue;
            }
        }
        break None;
    };
    tokio::select! {
        () = running.stop() => {}
        _ = interrupt.recv() => std::process::exit(INTERRUPTED),
    }
    match failed {
        Some(part) => bail!("{part} has ended by itself; the log says why"),
        None => Ok(()),
    }
}

fn on(kind: SignalKind) -> Result<Signal> {
    signal(kind).context("failed to listen for signals")
}

/// The words of several methods.
fn words<'a>(methods: impl Iterator<Item = &'a Method>) -> String {
    let mut words: Vec<&str> = methods.map(word).collect();
    words.dedup();
    words.join(", ")
}

/// What is where, with URLs to copy.
fn banner(config: &Config, addresses: &[(SocketAddr, &str)], ways_in: &[WayIn], cluster: Option<&LinkState>) -> String {
    let all: Vec<String> = addresses
        .iter()
        .map(|(address, scheme)| format!("{scheme}://{address}"))
        .collect();
    let mut out = format!(
        "turted {} listening on {}\n",
        env!("CARGO_PKG_VERSION"),
        all.join(" and ")
    );
    let Some((address, scheme)) = addresses.first() else {
        return out;
    };
    let host = reachable(*address);
    let mut row = |what: &str, where_: String, remark: &str| {
        // Writing into a string cannot fail.
        let _ = match remark {
            "" => writeln!(out, "  {what:<10} {where_}"),
            _ => writeln!(out, "  {what:<10} {where_:<41} ({remark})"),
        };
    };
    let clients = config.clients.values().filter(|client| client.section.is_enabled);
    let paths: Vec<&str> = clients.filter_map(|client| client.path.as_deref()).collect();
    row("clients", format!("{scheme}://{host}{}", paths.join(", ")), "");
    row("", format!("auth {}", words(config.auth.clients.iter())), "");
    for way_in in ways_in {
        let kind = config.connectors.get(&*way_in.name).map_or("", |section| &section.kind);
        let mut remark = format!("connector {}", way_in.name);
        let place = match (&way_in.path, way_in.listens) {
            (Some(path), _) => {
                remark += &format!(
                    "; auth {}",
                    words(config.auth.backends.iter().map(|backend| &backend.method))
                );
                format!("POST {scheme}://{host}{path}")
            }
            (None, Some(address)) => format!("{kind} {address}"),
            (None, None) => kind.to_owned(),
        };
        row("backends", place, &remark);
    }
    if let Some(cluster) = cluster {
        let nodes = cluster.nodes().len();
        let nodes = if nodes == 1 {
            "1 node".to_owned()
        } else {
            format!("{nodes} nodes")
        };
        row("cluster", cluster.what.clone(), &nodes);
    }
    let watch = [
        config.auth.has_api().then_some("/api"),
        config.observe.metrics.then_some(Observe::METRICS),
        config.observe.stream.then_some(Observe::STREAM),
        Some("/health/ready"),
    ];
    let watch: Vec<&str> = watch.into_iter().flatten().collect();
    row("watch", format!("{scheme}://{host}{}", watch.join(", ")), "");
    match (&config.server.static_dir, config.server.demo) {
        (Some(folder), _) => row("pages", format!("{scheme}://{host}/"), &folder.display().to_string()),
        (None, true) => row("demo", format!("{scheme}://{host}/"), ""),
        (None, false) => {}
    }
    out
}

/// The address as somebody on this machine would call it: nobody can connect to 0.0.0.0.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// The `type` that the configuration calls a method by.
fn word(method: &Method) -> &'static str {
    match method {
        Method::AcceptAll => "accept_all",
        Method::Password(_) => "password",
        Method::Hmac(_) | Method::Salted { .. } => "token",
        Method::Jwt(_) => "jwt",
        Method::Callback(_) => "callback",
        Method::Headers(_) => "headers",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Backend, Registries, Secret, Sources};

    fn at(address: &str, scheme: &'static str, config: &Config, ways_in: &[WayIn]) -> String {
        banner(config, &[(address.parse().unwrap(), scheme)], ways_in, None)
    }

    fn way_in(name: &str, path: Option<&str>, listens: Option<&str>) -> WayIn {
        WayIn {
            name: name.into(),
            path: path.map(str::to_owned),
            listens: listens.map(|address| address.parse().unwrap()),
        }
    }

    #[test]
    fn the_banner_says_what_is_where() {
        let expected = concat!(
            "turted ",
            env!("CARGO_PKG_VERSION"),
            " listening on http://127.0.0.1:7117\n",
            "  clients    http://127.0.0.1:7117/bayeux, /events, /realtime, /sse, /poll, /primus, /socket.io, /turted, /sockjs, /ws\n",
            "             auth accept_all\n",
            "  backends   POST http://127.0.0.1:7117/push/          (connector rest; auth accept_all)\n",
            "  watch      http://127.0.0.1:7117/api, /metrics, /observe, /health/ready\n",
            "  demo       http://127.0.0.1:7117/\n",
        );
        let rest = way_in("rest", Some("/push/"), None);
        assert_eq!(at("127.0.0.1:7117", "http", &Config::default(), &[rest]), expected);
    }

    fn believing() -> Registries<'static> {
        Registries {
            connectors: &|_| Ok(()),
            clients: &|_| Ok(()),
            responders: &|_| Ok(()),
            engines: &|_| Ok(()),
        }
    }

    #[test]
    fn the_banner_follows_the_configuration() {
        let sets = [
            "connectors.rest.type=rest",
            "connectors.lines.type=tcp",
            "connectors.lines.address=[::1]:7118",
            "connectors.pipe.type=stdin",
            "server.demo=false",
            "observe.metrics=false",
        ];
        let sources = Sources {
            sets: sets.map(str::to_owned).to_vec(),
            ..Sources::default()
        };
        let mut config = Config::load(&sources, believing()).unwrap();
        config.auth.backends = vec![Backend::of(Method::Password(Secret::new("hush")))];
        let ways_in = [
            way_in("rest", Some("/in/"), None),
            way_in("lines", None, Some("[::1]:7118")),
            way_in("pipe", None, None),
        ];
        let text = at("0.0.0.0:443", "https", &config, &ways_in);
        assert!(text.contains("listening on https://0.0.0.0:443\n"), "{text}");
        assert!(
            text.contains("clients    https://127.0.0.1:443/bayeux, /events, "),
            "{text}"
        );
        assert!(
            text.contains("POST https://127.0.0.1:443/in/") && text.contains("auth password"),
            "{text}"
        );
        let rows = [
            "  backends   tcp [::1]:7118                            (connector lines)\n",
            "  backends   stdin                                     (connector pipe)\n",
        ];
        assert!(rows.iter().all(|row| text.contains(row)), "{text}");
        assert!(
            !text.contains("/metrics") && !text.contains("demo") && !text.contains("hush"),
            "{text}"
        );
    }
}
