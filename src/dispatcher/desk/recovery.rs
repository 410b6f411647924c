//! How a connection outlives its wire: the log is walked for what its standing matches.
//!
//! In: connections that come back, arrive with a past, or ask again. Out: what they missed, in order, and then live,
//! within one turn; or the word that something may be missing. There is no buffer per connection.

use std::sync::Arc;
use std::time::Instant;

use turted_core::{Arrival, Delivery, Dispatch, Ending, Note, Notice, Rejection, Target};

use super::super::membership::{Seat, Standing};
use super::super::messages::{LaneKey, Parcel, SeatKey};
use super::Desk;

/// Secrets that may continue one connection: the original and the newest. A client may hold any of them when an answer
/// of ours was lost on the way.
const TOKENS: usize = 4;

impl Desk {
    /// The broadcasts that came since it opened, then everything live.
    pub(super) fn ready(&mut self, key: SeatKey) {
        self.membership.ready(key);
        let Some(opened) = self.membership.get(key).map(|seat| seat.standing.opened) else {
            return;
        };
        let missed = self.missed(key, opened).unwrap_or_default();
        self.replay(key, missed);
    }

    /// Puts an earlier connection onto this wire: what it missed, the answer, then live, in one turn.
    pub(super) fn resume(
        &mut self,
        key: SeatKey,
        fresh: bool,
        token: &Arc<str>,
        last: Option<Arc<str>>,
        now: Instant,
    ) -> Notice {
        let Some(own) = self.membership.get(key).map(|seat| seat.standing.clone()) else {
            return Notice::Rejected(Rejection::BadMessage("the connection has ended".into()));
        };
        if own.tokens.last() == Some(token) {
            return Notice::Rejected(Rejection::BadMessage(
                "this wire already is the connection of that token".into(),
            ));
        }
        // It has asked before; browsers repeat a request whose answer was lost.
        if own.tokens.contains(token) {
            let recovered = self.membership.get(key).is_some_and(|seat| seat.is_complete);
            return Notice::Resumed {
                connection: own.connection,
                recovered,
                replayed: 0,
                since: last.filter(|_| !recovered),
            };
        }
        let Some(mut standing) = self.reclaim(token, now) else {
            self.ready(key);
            return Notice::Resumed {
                connection: own.connection,
                recovered: false,
                replayed: 0,
                since: last,
            };
        };
        if standing.tokens.len() >= TOKENS {
            standing.tokens.remove(1);
        }
        standing.tokens.extend(own.tokens);
        let connection = Arc::clone(&standing.connection);
        let seen = match &last {
            Some(last) => self.settings.epoch.sequence_of(last),
            None => Some(standing.opened),
        };
        self.membership.replace(key, standing);
        self.membership.ready(key);
        // What it has seen was handed to it, by another wire.
        self.membership.mark(key, seen.unwrap_or_default());
        // A wire that has already carried broadcasts cannot put older events before them.
        let missed = seen.filter(|_| fresh).and_then(|seen| self.missed(key, seen));
        let recovered = missed.is_some();
        if let Some(seat) = self.membership.get_mut(key) {
            seat.is_complete = recovered;
        }
        let replayed = self.replay(key, missed.unwrap_or_default());
        self.note(&Note::Resumed {
            connection: Arc::clone(&connection),
            replayed,
        });
        Notice::Resumed {
            connection,
            recovered,
            replayed,
            since: if recovered { None } else { last },
        }
    }

    /// The standing that this secret opens; a wire that still carries it is ended.
    fn reclaim(&mut self, token: &str, now: Instant) -> Option<Standing> {
        let Some(older) = self.membership.by_token(token) else {
            return self.parking.take(token, now);
        };
        let Seat { lane, standing, .. } = self.membership.rise(older)?;
        let ending = Ending::Replaced;
        self.parcel(
            lane.courier,
            Parcel::End {
                lane: lane.lane,
                ending,
            },
        );
        self.parcel(lane.courier, Parcel::Retire { lane: lane.lane });
        self.note(&Note::Ended {
            connection: Arc::clone(&standing.connection),
            code: ending.code(),
            reason: ending.reason(),
        });
        Some(standing)
    }

    /// What this connection should have heard after `seen`; `None` when that cannot be told any more, or does not fit.
    fn missed(&self, key: SeatKey, seen: u64) -> Option<Vec<(u64, Arc<Dispatch>, Target)>> {
        let standing = &self.membership.get(key)?.standing;
        let (mut missed, mut bytes) = (Vec::new(), 0);
        for logged in self.log.after(seen)? {
            let Some(via) = standing.via(logged.sequence, &logged.dispatch) else {
                continue;
            };
            bytes += logged.dispatch.payload.as_bytes().len();
            if missed.len() >= self.settings.replay_frames || bytes > self.settings.replay_bytes {
                return None;
            }
            missed.push((logged.sequence, Arc::clone(&logged.dispatch), via.clone()));
        }
        Some(missed)
    }

