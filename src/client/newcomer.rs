//! What a connection is made of: its worker, what its carrier hands it, and what distinguishes it from the others.
//!
//! In and out: plain values. They decide nothing.

use std::any::Any;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Addr;
use bytes::Bytes;
use turted_core::may::Permissions;
use turted_core::{
    Adviser, Authenticator, Brought, Conversation, Ending, Inbox, Intent, Refusals, Responders, Wants, Welcome,
};

use super::calls::Calls;
use super::courier::{Courier, Voices};
use super::heartbeat::Heart;
use super::pace::Pace;
use super::relief::Relief;
use super::requests::register::{Listing, Register};
use super::requests::rules::Rules;
use super::turns::Turns;
use crate::dispatcher::{Dispatcher, SeatKey};

/// What a carrier hands to a connection.
#[derive(Debug)]
pub enum Inbound {
    /// A text message.
    Text(String),
    /// A message that is not text.
    Binary(Bytes),
    /// A sign of life that needs an answer, framed by the carrier.
    Ping(Bytes),
    /// A sign of life.
    Pong,
    /// The client said goodbye.
    Close(Ending),
    /// The client broke its carrier's rules.
    Broken(Ending),
}

/// Who decides who clients are and what they may; the same for every worker.
pub struct Policy {
    /// Confirms who clients are.
    pub clients: Arc<dyn Authenticator>,
    /// What that wants to see of requests.
    pub wants: Wants,
    /// Who may do what.
    pub permissions: Arc<Permissions>,
    /// Asks the user's backend what permissions leave to it.
    pub adviser: Option<Arc<dyn Adviser>>,
    /// Who answers calls, whatever is spoken.
    pub responders: Responders,
    /// Who hears what is refused.
    pub refusals: Arc<dyn Refusals>,
}

/// What every connection of a worker shares.
#[derive(Clone)]
pub struct Worker {
    /// The centre.
    pub dispatcher: Addr<Dispatcher>,
    /// Takes in what clients say, where it gets its place from others.
    pub inbox: Inbox,
    /// Who decides who clients are and what they may.
    pub policy: Arc<Policy>,
    /// The number of this worker's courier with the Dispatcher.
    pub courier: usize,
    /// This worker's courier.
    pub carrier: Addr<Courier>,
    /// Where its voice is filed.
    pub voices: Rc<Voices>,
    /// Who can be found by an id, whichever worker the request comes to.
    pub register: Arc<Register>,
    /// What sees to the bound of all outboxes together.
    pub relief: Arc<Relief>,
    /// Messages per second, and burst.
    pub pace: (u32, u32),
    /// How long a wish may be in work.
    pub patience: Duration,
}

/// A client that was let in.
pub struct Newcomer {
    /// Its first words.
    pub welcome: Welcome,
    /// Where it comes from.
    pub address: IpAddr,
    /// How its messages travel, for the log.
    pub transport: &'static str,
    /// From where and with what it comes, if the log wants to know.
    pub came: Option<Box<str>>,
    /// What its request says about who it is.
    pub brought: Option<Arc<Brought>>,
    /// What it wants before anybody speaks.
    pub first: Option<Intent>,
    /// Where requests find it.
    pub listing: Option<Listing>,
    /// What it begins to speak, when its request says something about that; else its dialect opens a conversation.
    pub conversation: Option<Box<dyn Conversation>>,
    /// What is written before the dialect's first words.
    pub opening: Option<Bytes>,
    /// What lives as long as the connection, whatever carries it.
    pub held: Option<Box<dyn Any + Send>>,
    /// Whether its dialect has words for coming back.
    pub returns: bool,
}

impl Newcomer {
    /// A client that says everything else later.
    #[must_use]
    pub fn new(welcome: Welcome, address: IpAddr, brought: Brought) -> Self {
        Self {
            welcome,
            address,
            transport: "requests",
            came: None,
            brought: (!brought.is_empty()).then(|| Arc::new(brought)),
            first: None,
            listing: None,
            conversation: None,
            opening: None,
            held: None,
            returns: true,
        }
    }
}

/// What distinguishes one client from the others of its worker, and goes along when it moves to another.
pub struct Client {
    /// Its place with the Dispatcher, as soon as it has one and as long as it is not given up.
    pub(in crate::client) seat: Option<SeatKey>,
    /// Its public id.
    pub(in crate::client) id: Arc<str>,
    /// Where it comes from.
    pub(in crate::client) address: IpAddr,
    /// What its request says about who it is.
    pub(in crate::client) brought: Option<Arc<Brought>>,
    /// What it said and wants.
    pub(in crate::client) turns: Turns,
    /// What it asked of somebody and has no answer to.
    pub(in crate::client) calls: Option<Box<Calls>>,
    /// How much it may say.
    pub(in crate::client) pace: Pace,
    /// When it was heard last.
    pub(in crate::client) last_heard: Instant,
    /// When to ask for a sign of life.
    pub(in crate::client) heart: Heart,
    /// When its conversation wants to be woken.
    pub(in crate::client) wakes: Option<Instant>,
    /// Where requests find it.
    pub(in crate::client) listing: Option<Listing>,
    /// Whether it has said that it wants events, in whatever way.
    pub(in crate::client) is_ready: bool,
    /// Whether its last message has been counted and brought no wish yet.
    pub(in crate::client) is_paid: bool,
    /// What most clients have not.
    pub(in crate::client) lasting: Option<Box<Lasting>>,
}

/// What a client has that outlives its wires.
#[derive(Default)]
pub(in crate::client) struct Lasting {
    /// What its readers were given and have not confirmed, where they do that.
    pub ledger: Ledger,
    _held: Option<Box<dyn Any + Send>>,
}

/// What a reader was given is kept until the next one says that it has come.
#[derive(Default)]
pub(in crate::client) struct Ledger {
    /// How often something was given.
    pub count: u64,
    /// The last that was given, with its number. There is one at a time: what was not confirmed is given again, with
    /// what is new.
    pub last: Option<(u64, Bytes)>,
}

impl Client {
    /// A client that has just come.
    pub(in crate::client) fn new(newcomer: Newcomer, worker: &Worker, rules: &Rules) -> Self {
        let now = Instant::now();
        Self {
            seat: None,
            id: newcomer.welcome.connection,
            address: newcomer.address,
            brought: newcomer.brought,
            turns: Turns::default(),
            calls: None,
            pace: Pace::new(worker.pace.1, now),
            last_heard: now,
            heart: Heart::new(rules.pulse(newcomer.listing.is_none()), now),
            wakes: None,
            listing: newcomer.listing,
            is_ready: false,
            is_paid: true,
            lasting: newcomer.held.map(|held| {
                Box::new(Lasting {
                    _held: Some(held),
                    ..Lasting::default()
                })
            }),
        }
    }

    /// What stays behind when it moves: nobody.
    pub(in crate::client) fn remainder(&self) -> Self {
        Self {
            seat: None,
            id: Arc::clone(&self.id),
            address: self.address,
            brought: None,
            turns: Turns::default(),
            calls: None,
            pace: Pace::new(0, self.last_heard),
            last_heard: self.last_heard,
            heart: self.heart,
            wakes: None,
            listing: None,
            is_ready: self.is_ready,
            is_paid: false,
            lasting: None,
        }
    }
}
