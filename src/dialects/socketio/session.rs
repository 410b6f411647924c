//! The rules of Socket.IO for one client: which namespaces it has joined, and which packets may come when.
//!
//! In: messages. Out: calls to the application. A packet that breaks a rule ends the connection, as it does with the
//! reference servers.

use bytes::Bytes;
use serde_json::json;
use turted_core::json::check_depth;
use turted_core::{Ending, Notice, Rejection, Tag, Welcome};

use super::attachments::Assembler;
use super::packet::Packet;
use super::{Application, Call, Head, Kind, Link, ROOT, Terms, Version};
use turted_core::{Conversation, Reaction};

/// Namespaces that one client may have joined.
const NAMESPACES: usize = 32;

/// One client.
pub struct Session<A> {
    terms: Terms,
    application: A,
    joined: Vec<Box<str>>,
    /// A packet whose attachments are still to come.
    waiting: Option<Box<Assembler>>,
}

impl<A: Application> Session<A> {
    pub fn new(terms: Terms, application: A) -> Self {
        Self {
            terms,
            application,
            joined: Vec::new(),
            waiting: None,
        }
    }

    fn take(&mut self, packet: &Packet<'_>, attachments: &[Bytes], out: &mut Vec<Reaction>) {
        let version = self.terms.version;
        let mut link = Link { version, out };
        let Head { namespace, ack, .. } = packet.head;
        if packet.head.kind == Kind::Connect {
            return self.connect(packet, &mut link);
        }
        let Some(at) = self.joined.iter().position(|joined| **joined == *namespace) else {
            // Servers of the second generation ignored it.
            if version == Version::V5 {
                link.close(Ending::BrokenFraming);
            }
            return;
        };
        match packet.head.kind {
            Kind::Disconnect => {
                self.joined.swap_remove(at);
                self.application.disconnect(namespace, &mut link);
            }
            Kind::Event | Kind::BinaryEvent => {
                if let Some(event) = packet.event() {
                    let call = Call {
                        namespace,
                        name: &event.name,
                        arguments: event.arguments,
                        first: event.first_argument(),
                        attachments,
                        ack,
                    };
                    self.application.event(&call, &mut link);
                }
            }
            // Nothing of ours asks for an answer.
            Kind::Connect | Kind::Ack | Kind::BinaryAck | Kind::Error => {}
        }
    }

    fn connect(&mut self, packet: &Packet<'_>, link: &mut Link<'_>) {
        let namespace = packet.head.namespace;
        if self.joined.iter().any(|joined| **joined == *namespace) {
            // The root is joined from the beginning in version 4, and some of its clients ask for it again.
            if link.version == Version::V5 {
                link.close(Ending::BrokenFraming);
            }
            return;
        }
        let admitted = if self.joined.len() < NAMESPACES {
            self.application.connect(namespace, packet.data, link)
        } else {
            Err("Too many namespaces")
        };
        match admitted {
            Ok(()) => {
                self.joined.push(namespace.into());
                if link.version == Version::V4 {
                    link.connected(namespace, "");
                }
            }
            Err(why) => {
                let json = match link.version {
                    Version::V4 => json!(why),
                    Version::V5 => json!({ "message": why }),
                };
                link.send(Head::new(Kind::Error, namespace), json.to_string().as_bytes());
            }
        }
    }
}

impl<A: Application> Conversation for Session<A> {
    fn welcome(&mut self, welcome: &Welcome, out: &mut Vec<Reaction>) {
        self.application.welcome(welcome);
        let version = self.terms.version;
        if version == Version::V4 {
            let mut link = Link { version, out };
            if self.application.connect(ROOT, None, &mut link).is_ok() {
                self.joined.push(ROOT.into());
                link.connected(ROOT, "");
            }
        }
    }

