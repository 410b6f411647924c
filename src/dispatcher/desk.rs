//! The Dispatcher's logic: numbers dispatches, keeps the log, answers connections.
//!
//! In: one request at a time, with the time of day. Out: parcels per courier, collected until [`Desk::take_parcels`],
//! and notes for the observer. It has no mailbox, no clock and no socket, so that a test can play any history against
//! it.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use log::error;
use turted_core::may::Permissions;
use turted_core::{
    Delivery, Dispatch, EncodeEvent, Ending, Epoch, Note, Notice, Observer, Receipt, Refusals, Rejection, Subscription,
    Tag, Target,
};

use super::census::Counts;
use super::keys::Keys;
use super::life;
use super::log::{Log, LogBounds};
use super::membership::Membership;
use super::messages::{CourierId, EncoderId, LaneKey, Open, Parcel, Pending, Request, SeatKey};
use super::needs::Needs;
use super::parked::{Parking, ParkingBounds};
use super::queued::Queued;
use super::revoked::Revoked;
use super::standing::{By, Rest, Standing};

/// What a desk needs to know.
pub struct DeskSettings {
    /// Names this memory; see [`Epoch`].
    pub epoch: Epoch,
    /// Whether others give dispatches their places, so that what clients say is to be submitted to them.
    pub is_shared: bool,
    /// How much of the past is kept.
    pub log: LogBounds,
    /// How many connections without a wire are waited for, and how long.
    pub parking: ParkingBounds,
    /// Most channels of one connection.
    pub channels: usize,
    /// Most frames that a resumption may put into one outbox.
    pub replay_frames: usize,
    /// Most payload bytes that a resumption may put into one outbox.
    pub replay_bytes: usize,
    /// How events are encoded, by [`EncoderId`](super::messages::EncoderId).
    pub encoders: Vec<Arc<dyn EncodeEvent>>,
    /// Where frames are counted as long as they wait.
    pub queued: Arc<Queued>,
    /// Who hears what happens.
    pub observer: Arc<dyn Observer>,
    /// How long a connection may be nobody, where nobody may do anything.
    pub ident: Duration,
    /// Who may do what.
    pub permissions: Arc<Permissions>,
    /// Whether a client that is refused learns why: where only the developer can be there.
    pub tells_why: bool,
    /// Who hears what is refused.
    pub refusals: Arc<dyn Refusals>,
}

/// The Dispatcher without its mailbox.
pub struct Desk {
    settings: DeskSettings,
    membership: Membership,
    log: Log,
    keys: Keys,
    parking: Parking,
    revoked: Revoked,
    /// What sources are told; `None` when none asked.
    needs: Option<Needs>,
    /// When to look at whom: identities that end.
    deadlines: BTreeSet<(Instant, SeatKey)>,
    parcels: Vec<Vec<Parcel>>,
    /// What comes behind the answer that is being made.
    behind: Vec<(CourierId, Parcel)>,
    closing: Option<Ending>,
}

impl Desk {
    /// A desk where nobody has called yet.
    #[must_use]
    pub fn new(settings: DeskSettings) -> Self {
        Self {
            membership: Membership::default(),
            log: Log::new(settings.log, settings.epoch.clone()),
            keys: Keys::default(),
            parking: Parking::new(settings.parking),
            revoked: Revoked::default(),
            needs: None,
            deadlines: BTreeSet::new(),
            parcels: Vec::new(),
            behind: Vec::new(),
            closing: None,
            settings,
        }
    }

    /// Gives a connection its place. It hears broadcasts from here on, though it gets them only once it is ready.
    pub fn open(&mut self, open: Open, now: Instant) -> SeatKey {
        let standing = Standing {
            connection: open.connection,
            tokens: vec![open.token],
            opened: self.log.newest(),
            user: None,
            subscriptions: Vec::new(),
            vouched: None,
            is_deaf: !self.settings.permissions.broadcasts(),
            rest: Rest::default(),
            left: None,
            address: open.address,
        };
        let connection = Arc::clone(&standing.connection);
        // Without a log there is nothing to resume from, and nothing to wait for.
        let fresh = self.settings.log.count > 0;
        let seat = self.membership.sit(open.lane, open.encoder, fresh, standing);
        if let Some(seat) = self.membership.get_mut(seat) {
            seat.returns = open.returns;
        }
        self.note(&Note::Opened { connection });
        if !self.settings.permissions.has_something_for_anyone() {
            self.watch(seat, Some(now + self.settings.ident));
        }
        // Whoever was accepted in the last moment is told like the others.
        if let Some(ending) = self.closing {
            let LaneKey { courier, lane } = open.lane;
            self.parcel(courier, Parcel::End { lane, ending });
        }
        seat
    }

