//! How long somebody is somebody: identities that end, and clients that are thrown out.
//!
//! In: the times of identities, and the wishes of backends. Out: the word that an identity ends soon, the end of those
//! that brought no new one, and no way back for those who were thrown out: neither a secret nor another wire.

use std::sync::Arc;
use std::time::{Duration, Instant};

use turted_core::{Ending, Note, Notice};

use super::super::messages::{
    Expel, LaneKey, ListRevoked, Parcel, Pardon, Revocation, Revocations, Revoke, SeatKey, Vouched, Whom,
};
use super::super::revoked::Subject;
use super::super::standing::Standing;
use super::Desk;

/// How long before its end a client is told.
const NOTICE: Duration = Duration::from_secs(30);
/// How long after its end a client may still bring a new identity.
const GRACE: Duration = Duration::from_secs(25);
/// How long somebody stays somebody while whoever vouched for it does not answer.
pub(super) const UNCONFIRMED: Duration = Duration::from_secs(300);

impl Desk {
    /// Keeps who vouches for a connection, and watches its times.
    pub(super) fn vouch(&mut self, key: SeatKey, vouched: Vouched) {
        let due = next(&vouched, None);
        if let Some(seat) = self.membership.get_mut(key) {
            seat.standing.vouched = Some(Box::new(vouched));
        }
        self.watch(key, due);
    }

    /// Looks at a connection again at this time, and at no other.
    pub(super) fn watch(&mut self, key: SeatKey, due: Option<Instant>) {
        let Some(seat) = self.membership.get_mut(key) else {
            return;
        };
        if let Some(earlier) = std::mem::replace(&mut seat.due, due) {
            self.deadlines.remove(&(earlier, key));
        }
        if let Some(due) = due {
            self.deadlines.insert((due, key));
        }
    }

    /// Does what is due.
    pub(super) fn keep_time(&mut self, now: Instant) {
        self.revoked.expire(now);
        while self.deadlines.first().is_some_and(|(due, _)| *due <= now)
            && let Some((due, key)) = self.deadlines.pop_first()
        {
            let Some(seat) = self.membership.get_mut(key) else {
                continue;
            };
            seat.due = None;
            let LaneKey { courier, lane } = seat.lane;
            let Some(vouched) = seat.standing.vouched.clone() else {
                self.refuse(key, "connection", "nobody", &|| {
                    "it did not say who it is within limits.ident, and [may] has nothing for anyone".to_owned()
                });
                let ending = Ending::Refused;
                self.parcel(courier, Parcel::End { lane, ending });
                continue;
            };
            if vouched.renews.is_some_and(|renews| renews <= now && renews >= due) {
                let presented = vouched.presented.clone();
                self.parcel(courier, Parcel::Renew { lane, presented });
            }
            match vouched.expires {
                Some(end) if end + GRACE <= now => {
                    let ending = Ending::Expired;
                    self.parcel(courier, Parcel::End { lane, ending });
                    continue;
                }
                Some(end)
                    if end
                        .checked_sub(NOTICE)
                        .is_none_or(|notice| (due..=now).contains(&notice)) =>
                {
                    let notice = Notice::Expiring(end.saturating_duration_since(now));
                    self.parcel(
                        courier,
                        Parcel::Tell {
                            lane,
                            notice,
                            tag: None,
                        },
                    );
                }
                _ => {}
            }
            self.watch(key, next(&vouched, Some(now)));
        }
    }

    /// Whoever vouched for a connection was asked again and did not answer: that is tried again while the patience
    /// lasts, and then the connection ends.
    pub(super) fn unconfirmed(&mut self, key: SeatKey, after: Duration, now: Instant) {
        let Some(seat) = self.membership.get_mut(key) else {
            return;
        };
        let Some(vouched) = seat.standing.vouched.as_deref_mut() else {
            return;
        };
        let since = *vouched.unconfirmed.get_or_insert(now);
        if now.saturating_duration_since(since) >= UNCONFIRMED {
            return self.disown(key);
        }
        vouched.renews = Some(now + after);
        let due = next(vouched, None);
        self.watch(key, due);
    }

    /// Whether the identity of a connection has ended and no new one has come yet: it goes on to hear what it hears,
    /// and is granted nothing more.
    pub(super) fn is_over(&self, key: SeatKey, now: Instant) -> bool {
        let vouched = self.membership.get(key).and_then(|seat| seat.standing.vouched.as_ref());
        vouched.is_some_and(|vouched| vouched.expires.is_some_and(|end| end <= now))
    }

    /// Ends a connection for which nobody vouches any more.
    pub(super) fn disown(&mut self, key: SeatKey) {
        self.end(key, Ending::Expired);
    }

    /// Tells the wire of a connection to end.
    pub(super) fn end(&mut self, key: SeatKey, ending: Ending) {
        if let Some(LaneKey { courier, lane }) = self.membership.get(key).map(|seat| seat.lane) {
            self.parcel(courier, Parcel::End { lane, ending });
        }
    }

