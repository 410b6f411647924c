//! Tickets in memory, and as a method.
//!
//! In: identities, and what a backend asks a ticket for. Out: tickets, and who comes with one. What is kept is bounded,
//! and gone when the server is.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use turted_core::may::Claims;
use turted_core::{Authenticator, Identity, Limits, Refusal, Tickets, Visitor, Worth};

use super::answer::{Said, parse};

/// With what every ticket begins.
const PREFIX: &str = "tk_";
/// Most tickets that lie around, used ones included.
const MOST: usize = 100_000;
/// How long a ticket may lie around, and what it opens lasts, unless somebody says otherwise; and at most.
const TTL: Duration = Duration::from_secs(30);
const LASTS: Duration = Duration::from_secs(3600);
const LONGEST_TTL: Duration = Duration::from_secs(3600);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Tickets in memory. Keeps digests, so that nothing here opens anything.
#[derive(Default)]
pub struct Drawer(Mutex<HashMap<[u8; 32], Kept>>);

struct Kept {
    identity: Arc<Identity>,
    opens_until: Instant,
    lasts_until: Instant,
    opens: Arc<str>,
    /// From where it was used, once it was.
    used: Option<Option<IpAddr>>,
}

impl Kept {
    fn is_over(&self, now: Instant) -> bool {
        let until = if self.used.is_some() {
            self.lasts_until
        } else {
            self.opens_until
        };
        until <= now
    }
}

fn digest(ticket: &str) -> [u8; 32] {
    Sha256::digest(ticket).into()
}

impl Tickets for Drawer {
    fn issue(&self, identity: Arc<Identity>, ttl: Duration, lasts: Duration, now: Instant) -> Option<Arc<str>> {
        let (mut bytes, mut opens) = ([0; 16], [0; 20]);
        getrandom::fill(&mut bytes).ok()?;
        getrandom::fill(&mut opens).ok()?;
        let ticket: Arc<str> = format!("{PREFIX}{}", hex::encode(bytes)).into();
        let kept = Kept {
            identity,
            opens_until: now + ttl,
            lasts_until: now + lasts.max(ttl),
            opens: hex::encode(opens).into(),
            used: None,
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.retain(|_, kept| !kept.is_over(now));
        }
        if all.len() >= MOST {
            return None;
        }
        all.insert(digest(&ticket), kept);
        Some(ticket)
    }

    fn redeem(&self, ticket: &str, from: Option<IpAddr>, now: Instant) -> Worth {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = digest(ticket);
        let Some(kept) = all.get_mut(&key) else {
            return Worth::Nothing;
        };
        if kept.is_over(now) {
            all.remove(&key);
            return Worth::Nothing;
        }
        let (opens, mut is_first) = (Arc::clone(&kept.opens), false);
        match *kept.used.get_or_insert_with(|| {
            is_first = true;
            from
        }) {
            _ if is_first => Worth::Fresh(Arc::clone(&kept.identity), opens),
            before if before == from => Worth::Used(opens),
            _ => Worth::Nothing,
        }
    }
}

/// What a ticket was issued for.
pub struct Order {
    /// Who comes with it.
    pub identity: Arc<Identity>,
    /// How long it may lie around.
    pub ttl: Duration,
    /// How long what it opens lasts.
    pub lasts: Duration,
}

impl Order {
    /// Reads `{"user":"adam","ttl":"30s","may":{…},"claims":{…},"expires":"1h"}`; all but `user` may be left out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(body: &[u8], limits: &Limits, wanted: &[Arc<str>]) -> Result<Self, String> {
        let now = SystemTime::now();
        let all: Map<String, Value> = serde_json::from_slice(body).map_err(|_| "the body is no JSON object")?;
        let known = ["user", "ttl", "expires", "may", "join", "claims", "info"];
        if let Some(unknown) = all.keys().find(|member| !known.contains(&member.as_str())) {
            let unknown = unknown.chars().take(40).collect::<String>();
            return Err(format!("{unknown:?} is no member; known are {}", known.join(", ")));
        }
        let lasts = match all.get("expires") {
            None | Some(Value::Null) => LASTS,
            Some(expires) => {
                let parsed = expires.as_str().and_then(|text| humantime::parse_duration(text).ok());
                parsed.ok_or("expires is no time, e.g. \"1h\"")?
            }
        };
        let Said { identity, claims, ttl } = parse(body, limits, now)?;
        if lasts > LONGEST {
            return Err("expires is at most 24h".to_owned());
        }
        if ttl.is_some_and(|ttl| ttl > LONGEST_TTL) {
            return Err("ttl is at most 1h".to_owned());
        }
        let identity = Identity {
            claims: Claims::pick(&claims, wanted),
            renews: None,
            expires: now.checked_add(lasts),
            ..identity
        };
        Ok(Self {
            identity: Arc::new(identity),
            ttl: ttl.unwrap_or(TTL),
            lasts,
        })
    }

    /// For somebody who has said who it is in another way: for as long as that holds, and an hour at most.
    #[must_use]
    pub fn of(identity: Identity) -> Self {
        let now = SystemTime::now();
        // Whoever vouched for it cannot be asked again: a ticket shows nothing that could be forwarded.
        let end = [identity.expires, identity.renews].into_iter().flatten().min();
        let left = end.map(|end| end.duration_since(now).unwrap_or_default());
        let lasts = left.map_or(LASTS, |left| left.min(LASTS));
        let identity = Identity {
            renews: None,
            expires: now.checked_add(lasts),
            ..identity
        };
        Self {
            identity: Arc::new(identity),
            ttl: TTL.min(lasts),
            lasts,
        }
    }
}

