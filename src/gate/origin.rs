//! Which web pages may talk to the server.
//!
//! In: the `Origin` and `Host` of a request. Out: yes or no. Browsers send `Origin`; other programs need not, and are
//! let through: this rule protects users from foreign pages (CWE-1385, cross-site WebSocket hijacking), not the server
//! from programs.

/// The allow-list. The page's own host and loopback hosts are always allowed.
#[derive(Debug, Clone, Default)]
pub struct OriginRules {
    allowed: Vec<String>,
}

impl OriginRules {
    /// Rules that also allow these origins: `https://app.example.com`, `https://*.example.com`, or `*` for all.
    #[must_use]
    pub fn new(allowed: &[String]) -> Self {
        Self {
            allowed: allowed.iter().map(|origin| origin.to_ascii_lowercase()).collect(),
        }
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
        is_loopback(authority) || host.is_some_and(|host| same_host(scheme, authority, &host.to_ascii_lowercase()))
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

fn is_loopback(authority: &str) -> bool {
    if let Some(port) = authority.strip_prefix("[::1]") {
        return port.is_empty() || port.starts_with(':');
    }
    let name = authority.split(':').next().unwrap_or_default();
    name == "localhost"
        || name.ends_with(".localhost")
        || name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
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
    }
}