    /// Throws clients out, those that are waited for as well, and gives back how many.
    pub fn expel(&mut self, expel: Expel, now: Instant) -> usize {
        let Expel { whom, except, ban } = expel;
        let live = match &whom {
            Whom::User(user) => self.membership.of_user(user.as_str()),
            Whom::Connection(id) => self.membership.by_connection(id).into_iter().collect(),
        };
        if let (Some(ban), Whom::User(user)) = (ban, &whom) {
            self.revoked.add(Subject::User(user.clone()), now, now + ban);
        }
        let is_meant = |connection: &Arc<str>| !except.contains(connection);
        let mut count = 0;
        for key in live {
            let seat = self.membership.get(key);
            if seat.is_some_and(|seat| is_meant(&seat.standing.connection)) {
                count += usize::from(self.throw_out(key));
            }
        }
        count
            + self.parking.forget(|standing| {
                is_meant(&standing.connection)
                    && match &whom {
                        Whom::User(name) => standing.user.as_ref().is_some_and(|(user, _)| user == name),
                        Whom::Connection(id) => standing.connection == *id,
                    }
            })
    }

    /// Ends a connection for good: from here on it hears nothing, and its secrets open nothing.
    fn throw_out(&mut self, key: SeatKey) -> bool {
        self.watch(key, None);
        let Some(seat) = self.membership.rise(key) else {
            return false;
        };
        let (LaneKey { courier, lane }, ending) = (seat.lane, Ending::Kicked);
        self.parcel(courier, Parcel::End { lane, ending });
        self.parcel(courier, Parcel::Retire { lane });
        self.note(&Note::Ended {
            connection: Arc::clone(&seat.standing.connection),
            code: ending.code(),
            reason: ending.reason(),
        });
        true
    }

    /// Takes back what was issued, ends those who came in by it, those that are waited for as well, and gives back how
    /// many.
    pub fn revoke(&mut self, revoke: Revoke, now: Instant) -> usize {
        let Revoke { user, token, lasts } = revoke;
        let mut subjects = Vec::new();
        if let Some((user, before)) = user {
            subjects.push(Subject::Older(user.clone()));
            self.revoked.add_older(user, before, now + lasts, now);
        }
        if let Some(token) = token {
            subjects.push(Subject::Token(Arc::clone(&token)));
            self.revoked.add(Subject::Token(token), now, now + lasts);
        }
        let revoked = &self.revoked;
        // Those that were spared by an earlier word are spared by this one, too, unless it is about them.
        let is_meant = |standing: &Standing| {
            let is_about = |vouched: &Vouched| subjects.iter().any(|subject| revoked.is_about(subject, vouched));
            standing.vouched.as_deref().is_some_and(is_about)
        };
        let live = self.membership.all().filter(|(_, standing)| is_meant(standing));
        let live: Vec<SeatKey> = live.map(|(key, _)| key).collect();
        let parked = self.parking.forget(is_meant);
        live.into_iter().filter(|key| self.throw_out(*key)).count() + parked
    }

    /// What was revoked, and for whom there are bans.
    #[must_use]
    pub fn list_revoked(&self, wanted: &ListRevoked, now: Instant) -> Revocations {
        let ListRevoked { user, token, most } = wanted;
        let is_wanted = |subject: &Subject| match subject {
            _ if user.is_none() && token.is_none() => true,
            Subject::User(name) | Subject::Older(name) => user.as_ref() == Some(name),
            Subject::Token(name) => token.as_ref() == Some(name),
        };
        let all = self
            .revoked
            .iter()
            .filter(|(subject, until)| *until > now && is_wanted(subject));
        let (mut listed, mut count) = (Vec::new(), 0);
        for (subject, until) in all {
            count += 1;
            if listed.len() < *most {
                listed.push(Revocation {
                    subject: subject.clone(),
                    before: self.revoked.dated(subject),
                    lasts: until - now,
                });
            }
        }
        Revocations { listed, count }
    }

    /// Forgets that something was revoked, and gives back how many entries that were.
    pub fn pardon(&mut self, pardon: Pardon) -> usize {
        let Pardon { user, token } = pardon;
        let of_user = user
            .into_iter()
            .flat_map(|user| [Subject::User(user.clone()), Subject::Older(user)]);
        let subjects = of_user.chain(token.map(Subject::Token));
        subjects.filter(|subject| self.revoked.remove(subject)).count()
    }

    /// Whether an identity was revoked.
    #[must_use]
    pub fn is_revoked(&self, vouched: &Vouched, now: Instant) -> bool {
        self.revoked.has(vouched, now)
    }
}

/// When a connection of this identity is to be looked at next, after a look at `now`.
fn next(vouched: &Vouched, now: Option<Instant>) -> Option<Instant> {
    let is_ahead = |time: &Instant| now.is_none_or(|now| *time > now);
    let notice = vouched.expires.map(|end| end.checked_sub(NOTICE).unwrap_or(end));
    let end = vouched.expires.map(|end| end + GRACE);
    [vouched.renews, notice, end]
        .into_iter()
        .flatten()
        .filter(is_ahead)
        .min()
}
