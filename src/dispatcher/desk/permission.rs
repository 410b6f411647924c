//! Who a connection is, and what it may: the one gate for every way in.
//!
//! In: identities that were confirmed, and wishes. Out: memberships and words that rules grant, or a refusal that
//! client and operator hear; where the user's backend is to be asked, the question. It does not ask anybody itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use turted_core::may::{Names, RESERVED, Verb, Verdict};
use turted_core::{
    Dispatch, Ending, Exclude, Identity, Note, Notice, Publication, Rejection, Sender, Subscription, Tag, Target,
};

use super::super::messages::{LaneKey, Parcel, Pending, Permit, Question, SeatKey, Vouched};
use super::{Desk, Said};

/// What rules make of a wish.
pub(super) enum Judgement {
    /// Granted; with it, whether those who hear it learn who it was.
    Granted(bool),
    /// Not granted.
    Refused(Rejection),
    /// Somebody else is to be asked.
    Asks(Question),
}

impl Desk {
    /// Judges a wish of the connection that sits here.
    pub(super) fn judge(&self, key: SeatKey, verb: Verb, names: Names<'_>, permit: Permit) -> Judgement {
        let Some(standing) = self.membership.get(key).map(|seat| &seat.standing) else {
            return Judgement::Refused(Rejection::BadMessage("the connection has ended".into()));
        };
        let identity = standing.identity();
        match self.settings.permissions.judge(verb, names, &identity) {
            Verdict::Yes(because) => Judgement::Granted(because.tells_from()),
            Verdict::Ask if permit == Permit::Granted => Judgement::Granted(true),
            Verdict::Ask => Judgement::Asks(Question {
                verb,
                name: names.prefix().into(),
                identity,
            }),
            Verdict::No => Judgement::Refused(self.deny(key, verb, names, &identity)),
        }
    }

    /// A refusal by the rules, told to the operator as well.
    fn deny(&self, key: SeatKey, verb: Verb, names: Names<'_>, identity: &Identity) -> Rejection {
        let permissions = &self.settings.permissions;
        let why = self
            .settings
            .tells_why
            .then(|| permissions.explain(verb, names, identity).into());
        let rejection = Rejection::Denied {
            verb,
            name: names.to_string().into(),
            why,
        };
        let user = identity.user.as_ref().map_or("", |user| user.as_str());
        self.refuse(key, verb.word(), rejection.code(), &|| {
            let why = permissions.explain(verb, names, identity);
            format!("{user:?} may not {verb} {:?}: {why}", names.to_string())
        });
        rejection
    }

    pub(super) fn refuse(&self, key: SeatKey, what: &'static str, why: &'static str, tell: &dyn Fn() -> String) {
        let address = self.membership.get(key).map(|seat| seat.standing.address);
        self.settings.refusals.refused(what, why, address, tell);
    }

    /// Makes a connection somebody, judges its channels again, and lets it join what the identity brings along.
    pub(super) fn ident(&mut self, key: SeatKey, vouched: Vouched, since: u64, now: Instant) -> Notice {
        let user = vouched.identity.user.clone();
        if let Some(rejection) = self.turned_away(key, &vouched, now) {
            return Notice::Rejected(rejection);
        }
        let joins = vouched.identity.joins.clone();
        self.identify(key, vouched, since);
        let joined = joins
            .into_iter()
            .filter(|channel| self.try_to_enter(key, channel.clone().into(), Permit::None, since));
        let joined = joined.collect();
        Notice::Identified(user, joined)
    }

    /// Why this identity may not come in although it was confirmed: it was thrown out, or it has ended meanwhile.
    pub(super) fn turned_away(&self, key: SeatKey, vouched: &Vouched, now: Instant) -> Option<Rejection> {
        let user = vouched.identity.user.as_ref().map_or("", |user| user.as_str());
        if vouched.expires.is_some_and(|end| end <= now) {
            self.refuse(key, "ident", "expired", &|| {
                format!("the identity of {user:?} has ended")
            });
            return Some(Rejection::Expired);
        }
        if self.revoked.has(vouched, now) {
            self.refuse(key, "ident", "revoked", &|| {
                format!("{user:?} was thrown out, or its token revoked")
            });
            return Some(Rejection::IdentDenied(None));
        }
        None
    }

