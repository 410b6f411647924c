//! The Dispatcher's logic: numbers dispatches, keeps the log, answers connections.
//!
//! In: one request at a time, with the time of day. Out: parcels per courier, collected until [`Desk::take_parcels`], and
//! notes for the observer. It has no mailbox, no clock and no socket, so that a test can play any history against it.

use std::sync::Arc;
use std::time::Instant;

use turted_core::{
    ChannelName, Delivery, Dispatch, EncodeEvent, Ending, Epoch, Note, Notice, Observer, Receipt, Rejection, Tag,
    Target, UserName,
};

use super::census::Counts;
use super::keys::Keys;
use super::log::{Log, LogBounds};
use super::membership::{Membership, Seat, Standing};
use super::messages::{CourierId, LaneKey, Open, Parcel, Request, SeatKey};
use super::parked::Parking;

/// Secrets that may continue one connection: the original and the newest. A client may hold any of them when an answer
/// of ours was lost on the way.
const TOKENS: usize = 4;

/// What a desk needs to know.
pub struct DeskSettings {
    /// Names this memory; see [`Epoch`].
    pub epoch: Epoch,
    /// How much of the past is kept.
    pub log: LogBounds,
    /// Most connections without a wire.
    pub parked: usize,
    /// Most channels of one connection.
    pub channels: usize,
    /// Most frames that a resumption may put into one outbox.
    pub replay_frames: usize,
    /// Most payload bytes that a resumption may put into one outbox.
    pub replay_bytes: usize,
    /// How events are encoded, by [`EncoderId`](super::messages::EncoderId).
    pub encoders: Vec<Arc<dyn EncodeEvent>>,
    /// Who hears what happens.
    pub observer: Arc<dyn Observer>,
}

/// The Dispatcher without its mailbox.
pub struct Desk {
    settings: DeskSettings,
    membership: Membership,
    log: Log,
    keys: Keys,
    parking: Parking,
    parcels: Vec<Vec<Parcel>>,
    closing: Option<Ending>,
}

impl Desk {
    /// A desk where nobody has called yet.
    #[must_use]
    pub fn new(settings: DeskSettings) -> Self {
        Self {
            membership: Membership::default(),
            log: Log::new(settings.log),
            keys: Keys::default(),
            parking: Parking::new(settings.log.age, settings.parked),
            parcels: Vec::new(),
            closing: None,
            settings,
        }
    }

    /// Gives a connection its place. It hears broadcasts from here on, though it gets them only once it is ready.
    pub fn open(&mut self, open: Open) -> SeatKey {
        let standing = Standing {
            connection: open.connection,
            tokens: vec![open.token],
            opened: self.log.newest(),
            user: None,
            channels: Vec::new(),
        };
        let connection = Arc::clone(&standing.connection);
        // Without a log there is nothing to resume from, and nothing to wait for.
        let fresh = self.settings.log.count > 0;
        let seat = self.membership.sit(open.lane, open.encoder, fresh, standing);
        self.note(&Note::Opened { connection });
        // Whoever was accepted in the last moment is told like the others.
        if let Some(ending) = self.closing {
            let LaneKey { courier, lane } = open.lane;
            self.parcel(courier, Parcel::End { lane, ending });
        }
        seat
    }

    /// Does what a connection asks. Whoever has no seat any more is not answered.
    pub fn ask(&mut self, seat: SeatKey, tag: Tag, request: Request, now: Instant) {
        let Some((lane, fresh)) = self.membership.get(seat).map(|seat| (seat.lane, seat.fresh)) else {
            return;
        };
        if fresh && !matches!(request, Request::Resume { .. } | Request::Gone(_)) {
            self.ready(seat);
        }
        let notice = match request {
            Request::Ready => return,
            Request::Gone(ending) => return self.gone(seat, ending, now),
            Request::Ident(user) => self.ident(seat, user),
            Request::Join(channel) => self.join(seat, channel),
            Request::Leave(channel) => self.leave(seat, channel),
            Request::Resume { token, last } => self.resume(seat, fresh, &token, last, now),
        };
        self.parcel(
            lane.courier,
            Parcel::Tell {
                lane: lane.lane,
                notice,
                tag,
            },
        );
    }

    /// Gives a dispatch its number and carries it to everybody it is meant for.
    pub fn publish(&mut self, dispatch: Dispatch, now: Instant) -> Receipt {
        if let Some(receipt) = dispatch.key.as_deref().and_then(|key| self.keys.find(key, now)) {
            return receipt.clone();
        }
        let sequence = self.log.newest() + 1;
        let id = self.settings.epoch.id(sequence);
        let fanout = self.membership.fan_out(sequence, &dispatch);
        let mut encoded: Option<(usize, usize, bytes::Bytes)> = None;
        for group in fanout.groups {
            let frame = match encoded.take() {
                Some((encoder, target, frame)) if encoder == group.encoder && target == group.target => frame,
                _ => self.settings.encoders[group.encoder].encode(&Delivery {
                    id: &id,
                    event: &dispatch.event,
                    payload: &dispatch.payload,
                    via: &dispatch.targets[group.target],
                }),
            };
            encoded = Some((group.encoder, group.target, frame.clone()));
            self.parcel(
                group.courier,
                Parcel::Frame {
                    frame,
                    lanes: group.lanes,
                },
            );
        }
        let receipt = Receipt {
            id,
            recipients: fanout.recipients,
        };
        if let Some(key) = &dispatch.key {
            self.keys.insert(Arc::clone(key), receipt.clone(), now);
        }
        let dispatch = Arc::new(dispatch);
        self.note(&Note::Dispatched {
            dispatch: Arc::clone(&dispatch),
            receipt: receipt.clone(),
        });
        self.log.append(sequence, dispatch, now);
        receipt
    }