/// Lets in who shows a ticket in the data of IDENT.
pub struct ByTicket(pub Arc<dyn Tickets>);

impl ByTicket {
    fn check(&self, visitor: &Visitor<'_>) -> Result<Option<Identity>, Refusal> {
        let Some(ticket) = visitor.data.get("ticket").filter(|ticket| !ticket.is_null()) else {
            return Ok(None);
        };
        let worth = ticket.as_str().map_or(Worth::Nothing, |ticket| {
            self.0.redeem(ticket, visitor.address, Instant::now())
        });
        match worth {
            Worth::Fresh(identity, _) => Ok(Some((*identity).clone())),
            Worth::Used(_) => Err(Refusal::denied("the ticket was used before")),
            Worth::Nothing => Err(Refusal::denied("the ticket is none, or is over")),
        }
    }
}

impl Authenticator for ByTicket {
    fn verify<'a>(&'a self, visitor: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>> {
        ready(self.check(visitor)).boxed()
    }
}

/// Says how many there are, and none of them.
impl fmt::Debug for Drawer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_tuple("Drawer").field(&count).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turted_core::{Limits, UserName};

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn adam() -> Arc<Identity> {
        Arc::new(Identity::of(UserName::parse("adam", &Limits::default()).unwrap()))
    }

    #[test]
    fn a_ticket_opens_once_and_then_leads_back_to_its_own_connection() {
        let (drawer, now) = (Drawer::default(), Instant::now());
        let ticket = drawer.issue(adam(), TTL, LASTS, now).unwrap();
        assert_eq!(ticket.len(), PREFIX.len() + 32);
        let Worth::Fresh(identity, secret) = drawer.redeem(&ticket, HERE, now) else {
            panic!("it is new");
        };
        assert_eq!((identity, secret.len()), (adam(), 40));
        for later in [now, now + TTL, now + LASTS - TTL] {
            assert_eq!(drawer.redeem(&ticket, HERE, later), Worth::Used(Arc::clone(&secret)));
            assert_eq!(
                drawer.redeem(&ticket, Some([10, 0, 0, 1].into()), later),
                Worth::Nothing
            );
        }
        assert_eq!(drawer.redeem(&ticket, HERE, now + LASTS), Worth::Nothing);
        assert_eq!(drawer.redeem(&ticket, HERE, now), Worth::Nothing, "it is forgotten");
    }

    #[test]
    fn a_ticket_of_a_client_lasts_as_long_as_what_it_was_made_of_and_is_not_asked_about() {
        let soon = |seconds| SystemTime::now().checked_add(Duration::from_secs(seconds));
        for (expires, renews, most) in [
            (None, None, 3600),
            (soon(600), None, 600),
            (soon(600), soon(60), 60),
            (None, soon(10), 10),
            (soon(100_000), None, 3600),
        ] {
            let order = Order::of(Identity {
                expires,
                renews,
                ..(*adam()).clone()
            });
            assert!(
                order.lasts.as_secs() <= most && order.lasts.as_secs() + 5 > most,
                "{:?}",
                order.lasts
            );
            assert!(order.ttl <= order.lasts && order.identity.renews.is_none());
            assert!(order.identity.expires <= soon(most));
        }
    }

    #[test]
    fn a_ticket_that_lay_around_too_long_and_any_other_word_open_nothing() {
        let (drawer, now) = (Drawer::default(), Instant::now());
        let ticket = drawer.issue(adam(), TTL, LASTS, now).unwrap();
        assert_ne!(ticket, drawer.issue(adam(), TTL, LASTS, now).unwrap());
        for word in [
            "",
            "tk_",
            "tk_00000000000000000000000000000000",
            &ticket[..ticket.len() - 1],
        ] {
            assert_eq!(drawer.redeem(word, HERE, now), Worth::Nothing, "{word}");
        }
        assert_eq!(drawer.redeem(&ticket, HERE, now + TTL), Worth::Nothing);
        assert!(!format!("{drawer:?}").contains("tk_"));
    }
}
