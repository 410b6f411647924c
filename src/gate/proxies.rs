//! Who passes requests on for others, and what is believed of them.
//!
//! In: the networks of `server.proxies`, and requests. Out: the address that a request really comes from, and the
//! headers in which a proxy says who somebody is; what a proxy and a server could read in two ways is refused.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpRequest;
use actix_web::dev::RequestHead;
use actix_web::http::header::{self, HeaderMap};
use ipnet::IpNet;
use log::warn;

use super::entrance::Refused;
use super::refusals::note;
use super::request::bad_request;

const FOR: &str = "x-forwarded-for";
/// More addresses than this were written by nobody who is believed.
const MOST_HOPS: usize = 64;

/// The peers that are believed.
#[derive(Debug, Default)]
pub struct Proxies {
    networks: Vec<IpNet>,
    /// Whether nobody but the developer is expected, and it was not yet said that this is wrong.
    is_alone: AtomicBool,
}

impl Proxies {
    /// These; with `is_private` whoever passes a request on is an error, which is told once.
    #[must_use]
    pub fn new(networks: Vec<IpNet>, is_private: bool) -> Self {
        let is_alone = AtomicBool::new(is_private);
        Self { networks, is_alone }
    }

    /// Whether this peer is one.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.contains(&peer))
    }

    /// Where a request comes from that this peer sent: of those who passed it on, the last one who is no proxy of ours.
    #[must_use]
    pub fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let mut origin = peer;
        for hop in hops(headers).into_iter().rev().take(MOST_HOPS) {
            // What a proxy of ours did not write is anybody's word.
            let Some(hop) = address(&hop) else { break };
            origin = hop;
            if !self.trusts(hop) {
                break;
            }
        }
        origin
    }

    /// Tells, once, that somebody passes requests on although this server takes itself for private.
    pub fn watch(&self, request: &RequestHead) {
        let is_forwarded = || {
            [FOR, "forwarded"]
                .iter()
                .any(|name| request.headers().contains_key(*name))
        };
        if self.is_alone.load(Ordering::Relaxed) && is_forwarded() && self.is_alone.swap(false, Ordering::Relaxed) {
            warn!(
                "a proxy passes requests on to this server, which takes itself for private: everybody behind the proxy may join \
                 every channel and be anybody. List the proxy in server.proxies, and set [may] and [auth.clients]"
            );
        }
    }
}

/// Where a request comes from.
#[must_use]
pub fn origin(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let shared = request.app_data::<actix_web::web::Data<super::Shared>>();
    Some(shared.map_or(peer, |shared| shared.proxies.origin(peer, request.headers())))
}

/// The addresses that a request has passed, the nearest last.
fn hops(headers: &HeaderMap) -> Vec<String> {
    let texts = |name| headers.get_all(name).map(|line| line.to_str().unwrap_or("?"));
    let forwarded: Vec<String> = texts(FOR).flat_map(|line| line.split(',')).map(str::to_owned).collect();
    if !forwarded.is_empty() {
        return forwarded;
    }
    let elements = texts("forwarded").flat_map(|line| line.split(','));
    let element = |element: &str| {
        let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
        let by = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
        by.map_or("?", |(_, value)| value.trim().trim_matches('"')).to_owned()
    };
    elements.map(element).collect()
}

/// `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:443`
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bracketed = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map(|(address, _)| address);
    let bare = || {
        text.split_once(':')
            .filter(|(_, port)| !port.contains(':'))
            .map(|(address, _)| address)
    };
    let found = text.parse().ok().or_else(|| bracketed.or_else(bare)?.parse().ok());
    found.map(|address: IpAddr| address.to_canonical())
}