    /// Ends everybody, and whoever comes later.
    pub fn end_all(&mut self, ending: Ending) {
        self.closing = Some(ending);
        let lanes: Vec<LaneKey> = self.membership.lanes().collect();
        for LaneKey { courier, lane } in lanes {
            self.parcel(courier, Parcel::End { lane, ending });
        }
    }

    /// Forgets what is too old.
    pub fn expire(&mut self, now: Instant) {
        self.log.expire(now);
        self.keys.expire(now);
        self.parking.expire(now);
    }

    /// What there is for each courier since the last call.
    pub fn take_parcels(&mut self) -> impl Iterator<Item = (CourierId, Vec<Parcel>)> + '_ {
        let filled = self
            .parcels
            .iter_mut()
            .enumerate()
            .filter(|(_, parcels)| !parcels.is_empty());
        filled.map(|(courier, parcels)| (courier, std::mem::take(parcels)))
    }

    /// How many there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let (connections, users, channels) = self.membership.counts();
        Counts {
            connections,
            users,
            channels,
            parked: self.parking.count(),
            log_bytes: self.log.bytes(),
        }
    }

    fn ident(&mut self, seat: SeatKey, user: UserName) -> Notice {
        self.membership.identify(seat, user.clone(), self.log.newest());
        self.note_of(seat, |connection| Note::Identified {
            connection,
            user: user.clone(),
        });
        Notice::Identified(user)
    }

    fn join(&mut self, seat: SeatKey, channel: ChannelName) -> Notice {
        let joined = self
            .membership
            .get(seat)
            .map_or(&[][..], |seat| &seat.standing.channels);
        if !joined.iter().any(|(name, _)| *name == channel) {
            if joined.len() >= self.settings.channels {
                return Notice::Rejected(Rejection::TooManyChannels(self.settings.channels));
            }
            self.membership.join(seat, channel.clone(), self.log.newest());
            self.note_of(seat, |connection| Note::Joined {
                connection,
                channel: channel.clone(),
            });
        }
        Notice::Joined(channel)
    }

    fn leave(&mut self, seat: SeatKey, channel: ChannelName) -> Notice {
        if !self.membership.leave(seat, &channel) {
            return Notice::Rejected(Rejection::NotJoined(channel));
        }
        self.note_of(seat, |connection| Note::Left {
            connection,
            channel: channel.clone(),
        });
        Notice::Left(channel)
    }

    fn gone(&mut self, key: SeatKey, ending: Ending, now: Instant) {
        let Some(seat) = self.membership.rise(key) else {
            return;
        };
        self.parcel(seat.lane.courier, Parcel::Retire { lane: seat.lane.lane });
        self.note(&Note::Ended {
            connection: Arc::clone(&seat.standing.connection),
            code: ending.code(),
            reason: ending.reason(),
        });
        if ending.resumable() {
            self.parking.park(seat.standing, now);
        }
    }

    /// The broadcasts that came since it opened, then everything live.
    fn ready(&mut self, key: SeatKey) {
        self.membership.ready(key);
        let Some(opened) = self.membership.get(key).map(|seat| seat.standing.opened) else {
            return;
        };
        let missed = self.missed(key, opened).unwrap_or_default();
        self.replay(key, missed);
    }

    /// Puts an earlier connection onto this wire: what it missed, the answer, then live, in one turn.
    fn resume(&mut self, key: SeatKey, fresh: bool, token: &Arc<str>, last: Option<Arc<str>>, now: Instant) -> Notice {
        let Some(own) = self.membership.get(key).map(|seat| seat.standing.clone()) else {
            return Notice::Rejected(Rejection::BadMessage("the connection has ended".into()));
        };
        if own.tokens.contains(token) {
            return Notice::Rejected(Rejection::BadMessage(
                "this wire already is the connection of that token".into(),
            ));
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
        // A wire that has already carried broadcasts cannot put older events before them.
        let missed = seen.filter(|_| fresh).and_then(|seen| self.missed(key, seen));
        let recovered = missed.is_some();
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
        for (sequence, dispatch, via) in missed {
            let frame = self.settings.encoders[encoder].encode(&Delivery {
                id: &self.settings.epoch.id(sequence),
                event: &dispatch.event,
                payload: &dispatch.payload,
                via: &via,
            });
            let lanes = vec![lane.lane];
            self.parcel(lane.courier, Parcel::Frame { frame, lanes });
        }
        count
    }

    fn parcel(&mut self, courier: CourierId, parcel: Parcel) {
        if self.parcels.len() <= courier {
            self.parcels.resize_with(courier + 1, Vec::new);
        }
        self.parcels[courier].push(parcel);
    }

    fn note(&self, note: &Note) {
        self.settings.observer.note(note);
    }

    fn note_of(&self, seat: SeatKey, note: impl Fn(Arc<str>) -> Note) {
        if let Some(seat) = self.membership.get(seat) {
            self.note(&note(Arc::clone(&seat.standing.connection)));
        }
    }
}

#[cfg(test)]
mod tests;
