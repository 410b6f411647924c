//! What flows in: a configuration whose types are right. What flows out: the values that cannot work, alone or
//! together. Refuses to know: TOML; it asks the tree only where a key was written.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::auth::Method;
use super::backends::Backend;
use super::problem::Problem;
use super::sections::Observe;
use super::tree::Node;
use super::{Clients, Config, defaults, sections};
use turted_core::units::format_size;

/// Notes every value that is out of its range or does not go with another one.
pub(super) fn check(config: &Config, root: &Node, problems: &mut Vec<Problem>) {
    let mut report = Report { root, problems };
    server(&config.server, &mut report);
    clients(&config.clients, &config.observe, &mut report);
    files(config, &mut report);
    limits(&config.limits, &mut report);
    doors(config, &mut report);
    public(config, &mut report);
    sessions(config, &mut report);
    headers(config, &mut report);
}

/// Headers are believed of somebody, or of nobody.
fn headers(config: &Config, report: &mut Report<'_>) {
    let by_headers = |method: &Method| matches!(method, Method::Headers(_));
    let unread = report
        .problems
        .iter()
        .any(|problem| problem.key.starts_with("server.proxies"));
    if config.auth.clients.iter().any(by_headers) && config.server.proxies.is_empty() && !unread {
        report.refuse(
            "server.proxies",
            "must name the proxy whose headers [auth.clients] type \"headers\" believes, e.g. [\"127.0.0.1\"]",
        );
    }
}

/// A browser sends its cookies along whatever page asks it to (CWE-1385).
fn sessions(config: &Config, report: &mut Report<'_>) {
    let by_cookie = |method: &Method| matches!(method, Method::Callback(callback) if callback.forwards_cookies());
    if config.auth.clients.iter().any(by_cookie)
        && config
            .server
            .origins
            .iter()
            .any(|origin| matches!(origin.as_str(), "*" | "null"))
    {
        report.refuse(
            "server.origins",
            "must have neither \"*\" nor \"null\" while [auth.clients] type \"callback\" forwards cookies: any page could connect as whoever looks at it; \
             list the origins of your pages",
        );
    }
}

struct Report<'a> {
    root: &'a Node,
    problems: &'a mut Vec<Problem>,
}

impl Report<'_> {
    fn refuse(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(self.root.place_of(key), key, message));
    }

    fn within(&mut self, key: &str, value: usize, least: usize, most: usize) {
        if value < least {
            self.refuse(key, format!("must be at least {least}"));
        } else if value > most {
            self.refuse(key, format!("must be at most {most}"));
        }
    }

    fn lasting(&mut self, key: &str, value: Duration, least: Duration, most: Duration) {
        if !(least..=most).contains(&value) {
            let (least, most) = (humantime::format_duration(least), humantime::format_duration(most));
            self.refuse(key, format!("must be between {least} and {most}"));
        }
    }
}

fn clients(clients: &Clients, observe: &Observe, report: &mut Report<'_>) {
    let enabled = clients.iter().filter(|(_, client)| client.section.is_enabled);
    let paths: Vec<(String, &str, &str, bool)> = enabled
        .filter_map(|(name, client)| {
            let (kind, path) = (&client.section.kind, client.path.as_deref()?);
            Some((format!("clients.{name}"), kind.as_str(), path, defaults::shares(kind)))
        })
        .collect();
    for (at, (section, kind, path, shares)) in paths.iter().enumerate() {
        let key = &format!("{section}.path");
        let takes_the_rest = *path == "/" && defaults::takes_the_rest(kind);
        let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b));
        let is_path = path.starts_with('/') && path.len() > 1 && !path.ends_with('/') && !path.contains("//") && plain;
        if !is_path && !takes_the_rest {
            let message = "must be a path such as \"/ws\": a slash, then letters, digits and - _ . ~ /";
            report.refuse(key, message);
        }
        for (on, taken) in [(observe.metrics, Observe::METRICS), (observe.stream, Observe::STREAM)] {
            if on && *path == taken {
                let message = format!("{taken} is taken by [observe]; choose another path or turn that off");
                report.refuse(key, message);
            }
        }
        let below = |path: &str, other: &str| path.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
        let clash = |other: &str, also: bool| match *path == other {
            // One of them leaves to the other what is not for it.
            true => *shares == also,
            false => below(path, other) || below(other, path),
        };
        if let Some((other, ..)) = paths[..at].iter().find(|(_, _, other, also)| clash(other, *also)) {
            report.refuse(
                key,
                format!("is at, above or below the path of {other}; choose another one"),
            );
        }
    }
}

