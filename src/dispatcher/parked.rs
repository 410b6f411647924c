//! Connections that lost their wire and may come back.
//!
//! In: the standing of a connection whose wire broke. Out: the same, for the wire that shows one of its secrets within
//! the window. Bounded by age, count and bytes; beyond the bytes the oldest of the heaviest address goes first, so that
//! whoever breaks off on purpose, again and again, pushes only its own connections out (CWE-770).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use turted_core::ChannelName;

use super::messages::Vouched;
use super::standing::Standing;

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub struct ParkingBounds {
    /// How long a connection is waited for.
    pub window: Duration,
    /// Most connections; 0 for none at all.
    pub count: usize,
    /// Most bytes of their names and ids.
    pub bytes: usize,
}

/// A connection without a wire.
#[derive(Debug)]
struct Parked {
    standing: Standing,
    weight: usize,
}

/// What waits of one address.
#[derive(Debug, Default)]
struct Share {
    bytes: usize,
    /// In the order in which they came.
    tickets: BTreeSet<u64>,
}

/// Every connection without a wire.
#[derive(Debug)]
pub struct Parking {
    bounds: ParkingBounds,
    next_ticket: u64,
    places: HashMap<u64, Parked>,
    tokens: HashMap<Arc<str>, u64>,
    order: VecDeque<(Instant, u64)>,
    bytes: usize,
    shares: HashMap<IpAddr, Share>,
    /// The same addresses by what they hold.
    heaviest: BTreeSet<(usize, IpAddr)>,
    /// The channels of all; `None` when nobody looks.
    channels: Option<Awaited>,
}

/// For how many connections without a wire a channel is needed.
#[derive(Debug, Default)]
struct Awaited {
    counts: HashMap<ChannelName, usize>,
    /// Of which that has become one, or none.
    turned: Vec<ChannelName>,
}

impl Awaited {
    fn add(&mut self, name: &ChannelName) {
        let count = self.counts.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 {
            self.turned.push(name.clone());
        }
    }

    fn take(&mut self, name: &ChannelName) {
        let Some(count) = self.counts.get_mut(name) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.counts.remove(name);
            self.turned.push(name.clone());
        }
    }
}

impl Parking {
    /// Room within these bounds.
    #[must_use]
    pub fn new(bounds: ParkingBounds) -> Self {
        Self {
            bounds,
            next_ticket: 0,
            places: HashMap::new(),
            tokens: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            shares: HashMap::new(),
            heaviest: BTreeSet::new(),
            channels: None,
        }
    }

    /// Counts from here on which channels are waited for.
    pub fn watch(&mut self) {
        self.channels = Some(Awaited::default());
    }

    /// The channels that somebody waits for since the last call, or nobody any more, some perhaps more than once.
    pub fn turned(&mut self) -> Vec<ChannelName> {
        let channels = self.channels.as_mut();
        channels
            .map(|channels| std::mem::take(&mut channels.turned))
            .unwrap_or_default()
    }

    /// Whether a connection that may come back is in this channel.
    #[must_use]
    pub fn awaits(&self, channel: &ChannelName) -> bool {
        let channels = self.channels.as_ref();
        channels.is_some_and(|channels| channels.counts.contains_key(channel))
    }

