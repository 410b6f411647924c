//! From what people write after `--url` to the URLs of the server's doors.
//!
//! In: a base such as `http://127.0.0.1:7117` or `example.com/rt`, or the full URL of one door. Out: the URLs of all of
//! them. Credentials in a URL are refused and never repeated, because URLs end up in logs and on screens.

use std::fmt;

use anyhow::{Result, bail, ensure};
use http::Uri;

/// Where the server is unless somebody says otherwise.
pub const DEFAULT: &str = "http://127.0.0.1:7117";

/// Where pushes go unless the configuration of the connector says otherwise.
pub const PUSH: &str = "/push/";

const SOCKET: &str = "/ws";
const OBSERVE: &str = "/observe";
const API: &str = "/api";

/// A server, and perhaps one door of it. Displayed as it was meant, without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    secure: bool,
    /// Written with `ws` or `wss`.
    socket: bool,
    authority: String,
    path: String,
}

impl Url {
    /// Reads what was written. Without a scheme `http` is meant.
    pub fn parse(text: &str) -> Result<Self> {
        const EXAMPLE: &str = "expected something like http://127.0.0.1:7117";
        let text = text.trim();
        let whole = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let Ok(uri) = whole.parse::<Uri>() else {
            bail!("--url is not a URL; {EXAMPLE}");
        };
        let (secure, socket) = match uri.scheme_str() {
            Some("http") => (false, false),
            Some("https") => (true, false),
            Some("ws") => (false, true),
            Some("wss") => (true, true),
            _ => bail!("--url must begin with http, https, ws or wss; {EXAMPLE}"),
        };
        let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
        // CWE-598: a password in a URL is seen by everybody who sees the URL.
        ensure!(!authority.contains('@'), "--url must not hold credentials; use --token");
        ensure!(
            uri.host().is_some_and(|host| !host.is_empty()),
            "--url names no host; {EXAMPLE}"
        );
        ensure!(
            uri.query().is_none(),
            "--url must not hold a query (what comes after \"?\")"
        );
        Ok(Self {
            secure,
            socket,
            authority: authority.to_owned(),
            path: uri.path().to_owned(),
        })
    }

    /// Whether TLS is spoken there.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Where to POST. A path that ends with `/push` or with a slash is taken for the door itself, any other for the
    /// folder in which the server lives.
    pub fn push(&self) -> String {
        let is_door = !self.socket && self.path != "/" && (self.path.ends_with('/') || self.path.ends_with("/push"));
        match is_door {
            true => self.at(false, &self.path),
            false => self.at(false, &format!("{}{PUSH}", self.folder())),
        }
    }

    /// Where to connect a WebSocket. A path after `ws://` is taken as it is.
    pub fn socket(&self) -> String {
        match self.socket && self.path != "/" {
            true => self.at(true, &self.path),
            false => self.at(true, &format!("{}{SOCKET}", self.folder())),
        }
    }

    /// Where the server API has the resource at this path below it.
    pub fn api(&self, below: &str) -> String {
        self.at(false, &format!("{}{API}{below}", self.folder()))
    }

    /// Where everything that happens can be watched, perhaps only the dispatches of one event.
    pub fn observe(&self, event: Option<&str>) -> String {
        let query = event
            .map(|event| format!("?event={}", escape(event)))
            .unwrap_or_default();
        self.at(false, &format!("{}{OBSERVE}{query}", self.folder()))
    }

    fn at(&self, socket: bool, path: &str) -> String {
        let scheme = match (socket, self.secure) {
            (false, false) => "http",
            (false, true) => "https",
            (true, false) => "ws",
            (true, true) => "wss",
        };
        format!("{scheme}://{}{path}", self.authority)
    }

    /// The path below which the doors are, without a slash at its end: one URL in the environment serves all commands.
    fn folder(&self) -> &str {
        let path = self.path.trim_end_matches('/');
        let doors = [PUSH, SOCKET, OBSERVE, API].map(|door| door.trim_end_matches('/'));
        doors.iter().find_map(|door| path.strip_suffix(door)).unwrap_or(path)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.at(self.socket, &self.path))
    }
}

/// Percent-encoding for one value of a query (RFC 3986 section 2.3 says what may stay).
pub fn escape(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn one_url_leads_to_every_door() {
        for (text, push, socket, observe) in [
            ("http://h:1", "http://h:1/push/", "ws://h:1/ws", "http://h:1/observe"),
            ("http://h:1/", "http://h:1/push/", "ws://h:1/ws", "http://h:1/observe"),
            ("h:1", "http://h:1/push/", "ws://h:1/ws", "http://h:1/observe"),
            (
                "https://h/rt",
                "https://h/rt/push/",
                "wss://h/rt/ws",
                "https://h/rt/observe",
            ),
            ("h/rt", "http://h/rt/push/", "ws://h/rt/ws", "http://h/rt/observe"),
            ("http://h/push/", "http://h/push/", "ws://h/ws", "http://h/observe"),
            (
                "http://h/rt/push",
                "http://h/rt/push",
                "ws://h/rt/ws",
                "http://h/rt/observe",
            ),
            ("http://h/in/", "http://h/in/", "ws://h/in/ws", "http://h/in/observe"),
            ("ws://h/ws", "http://h/push/", "ws://h/ws", "http://h/observe"),
            (
                "wss://h/live",
                "https://h/live/push/",
                "wss://h/live",
                "https://h/live/observe",
            ),
            (
                "http://[::1]:7117",
                "http://[::1]:7117/push/",
                "ws://[::1]:7117/ws",
                "http://[::1]:7117/observe",
            ),
        ] {
            let url = url(text);
            assert_eq!(
                (url.push(), url.socket(), url.observe(None)),
                (push.to_owned(), socket.to_owned(), observe.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn an_event_is_escaped_in_the_query() {
        assert_eq!(
            url("h").observe(Some("A:B&c é")),
            "http://h/observe?event=A%3AB%26c%20%C3%A9"
        );
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused_without_repeating_it() {
        for text in [
            "",
            "http://",
            "ftp://h",
            "http://h:1?token=s3cret",
            "http://adam:s3cret@h",
            "adam:s3cret@h",
            "http://h h",
            "http://:80",
        ] {
            let error = Url::parse(text).unwrap_err().to_string();
            assert!(
                error.starts_with("--url") && !error.contains("s3cret"),
                "{text}: {error}"
            );
        }
    }
}
