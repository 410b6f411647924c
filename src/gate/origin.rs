//! Which web pages may talk to the server.
//!
//! In: the `Origin` and `Host` of a request. Out: yes or no. Browsers send `Origin`; other programs need not, and are
//! let through: this rule protects users from foreign pages (CWE-1385, cross-site WebSocket hijacking), not the server
//! from programs.

use std::net::{IpAddr, Ipv4Addr};

/// The allow-list. The page's own host and loopback hosts are always allowed.
#[derive(Debug, Clone, Default)]
pub struct OriginRules {
    allowed: Vec<String>,
    is_loopback: bool,
}

impl OriginRules {
    /// Rules that also allow these origins: `https://app.example.com`, `https://*.example.com`, or `*` for all.
    #[must_use]
    pub fn new(allowed: &[String]) -> Self {
        Self {
            allowed: allowed.iter().map(|origin| origin.to_ascii_lowercase()).collect(),
            is_loopback: false,
        }
    }

    /// The same for a server that listens on this address.
    #[must_use]
    pub fn at(self, address: IpAddr) -> Self {
        let is_loopback = address.to_canonical().is_loopback();
        Self { is_loopback, ..self }
    }

    /// Whether a request for this host may be answered. Where only this machine connects, the host of a page is a
    /// loopback name, or one that is listed because a proxy passes it on. Any other name is somebody else's, who has
    /// pointed it here to be of the same origin as this server (DNS rebinding, CWE-350).
    #[must_use]
    pub fn believe(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let name = name_of(&host);
        !self.is_loopback || is_loopback(name) || self.allowed.iter().any(|allowed| is_at(allowed, name))
    }

    /// Whether cookies may speak for whoever looks at this page: one that is listed by its name, or of this host. Where
    /// any page may come, none of them may use what a browser sends along by itself (CWE-352).
    #[must_use]
    pub fn trusts_cookies(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let named = self
            .allowed
            .iter()
            .filter(|allowed| !matches!(allowed.as_str(), "*" | "null"));
        let (allowed, is_loopback) = (named.cloned().collect(), self.is_loopback);
        Self { allowed, is_loopback }.allow(origin, host)
    }

    /// Whether a request with these headers may be answered.
    #[must_use]
    pub fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin.map(str::to_ascii_lowercase) else {
            return true;
        };
        if self.allowed.iter().any(|allowed| matches(allowed, &origin)) {
            return true;
        }
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        if !matches!(scheme, "http" | "https") {
            return false;
        }
        is_loopback(name_of(authority))
            || host.is_some_and(|host| same_host(scheme, authority, &host.to_ascii_lowercase()))
    }
}

fn matches(allowed: &str, origin: &str) -> bool {
    match allowed.split_once("://*.") {
        None => allowed == "*" || allowed == origin,
        Some((scheme, domain)) => origin
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"))
            .and_then(|authority| authority.strip_suffix(domain))
            // The dot keeps `evilexample.com` away from `*.example.com`.
            .is_some_and(|front| front.len() > 1 && front.ends_with('.') && !front.contains('/')),
    }
}

fn same_host(scheme: &str, authority: &str, host: &str) -> bool {
    let default = if scheme == "https" { ":443" } else { ":80" };
    let plain = |text: &str| text.strip_suffix(default).unwrap_or(text).to_owned();
    plain(authority) == plain(host)
}

/// Whether a listed origin is at this host, on whichever port.
fn is_at(allowed: &str, name: &str) -> bool {
    let Some((_, authority)) = allowed.split_once("://") else {
        return allowed == "*";
    };
    match authority.strip_prefix('*') {
        Some(domain) => name.len() > domain.len() && name.ends_with(name_of(domain)),
        None => !name.is_empty() && name_of(authority) == name,
    }
}

/// An authority without its port, and a name without the dot that may end it.
fn name_of(authority: &str) -> &str {
    let parts = authority.rsplit_once(':');
    let parts = parts.filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = parts.map_or(authority, |(name, _)| name);
    name.strip_suffix('.').unwrap_or(name)
}

fn is_loopback(name: &str) -> bool {
    name == "localhost"
        || name.ends_with(".localhost")
        || name == "[::1]"
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_host_loopback_and_listed_origins_pass() {
        let rules = OriginRules::new(&["https://app.example.com".into(), "https://*.example.org".into()]);
        let allow = |origin: &str| rules.allow(Some(origin), Some("push.example.net"));
        for origin in [
            "https://push.example.net",
            "http://push.example.net:80",
            "http://localhost:3000",
            "http://127.0.0.1",
            "http://[::1]:7117",
            "https://app.example.com",
            "https://a.b.example.org",
        ] {
            assert!(allow(origin), "{origin}");
        }
        for origin in [
            "https://evil.com",
            "http://push.example.net:81",
            "https://evilexample.org",
            "https://example.org",
            "http://a.example.org",
            "https://app.example.com.evil.com",
            "http://localhost.evil.com",
            "http://127.0.0.1.evil.com",
            "null",
            "file://",
            "",
        ] {
            assert!(!allow(origin), "{origin}");
        }
        assert!(rules.allow(None, None), "not a browser");
        assert!(OriginRules::new(&["*".into()]).allow(Some("null"), None));
        let listed = OriginRules::new(&["null".into(), "file://".into(), "app://-".into()]);
        for origin in ["null", "file://", "app://-"] {
            assert!(listed.allow(Some(origin), Some("localhost")), "{origin}");
        }
        for origin in ["file://x", "app://x", ""] {
            assert!(!listed.allow(Some(origin), Some("localhost")), "{origin}");
        }
    }

    #[test]
    fn on_loopback_a_host_is_a_loopback_name_or_a_listed_one() {
        let listed = [
            "https://app.example.com:8443",
            "https://*.example.org",
            "null",
            "file://",
        ]
        .map(str::to_owned);
        let rules = OriginRules::new(&listed).at([127, 0, 0, 1].into());
        for host in [
            "localhost",
            "LOCALHOST:1",
            "localhost.",
            "a.localhost:80",
            "127.0.0.1:7117",
            "127.9.9.9",
            "[::1]",
            "[::1]:7117",
            "app.example.com",
            "app.example.com:443",
            "a.b.example.org",
        ] {
            assert!(rules.believe(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1:80@evil.example",
            "localhost:@evil.example",
            "app.example.com.evil.example",
            "evilexample.org",
            "example.org",
            "[::2]",
            "192.168.0.1",
            "null",
        ] {
            assert!(!rules.believe(host), "{host}");
        }
        assert!(rules.clone().at([192, 168, 0, 1].into()).believe("evil.example"));
        assert!(
            OriginRules::new(&["*".into()])
                .at([127, 0, 0, 1].into())
                .believe("any.example")
        );
    }
}
