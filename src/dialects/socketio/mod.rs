//! Socket.IO, protocols 4 (clients 1.x and 2.x) and 5 (3.x and 4.x), above Engine.IO.
//!
//! In: the messages of an Engine.IO connection. Out: packets, and what an [`Application`] makes of the events in them.
//! [`Session`] keeps the rules of the protocol; [`turted`] is the application that speaks the words of TURTED 3 and 4.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use turted_core::encode::Delivery;
use turted_core::{Ending, Intent, Limits, Notice, Rejection, Tag, Welcome};

use turted_core::{Conversation, Protocol, Reaction};

pub mod attachments;
pub mod client_script;
pub mod config;
pub mod event;
mod head;
pub mod packet;
mod session;
pub mod turted;

pub use head::{Head, Kind, ROOT, Version};
use session::Session;

/// What a server does with the events of one client.
pub trait Application: Send {
    /// The first words about the connection; nobody has joined yet.
    fn welcome(&mut self, welcome: &Welcome);
    /// A client wants to join a namespace, with this payload. In version 5 the application says when it has, with
    /// [`Link::connected`].
    ///
    /// # Errors
    /// Why it may not, as the sentence that its client shows.
    fn connect(&mut self, namespace: &str, auth: Option<&RawValue>, link: &mut Link<'_>) -> Result<(), &'static str>;
    /// An event came in.
    fn event(&mut self, call: &Call<'_>, link: &mut Link<'_>);
    /// The client left a namespace.
    fn disconnect(&mut self, namespace: &str, link: &mut Link<'_>);
    /// A message is not to be acted upon, only answered with this rejection.
    fn refuse(&mut self, rejection: &Rejection, link: &mut Link<'_>);
    /// The server answers an intent, or has something to tell.
    fn notify(&mut self, notice: &Notice, tag: &Tag, link: &mut Link<'_>);
    /// Under which name others write the same bytes, see [`Protocol::encoding`].
    fn encoding(_terms: &Terms) -> Option<&'static str>
    where
        Self: Sized,
    {
        None
    }
    /// An event for everybody that `via` reached.
    fn encode_event(terms: &Terms, delivery: &Delivery<'_>) -> Bytes
    where
        Self: Sized;
}

/// An event of a client.
#[derive(Debug)]
pub struct Call<'a> {
    /// Where.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The JSON of what follows the name, without brackets; placeholders stand for the attachments.
    pub arguments: &'a str,
    /// The first of these.
    pub first: Option<&'a RawValue>,
    /// What the placeholders stand for.
    pub attachments: &'a [Bytes],
    /// The number under which the client waits for an answer.
    pub ack: Option<&'a str>,
}

/// The way back to a client.
pub struct Link<'a> {
    /// What it speaks.
    pub version: Version,
    out: &'a mut Vec<Reaction>,
}

impl Link<'_> {
    /// The client has joined; `json` is what it is told, e.g. `{"sid":"…"}`. Version 4 is told nothing.
    pub fn connected(&mut self, namespace: &str, json: &str) {
        let json = match self.version {
            Version::V5 => json,
            Version::V4 => "",
        };
        self.send(Head::new(Kind::Connect, namespace), json.as_bytes());
    }

    /// An event; `json` is the list of its name and arguments.
    pub fn emit(&mut self, namespace: &str, json: &str, attachments: &[Bytes]) {
        self.send_with(Kind::Event, Kind::BinaryEvent, namespace, None, json, attachments);
    }

    /// The answer to an event; `json` is the list of its arguments.
    pub fn acknowledge(&mut self, namespace: &str, ack: &str, json: &str, attachments: &[Bytes]) {
        self.send_with(Kind::Ack, Kind::BinaryAck, namespace, Some(ack), json, attachments);
    }

    /// The server wants the client out of a namespace; it does not come back by itself.
    pub fn disconnect(&mut self, namespace: &str) {
        self.send(Head::new(Kind::Disconnect, namespace), b"");
    }

    /// Asks the server for something.
    pub fn want(&mut self, intent: Intent, tag: Tag) {
        self.out.push(Reaction::Want(intent, tag));
    }

    /// Ends the connection.
    pub fn close(&mut self, ending: Ending) {
        self.out.push(Reaction::Close(ending));
    }

    fn send_with(
        &mut self,
        plain: Kind,
        binary: Kind,
        namespace: &str,
        ack: Option<&str>,
        json: &str,
        attachments: &[Bytes],
    ) {
        let kind = if attachments.is_empty() { plain } else { binary };
        let head = Head {
            ack,
            // A packet that came in has at most ten.
            attachments: u8::try_from(attachments.len()).unwrap_or(u8::MAX),
            ..Head::new(kind, namespace)
        };
        self.send(head, json.as_bytes());
        self.out.extend(attachments.iter().cloned().map(Reaction::SendBinary));
    }

    fn send(&mut self, head: Head<'_>, json: &[u8]) {
        self.out.push(Reaction::Send(head.write(json)));
    }
}

/// What is offered to clients of one version.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Which.
    pub version: Version,
    /// Whether clients that come back are told what they missed ("connection state recovery", since 4.6).
    pub recovery: bool,
    /// Bounds for names and nesting.
    pub limits: Limits,
    /// Largest message in bytes, attachments included.
    pub message_bytes: usize,
    /// How many refused messages in a row end a client.
    pub bad_messages: u32,
}

/// Socket.IO with an application.
pub struct SocketIo<A> {
    terms: Terms,
    open: fn(Terms) -> A,
}

impl<A: Application + 'static> SocketIo<A> {
    /// Each client gets an application of its own, made by `open`.
    #[must_use]
    pub fn new(terms: Terms, open: fn(Terms) -> A) -> Self {
        Self { terms, open }
    }
}

impl<A: Application + 'static> Protocol for SocketIo<A> {
    fn name(&self) -> &'static str {
        match self.terms.version {
            Version::V4 => "socket.io 4",
            Version::V5 => "socket.io 5",
        }
    }

    fn encoding(&self) -> Option<&'static str> {
        A::encoding(&self.terms)
    }

    fn open(&self) -> Box<dyn Conversation> {
        Box::new(Session::new(self.terms, (self.open)(self.terms)))
    }

    fn resumes(&self) -> bool {
        // Clients of version 4 have joined before they can say anything.
        self.terms.version == Version::V5
    }

    fn encode_event(&self, delivery: &Delivery<'_>) -> Bytes {
        A::encode_event(&self.terms, delivery)
    }
}

impl Terms {
    /// The same for clients of another version.
    #[must_use]
    pub fn with(self, version: Version) -> Self {
        Self { version, ..self }
    }
}

/// A client's public id and its secret, kept from the first words.
type Ids = (Arc<str>, Arc<str>);
