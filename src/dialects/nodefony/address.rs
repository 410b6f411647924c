//! Addresses as the clients of nodefony know them: in the parts of `url.parse` of Node.js.
//!
//! In: a URL in pieces, as a request has it. Out: JSON. It does not judge whether anybody is there.

use serde_json::{Value, json};

/// A URL: `ws`, `127.0.0.1:7117`, `/realtime`, `a=b`.
pub struct Url<'a> {
    /// Without its colon.
    pub scheme: &'a str,
    /// With its port, if that is named.
    pub host: &'a str,
    /// From the first slash on.
    pub path: &'a str,
    /// Empty when there is none.
    pub query: &'a str,
}

impl<'a> Url<'a> {
    /// The origin of a page.
    #[must_use]
    pub fn of_origin(origin: &'a str) -> Option<Self> {
        let (scheme, host) = origin.split_once("://")?;
        let (path, query) = ("/", "");
        Some(Self {
            scheme,
            host,
            path,
            query,
        })
    }

    /// Its parts.
    #[must_use]
    pub fn parts(&self) -> Value {
        let Self {
            scheme,
            host,
            path,
            query,
        } = self;
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (name, Some(port))
            }
            _ => (*host, None),
        };
        // Node.js takes the brackets of an IPv6 address away.
        let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let search = (!query.is_empty()).then(|| format!("?{query}"));
        let whole = format!("{path}{}", search.as_deref().unwrap_or_default());
        json!({
            "protocol": format!("{scheme}:"), "slashes": true, "auth": null, "host": host, "port": port,
            "hostname": inner.unwrap_or(name), "hash": null, "search": search,
            "query": search.as_ref().map(|_| query), "pathname": path, "path": whole,
            "href": format!("{scheme}://{host}{whole}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those of Node.js 20.
    #[test]
    fn its_parts_are_those_of_node() {
        let origin = Url::of_origin("http://127.0.0.1:8601").unwrap().parts();
        let expected = json!({
            "protocol": "http:", "slashes": true, "auth": null, "host": "127.0.0.1:8601", "port": "8601",
            "hostname": "127.0.0.1", "hash": null, "search": null, "query": null, "pathname": "/", "path": "/",
            "href": "http://127.0.0.1:8601/",
        });
        assert_eq!(origin, expected);
        let (scheme, host, path, query) = ("wss", "[::1]", "/realtime", "a=b&c");
        let url = Url {
            scheme,
            host,
            path,
            query,
        };
        let expected = json!({
            "protocol": "wss:", "slashes": true, "auth": null, "host": "[::1]", "port": null, "hostname": "::1",
            "hash": null, "search": "?a=b&c", "query": "a=b&c", "pathname": "/realtime", "path": "/realtime?a=b&c",
            "href": "wss://[::1]/realtime?a=b&c",
        });
        assert_eq!(url.parts(), expected);
        assert!(Url::of_origin("null").is_none());
    }
}