    /// Ends a connection whose request said who it is, and that may not be it: its door tells it why.
    pub(super) fn turn_out(&mut self, key: SeatKey, rejection: &Rejection) {
        let ending = match rejection {
            Rejection::Expired => Ending::Expired,
            _ => Ending::Kicked,
        };
        self.end(key, ending);
    }

    /// Makes a connection somebody.
    pub(super) fn identify(&mut self, key: SeatKey, vouched: Vouched, since: u64) {
        let user = vouched.identity.user.clone();
        let former = self.membership.get(key).and_then(|seat| seat.standing.user.clone());
        let is_same = former.map(|(former, _)| former) == user;
        match user.clone() {
            Some(user) => self.membership.identify(key, user, since),
            None => self
                .membership
                .forget_user(key, !self.settings.permissions.broadcasts()),
        }
        if !is_same {
            // Whoever was handed a connection by somebody else does not share it with them (CWE-384).
            self.membership.keep_newest_token(key);
            if let Some(rest) = self.membership.get_mut(key).and_then(|seat| seat.standing.rest.any()) {
                rest.asked.clear();
            }
        }
        self.vouch(key, vouched);
        if let Some(user) = user {
            self.note_of(key, |connection| Note::Identified {
                connection,
                user: user.clone(),
            });
        }
        self.judge_again(key, is_same);
    }

    /// Takes a connection out of the channels that it may not hear any more. What the user's backend granted stays for
    /// the same user only.
    pub fn judge_again(&mut self, key: SeatKey, keeps_granted: bool) {
        let Some(seat) = self.membership.get(key) else {
            return;
        };
        let standing = &seat.standing;
        let identity = standing.identity();
        let stays = |one: &Subscription| match self.settings.permissions.judge(Verb::Join, one.names(), &identity) {
            Verdict::Yes(_) => true,
            Verdict::Ask => keeps_granted && standing.rest.asked.contains(one),
            Verdict::No => false,
        };
        let subscriptions = standing.subscriptions.iter().map(|(one, _)| one);
        let lost: Vec<Subscription> = subscriptions.filter(|one| !stays(one)).cloned().collect();
        for channel in lost {
            self.membership.leave(key, &channel);
            self.note_of(key, |connection| Note::Left {
                connection,
                channel: channel.clone(),
            });
            let notice = Notice::Removed {
                channel,
                reason: "denied",
            };
            self.tell_behind(key, notice);
        }
    }

    /// Tells a connection something behind the answer to what caused it.
    pub(super) fn tell_behind(&mut self, key: SeatKey, notice: Notice) {
        if let Some(LaneKey { courier, lane }) = self.membership.get(key).map(|seat| seat.lane) {
            let tag = None;
            self.behind.push((courier, Parcel::Tell { lane, notice, tag }));
        }
    }

    pub(super) fn join(
        &mut self,
        key: SeatKey,
        subscription: Subscription,
        permit: Permit,
        since: u64,
    ) -> Result<Notice, Question> {
        let standing = self.membership.get(key).map(|seat| &seat.standing);
        let joined = standing.map_or(&[][..], |standing| &standing.subscriptions);
        if joined.iter().any(|(one, _)| *one == subscription) {
            return Ok(Notice::Joined(subscription));
        }
        let is_full = joined.len() >= self.settings.channels;
        match self.judge(key, Verb::Join, subscription.names(), permit) {
            Judgement::Refused(rejection) => return Ok(Notice::Rejected(rejection)),
            Judgement::Asks(_) | Judgement::Granted(_) if is_full => {
                return Ok(Notice::Rejected(self.too_many_channels(key)));
            }
            Judgement::Asks(question) => return Err(question),
            Judgement::Granted(_) => {}
        }
        self.admit(key, subscription.clone(), permit, since);
        Ok(Notice::Joined(subscription))
    }

