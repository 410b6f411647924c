//! Whom the server has thrown out, and which tokens hold no more.
//!
//! In: bans and revocations of backends, with how long they last. Out: whether an identity may still come in. It lives
//! in memory and is gone with a restart; it is bounded by number, and when it is full the one that ends first makes
//! room.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use turted_core::{Identity, UserName};

use super::messages::Vouched;

/// Most entries at a time.
const MOST: usize = 100_000;

/// What an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A user, whatever it brings along.
    User(UserName),
    /// A user's identities that were issued before the entry's time.
    Older(UserName),
    /// One token.
    Token(Arc<str>),
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    until: Instant,
    /// Identities of this time and later hold.
    before: Instant,
    /// The same on the clock by which identities are dated, where that is known: two readings of two clocks differ.
    dated: Option<SystemTime>,
}

impl Entry {
    /// Whether an entry about a user's older identities is about this one. Whoever does not say when it was issued may
    /// be older.
    fn is_older(&self, vouched: &Vouched) -> bool {
        match (self.dated, vouched.identity.issued) {
            (Some(dated), Some(issued)) => issued < dated,
            _ => vouched.issued.is_none_or(|issued| issued < self.before),
        }
    }
}

impl Subject {
    /// Whether an identity is of this subject, whenever it was issued.
    fn names(&self, identity: &Identity) -> bool {
        match self {
            Self::User(user) | Self::Older(user) => identity.user.as_ref() == Some(user),
            Self::Token(token) => identity.token.as_ref() == Some(token),
        }
    }
}

/// Every entry.
#[derive(Debug, Default)]
pub struct Revoked {
    entries: HashMap<Subject, Entry>,
    order: BTreeSet<(Instant, Subject)>,
}

impl Revoked {
    /// Adds an entry until a time; `before` matters for [`Subject::Older`] only.
    pub fn add(&mut self, subject: Subject, before: Instant, until: Instant) {
        self.put(
            subject,
            Entry {
                until,
                before,
                dated: None,
            },
        );
    }

    /// Adds an entry about what a user was issued before a time of the clock on the wall.
    pub fn add_older(&mut self, user: UserName, dated: SystemTime, until: Instant, now: Instant) {
        let age = SystemTime::now().duration_since(dated).unwrap_or_default();
        let before = now.checked_sub(age).unwrap_or(now);
        let dated = Some(dated);
        self.put(Subject::Older(user), Entry { until, before, dated });
    }

    fn put(&mut self, subject: Subject, entry: Entry) {
        let until = entry.until;
        self.remove(&subject);
        while self.entries.len() >= MOST
            && let Some((_, first)) = self.order.pop_first()
        {
            self.entries.remove(&first);
        }
        self.order.insert((until, subject.clone()));
        self.entries.insert(subject, entry);
    }

    /// Takes an entry back. False when there is none.
    pub fn remove(&mut self, subject: &Subject) -> bool {
        let Some(entry) = self.entries.remove(subject) else {
            return false;
        };
        self.order.remove(&(entry.until, subject.clone()))
    }