    /// Does what a connection asks. Whoever has no seat any more is not answered; nor is, yet, what the user's backend
    /// is to be asked about, or what a source does not hear.
    pub fn ask(&mut self, seat: SeatKey, tag: Tag, request: Request, now: Instant) -> Option<Pending> {
        let Some((lane, fresh)) = self.membership.get(seat).map(|seat| (seat.lane, seat.fresh)) else {
            // Its new lane has been given to nobody else.
            if let Request::Move(LaneKey { courier, lane }) = request {
                self.parcel(courier, Parcel::Retire { lane });
            }
            return None;
        };
        let recovers = matches!(
            request,
            Request::Resume { .. } | Request::Arrive(..) | Request::Since(_) | Request::Move(_) | Request::Gone(_)
        );
        if fresh && !recovers {
            self.ready(seat);
        }
        match &request {
            Request::Join(Subscription::Channel(name), permit) => {
                let settling = self.settling(seat, name, *permit, now);
                if settling.is_some() {
                    return settling.map(Pending::Settles);
                }
            }
            Request::JoinNow(Subscription::Channel(name), _) => self.settled(name),
            _ => {}
        }
        let said = match request {
            Request::Join(..) | Request::Publish(..) | Request::Call(..) if self.is_over(seat, now) => {
                Notice::Rejected(Rejection::Expired).into()
            }
            Request::Ready => Said::default(),
            Request::Gone(ending) => {
                self.gone(seat, ending, now);
                return None;
            }
            Request::Move(new) => {
                self.membership.relocate(seat, new);
                self.parcel(lane.courier, Parcel::Retire { lane: lane.lane });
                return None;
            }
            Request::Ident(vouched) => self.confirmed(seat, vouched, now),
            Request::Renewed(vouched) => {
                let mut said = self.confirmed(seat, vouched, now);
                if matches!(said.notice.take(), Some(Notice::Rejected(_))) {
                    self.disown(seat);
                }
                said
            }
            Request::Unconfirmed(after) => {
                self.unconfirmed(seat, after, now);
                Said::default()
            }
            Request::Join(subscription, permit) | Request::JoinNow(subscription, permit) => {
                let by = vec![By::Subscription(subscription.clone())];
                let vouched = self
                    .membership
                    .get(seat)
                    .and_then(|seat| seat.standing.vouched.as_ref());
                let issued = vouched.and_then(|vouched| vouched.issued);
                match self.catching_up(seat, now, by, issued, |desk, since| {
                    desk.join(seat, subscription, permit, since)
                }) {
                    Ok(said) => said,
                    Err(question) => return Some(Pending::Asks(question)),
                }
            }
            Request::Publish(publication, permit) => match self.say(seat, publication, permit, now) {
                Ok(notice) => notice.into(),
                Err(pending) => return Some(pending),
            },
            Request::Published(receipt) => Notice::Published(receipt).into(),
            Request::Call(name, permit, granted) => match self.may_call(seat, &name, permit, granted) {
                Ok(said) => said,
                Err(question) => return Some(Pending::Asks(question)),
            },
            Request::Leave(subscription) => self.leave(seat, subscription).into(),
            Request::Resume { token, last } => self.resume(seat, fresh, &token, last, now),
            Request::Arrive(arrival, vouched) => self.arrive(seat, arrival, vouched, now),
            Request::Since(last) => self.since(seat, last, now),
        };
        if let Some(notice) = said.notice {
            let LaneKey { courier, lane } = lane;
            self.parcel(courier, Parcel::Tell { lane, notice, tag });
        }
        for (courier, parcel) in std::mem::take(&mut self.behind) {
            self.parcel(courier, parcel);
        }
        self.replay(seat, said.then);
        None
    }

    /// Gives a dispatch its number and carries it to everybody it is meant for.
    pub fn publish(&mut self, dispatch: Dispatch, now: Instant) -> Receipt {
        if let Some(receipt) = dispatch.key.as_deref().and_then(|key| self.keys.find(key, now)) {
            return receipt.clone();
        }
        self.carry_out(Arc::new(dispatch), true, now)
    }

    /// Carries the dispatch of the next place to everybody it is meant for; it was taken in `here`, or on another node.
    fn carry_out(&mut self, dispatch: Arc<Dispatch>, here: bool, now: Instant) -> Receipt {
        let sequence = self.log.newest() + 1;
        let id = self.log.next_id();
        let fanout = self.membership.fan_out(sequence, &dispatch);
        // Groups come in the order of the targets: what was encoded for one is of no use to the next.
        let (mut target, mut encoded) = (0, Vec::<(EncoderId, Bytes)>::new());
        for group in fanout.groups {
            if target != group.target {
                target = group.target;
                encoded.clear();
            }
            let known = encoded.iter().find(|(encoder, _)| *encoder == group.encoder);
            let frame = known.map(|(_, frame)| frame.clone()).or_else(|| {
                let delivery = Delivery {
                    id: &id,
                    event: &dispatch.event,
                    payload: &dispatch.payload,
                    via: &dispatch.targets[target],
                    from: dispatch.from.as_deref(),
                };
                let frame = self.encode(group.encoder, &delivery)?;
                encoded.push((group.encoder, frame.clone()));
                Some(frame)
            });
            let Some(frame) = frame else {
                self.break_off(group.courier, group.lanes);
                continue;
            };
            self.parcel(
                group.courier,
                Parcel::Frame {
                    frame,
                    lanes: group.lanes,
                },
            );
        }
        let receipt = Receipt::new(id, fanout.recipients);
        if let Some(key) = &dispatch.key {
            self.keys.insert(Arc::clone(key), receipt.clone(), now);
        }
        self.note(&Note::Dispatched {
            dispatch: Arc::clone(&dispatch),
            receipt: receipt.clone(),
            here,
        });
        self.log.append(dispatch, now);
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
        self.keep_time(now);
        self.tell_places(now);
        if let Some(needs) = &mut self.needs {
            needs.expire(now);
        }
    }