/// The value of a header in which only a proxy may say who somebody is.
///
/// # Errors
/// When it can be read in two ways, or is no text (CWE-444, CWE-290).
pub fn vouched(request: &HttpRequest, name: &str, proxies: &Proxies) -> Result<Option<Box<str>>, Refused> {
    let headers = request.headers();
    let is_twin = |other: &str| other.contains('_') && other.replace('_', "-").eq_ignore_ascii_case(name);
    let twin = headers.keys().any(|other| is_twin(other.as_str()));
    let mut values = headers.get_all(name);
    let value = values.next();
    if value.is_none() && !twin {
        return Ok(None);
    }
    if !request.peer_addr().is_some_and(|peer| proxies.trusts(peer.ip())) {
        note(request, "header", "untrusted_peer", || {
            format!("it says {name}, which only a peer of server.proxies may; it was let in without")
        });
        return Ok(None);
    }
    let refuse = |why: &'static str, what: String| {
        note(request, "header", why, || {
            format!("{what}; the proxy has to take {name} away from what clients send")
        });
        Err(bad_request("bad_header", what))
    };
    if twin {
        return refuse(
            "underscore",
            format!("a header is spelt with an underscore where {name} has a hyphen"),
        );
    }
    if values.next().is_some() {
        return refuse("twice", format!("{name} is there twice"));
    }
    let hops = headers
        .get_all(header::CONNECTION)
        .filter_map(|line| line.to_str().ok());
    if hops
        .flat_map(|line| line.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case(name))
    {
        return refuse("hop_by_hop", format!("{name} is named in Connection"));
    }
    let text = value.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    match text {
        Some(text) if text.contains(',') => refuse("comma", format!("{name} holds a comma")),
        Some(text) if !text.chars().any(char::is_control) => Ok((!text.trim().is_empty()).then(|| text.trim().into())),
        _ => refuse("no_text", format!("{name} is no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn origin_of(peer: &str, headers: &[(&str, &str)]) -> String {
        let networks = ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"];
        let proxies = Proxies::new(networks.map(|network| network.parse().unwrap()).to_vec(), false);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        proxies.origin(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn the_right_most_address_that_is_no_proxy_counts() {
        for (peer, forwarded, expected) in [
            ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
            ("127.0.0.1", "1.2.3.4, 203.0.113.7", "203.0.113.7"),
            ("127.0.0.1", "1.2.3.4, 203.0.113.7, 10.0.0.9", "203.0.113.7"),
            ("127.0.0.1", "10.1.1.1, 10.0.0.9", "10.1.1.1"),
            ("127.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
            ("127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("127.0.0.1", "2001:db8::1", "2001:db8::1"),
            ("::ffff:127.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
            ("fd00::1", "203.0.113.7", "203.0.113.7"),
            // Whatever is behind nonsense is anybody's word.
            ("127.0.0.1", "203.0.113.7, unknown", "127.0.0.1"),
            ("127.0.0.1", "203.0.113.7, unknown, 10.0.0.9", "10.0.0.9"),
            ("127.0.0.1", "", "127.0.0.1"),
            ("127.0.0.1", "<script>", "127.0.0.1"),
            // Nobody else is believed.
            ("192.0.2.1", "203.0.113.7", "192.0.2.1"),
            ("::1", "203.0.113.7", "::1"),
        ] {
            assert_eq!(origin_of(peer, &[(FOR, forwarded)]), expected, "{peer} {forwarded}");
        }
        assert_eq!(origin_of("127.0.0.1", &[]), "127.0.0.1");
        let several = [(FOR, "1.2.3.4"), (FOR, "203.0.113.7"), (FOR, "10.0.0.9")];
        assert_eq!(origin_of("127.0.0.1", &several), "203.0.113.7");
    }

    #[test]
    fn forwarded_counts_where_there_is_nothing_else() {
        let forwarded = |value: &str| origin_of("127.0.0.1", &[("forwarded", value)]);
        assert_eq!(forwarded("for=203.0.113.7;proto=https, for=10.0.0.9"), "203.0.113.7");
        assert_eq!(forwarded("proto=https;For=\"[2001:db8::1]:47\""), "2001:db8::1");
        assert_eq!(forwarded("for=_hidden, for=10.0.0.9"), "10.0.0.9");
        assert_eq!(forwarded("proto=https"), "127.0.0.1");
        let both = [("forwarded", "for=1.2.3.4"), (FOR, "203.0.113.7")];
        assert_eq!(origin_of("127.0.0.1", &both), "203.0.113.7");
    }
}