    fn replay(&mut self, key: SeatKey, missed: Vec<(u64, Arc<Dispatch>, Target)>) -> usize {
        let Some((lane, encoder)) = self.membership.get(key).map(|seat| (seat.lane, seat.encoder)) else {
            return 0;
        };
        let count = missed.len();
        if let Some((newest, ..)) = missed.last() {
            self.membership.mark(key, *newest);
        }
        for (sequence, dispatch, via) in missed {
            let delivery = Delivery {
                id: &self.settings.epoch.id(sequence),
                event: &dispatch.event,
                payload: &dispatch.payload,
                via: &via,
            };
            let (frame, lanes) = (self.encode(encoder, &delivery), vec![lane.lane]);
            match frame {
                Some(frame) => self.parcel(lane.courier, Parcel::Frame { frame, lanes }),
                None => self.break_off(lane.courier, lanes),
            }
        }
        count
    }

    /// Gives up waiting for the connection of this secret. False when it is not waited for.
    pub fn forget(&mut self, token: &str, now: Instant) -> bool {
        self.parking.take(token, now).is_some()
    }

    /// Gives a new connection its user and channels, as if it had had them when it saw `last`.
    fn begin(&mut self, key: SeatKey, arrival: Arrival) -> Option<Notice> {
        let Arrival {
            user, channels, last, ..
        } = arrival;
        if channels.len() > self.settings.channels {
            self.ready(key);
            return Some(Notice::Rejected(Rejection::TooManyChannels(self.settings.channels)));
        }
        let seen = last.as_deref().and_then(|last| self.settings.epoch.sequence_of(last));
        let seen = seen.filter(|seen| self.log.after(*seen).is_some());
        if let Some(seen) = seen {
            let mut standing = self.membership.get(key)?.standing.clone();
            standing.opened = seen;
            self.membership.replace(key, standing);
        }
        let since = seen.unwrap_or(self.log.newest());
        if let Some(user) = user {
            self.identify(key, user, since);
        }
        for channel in channels {
            self.enter(key, channel, since);
        }
        let missed = match seen {
            Some(seen) => {
                self.membership.ready(key);
                self.missed(key, seen)
            }
            None => {
                self.ready(key);
                None
            }
        };
        let is_complete = last.is_none() || missed.is_some();
        self.replay(key, missed.unwrap_or_default());
        last.filter(|_| !is_complete).map(|since| Notice::Missed { since })
    }

    /// Puts what came after `last` into an outbox that is emptied first: what was handed out before may have been lost.
    pub(super) fn since(&mut self, key: SeatKey, last: Arc<str>) -> Option<Notice> {
        let LaneKey { courier, lane } = self.membership.get(key)?.lane;
        self.membership.ready(key);
        let seen = match &*last {
            "" => self.membership.get(key).map(|seat| seat.standing.opened),
            last => self.settings.epoch.sequence_of(last),
        };
        // Nothing was meant for it since then, whatever the log still knows.
        let newest = self.membership.newest(key);
        if seen.is_some_and(|seen| newest <= seen) {
            return None;
        }
        let seat = self.membership.get_mut(key)?;
        // A client knows no newer id than this until the next event: it is told once, and then waits.
        if seat
            .gap
            .as_ref()
            .is_some_and(|(told, then)| *told == last && *then == newest)
        {
            return None;
        }
        seat.gap = None;
        match seen.and_then(|seen| self.missed(key, seen)) {
            Some(missed) => {
                self.parcel(courier, Parcel::Clear { lane });
                self.replay(key, missed);
                None
            }
            None => {
                if let Some(seat) = self.membership.get_mut(key) {
                    seat.gap = Some((Arc::clone(&last), newest));
                }
                Some(Notice::Missed { since: last })
            }
        }
    }

    /// Lets an earlier connection go on, if the arrival names one that is waited for; otherwise begins as the arrival
    /// says.
    pub(super) fn arrive(&mut self, key: SeatKey, mut arrival: Arrival, now: Instant) -> Option<Notice> {
        let Some(token) = arrival.resume.take() else {
            return self.begin(key, arrival);
        };
        if self.membership.by_token(&token).is_some() || self.parking.knows(&token) {
            return Some(self.resume(key, true, &token, arrival.last, now));
        }
        let connection = self
            .membership
            .get(key)
            .map(|seat| Arc::clone(&seat.standing.connection))?;
        let since = arrival.last.clone();
        let told = self.begin(key, arrival);
        Some(told.unwrap_or(Notice::Resumed {
            connection,
            recovered: false,
            replayed: 0,
            since,
        }))
    }
}