    /// Whoever heard nothing for so long that its last id is about to be forgotten learns a newer one.
    fn tell_places(&mut self, now: Instant) {
        let (newest, middle) = (self.log.newest(), self.log.middle(now));
        let id = self.log.id(newest);
        for encoder in 0..self.settings.encoders.len() {
            let Some(frame) = self.settings.encoders[encoder].place(&id) else {
                continue;
            };
            for LaneKey { courier, lane } in self.membership.untold(encoder, middle, newest) {
                let (frame, lanes) = (frame.clone(), vec![lane]);
                self.parcel(courier, Parcel::Frame { frame, lanes });
            }
        }
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
            revoked: self.revoked.count(),
            log_bytes: self.log.bytes(),
        }
    }

    fn enter(&mut self, seat: SeatKey, channel: Subscription, since: u64) {
        self.membership.join(seat, channel.clone(), since);
        self.note_of(seat, |connection| Note::Joined {
            connection,
            channel: channel.clone(),
        });
    }

    fn leave(&mut self, seat: SeatKey, channel: Subscription) -> Notice {
        if !self.membership.leave(seat, &channel) {
            return Notice::Rejected(Rejection::NotJoined(channel));
        }
        // Whoever leaves what it came back for has caught up.
        if let Some(rest) = self.membership.get_mut(seat).and_then(|seat| seat.standing.rest.any()) {
            rest.behind = None;
        }
        self.note_of(seat, |connection| Note::Left {
            connection,
            channel: channel.clone(),
        });
        Notice::Left(channel)
    }

    fn gone(&mut self, key: SeatKey, ending: Ending, now: Instant) {
        let meant = self.membership.newest(key);
        self.watch(key, None);
        let Some(mut seat) = self.membership.rise(key) else {
            return;
        };
        seat.standing.left = Some((meant, self.log.newest()));
        self.parcel(seat.lane.courier, Parcel::Retire { lane: seat.lane.lane });
        self.note(&Note::Ended {
            connection: Arc::clone(&seat.standing.connection),
            code: ending.code(),
            reason: ending.reason(),
        });
        if ending.resumable() && seat.returns {
            self.parking.park(seat.standing, now);
        }
    }

    /// `None` when the dialect panicked.
    fn encode(&self, encoder: EncoderId, delivery: &Delivery<'_>) -> Option<Bytes> {
        let encoder = &self.settings.encoders[encoder];
        let encoded = catch_unwind(AssertUnwindSafe(|| encoder.encode(delivery)));
        if encoded.is_err() {
            error!(
                "the encoding of {} panicked; the clients that it was for are ended",
                delivery.id
            );
        }
        encoded.ok().map(|frame| self.settings.queued.hold(frame))
    }

    /// Whoever cannot be told an event must not believe that there was none.
    fn break_off(&mut self, courier: CourierId, lanes: Vec<u32>) {
        for lane in lanes {
            let ending = Ending::Internal;
            self.parcel(courier, Parcel::End { lane, ending });
        }
    }

    fn parcel(&mut self, courier: CourierId, parcel: Parcel) {
        if self.parcels.len() <= courier {
            self.parcels.resize_with(courier + 1, Vec::new);
        }
        self.parcels[courier].push(parcel);
    }

    fn note(&self, note: &Note) {
        life::tell(note);
        self.settings.observer.note(note);
    }

    fn note_of(&self, seat: SeatKey, note: impl Fn(Arc<str>) -> Note) {
        if let Some(seat) = self.membership.get(seat) {
            self.note(&note(Arc::clone(&seat.standing.connection)));
        }
    }
}

/// What a connection is told, and what it hears then, in order.
#[derive(Default)]
struct Said {
    notice: Option<Notice>,
    then: Vec<(u64, Arc<Dispatch>, Target)>,
}

impl From<Notice> for Said {
    fn from(notice: Notice) -> Self {
        Self {
            notice: Some(notice),
            then: Vec::new(),
        }
    }
}

mod arriving;
mod needs;
mod permission;
mod recovery;
mod shared;
mod tenure;

#[cfg(test)]
mod tests;
