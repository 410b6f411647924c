//! What a client wants and what it is told, without any protocol's spelling.
//!
//! In: an [`Intent`], read by a protocol from the wire. Out: a [`Notice`], which the protocol writes to the wire. The
//! Dispatcher and the connection speak these words and never see a protocol.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::auth::Identity;
use crate::call::Call;
use crate::dispatch::Receipt;
use crate::json::Payload;
use crate::may::Verb;
use crate::name::{ChannelName, EventName, UserName};
use crate::subscription::Subscription;

/// What the client wrote to recognise the answer by, passed through untouched. In the native protocol the JSON text
/// of `ref`.
pub type Tag = Option<Arc<str>>;

/// What a client presents to prove who it is: the data of IDENT, or of its request. Clones share it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Presented(Arc<Value>);

impl From<Value> for Presented {
    fn from(data: Value) -> Self {
        Self(Arc::new(data))
    }
}

impl Deref for Presented {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

/// Says nothing: it holds credentials (CWE-532).
impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Presented").finish_non_exhaustive()
    }
}

/// What a client wants of the server. Everything that gives or takes a membership is one of these, arriving with a past
/// included.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Intent {
    /// Hear events from now on, in protocols where a client says so.
    Ready,
    /// Be known as a user.
    Ident {
        /// The name that the client claims, if it claims one.
        claimed: Option<UserName>,
        /// Everything it presented, for the authenticator.
        data: Presented,
    },
    /// Hear a channel, or all that a pattern matches.
    Join(Subscription),
    /// Stop hearing it.
    Leave(Subscription),
    /// Say something to a channel.
    Publish(Publication),
    /// Ask somebody. The answer does not hold up what the client wants next.
    Call(Call),
    /// Say something into a call that is under way: the one with this tag.
    Say {
        /// Which call.
        call: Arc<str>,
        /// What. `None`: nothing more comes.
        payload: Option<Payload>,
    },
    /// Give up a call: the one with this tag. Whoever answers is stopped, and the call has no answer.
    Cancel {
        /// Which call.
        call: Arc<str>,
    },
    /// Continue an earlier connection on this wire.
    Resume {
        /// The secret from that connection's WELCOME.
        token: Arc<str>,
        /// The last event id that the client saw, if any.
        last: Option<Arc<str>>,
    },
    /// Be somebody and somewhere from the first moment.
    Arrive(Arrival),
}

/// What a client says to a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// To whom.
    pub channel: ChannelName,
    /// What happened.
    pub event: EventName,
    /// What goes with it.
    pub payload: Payload,
    /// Whether the connection that says it hears it as well, if it is in the channel.
    pub echo: bool,
}

/// With what a connection begins whose request says it all: its user was verified, and it may have a past.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arrival {
    /// Who it is; without a user when nothing said who.
    pub identity: Arc<Identity>,
    /// Channels to hear, as far as it may.
    pub channels: Vec<ChannelName>,
    /// Those of them that the user's backend was asked about, and granted.
    pub granted: Vec<ChannelName>,
    /// What it presented, for an authenticator that will want to see it again.
    pub presented: Option<Presented>,
    /// The last event id that the client saw: what came after it is told first.
    pub last: Option<Arc<str>>,
    /// The secret of an earlier connection, which goes on if it is still waited for.
    pub resume: Option<Arc<str>>,
    /// Whether its client says itself when it wants events, and may want to resume before that.
    pub waits: bool,
    /// Whether that secret is all that it shows: nobody was asked who it is, and it begins as nobody else.
    pub returns: bool,
}

/// The first words to a client.
#[derive(Debug, Clone)]
pub struct Welcome {
    /// The public id of the connection.
    pub connection: Arc<str>,
    /// The secret that lets a later wire continue this connection.
    pub resume: Arc<str>,
    /// How long it may take to come back, in seconds.
    pub window: u64,
    /// Seconds between two pings of the server.
    pub ping: u64,
}

