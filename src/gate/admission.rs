//! How many clients may be connected, in all and from one address; also how many sockets, and viewers.
//!
//! In: addresses. Out: a [`Ticket`] that counts as long as it lives, or which bound was reached (CWE-770).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The counts and their bounds.
#[derive(Debug)]
pub struct Admission {
    total: usize,
    per_address: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    addresses: HashMap<IpAddr, usize>,
}

/// Which bound was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// Too many connections in all.
    #[error("the server has as many connections as it may have")]
    Server,
    /// Too many connections from one address.
    #[error("there are too many connections from this address")]
    Address,
}

/// One admitted connection; dropping it makes room.
#[derive(Debug)]
pub struct Ticket {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Admission {
    /// At most `total` connections, at most `per_address` from one address.
    #[must_use]
    pub fn new(total: usize, per_address: usize) -> Self {
        Self {
            total,
            per_address,
            counts: Mutex::default(),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// Admits one more from a peer behind which many are: only the bound for all counts.
    ///
    /// # Errors
    /// The bound that was reached.
    pub fn admit_crowd(self: &Arc<Self>, address: IpAddr) -> Result<Ticket, Full> {
        self.admit_up_to(usize::MAX, address)
    }

    /// Admits one more from `address`, or rather from its [`network`].
    ///
    /// # Errors
    /// The bound that was reached.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Ticket, Full> {
        self.admit_up_to(self.per_address, address)
    }

    fn admit_up_to(self: &Arc<Self>, per_address: usize, address: IpAddr) -> Result<Ticket, Full> {
        let address = network(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.total >= self.total {
            return Err(Full::Server);
        }
        let here = counts.addresses.get(&address).copied().unwrap_or(0);
        if here >= per_address {
            return Err(Full::Address);
        }
        counts.addresses.insert(address, here + 1);
        counts.total += 1;
        Ok(Ticket {
            admission: Arc::clone(self),
            address,
        })
    }
}

/// What counts as one address: of IPv6 the first 64 bits, since the others are everybody's own choice (RFC 4291 section
/// 2.5.4, RFC 6177); an IPv4 address in IPv6 clothes is itself.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total = counts.total.saturating_sub(1);
        if let Some(here) = counts.addresses.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                counts.addresses.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_hold_and_room_comes_back() {
        let admission = Arc::new(Admission::new(3, 2));
        let (one, two) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = admission.admit(one).unwrap();
        let _second = admission.admit(one).unwrap();
        assert_eq!(admission.admit(one).unwrap_err(), Full::Address);
        let _third = admission.admit(two).unwrap();
        assert_eq!(admission.admit(two).unwrap_err(), Full::Server);
        drop(first);
        assert!(admission.admit(one).is_ok());
    }

    #[test]
    fn a_whole_network_of_ipv6_is_one_address() {
        let admission = Arc::new(Admission::new(100, 2));
        let admit = |address: &str| admission.admit(address.parse().unwrap());
        let _here = [
            admit("2001:db8:1:2::1").unwrap(),
            admit("2001:db8:1:2:ffff::9").unwrap(),
        ];
        assert_eq!(admit("2001:db8:1:2:3:4:5:6").unwrap_err(), Full::Address);
        let _beside = admit("2001:db8:1:3::1").unwrap();
        let _old = [admit("192.0.2.1").unwrap(), admit("::ffff:192.0.2.1").unwrap()];
        assert_eq!(admit("192.0.2.1").unwrap_err(), Full::Address);
        assert_eq!(admission.count(), 5);
        drop(_here);
        assert!(admit("2001:db8:1:2::7").is_ok());
    }
}