    /// Whether an identity holds no more.
    #[must_use]
    pub fn has(&self, vouched: &Vouched, now: Instant) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        let find = |subject: Subject| self.entries.get(&subject).filter(|entry| now < entry.until);
        let identity = &vouched.identity;
        let by_user = identity.user.as_ref().is_some_and(|user| {
            let is_older = |entry: &Entry| entry.is_older(vouched);
            find(Subject::User(user.clone())).is_some() || find(Subject::Older(user.clone())).is_some_and(is_older)
        });
        by_user
            || identity
                .token
                .clone()
                .is_some_and(|token| find(Subject::Token(token)).is_some())
    }

    /// Whether the entry with this subject, if there is one, is about an identity.
    #[must_use]
    pub fn is_about(&self, subject: &Subject, vouched: &Vouched) -> bool {
        let Some(entry) = self.entries.get(subject) else {
            return false;
        };
        subject.names(&vouched.identity) && (!matches!(subject, Subject::Older(_)) || entry.is_older(vouched))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Forgets what is over.
    pub fn expire(&mut self, now: Instant) {
        while self.order.first().is_some_and(|(until, _)| *until <= now)
            && let Some((_, subject)) = self.order.pop_first()
        {
            self.entries.remove(&subject);
        }
    }

    /// Each entry with its end, that which ends first before the others.
    pub fn iter(&self) -> impl Iterator<Item = (&Subject, Instant)> {
        self.order.iter().map(|(until, subject)| (subject, *until))
    }

    /// Before which time of the clock on the wall the identities are that an entry is about.
    #[must_use]
    pub fn dated(&self, subject: &Subject) -> Option<SystemTime> {
        self.entries.get(subject)?.dated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use turted_core::Limits;

    fn user(name: &str) -> UserName {
        UserName::parse(name, &Limits::default()).unwrap()
    }

    fn vouched(name: &str, issued: Option<Instant>, token: Option<&str>) -> Vouched {
        Vouched {
            presented: None,
            unconfirmed: None,
            identity: Arc::new(Identity {
                token: token.map(Arc::from),
                ..Identity::of(user(name))
            }),
            issued,
            expires: None,
            renews: None,
        }
    }

    #[test]
    fn a_ban_a_cut_and_a_token_hold_until_their_time() {
        let (mut revoked, now) = (Revoked::default(), Instant::now());
        let minute = Duration::from_secs(60);
        assert!(!revoked.has(&vouched("adam", None, None), now));
        revoked.add(Subject::User(user("adam")), now, now + minute);
        revoked.add(Subject::Older(user("eve")), now, now + 2 * minute);
        revoked.add(Subject::Token("t".into()), now, now + 2 * minute);
        assert!(revoked.has(&vouched("adam", Some(now + minute), None), now));
        assert!(!revoked.has(&vouched("adam", None, None), now + minute), "it is over");
        assert!(revoked.has(&vouched("eve", None, None), now), "nobody says when");
        assert!(revoked.has(&vouched("eve", Some(now - minute), None), now));
        assert!(!revoked.has(&vouched("eve", Some(now), None), now), "it is a newer one");
        assert!(revoked.has(&vouched("bob", None, Some("t")), now));
        assert!(!revoked.has(&vouched("bob", None, Some("u")), now));
        revoked.expire(now + minute);
        assert_eq!(revoked.iter().count(), 2);
        assert!(revoked.remove(&Subject::Token("t".into())) && !revoked.remove(&Subject::Token("t".into())));
        assert!(!revoked.has(&vouched("bob", None, Some("t")), now));
    }

    // The same second on two clocks, each read at another moment, is not the same instant.
    #[test]
    fn a_date_is_compared_with_a_date() {
        let (mut revoked, now, clock) = (Revoked::default(), Instant::now(), SystemTime::now());
        let seconds = Duration::from_secs;
        revoked.add_older(user("adam"), clock - seconds(100), now + seconds(60), now);
        let dated = |ago: u64, drift: u64| Vouched {
            identity: Arc::new(Identity {
                issued: Some(clock - seconds(ago)),
                ..Identity::of(user("adam"))
            }),
            issued: now.checked_sub(Duration::from_micros(ago * 1_000_000 + drift)),
            ..Vouched::new(Arc::default())
        };
        assert!(!revoked.has(&dated(100, 0), now) && !revoked.has(&dated(100, 50), now));
        assert!(revoked.has(&dated(101, 0), now));
        assert!(revoked.has(&vouched("adam", None, None), now));
        assert_eq!(revoked.dated(&Subject::Older(user("adam"))), Some(clock - seconds(100)));
    }

    #[test]
    fn a_second_entry_takes_the_place_of_the_first_and_too_many_push_out_the_first_to_end() {
        let (mut revoked, now) = (Revoked::default(), Instant::now());
        let at = |seconds: usize| now + Duration::from_secs(seconds as u64);
        revoked.add(Subject::Token("again".into()), now, at(5));
        revoked.add(Subject::Token("again".into()), now, at(1_000_000));
        assert_eq!(revoked.iter().count(), 1);
        for number in 1..=MOST {
            revoked.add(Subject::Token(number.to_string().into()), now, at(10 + number));
        }
        assert_eq!((revoked.iter().count(), revoked.order.len()), (MOST, MOST));
        assert!(revoked.has(&vouched("adam", None, Some("again")), at(20)));
        assert!(!revoked.has(&vouched("adam", None, Some("1")), now));
    }
}