    fn receive(&mut self, text: &str, out: &mut Vec<Reaction>) {
        let mut assembler = self
            .waiting
            .take()
            .unwrap_or_else(|| Box::new(Assembler::new(self.terms.version, self.terms.message_bytes)));
        if check_depth(text.as_bytes(), &self.terms.limits).is_err() {
            return out.push(Reaction::Close(Ending::BrokenFraming));
        }
        match assembler.text(text) {
            Ok(Some(packet)) => self.take(&packet, &[], out),
            Ok(None) => self.waiting = Some(assembler),
            Err(_) => out.push(Reaction::Close(Ending::BrokenFraming)),
        }
    }

    fn receive_binary(&mut self, data: Bytes, out: &mut Vec<Reaction>) {
        let Some(mut assembler) = self.waiting.take() else {
            return out.push(Reaction::Close(Ending::BrokenFraming));
        };
        match assembler.binary(&data) {
            Ok(None) => self.waiting = Some(assembler),
            Ok(Some(whole)) => match whole.packet() {
                Ok(packet) => self.take(&packet, &whole.attachments, out),
                Err(_) => out.push(Reaction::Close(Ending::BrokenFraming)),
            },
            Err(_) => out.push(Reaction::Close(Ending::BrokenFraming)),
        }
    }

    fn refuse(&mut self, _: &str, rejection: &Rejection, out: &mut Vec<Reaction>) {
        // Nothing comes before the answer to the first CONNECT: clients would take it for that answer.
        if self.joined.is_empty() {
            return;
        }
        let version = self.terms.version;
        self.application.refuse(rejection, &mut Link { version, out });
    }

    fn notify(&mut self, notice: &Notice, tag: &Tag, out: &mut Vec<Reaction>) {
        let version = self.terms.version;
        self.application.notify(notice, tag, &mut Link { version, out });
    }

    fn farewell(&mut self, ending: Ending, out: &mut Vec<Reaction>) {
        // Told so, a client stays away; from a wire that just ends it comes back.
        if ending.reconnect() || matches!(ending, Ending::Normal | Ending::BrokenFraming | Ending::NotUtf8) {
            return;
        }
        let version = self.terms.version;
        let mut link = Link { version, out };
        for namespace in &self.joined {
            link.disconnect(namespace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::turted::Turted;
    use super::*;
    use turted_core::Limits;

    // Clients of version 5 take whatever comes first for the answer to their CONNECT, and fail.
    #[test]
    fn what_is_told_before_connect_is_told_after_it() {
        let terms = Terms {
            version: Version::V5,
            recovery: false,
            limits: Limits::default(),
            message_bytes: 1000,
            bad_messages: 20,
        };
        let mut session = Session::new(terms, Turted::new(terms));
        let welcome = Welcome {
            connection: "c".into(),
            resume: "r".into(),
            window: 120,
            ping: 25,
        };
        let mut out = Vec::new();
        session.welcome(&welcome, &mut out);
        for _ in 0..1000 {
            session.notify(&Notice::Rejected(Rejection::TooFast(1)), &None, &mut out);
        }
        assert_eq!(out, []);
        session.receive("0", &mut out);
        let [Reaction::Send(connect), Reaction::Send(error), ..] = &out[..] else {
            panic!("{out:?}")
        };
        assert!(
            connect.starts_with(b"0{") && error.starts_with(b"2[\"ERROR\","),
            "{out:?}"
        );
        assert!(out.len() < 100, "what is kept is bounded");
    }

    #[test]
    fn a_rejection_is_not_the_first_that_a_client_hears() {
        for (version, said) in [(Version::V5, false), (Version::V4, true)] {
            let terms = Terms {
                version,
                recovery: false,
                limits: Limits::default(),
                message_bytes: 1000,
                bad_messages: 20,
            };
            let mut session = Session::new(terms, Turted::new(terms));
            let welcome = Welcome {
                connection: "c".into(),
                resume: "r".into(),
                window: 120,
                ping: 25,
            };
            let mut out = Vec::new();
            session.welcome(&welcome, &mut out);
            // Clients of version 5 take whatever comes first for the answer to their CONNECT, and fail.
            let before = out.len();
            session.refuse("", &Rejection::TooFast(1), &mut out);
            assert_eq!(out.len() > before, said, "{version:?}: {out:?}");
        }
    }
}
