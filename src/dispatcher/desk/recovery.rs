//! How a connection outlives its wire: what its standing matches is found in the log.
//!
//! In: connections that come back, arrive with a past, or ask again. Out: what they missed, in order, and then live,
//! within one turn; or the word that something may be missing. There is no buffer per connection.

use std::sync::Arc;
use std::time::Instant;

use log::debug;
use turted_core::{Delivery, Dispatch, Ending, Note, Notice, Rejection, Subscription, Target};

use super::super::life::LIFE;
use super::super::membership::{Polled, Seat};
use super::super::messages::{LaneKey, Parcel, Question, SeatKey, Vouched};
use super::super::standing::{By, Late, Standing};
use super::tenure::UNCONFIRMED;
use super::{Desk, Said};

/// A dispatch that somebody should have heard, with its place and the reason.
type Missed = (u64, Arc<Dispatch>, Target);

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
    ) -> Said {
        let Some(own) = self.membership.get(key).map(|seat| seat.standing.clone()) else {
            return Notice::Rejected(Rejection::BadMessage("the connection has ended".into())).into();
        };
        if own.tokens.last() == Some(token) {
            let why = "this wire already is the connection of that token";
            return Notice::Rejected(Rejection::BadMessage(why.into())).into();
        }
        let resumed = |connection, recovered, replayed, since| Notice::Resumed {
            connection,
            recovered,
            expired: false,
            replayed,
            since,
        };
        // It has asked before; browsers repeat a request whose answer was lost.
        if own.tokens.contains(token) {
            let recovered = self.membership.get(key).is_some_and(|seat| seat.is_complete);
            return resumed(own.connection, recovered, 0, last.filter(|_| !recovered)).into();
        }
        if let Some(earlier) = self.standing_of(token)
            && count_together(earlier, &own) > self.settings.channels
        {
            return Notice::Rejected(self.too_many_channels(key)).into();
        }
        // A secret of somebody else's connection is none of this client (CWE-384).
        let of = |standing: &Standing| standing.user.as_ref().map(|(user, _)| user.clone());
        let is_foreign = |earlier: &Standing| own.user.is_some() && of(earlier).is_some() && of(earlier) != of(&own);
        let is_foreign = self.standing_of(token).is_some_and(is_foreign);
        let reclaimed = if is_foreign { None } else { self.reclaim(token, now) };
        let Some((meant, mut standing)) = reclaimed else {
            return Said {
                then: self.remember(key, !fresh, last.as_deref(), now),
                notice: Some(resumed(own.connection, false, 0, last)),
            };
        };
        let from = last.clone();
        let seen = match &last {
            Some(last) => self.log.place(last),
            None => Some(standing.opened),
        };
        let is_over = self.strip(&mut standing, now);
        // Nothing was meant for it between what it saw and the loss of its wire, whatever the log still knows of that
        // time.
        let left = standing.left.take().map_or(self.log.newest(), |(_, newest)| newest);
        let floor = self.log.floor();
        let is_all = |seen: u64| meant <= seen && standing.late_after(seen, floor).is_none();
        let seen = seen.map(|seen| if is_all(seen) { seen.max(left) } else { seen });
        let connection = Arc::clone(&standing.connection);
        let brings_user = own.user.is_some();
        let is_same =
            brings_user && own.user.as_ref().map(|(user, _)| user) == standing.user.as_ref().map(|(user, _)| user);
        self.merge(&mut standing, own);
        let vouched = standing.vouched.take();
        self.membership.replace(key, standing);
        if let Some(vouched) = vouched {
            self.vouch(key, *vouched);
        }
        if brings_user && !is_same {
            self.membership.keep_newest_token(key);
        }
        // Channels of both are judged as those of whom it is now.
        self.judge_again(key, is_same || !brings_user);
        self.membership.ready(key);
        // That was handed to it, by another wire.
        self.membership.mark(key, meant);
        // A wire that has already carried broadcasts cannot put older events before them.
        let missed = seen
            .filter(|_| fresh && !is_over)
            .and_then(|seen| self.missed(key, seen));
        let recovered = missed.is_some();
        if let Some(seat) = self.membership.get_mut(key) {
            seat.is_complete = recovered;
        }
        let replayed = self.replay(key, missed.unwrap_or_default());
        self.note(&Note::Resumed {
            connection: Arc::clone(&connection),
            replayed,
        });
        let since = if recovered { None } else { last };
        Said {
            // Behind the word about the gap comes all that there is.
            then: match recovered || !fresh {
                true => Vec::new(),
                false => self.remember(key, false, from.as_deref(), now),
            },
            notice: Some(Notice::Resumed {
                connection,
                recovered,
                expired: is_over,
                replayed,
                since,
            }),
        }
    }

    /// An identity that has ended takes its user and its channels with it.
    fn strip(&self, standing: &mut Standing, now: Instant) -> bool {
        if !standing
            .vouched
            .as_deref()
            .is_some_and(|vouched| self.has_ended(vouched, now))
        {
            return false;
        }
        standing.user = None;
        standing.vouched = None;
        standing.subscriptions.clear();
        if let Some(rest) = standing.rest.any() {
            rest.asked.clear();
            rest.late.clear();
        }
        true
    }

    /// Whether an identity has ended, was revoked, or would have to be confirmed again. While whoever vouched for it
    /// does not answer it holds for a while.
    fn has_ended(&self, vouched: &Vouched, now: Instant) -> bool {
        let is_patient = vouched
            .unconfirmed
            .is_some_and(|since| now.saturating_duration_since(since) < UNCONFIRMED);
        let is_due = vouched.renews.is_some_and(|renews| renews <= now) && !is_patient;
        is_due || vouched.expires.is_some_and(|end| end <= now) || self.revoked.has(vouched, now)
    }

    /// What was granted on the new wire before stays: an OK is never taken back. The wire's own id ends here.
    fn merge(&self, standing: &mut Standing, mut own: Standing) {
        debug!(target: LIFE, "{} goes on as {}", own.connection, standing.connection);
        standing.tokens.extend(own.tokens);
        while standing.tokens.len() > TOKENS {
            standing.tokens.remove(1);
        }
        let is_other = own.user.as_ref().map(|(user, _)| user) != standing.user.as_ref().map(|(user, _)| user);
        // What the user's backend granted to somebody is granted to nobody else.
        if own.user.is_some()
            && is_other
            && let Some(rest) = standing.rest.any()
        {
            rest.asked.clear();
        }
        let counts = own.user.is_some() || own.vouched.is_none();
        if let Some(own) = own.rest.any() {
            let rest = standing.rest.add();
            rest.behind = rest.behind.or(own.behind);
            rest.late.append(&mut own.late);
            if counts {
                rest.asked.append(&mut own.asked);
            }
        }
        if own.user.is_some() {
            standing.user = own.user;
            standing.vouched = own.vouched;
        }
        let is_deaf = standing.user.is_none() && !self.settings.permissions.broadcasts();
        if std::mem::replace(&mut standing.is_deaf, is_deaf) && !is_deaf {
            // What everybody was told before it had a name was not for it.
            standing.opened = self.log.newest();
        }
        for (subscription, since) in own.subscriptions {
            if !standing.subscriptions.iter().any(|(one, _)| *one == subscription) {
                standing.subscriptions.push((subscription, since));
            }
        }
        self.note(&Note::Ended {
            connection: own.connection,
            code: Ending::Replaced.code(),
            reason: Ending::Replaced.reason(),
        });
    }

    /// Keeps in mind what a client of another time saw last: what came after it, or all that there is, comes with each
    /// of its memberships. Gives what comes with those that it has, without what its wire `has_heard`.
    pub(super) fn remember(&mut self, key: SeatKey, has_heard: bool, last: Option<&str>, now: Instant) -> Vec<Missed> {
        let seen = last.and_then(|last| self.log.place(last));
        let seen = seen.filter(|seen| self.log.reaches(*seen));
        let behind = seen.unwrap_or_else(|| self.log.floor());
        let (hidden, hears_all) = (self.hidden(key), self.settings.permissions.broadcasts());
        let until = now + self.settings.log.age;
        let Some(seat) = self.membership.get_mut(key) else {
            return Vec::new();
        };
        let before = has_heard.then(|| seat.standing.clone());
        seat.standing.rest.add().behind = Some((behind, until));
        // Where broadcasts are for those with a name, they are shown from the time of the name on.
        let shown = if hears_all { behind } else { behind.max(hidden) };
        seat.standing.opened = seat.standing.opened.min(shown);
        if !has_heard {
            // All that there is comes now, by its numbers.
            seat.standing.rest.add().late.clear();
        }
        self.membership.ready(key);
        self.recent(key, behind, before.as_ref())
    }

    /// A connection is somebody now, and its user and the channels that it brings along begin where they have to.
    pub(super) fn confirmed(&mut self, key: SeatKey, vouched: Vouched, now: Instant) -> Said {
        let identity = &vouched.identity;
        let user = identity.user.iter().cloned().map(By::User);
        let joins = identity.joins.iter().cloned();
        let joins = joins.map(|channel| By::Subscription(channel.into()));
        let (by, issued) = (user.chain(joins).collect(), vouched.issued);
        let ident = |desk: &mut Self, since| Ok(desk.ident(key, vouched, since, now));
        self.catching_up(key, now, by, issued, ident).unwrap_or_default()
    }

    /// A membership that begins now, or where its client was before a gap; but not before its identity was `issued`.
    pub(super) fn catching_up(
        &mut self,
        key: SeatKey,
        now: Instant,
        by: Vec<By>,
        issued: Option<Instant>,
        grant: impl FnOnce(&mut Self, u64) -> Result<Notice, Question>,
    ) -> Result<Said, Question> {
        let newest = self.log.newest();
        let behind = self
            .membership
            .get(key)
            .and_then(|seat| seat.standing.rest.behind)
            .filter(|(_, until)| now < *until);
        let Some((behind, _)) = behind else {
            return grant(self, newest).map(Said::from);
        };
        let before = self.membership.get(key).map(|seat| seat.standing.clone());
        let hidden = issued.map_or(0, |issued| self.log.at(issued));
        let since = behind.max(self.log.floor()).max(hidden);
        let notice = grant(self, since)?;
        let then = self.recent(key, behind, before.as_ref());
        if let Some(seat) = self.membership.get_mut(key)
            && !then.is_empty()
        {
            let at = newest;
            for by in by {
                seat.standing.came_late(Late { by, since, at });
            }
            seat.poll = None;
        }
        Ok(Said {
            notice: Some(notice),
            then,
        })
    }

    fn standing_of(&self, token: &str) -> Option<&Standing> {
        match self.membership.by_token(token) {
            Some(key) => self.membership.get(key).map(|seat| &seat.standing),
            None => self.parking.peek(token),
        }
    }

    /// The standing that this secret opens; a wire that still carries it is ended.
    /// With it, the last dispatch that was meant for it.
    fn reclaim(&mut self, token: &str, now: Instant) -> Option<(u64, Standing)> {
        let Some(older) = self.membership.by_token(token) else {
            let standing = self.parking.take(token, now)?;
            return Some((standing.left.map_or(0, |(meant, _)| meant), standing));
        };
        let meant = self.membership.newest(older);
        self.watch(older, None);
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
        Some((meant, standing))
    }

    /// What this connection should have heard after `seen`; `None` when that cannot be told any more, or does not fit.
    pub(super) fn missed(&self, key: SeatKey, seen: u64) -> Option<Vec<Missed>> {
        let standing = &self.membership.get(key)?.standing;
        if !self.log.reaches(seen) {
            return None;
        }
        // What came late has lower numbers than what came before it. It lies behind what the client saw, if that was
        // not a part of it.
        let saw = self.log.get(seen);
        let saw = saw.map_or((seen, 0, seen), |logged| standing.order(seen, &logged.dispatch));
        let late = standing.late_after(saw.0, self.log.floor());
        let from = late.map_or(seen, |late| late.min(seen));
        let (mut missed, mut bytes) = (Vec::new(), 0);
        for logged in self.log.rising(standing, from) {
            let order = standing.order(logged.sequence, &logged.dispatch);
            let via = standing.via(logged.sequence, &logged.dispatch);
            let Some(via) = via.filter(|_| saw < order) else {
                continue;
            };
            bytes += logged.dispatch.payload.as_bytes().len();
            if missed.len() >= self.settings.replay_frames || bytes > self.settings.replay_bytes {
                return None;
            }
            missed.push((order, (logged.sequence, Arc::clone(&logged.dispatch), via.clone())));
        }
        missed.sort_unstable_by_key(|(order, _)| *order);
        Some(missed.into_iter().map(|(_, missed)| missed).collect())
    }

    /// The newest of what it should hear after `since`, as much as fits, without what it hears as `before` anyhow.
    fn recent(&self, key: SeatKey, since: u64, before: Option<&Standing>) -> Vec<Missed> {
        let Some(standing) = self.membership.get(key).map(|seat| &seat.standing) else {
            return Vec::new();
        };
        let (mut recent, mut bytes) = (Vec::new(), 0);
        for logged in self.log.falling(standing, since) {
            let is_known = before.is_some_and(|before| before.via(logged.sequence, &logged.dispatch).is_some());
            let Some(via) = standing.via(logged.sequence, &logged.dispatch).filter(|_| !is_known) else {
                continue;
            };
            bytes += logged.dispatch.payload.as_bytes().len();
            if recent.len() >= self.settings.replay_frames || bytes > self.settings.replay_bytes {
                break;
            }
            recent.push((logged.sequence, Arc::clone(&logged.dispatch), via.clone()));
        }
        recent.reverse();
        recent
    }

    pub(super) fn replay(&mut self, key: SeatKey, missed: Vec<Missed>) -> usize {
        let Some((lane, encoder)) = self.membership.get(key).map(|seat| (seat.lane, seat.encoder)) else {
            return 0;
        };
        let count = missed.len();
        if let Some(newest) = missed.iter().map(|(sequence, ..)| *sequence).max() {
            self.membership.mark(key, newest);
        }
        for (sequence, dispatch, via) in missed {
            let delivery = Delivery {
                id: &self.log.id(sequence),
                event: &dispatch.event,
                payload: &dispatch.payload,
                via: &via,
                from: dispatch.from.as_deref(),
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

    /// Whether the connection of this secret is here, or waited for.
    pub fn knows(&self, token: &Arc<str>) -> bool {
        self.membership.by_token(token).is_some() || self.parking.knows(token)
    }

    /// Whether the connection of this secret, here or waited for, goes on as somebody whose time is not over.
    #[must_use]
    pub fn goes_on(&self, token: &str, now: Instant) -> bool {
        let vouched = self.standing_of(token).and_then(|standing| standing.vouched.as_deref());
        vouched.is_some_and(|vouched| !self.has_ended(vouched, now))
    }

    /// Puts what came after `last` into an outbox that is emptied first: what was handed out before may have been lost.
    /// An id that cannot tell what came after it gets the word about the gap, and behind it all that there is.
    pub(super) fn since(&mut self, key: SeatKey, last: Arc<str>, now: Instant) -> Said {
        let nothing = Said::default();
        let Some(LaneKey { courier, lane }) = self.membership.get(key).map(|seat| seat.lane) else {
            return nothing;
        };
        self.membership.ready(key);
        let newest = self.membership.newest(key);
        let Some(seat) = self.membership.get_mut(key) else {
            return nothing;
        };
        let seen = match &*last {
            "" => Some(seat.standing.opened),
            last => self.log.place(last),
        };
        // Nothing was meant for it since then, whatever the log still knows.
        let floor = self.log.floor();
        if seen.is_some_and(|seen| newest <= seen && seat.standing.late_after(seen, floor).is_none()) {
            return nothing;
        }
        let before = seat
            .poll
            .as_ref()
            .filter(|poll| poll.last == last && poll.newest == newest);
        if before.is_some_and(|poll| !poll.is_gap) {
            return nothing;
        }
        let is_told = before.is_some();
        let missed = seen.and_then(|seen| self.missed(key, seen));
        if let Some(seat) = self.membership.get_mut(key)
            && missed.as_ref().is_none_or(Vec::is_empty)
        {
            let (last, is_gap) = (Arc::clone(&last), missed.is_none());
            seat.poll = Some(Polled { last, newest, is_gap });
        }
        if let Some(missed) = missed {
            if !missed.is_empty() {
                self.parcel(courier, Parcel::Clear { lane });
                self.replay(key, missed);
            }
            return nothing;
        }
        let then = match seen {
            Some(_) => self.recent(key, self.log.floor(), None),
            None => {
                self.begin_again(key);
                self.remember(key, false, Some(&last), now)
            }
        };
        // A client knows no newer id than this until the next event: it is told once, and then waits.
        if is_told && then.is_empty() {
            return nothing;
        }
        self.parcel(courier, Parcel::Clear { lane });
        let notice = Some(Notice::Missed { since: last });
        Said { notice, then }
    }

    /// The newest place of which the identity of a connection is shown nothing: what was said before it was issued.
    fn hidden(&self, key: SeatKey) -> u64 {
        let vouched = self.membership.get(key).and_then(|seat| seat.standing.vouched.as_ref());
        let issued = vouched.and_then(|vouched| vouched.issued);
        issued.map_or(0, |issued| self.log.at(issued))
    }

    /// A client that names another time has seen nothing of this one, whatever it was granted before it said so; but it
    /// is shown nothing from before its identity was issued.
    fn begin_again(&mut self, key: SeatKey) {
        let floor = self.log.floor().max(self.hidden(key));
        if let Some(seat) = self.membership.get_mut(key) {
            let Standing {
                user, subscriptions, ..
            } = &mut seat.standing;
            let memberships = user.iter_mut().map(|(_, since)| since);
            let memberships = memberships.chain(subscriptions.iter_mut().map(|(_, since)| since));
            memberships.for_each(|since| *since = floor.min(*since));
        }
    }
}

/// In how many channels a connection is that has the memberships of both.
fn count_together(earlier: &Standing, own: &Standing) -> usize {
    let is_new = |one: &Subscription| !earlier.subscriptions.iter().any(|(joined, _)| joined == one);
    earlier.subscriptions.len() + own.subscriptions.iter().filter(|(one, _)| is_new(one)).count()
}
