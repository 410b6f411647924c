//! Connections whose request says it all: who they are, what they hear, and perhaps what they saw before.
//!
//! In: arrivals, with what was confirmed about them. Out: memberships as far as permissions go, what was missed, and
//! then live, within one turn. What it means to have missed something is in [`recovery`](super::recovery).

use std::sync::Arc;
use std::time::Instant;

use turted_core::{Arrival, Ending, Identity, Notice, Rejection, Subscription};

use super::super::messages::{Permit, Question, SeatKey, Vouched};
use super::{Desk, Said};

impl Desk {
    /// Lets an earlier connection go on, if the arrival names one that is waited for; otherwise begins as the arrival
    /// says.
    pub(super) fn arrive(&mut self, key: SeatKey, mut arrival: Arrival, vouched: Vouched, now: Instant) -> Said {
        let Some(token) = arrival.resume.take() else {
            return self.begin(key, arrival, vouched, now);
        };
        if self.knows(&token) {
            return self.resume(key, true, &token, arrival.last, now);
        }
        if arrival.returns {
            // It ended since its door looked. Whoever comes again says who it is.
            self.end(key, Ending::GoingAway);
            return Said::default();
        }
        let Some(connection) = self
            .membership
            .get(key)
            .map(|seat| Arc::clone(&seat.standing.connection))
        else {
            return Said::default();
        };
        let since = arrival.last.clone();
        let Said { notice, then } = self.begin(key, arrival, vouched, now);
        let notice = notice.unwrap_or(Notice::Resumed {
            connection,
            recovered: false,
            expired: false,
            replayed: 0,
            since,
        });
        Said {
            notice: Some(notice),
            then,
        }
    }

    /// Gives a new connection its user and channels, as if it had had them when it saw `last`; but nothing from before
    /// its identity was issued.
    fn begin(&mut self, key: SeatKey, arrival: Arrival, vouched: Vouched, now: Instant) -> Said {
        let Arrival {
            channels,
            granted,
            last,
            waits,
            ..
        } = arrival;
        if channels.len() > self.settings.channels {
            self.ready(key);
            return Notice::Rejected(self.too_many_channels(key)).into();
        }
        let hidden = vouched.issued.map_or(0, |issued| self.log.at(issued));
        let seen = last.as_deref().and_then(|last| self.log.place(last));
        let seen = seen.filter(|seen| *seen >= hidden && self.log.reaches(*seen));
        let since = match (&last, seen) {
            (None, _) => self.log.newest(),
            (Some(_), Some(seen)) => seen,
            // Of another time: what there is comes behind the word that something may be missing.
            (Some(_), None) => self.log.floor().max(hidden),
        };
        if let (Some(_), Some(seat)) = (&last, self.membership.get_mut(key)) {
            seat.standing.opened = since;
        }
        if *vouched.identity != Identity::default()
            && let Notice::Rejected(rejection) = self.ident(key, vouched, since, now)
        {
            self.turn_out(key, &rejection);
            return Said::default();
        }
        for channel in channels {
            let permit = match granted.contains(&channel) {
                true => Permit::Granted,
                false => Permit::None,
            };
            self.try_to_enter(key, channel.into(), permit, since);
        }
        let Some(last) = last else {
            if !waits {
                self.ready(key);
            }
            return Said::default();
        };
        if seen.is_some()
            && let Some(then) = self.missed(key, since)
        {
            self.membership.ready(key);
            return Said { notice: None, then };
        }
        Said {
            then: self.remember(key, false, Some(&last), now),
            notice: Some(Notice::Missed { since: last }),
        }
    }

    /// Lets a connection join a channel that its request or its identity named, if it may; otherwise it is told behind
    /// the rest, and the answer is false.
    pub(super) fn try_to_enter(&mut self, key: SeatKey, channel: Subscription, permit: Permit, since: u64) -> bool {
        let rejection = match self.join(key, channel, permit, since) {
            Ok(Notice::Rejected(rejection)) => rejection,
            Ok(_) => return true,
            // Whoever brings it along has asked, and took no answer for a no.
            Err(Question { verb, name, .. }) => Rejection::Denied { verb, name, why: None },
        };
        self.tell_behind(key, Notice::Rejected(rejection));
        false
    }
}
