//! What a connection is made of: its worker, what its transport hands it, and what distinguishes it from the others.
//!
//! In and out: plain values. They decide nothing.

use std::rc::Rc;
use std::sync::Arc;

use actix::Addr;
use bytes::Bytes;
use turted_core::{Authenticator, Ending, Welcome};

use super::courier::{Courier, Voices};
use super::requests::register::{Listing, Register};
use super::requests::rules::Rules;
use super::voice::Voice;
use crate::dispatcher::{Dispatcher, LaneKey, Request};

/// What a transport hands to a connection.
#[derive(Debug)]
pub enum Inbound {
    /// A text message.
    Text(String),
    /// A message that is not text.
    Binary(Bytes),
    /// A sign of life that needs an answer, framed by the transport.
    Ping(Bytes),
    /// A sign of life.
    Pong,
    /// The client said goodbye.
    Close(Ending),
    /// The client broke its transport's rules.
    Broken(Ending),
}

/// What every connection of a worker shares.
#[derive(Clone)]
pub struct Worker {
    /// The centre.
    pub dispatcher: Addr<Dispatcher>,
    /// Confirms who clients are.
    pub clients: Arc<dyn Authenticator>,
    /// The number of this worker's courier with the Dispatcher.
    pub courier: usize,
    /// This worker's courier.
    pub carrier: Addr<Courier>,
    /// Where its lane is filed.
    pub voices: Rc<Voices>,
    /// Who can be found by an id, whichever worker the request comes to.
    pub register: Arc<Register>,
    /// Messages per second, and burst.
    pub pace: (u32, u32),
}

/// What distinguishes one client from the others of its worker.
pub struct Newcomer {
    /// Its lane, filed under `key`.
    pub voice: Rc<Voice>,
    /// The lane's address.
    pub key: LaneKey,
    /// How its events are encoded.
    pub encoder: usize,
    /// Its first words.
    pub welcome: Welcome,
    /// `Authorization: Bearer …` of its handshake.
    pub bearer: Option<Box<str>>,
    /// How its transport wants it to behave.
    pub rules: Arc<Rules>,
    /// What it asks for before anybody speaks.
    pub first: Option<Request>,
    /// Where requests find it.
    pub listing: Option<Listing>,
}