    /// Keeps a connection for a while.
    pub fn park(&mut self, standing: Standing, now: Instant) {
        if self.bounds.count == 0 {
            return;
        }
        // Tickets that were taken back stay in `order` until their time: bound that queue as well.
        while self.order.len() >= self.bounds.count {
            self.forget_oldest();
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        for token in &standing.tokens {
            self.tokens.insert(Arc::clone(token), ticket);
        }
        let weight = weigh(&standing);
        if let Some(channels) = &mut self.channels {
            standing.channels().for_each(|name| channels.add(name));
        }
        self.share(&standing, |share| {
            share.bytes += weight;
            share.tickets.insert(ticket);
        });
        self.bytes += weight;
        self.places.insert(ticket, Parked { standing, weight });
        self.order.push_back((now, ticket));
        while self.bytes > self.bounds.bytes && self.forget_heaviest() {}
    }

    /// Whether a connection of this secret is waited for.
    #[must_use]
    pub fn knows(&self, token: &str) -> bool {
        self.tokens.contains_key(token)
    }

    /// Who is waited for under this secret.
    #[must_use]
    pub fn peek(&self, token: &str) -> Option<&Standing> {
        let ticket = self.tokens.get(token)?;
        self.places.get(ticket).map(|parked| &parked.standing)
    }

    /// Gives a connection back to whoever knows one of its secrets.
    pub fn take(&mut self, token: &str, now: Instant) -> Option<Standing> {
        self.expire(now);
        let ticket = *self.tokens.get(token)?;
        self.remove(ticket)
    }

    /// Forgets connections that stayed away for too long.
    pub fn expire(&mut self, now: Instant) {
        while let Some((at, _)) = self.order.front() {
            if now.saturating_duration_since(*at) <= self.bounds.window {
                break;
            }
            self.forget_oldest();
        }
    }

    /// Forgets all that `is_meant`, and gives back how many.
    pub fn forget(&mut self, is_meant: impl Fn(&Standing) -> bool) -> usize {
        let places = self.places.iter().filter(|(_, parked)| is_meant(&parked.standing));
        let tickets: Vec<u64> = places.map(|(ticket, _)| *ticket).collect();
        tickets.into_iter().filter_map(|ticket| self.remove(ticket)).count()
    }

    /// How many wait.
    #[must_use]
    pub fn count(&self) -> usize {
        self.places.len()
    }

    fn forget_oldest(&mut self) {
        if let Some((_, ticket)) = self.order.pop_front() {
            self.remove(ticket);
        }
    }

    /// False when nobody waits.
    fn forget_heaviest(&mut self) -> bool {
        let heaviest = self.heaviest.last().and_then(|(_, address)| self.shares.get(address));
        let oldest = heaviest.and_then(|share| share.tickets.first().copied());
        oldest.and_then(|ticket| self.remove(ticket)).is_some()
    }

    fn remove(&mut self, ticket: u64) -> Option<Standing> {
        let Parked { standing, weight } = self.places.remove(&ticket)?;
        for token in &standing.tokens {
            // A secret belongs to one connection; it may have moved on to a newer place.
            if self.tokens.get(token) == Some(&ticket) {
                self.tokens.remove(token);
            }
        }
        self.bytes -= weight;
        if let Some(channels) = &mut self.channels {
            standing.channels().for_each(|name| channels.take(name));
        }
        self.share(&standing, |share| {
            share.bytes -= weight;
            share.tickets.remove(&ticket);
        });
        Some(standing)
    }

    /// Changes what waits of the address of this connection.
    fn share(&mut self, standing: &Standing, change: impl FnOnce(&mut Share)) {
        let address = network(standing.address);
        let share = self.shares.entry(address).or_default();
        self.heaviest.remove(&(share.bytes, address));
        change(share);
        if share.tickets.is_empty() {
            self.shares.remove(&address);
        } else {
            self.heaviest.insert((share.bytes, address));
        }
    }
}

/// What waiting for a connection costs, with a flat estimate for the structures around the text.
fn weigh(standing: &Standing) -> usize {
    let channels = standing.subscriptions.iter().map(|(name, _)| 64 + name.as_str().len());
    let tokens = standing.tokens.iter().map(|token| 96 + token.len());
    let user = standing.user.as_ref().map_or(0, |(name, _)| name.as_str().len());
    let vouched = standing.vouched.as_deref();
    let vouched = vouched.map_or(0, |vouched| size_of::<Vouched>() + vouched.identity.weight());
    512 + standing.rest.weight() + vouched + user + channels.sum::<usize>() + tokens.sum::<usize>()
}

/// One customer of a provider has as many IPv6 addresses as it likes, within one /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::standing::Rest;
    use super::*;
    use turted_core::Limits;

    fn standing(name: &str, address: [u8; 4], channels: usize) -> Standing {
        let channel = |number| ChannelName::parse(&format!("{number:0>150}"), &Limits::default()).unwrap();
        Standing {
            connection: name.into(),
            tokens: vec![name.into()],
            opened: 0,
            user: None,
            subscriptions: (0..channels).map(|number| (channel(number).into(), 0)).collect(),
            vouched: None,
            is_deaf: false,
            rest: Rest::default(),
            left: None,
            address: address.into(),
        }
    }

    fn parking(count: usize, bytes: usize) -> Parking {
        Parking::new(ParkingBounds {
            window: Duration::from_secs(10),
            count,
            bytes,
        })
    }

    #[test]
    fn whoever_breaks_off_again_and_again_pushes_out_only_itself() {
        let (mut parking, now) = (parking(1000, 100_000), Instant::now());
        parking.park(standing("modest", [127, 0, 0, 1], 1), now);
        for number in 0..100 {
            parking.park(standing(&format!("greedy{number}"), [127, 0, 0, 2], 100), now);
            assert!(parking.bytes <= 100_000, "{}", parking.bytes);
        }
        assert!(parking.knows("modest") && parking.knows("greedy99") && !parking.knows("greedy90"));
        assert!(parking.take("modest", now).is_some());
        while parking.forget_heaviest() {}
        assert_eq!((parking.count(), parking.bytes), (0, 0));
        assert!(parking.shares.is_empty() && parking.heaviest.is_empty() && parking.tokens.is_empty());
    }

    #[test]
    fn count_and_age_bound_it_too_and_each_is_given_back_once() {
        let (mut parking, now) = (parking(3, 100_000), Instant::now());
        for name in ["a", "b", "c", "d"] {
            parking.park(standing(name, [127, 0, 0, 1], 0), now);
        }
        assert_eq!(parking.count(), 3);
        assert!(parking.take("a", now).is_none() && parking.take("b", now).is_some());
        assert!(parking.take("b", now).is_none() && parking.peek("c").is_some());
        let later = now + Duration::from_secs(11);
        assert!(parking.take("c", later).is_none());
        assert_eq!((parking.count(), parking.bytes), (0, 0));
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("127.0.0.1"), of("127.0.0.2"));
    }
}