fn server(server: &sections::Server, report: &mut Report<'_>) {
    report.within("server.workers", server.workers.map_or(0, usize::from), 0, 1024);
    for origin in &server.origins {
        if !is_origin(origin) {
            let message = format!(
                "{origin:?} is no origin; write \"https://app.example.com\" (scheme, host in small letters, perhaps a port, nothing \
                 after it), \"https://*.example.com\", \"null\" or \"file://\" for pages without a host, \"app://name\" for an app's \
                 own scheme, or \"*\""
            );
            report.refuse("server.origins", message);
        }
    }
    let level = server.loglevel.as_str();
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    if !levels.contains(&level.to_ascii_lowercase().as_str()) && !level.contains(['=', ',']) {
        let message =
            "must be off, error, warn, info, debug, trace, or a filter such as \"info,turted::connection=debug\"";
        report.refuse("server.loglevel", message);
    }
}

/// `*`, or a scheme, a host whose first label may be `*`, and perhaps a port; `null` for pages that have no origin, and
/// whatever an app calls itself in a scheme of its own.
fn is_origin(origin: &str) -> bool {
    if matches!(origin, "*" | "null" | "file://") {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let name = host.strip_prefix("*.").unwrap_or(host);
    let is_name = name.split('.').all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    });
    let is_v6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    let is_own = !matches!(scheme, "http" | "https")
        && !authority.is_empty()
        && authority
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
    scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port))
        && (is_name || is_v6 || is_own)
}

fn files(config: &Config, report: &mut Report<'_>) {
    let mut exists = |key: &str, path: &Path, is: fn(&Path) -> bool, what: &str| {
        if !is(path) {
            report.refuse(key, format!("there is no {what} {}", path.display()));
        }
    };
    if let Some(folder) = &config.server.static_dir {
        exists("server.static_dir", folder, Path::is_dir, "folder");
    }
    if let Some(tls) = &config.tls {
        exists("tls.cert", &tls.cert, Path::is_file, "file");
        exists("tls.key", &tls.key, Path::is_file, "file");
    }
}

fn limits(limits: &sections::Limits, report: &mut Report<'_>) {
    for (key, value, least, most) in [
        ("limits.message_bytes", limits.message_bytes, 256, usize::MAX),
        ("limits.push_bytes", limits.push_bytes, 256, usize::MAX),
        // Deeper JSON costs stack, and no reader of ours goes further.
        ("limits.json_depth", limits.json_depth, 1, 127),
        ("limits.name_bytes", limits.name_bytes, 1, 200),
        (
            "limits.channels_per_connection",
            limits.channels_per_connection,
            1,
            usize::MAX,
        ),
        (
            "limits.messages_per_second",
            limits.messages_per_second as usize,
            1,
            usize::MAX,
        ),
        ("limits.messages_burst", limits.messages_burst as usize, 1, usize::MAX),
        ("limits.bad_messages", limits.bad_messages as usize, 1, usize::MAX),
        ("limits.outbox_frames", limits.outbox_frames, 1, usize::MAX),
        ("limits.connections", limits.connections, 1, usize::MAX),
        (
            "limits.requests_per_connection",
            limits.requests_per_connection,
            1,
            usize::MAX,
        ),
        (
            "limits.connections_per_address",
            limits.connections_per_address,
            1,
            usize::MAX,
        ),
    ] {
        report.within(key, value, least, most);
    }
    if limits.bodies_total < limits.push_bytes {
        let push = format_size(limits.push_bytes);
        let message = format!("must be at least limits.push_bytes ({push}), or the largest push would not fit");
        report.refuse("limits.bodies_total", message);
    }
    if limits.outbox_bytes < limits.push_bytes {
        let push = format_size(limits.push_bytes);
        let message = format!("must be at least limits.push_bytes ({push}), or the largest event would not fit");
        report.refuse("limits.outbox_bytes", message);
    }
    if limits.outbox_total < limits.outbox_bytes {
        let one = format_size(limits.outbox_bytes);
        let message = format!("must be at least limits.outbox_bytes ({one}), which one client may have");
        report.refuse("limits.outbox_total", message);
    }
    let hour = Duration::from_secs(3600);
    report.lasting(
        "limits.header_timeout",
        limits.header_timeout,
        Duration::from_millis(100),
        hour,
    );
    report.lasting("limits.ident", limits.ident, Duration::from_secs(1), hour);
    report.lasting("limits.ping", limits.ping, Duration::from_secs(1), hour);
}

