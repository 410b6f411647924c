//! How long somebody is somebody: identities that end, and clients that are thrown out.
//!
//! In: the times of identities, and the wishes of backends. Out: the word that an identity ends soon, the end of those
//! that brought no new one, and no way back for those who were thrown out: neither a secret nor another wire.

use std::sync::Arc;
use std::time::{Duration, Instant};

use turted_core::{Ending, Note, Notice};

use super::super::messages::{Expel, LaneKey, Parcel, SeatKey, Vouched, Whom};
use super::super::revoked::{Revoked, Subject};
use super::Desk;

/// How long before its end a client is told.
const NOTICE: Duration = Duration::from_secs(30);
/// How long after its end a client may still bring a new identity.
const GRACE: Duration = Duration::from_secs(25);

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
                self.parcel(courier, Parcel::Renew { lane });
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
            let Some(seat) = self
                .membership
                .get(key)
                .filter(|seat| is_meant(&seat.standing.connection))
            else {
                continue;
            };
            let LaneKey { courier, lane } = seat.lane;
            // From here on it hears nothing, and its secrets open nothing.
            self.watch(key, None);
            let Some(seat) = self.membership.rise(key) else {
                continue;
            };
            let ending = Ending::Kicked;
            self.parcel(courier, Parcel::End { lane, ending });
            self.parcel(courier, Parcel::Retire { lane });
            self.note(&Note::Ended {
                connection: Arc::clone(&seat.standing.connection),
                code: ending.code(),
                reason: ending.reason(),
            });
            count += 1;
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

    /// What was revoked.
    pub fn revoked(&mut self) -> &mut Revoked {
        &mut self.revoked
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
