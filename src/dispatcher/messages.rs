//! The words that travel to and from the Dispatcher.
//!
//! In and out: plain values. A [`Parcel`] goes to a courier, everything else comes from connections and connectors.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use actix::{Message, Recipient};
use bytes::Bytes;
use tokio::sync::oneshot;
use turted_core::may::Verb;
use turted_core::occupancy::Settling;
use turted_core::{
    Arrival, Dispatch, DispatchId, Ending, Identity, Notice, Presented, Publication, PushError, Receipt, Subscription,
    Tag, UserName,
};

use super::revoked::Subject;

/// Which courier: the index it was enlisted with.
pub type CourierId = usize;
/// Which encoder: the index in [`DeskSettings::encoders`](super::DeskSettings).
pub type EncoderId = usize;

/// The outbox of one connection: a place with one courier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LaneKey {
    /// Whose.
    pub courier: CourierId,
    /// Which of its lanes.
    pub lane: u32,
}

/// A connection's place with the Dispatcher. The serial number keeps a message that was under way from acting on
/// whoever sits there next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeatKey {
    pub(super) index: u32,
    pub(super) serial: u64,
}

/// A connection opens.
#[derive(Debug, Message)]
#[rtype(result = "SeatKey")]
pub struct Open {
    /// Where its frames go.
    pub lane: LaneKey,
    /// How its events are encoded.
    pub encoder: EncoderId,
    /// Its public id.
    pub connection: Arc<str>,
    /// The secret that lets a later wire continue it.
    pub token: Arc<str>,
    /// Where it comes from.
    pub address: IpAddr,
    /// Whether its client can come back for it, so that it is waited for.
    pub returns: bool,
}

/// A connection wants something. The answer travels as a [`Parcel::Tell`] on its lane, in order with its events; there
/// is none yet when something must happen first, which the connection sees to.
#[derive(Debug, Message)]
#[rtype(result = "Option<Pending>")]
pub struct Ask {
    /// Who asks.
    pub seat: SeatKey,
    /// What comes back with the answer.
    pub tag: Tag,
    /// What it wants.
    pub request: Request,
}

/// What a connection may want.
#[derive(Debug)]
pub enum Request {
    /// It will not resume: let it hear broadcasts.
    Ready,
    /// It was verified as this.
    Ident(Vouched),
    /// Whoever vouched for it was asked again, and does so; the client is not told.
    Renewed(Vouched),
    /// Whoever vouched for it was asked again, and said neither yes nor no: it is worth while to ask after this time.
    Unconfirmed(Duration),
    /// Hear a channel, or all that a pattern matches.
    Join(Subscription, Permit),
    /// The same, whether or not the sources of the channel hear it already.
    JoinNow(Subscription, Permit),
    /// Stop hearing it.
    Leave(Subscription),
    /// Continue an earlier connection.
    Resume {
        /// Its secret.
        token: Arc<str>,
        /// The last id seen.
        last: Option<Arc<str>>,
    },
    /// Say something to a channel.
    Publish(Publication, Permit),
    /// What it was to [submit](Pending::Submits) has its place.
    Published(Receipt),
    /// Ask somebody of this name. Whoever may is told who it is, and nothing else is said.
    Call(Arc<str>, Permit, oneshot::Sender<Arc<Identity>>),
    /// Continue an earlier connection, or else be somebody and somewhere from the first moment; and hear what came
    /// after an event that was seen before.
    Arrive(Arrival, Vouched),
    /// Hear again what came after this id (after it opened, if it is empty), whatever was on its way already.
    Since(Arc<str>),
    /// Send everything to this lane from here on.
    Move(LaneKey),
    /// The wire is gone.
    Gone(Ending),
}

/// Whether the user's backend was asked about a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Permit {
    /// It was not.
    #[default]
    None,
    /// It said yes.
    Granted,
}

/// Why a wish has no answer yet.
#[derive(Debug)]
pub enum Pending {
    /// The user's backend is to be asked.
    Asks(Question),
    /// A source does not hear the channel yet.
    Settles(Settling),
    /// Others give this its place.
    Submits(Box<Dispatch>),
}

/// What the user's backend is to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// May it do this …
    pub verb: Verb,
    /// … with this name …
    pub name: Arc<str>,
    /// … being this?
    pub identity: Arc<Identity>,
}

/// An identity, with its times on the clock of the Dispatcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// When it was issued.
    pub issued: Option<Instant>,
    /// When it ends.
    pub expires: Option<Instant>,
    /// When whoever vouched for it wants to be asked again.
    pub renews: Option<Instant>,
    /// What the client presented, to be shown then.
    pub presented: Option<Presented>,
    /// Since when whoever vouched for it does not answer.
    pub unconfirmed: Option<Instant>,
}

/// Times further away are as good as never; and no clock can add more.
const FAR: Duration = Duration::from_secs(3600 * 24 * 365);

impl Vouched {
    /// The times of an identity, as the clocks stand now.
    #[must_use]
    pub fn new(identity: Arc<Identity>) -> Self {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let ahead = |time: SystemTime| now + time.duration_since(clock).unwrap_or_default().min(FAR);
        // A machine may be younger than a token.
        let behind = |time: SystemTime| now.checked_sub(clock.duration_since(time).unwrap_or_default());
        Self {
            issued: identity.issued.and_then(behind),
            expires: identity.expires.map(ahead),
            renews: identity.renews.map(ahead),
            presented: None,
            unconfirmed: None,
            identity,
        }
    }

