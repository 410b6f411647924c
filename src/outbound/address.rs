//! Which addresses are never asked.
//!
//! In: names of hosts. Out: their addresses, without those of metadata services and of the link: a name that leads
//! there is an attack or a mistake (CWE-918). Whoever means such an address writes it into the URL itself.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::destination::OutboundError;

/// Where a cloud's metadata service is besides 169.254.169.254.
const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Where a host is.
///
/// # Errors
/// It is nowhere, or only where nobody is asked.
pub async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, OutboundError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    // The URL itself says it.
    if let Ok(address) = bare.unwrap_or(host).parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = tokio::net::lookup_host((host, port)).await;
    let found = found.map_err(|_| OutboundError::Unreachable("its host is unknown".to_owned()))?;
    allowed(found.collect())
}

fn allowed(mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, OutboundError> {
    let is_known = !found.is_empty();
    found.retain(|at| !is_forbidden(at.ip()));
    match (is_known, found.is_empty()) {
        (true, true) => Err(OutboundError::Forbidden),
        _ => Ok(found),
    }
}

fn is_forbidden(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local() || address.is_multicast() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast() || address == METADATA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leads_to_the_link_or_to_a_metadata_service() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "::ffff:169.254.169.254",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "224.0.0.1",
            "ff02::1",
        ] {
            assert!(is_forbidden(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "169.253.1.1",
            "::1",
            "fd00::1",
            "fec0::1",
        ] {
            assert!(!is_forbidden(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_name_with_several_addresses_keeps_those_that_may_be_asked() {
        let at = |list: &[&str]| list.iter().map(|one| one.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let mixed = at(&["169.254.169.254:80", "10.0.0.1:80"]);
        assert_eq!(allowed(mixed), Ok(at(&["10.0.0.1:80"])));
        assert_eq!(allowed(at(&["169.254.169.254:80"])), Err(OutboundError::Forbidden));
        assert_eq!(allowed(Vec::new()), Ok(Vec::new()));
    }

    #[tokio::test]
    async fn the_url_itself_may_say_any_address() {
        for (host, address) in [("169.254.169.254", "169.254.169.254:80"), ("[fe80::1]", "[fe80::1]:80")] {
            assert_eq!(look_up(host, 80).await, Ok(vec![address.parse().unwrap()]));
        }
    }
}
