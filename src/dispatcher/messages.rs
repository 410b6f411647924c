//! The words that travel to and from the Dispatcher.
//!
//! In and out: plain values. A [`Parcel`] goes to a courier, everything else comes from connections and connectors.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use actix::{Message, Recipient};
use bytes::Bytes;
use tokio::sync::oneshot;
use turted_core::{Arrival, ChannelName, Dispatch, Ending, Notice, PushError, Receipt, Tag, UserName};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
}

/// A connection wants something. The answer travels as a [`Parcel::Tell`] on its lane, in order with its events.
#[derive(Debug, Message)]
#[rtype(result = "()")]
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
    /// It was verified as this user.
    Ident(UserName),
    /// Hear a channel.
    Join(ChannelName),
    /// Stop hearing a channel.
    Leave(ChannelName),
    /// Continue an earlier connection.
    Resume {
        /// Its secret.
        token: Arc<str>,
        /// The last id seen.
        last: Option<Arc<str>>,
    },
    /// Continue an earlier connection, or else be somebody and somewhere from the first moment; and hear what came
    /// after an event that was seen before.
    Arrive(Arrival),
    /// Hear again what came after this id (after it opened, if it is empty), whatever was on its way already.
    Since(Arc<str>),
    /// Send everything to this lane from here on.
    Move(LaneKey),
    /// The wire is gone.
    Gone(Ending),
}

/// The client of this secret, whose wire is gone, will not come back. False when nobody waits for it.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct Forget(pub Arc<str>);

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