    pub(super) fn too_many_channels(&self, key: SeatKey) -> Rejection {
        let rejection = Rejection::TooManyChannels(self.settings.channels);
        self.refuse(key, "join", rejection.code(), &|| {
            "a connection may be in limits.channels_per_connection channels".to_owned()
        });
        rejection
    }

    /// Gives a connection what it may hear.
    pub(super) fn admit(&mut self, key: SeatKey, subscription: Subscription, permit: Permit, since: u64) {
        if let (Permit::Granted, Some(seat)) = (permit, self.membership.get_mut(key)) {
            seat.standing.rest.add().asked.push(subscription.clone());
        }
        self.enter(key, subscription, since);
    }

    /// Answers that the server cannot do it now.
    pub fn put_off(&mut self, key: SeatKey, tag: Tag, after: Duration) {
        if let Some(LaneKey { courier, lane }) = self.membership.get(key).map(|seat| seat.lane) {
            let notice = Notice::Rejected(Rejection::Unavailable { after });
            self.refuse(key, "publish", "overloaded", &|| {
                "connections are behind; see limits".to_owned()
            });
            self.parcel(courier, Parcel::Tell { lane, notice, tag });
        }
    }

    /// Tells whoever may ask somebody who it is.
    pub(super) fn may_call(
        &self,
        key: SeatKey,
        name: &str,
        permit: Permit,
        granted: oneshot::Sender<Arc<Identity>>,
    ) -> Result<Said, Question> {
        match self.judge(key, Verb::Call, name.into(), permit) {
            Judgement::Refused(rejection) => return Ok(Notice::Rejected(rejection).into()),
            Judgement::Asks(question) => return Err(question),
            Judgement::Granted(_) => {}
        }
        if let Some(seat) = self.membership.get(key) {
            // Whoever has gone meanwhile does not ask any more.
            let _ = granted.send(seat.standing.identity());
        }
        Ok(Said::default())
    }

    /// Says what a client says to a channel, or gives it to its connection to submit it.
    pub(super) fn say(
        &mut self,
        key: SeatKey,
        publication: Publication,
        permit: Permit,
        now: Instant,
    ) -> Result<Notice, Pending> {
        let Publication {
            channel,
            event,
            payload,
            echo,
        } = publication;
        if is_own_word(event.as_str()) {
            let why = format!("the event name {event} is one of the server's own words");
            return Ok(Notice::Rejected(Rejection::BadName(why)));
        }
        let tells_from = match self.judge(key, Verb::Publish, channel.as_str().into(), permit) {
            Judgement::Refused(rejection) => return Ok(Notice::Rejected(rejection)),
            Judgement::Asks(question) => return Err(Pending::Asks(question)),
            Judgement::Granted(tells_from) => tells_from,
        };
        let Some(standing) = self.membership.get(key).map(|seat| &seat.standing) else {
            return Ok(Notice::Rejected(Rejection::BadMessage(
                "the connection has ended".into(),
            )));
        };
        let connection = Arc::clone(&standing.connection);
        let mut dispatch = Dispatch::new(event, vec![Target::Channel(channel)], payload);
        dispatch.from = tells_from.then(|| {
            Arc::new(Sender {
                user: standing.user.as_ref().map(|(user, _)| user.clone()),
                connection: Arc::clone(&connection),
            })
        });
        if !echo {
            dispatch.exclude = Exclude {
                connections: vec![connection],
                users: Vec::new(),
            };
        }
        match self.settings.is_shared {
            true => Err(Pending::Submits(Box::new(dispatch))),
            false => Ok(Notice::Published(self.publish(dispatch, now))),
        }
    }
}

/// Words of the server in some dialect, where an event has nothing but its name to be told apart by. Backends may say
/// them, as they always could; clients may not.
const OWN_WORDS: [&str; 12] = [
    "OK", "ERROR", "WELCOME", "LEFT", "EXPIRING", "BYE", "GAP", "PONG", "PING", "ECHO", "ANSWER", "TOLD",
];

fn is_own_word(event: &str) -> bool {
    event.starts_with(RESERVED) || OWN_WORDS.iter().any(|word| word.eq_ignore_ascii_case(event))
}