impl Config {
    /// Whether others than the developer can come: beyond loopback, or from the pages of `server.origins`.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.publicity().is_some()
    }

    /// The key that makes the server public, and why it does.
    fn publicity(&self) -> Option<(&'static str, &'static str)> {
        let server = &self.server;
        match server {
            _ if !server.listen.ip().to_canonical().is_loopback() => {
                Some(("server.listen", "it listens beyond this machine"))
            }
            _ if !server.proxies.is_empty() => Some(("server.proxies", "server.proxies is set")),
            _ if !server.origins.is_empty() => Some(("server.origins", "server.origins is set")),
            _ => None,
        }
    }

    /// Whether any program may push that reaches the server, and nobody has said that this is meant.
    fn has_open_door(&self) -> bool {
        let is_open = |backend: &Backend| backend.method == Method::AcceptAll;
        self.auth.backends.iter().any(is_open) && !self.auth.backends_anywhere
    }

    /// What is wrong with taking events in on `listen`: the only guard of an open back door is that nobody else can
    /// reach it (CWE-306).
    #[must_use]
    pub fn open_door(&self, listen: SocketAddr) -> Option<String> {
        (self.has_open_door() && !listen.ip().to_canonical().is_loopback()).then(|| {
            format!(
                "{listen} is more than this machine, and with [auth.backends] type \"accept_all\" anybody who reaches it may send \
                 events; set type = \"password\" or \"token\" there, or listen on 127.0.0.1, or write anywhere = true under \
                 [auth.backends] if something else keeps strangers away"
            )
        })
    }
}

/// Everybody who reaches a public server could be anybody and hear everything: that has to be said, not forgotten.
fn public(config: &Config, report: &mut Report<'_>) {
    let Some((key, why)) = config.publicity() else {
        return;
    };
    // What could not be read was meant to say something.
    let is_of_these = |problem: &Problem| ["server", "auth", "may"].iter().any(|key| problem.key.starts_with(key));
    if report.problems.iter().any(is_of_these) {
        return;
    }
    if config.may.is_none() {
        report.refuse(
            key,
            format!(
                "this server is public, since {why}: say who may join which channels. To let everybody join everything:\n    \
                 [may.anyone]\n    join = [\"**\"]\nto let users join their own:\n    [may.users]\n    join = [\"user.{{user}}\"]"
            ),
        );
    }
    if config.auth.clients == [Method::AcceptAll] && !config.auth.clients_anywhere {
        report.refuse(
            key,
            format!(
                "this server is public, since {why}, and with [auth.clients] type \"accept_all\" whoever says \"adam\" hears what \
                 is meant for adam. To find out who somebody is:\n    [auth.clients]\n    type = \"token\"\n    secret = \
                 \"${{TURTED_SECRET}}\"\nto believe everybody:\n    [auth.clients]\n    type = \"accept_all\"\n    anywhere = true"
            ),
        );
    }
    if config.has_open_door() {
        report.refuse(
            key,
            format!(
                "this server is public, since {why}, and with [auth.backends] type \"accept_all\" whoever reaches it may send events \
                 and use the server API. To let your backend in:\n    [auth.backends]\n    type = \"password\"\n    password = \
                 \"${{TURTED_PUSH_PASSWORD}}\"\nto let everybody in, since something else keeps strangers away:\n    \
                 [auth.backends]\n    type = \"accept_all\"\n    anywhere = true"
            ),
        );
    }
}

fn doors(config: &Config, report: &mut Report<'_>) {
    // A door whose guard could not be read is no open door; that it could not is reported already.
    let unread = report
        .problems
        .iter()
        .any(|problem| problem.key.starts_with("auth.backends"));
    if let Some(why) = config.open_door(config.server.listen).filter(|_| !unread) {
        report.refuse("server.listen", why);
    }
}