    /// Keeps what the client presented, if whoever vouches for it will want to see it again.
    #[must_use]
    pub fn presenting(mut self, data: Option<Presented>) -> Self {
        self.presented = data.filter(|_| self.renews.is_some());
        self
    }
}

/// Throw clients out.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub struct Expel {
    /// Whom.
    pub whom: Whom,
    /// Connections that may stay.
    pub except: Vec<Arc<str>>,
    /// How long they may not come back.
    pub ban: Option<Duration>,
}

/// Whom to throw out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// Every connection of a user.
    User(UserName),
    /// One connection, by its public id.
    Connection(Arc<str>),
}

/// What was issued holds no more; whoever is here with it goes.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub struct Revoke {
    /// What of a user: identities that were issued before this time.
    pub user: Option<(UserName, SystemTime)>,
    /// One token.
    pub token: Option<Arc<str>>,
    /// For how long that is remembered: no identity may last longer.
    pub lasts: Duration,
}

/// What was revoked and for whom there are bans.
#[derive(Debug, Message)]
#[rtype(result = "Revocations")]
pub struct ListRevoked {
    /// Only those about this user …
    pub user: Option<UserName>,
    /// … or this token.
    pub token: Option<Arc<str>>,
    /// At most so many.
    pub most: usize,
}

/// Some of what was revoked.
#[derive(Debug)]
pub struct Revocations {
    /// What ends first before the rest.
    pub listed: Vec<Revocation>,
    /// How many there are altogether.
    pub count: usize,
}

/// One thing that was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// What.
    pub subject: Subject,
    /// For a user's older identities: those from before this time.
    pub before: Option<SystemTime>,
    /// How long that is remembered.
    pub lasts: Duration,
}

/// Nothing is revoked any more for this user, or of this token.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub struct Pardon {
    /// The user.
    pub user: Option<UserName>,
    /// The token.
    pub token: Option<Arc<str>>,
}

/// Whether an identity was revoked, for doors that say so before there is a connection.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct IsRevoked(pub Vouched);

/// The client of this secret, whose wire is gone, will not come back. False when nobody waits for it.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct Forget(pub Arc<str>);

/// Whether the connection of this secret is here, or waited for.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct Knows(pub Arc<str>);

/// Whether the connection of this secret, here or waited for, goes on as somebody whose time is not over: then nobody
/// needs to be asked who comes back with it.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct GoesOn(pub Arc<str>);

/// A connector pushes.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Publish {
    /// What.
    pub dispatch: Dispatch,
    /// When it was taken in.
    pub at: Instant,
    /// Who waits for the receipt.
    pub reply: oneshot::Sender<Result<Receipt, PushError>>,
}

/// What happened in the shared order, as far as this node has read it.
#[derive(Debug, Message)]
#[rtype(result = "Applied")]
pub struct Apply {
    /// In order.
    pub steps: Vec<Step>,
}

/// What came of it.
#[derive(Debug)]
pub struct Applied {
    /// For each step, how many connections of this node it reached.
    pub recipients: Vec<usize>,
    /// Whether the next should wait: connections are behind.
    pub is_behind: bool,
}

/// One thing in a shared order.
#[derive(Debug, Clone)]
pub enum Step {
    /// The dispatch of the next place. It was taken in here, or on another node.
    Dispatch {
        /// What.
        dispatch: Arc<Dispatch>,
        /// Whether it was taken in here.
        here: bool,
    },
    /// At the next place is nothing for anybody.
    Skip,
    /// An epoch begins: the next place has the id after this one.
    Begin(DispatchId),
    /// What came before this was lost for this node: the next place has the id after it.
    Lost(DispatchId),
}

/// The receipt that a push with this idempotency key got within the last minutes.
#[derive(Debug, Message)]
#[rtype(result = "Option<Receipt>")]
pub struct Recall(pub Arc<str>);

/// A worker's courier reports for work.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Enlist {
    /// Which courier it is: counted from 0, each number once.
    pub id: CourierId,
    /// Its mailbox.
    pub courier: Recipient<Carry>,
    /// Messages sent to it and not handled yet; the courier counts down.
    pub backlog: Arc<std::sync::atomic::AtomicUsize>,
}

/// End every connection; resolves when every courier was told.
#[derive(Message)]
#[rtype(result = "()")]
pub struct EndAll(pub Ending);

/// Everything one turn of the Dispatcher means for one courier.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Carry {
    /// In order.
    pub parcels: Vec<Parcel>,
    /// When the push that caused it was taken in.
    pub at: Option<Instant>,
}

/// One thing for a courier to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Parcel {
    /// Append this frame to these lanes.
    Frame {
        /// Encoded once.
        frame: Bytes,
        /// Each connection at most once.
        lanes: Vec<u32>,
    },
    /// Forget what waits in the outbox of one connection: it comes again, in order, behind this.
    Clear {
        /// Whose lane.
        lane: u32,
    },
    /// Tell one connection something in its protocol's words.
    Tell {
        /// Whose lane.
        lane: u32,
        /// What.
        notice: Notice,
        /// To what it is the answer.
        tag: Tag,
    },
    /// Whoever vouched for one connection wants to be asked again.
    Renew {
        /// Whose lane.
        lane: u32,
        /// What the client presented.
        presented: Option<Presented>,
    },
    /// End one connection.
    End {
        /// Whose lane.
        lane: u32,
        /// Why.
        ending: Ending,
    },
    /// Nothing more will come for this lane: its number may be given to another.
    Retire {
        /// Which.
        lane: u32,
    },
}