/// What the server tells one client.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// It is known as this user now, or as nobody in particular, and hears these channels, which the identity brought
    /// along.
    Identified(Option<UserName>, Vec<ChannelName>),
    /// It hears this from here on.
    Joined(Subscription),
    /// It hears nothing of this any more.
    Left(Subscription),
    /// The server took it out of this channel, or of all that this pattern matches.
    Removed {
        /// Which.
        channel: Subscription,
        /// Why, in one word.
        reason: &'static str,
    },
    /// What it said has its place in the order.
    Published(Receipt),
    /// Whoever it asked tells it this; the answer comes later.
    Told(Payload),
    /// The answer to what it asked.
    Answer(Payload),
    /// What it said into a call was taken, or the call given up.
    Said,
    /// Its identity ends in this time; it may identify itself again on the same wire.
    Expiring(Duration),
    /// It is that earlier connection again.
    Resumed {
        /// The public id of the connection that goes on.
        connection: Arc<str>,
        /// True when nothing was lost.
        recovered: bool,
        /// True when its identity has ended meanwhile: it has neither its user nor its channels any more.
        expired: bool,
        /// How many missed events went before this notice.
        replayed: usize,
        /// The id from which on events may be missing, when `recovered` is false.
        since: Option<Arc<str>>,
    },
    /// Events may be missing.
    Missed {
        /// The last id that it saw.
        since: Arc<str>,
    },
    /// It cannot have what it wanted.
    Rejected(Rejection),
}

/// Why a client does not get what it wants. The text is a sentence for its developer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Not JSON, not an object, no `type`, or not allowed now.
    #[error("{0}")]
    BadMessage(String),
    /// A command that does not exist.
    #[error("{0} is not a command; known are {1}")]
    UnknownType(String, &'static str),
    /// A member that the command needs.
    #[error("{0} is missing or has the wrong type")]
    MissingField(&'static str),
    /// A name that breaks the rules for names.
    #[error("{0}")]
    BadName(String),
    /// The authenticator said no. The text is the ancestors', or one word of the user's backend.
    #[error("{}", .0.as_deref().unwrap_or("IDENT not verified"))]
    IdentDenied(Option<Arc<str>>),
    /// What it presented held until a while ago.
    #[error("the token has expired; identify again with a new one")]
    Expired,
    /// Rules say no.
    #[error("you may not {verb} {name}{}", .why.as_deref().map(|why| format!(": {why}")).unwrap_or_default())]
    Denied {
        /// What it wanted to do.
        verb: Verb,
        /// With what.
        name: Arc<str>,
        /// Why not, where the client may know.
        why: Option<Arc<str>>,
    },
    /// Whoever decides did not answer in time, or failed. Neither yes nor no: the client may ask again.
    #[error("this cannot be decided at the moment; try again")]
    Unavailable {
        /// When it is worth while.
        after: Duration,
    },
    /// Nobody answers by that name.
    #[error("nobody answers to {0}")]
    NobodyAnswers(Arc<str>),
    /// Whoever answers could not: in their words.
    #[error("{0}")]
    CallFailed(String),
    /// More calls under way than one connection may have.
    #[error("a connection may have {0} calls under way")]
    TooManyCalls(usize),
    /// Said into a call that is not under way.
    #[error("no such call is under way")]
    NoCall,
    /// LEAVE of a channel it is not in.
    #[error("this connection is not in the channel {0}")]
    NotJoined(Subscription),
    /// More channels than one connection may hear.
    #[error("a connection may join {0} channels")]
    TooManyChannels(usize),
    /// More messages per second than allowed.
    #[error("more than {0} messages per second")]
    TooFast(u32),
}

impl Rejection {
    /// The word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadMessage(_) => "bad_message",
            Self::UnknownType(..) => "unknown_type",
            Self::MissingField(_) => "missing_field",
            Self::BadName(_) => "bad_name",
            Self::IdentDenied(_) => "ident_denied",
            Self::Expired => "expired",
            Self::Denied { verb, .. } => match verb {
                Verb::Join => "join_denied",
                Verb::Publish => "publish_denied",
                Verb::Call => "call_denied",
                Verb::Presence => "presence_denied",
                Verb::History => "history_denied",
            },
            Self::Unavailable { .. } => "unavailable",
            Self::NobodyAnswers(_) => "nobody_answers",
            Self::CallFailed(_) => "call_failed",
            Self::TooManyCalls(_) => "too_many_calls",
            Self::NoCall => "no_call",
            Self::NotJoined(_) => "not_joined",
            Self::TooManyChannels(_) => "too_many_channels",
            Self::TooFast(_) => "too_fast",
        }
    }
}
