//! The words of TURTED 3 and 4 over Socket.IO: `IDENT JOIN LEAVE ECHO PING` → `OK ERROR EVENT ECHO`, on the root
//! namespace; and what is newer than they, `PUBLISH` → `OK`, `CALL` → `ANSWER`, `LEFT` and `EXPIRING`.
//!
//! In: events of one client. Out: intents, and events in answer; a client that asked for an acknowledgement gets one as
//! well. What the ancestor answered with silence is answered with `ERROR`.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use turted_core::encode::Delivery;
use turted_core::{Ending, Intent, Notice, Rejection, Tag, Welcome, json};

use super::{Application, Call, Ids, Link, ROOT, Terms, Version};
use crate::dialects::command::{Command, TOKEN_BYTES, interpret};
use crate::dialects::native::rejected;

/// Most that is kept for a client whose CONNECT is not answered: one notice for each channel that its identity joins.
const EARLY: usize = 64;

/// One client.
pub struct Turted {
    terms: Terms,
    ids: Option<Ids>,
    /// The secret of the connection that is being continued.
    resumes: Option<Arc<str>>,
    /// Whether its CONNECT is answered.
    is_connected: bool,
    /// What it is told afterwards: its clients take whatever comes first for the answer.
    early: Vec<(Notice, Tag)>,
    strikes: u32,
}

impl Turted {
    /// A client that has just come.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            ids: None,
            resumes: None,
            is_connected: terms.version == Version::V4,
            early: Vec::new(),
            strikes: 0,
        }
    }

    fn connected(&mut self, connection: &str, secret: &str, link: &mut Link<'_>) {
        let json = if self.terms.recovery {
            json!({"sid": connection, "pid": secret})
        } else {
            json!({ "sid": connection })
        };
        link.connected(ROOT, &json.to_string());
        self.is_connected = true;
        for (notice, tag) in std::mem::take(&mut self.early) {
            self.notify(&notice, &tag, link);
        }
    }

    fn answer(word: &str, data: &Value, tag: Option<&str>, link: &mut Link<'_>) {
        link.emit(ROOT, &json!([word, data]).to_string(), &[]);
        if let Some(ack) = tag {
            link.acknowledge(ROOT, ack, &json!([data]).to_string(), &[]);
        }
    }

    fn reject(&self, rejection: &Rejection, tag: Option<&str>, link: &mut Link<'_>) {
        let why = json!(rejection.to_string()).to_string();
        link.emit(ROOT, &format!(r#"["ERROR",{why}{}]"#, self.tail(&why)), &[]);
        if let Some(ack) = tag {
            let error = json!([{ "error": rejected(rejection) }]);
            link.acknowledge(ROOT, ack, &error.to_string(), &[]);
        }
    }

    /// What follows these arguments. A client that may come back takes a string at the end of any event for the id of
    /// the last event that it saw; `null` keeps it from that.
    fn tail(&self, arguments: &str) -> &'static str {
        let remembers = self.terms.recovery && self.terms.version == Version::V5;
        if remembers && arguments.ends_with('"') {
            ",null"
        } else {
            ""
        }
    }

    fn strike(&mut self, rejection: &Rejection, tag: Option<&str>, link: &mut Link<'_>) {
        self.reject(rejection, tag, link);
        // Nothing is wrong with a message that came too early.
        if matches!(rejection, Rejection::TooFast(_)) {
            return;
        }
        self.strikes += 1;
        if self.strikes >= self.terms.bad_messages {
            link.close(Ending::BadMessages);
        }
    }
}

/// What a client of 4.6 and later brings when it comes back.
#[derive(Deserialize)]
struct Recovery {
    pid: String,
    offset: Option<String>,
}

impl Recovery {
    /// Ours are far shorter.
    fn is_plausible(&self) -> bool {
        self.pid.len() <= TOKEN_BYTES && self.offset.as_ref().is_none_or(|offset| offset.len() <= TOKEN_BYTES)
    }
}

impl Application for Turted {
    fn welcome(&mut self, welcome: &Welcome) {
        self.ids = Some((welcome.connection.clone(), welcome.resume.clone()));
    }

    fn connect(&mut self, namespace: &str, auth: Option<&RawValue>, link: &mut Link<'_>) -> Result<(), &'static str> {
        if namespace != ROOT {
            return Err("Invalid namespace");
        }
        if link.version == Version::V4 {
            return Ok(());
        }
        let Some((connection, secret)) = self.ids.clone() else {
            return Err("Not ready");
        };
        let recovery = auth.filter(|_| self.terms.recovery);
        let recovery = recovery.and_then(|auth| serde_json::from_str::<Recovery>(auth.get()).ok());
        match recovery.filter(Recovery::is_plausible) {
            Some(Recovery { pid, offset }) => {
                let token: Arc<str> = pid.into();
                self.resumes = Some(token.clone());
                let last = offset.map(Into::into);
                link.want(Intent::Resume { token, last }, None);
            }
            None => {
                self.connected(&connection, &secret, link);
                link.want(Intent::Ready, None);
            }
        }
        Ok(())
    }

    fn event(&mut self, call: &Call<'_>, link: &mut Link<'_>) {
        if call.name.eq_ignore_ascii_case("ECHO") {
            self.strikes = 0;
            // All of them: any may hold the place of an attachment.
            let arguments = Some(call.arguments).filter(|all| !all.is_empty()).unwrap_or("null");
            let echo = format!(r#"["ECHO",{arguments}{}]"#, self.tail(arguments));
            link.emit(ROOT, &echo, call.attachments);
            if let Some(ack) = call.ack {
                link.acknowledge(ROOT, ack, &format!("[{arguments}]"), call.attachments);
            }
            return;
        }
        match interpret(call.name, call.first, &self.terms.limits) {
            Ok(Command::Intent(Intent::Resume { .. }) | Command::Echo(_) | Command::Ping)
            | Err(Rejection::UnknownType(..)) => {
                self.strikes = 0;
                // Events that nobody listens for are nothing wrong here; but whoever waits shall not wait for ever.
                if let Some(ack) = call.ack {
                    link.acknowledge(ROOT, ack, "[]", &[]);
                }
            }
            // What stands for an attachment means nothing without it, and an event has none.
            Ok(Command::Intent(Intent::Publish(_) | Intent::Call(_))) if !call.attachments.is_empty() => {
                let why = "a payload is JSON: PUBLISH and CALL take no attachments";
                self.strike(&Rejection::BadMessage(why.into()), call.ack, link);
            }
            Ok(Command::Intent(intent)) => {
                self.strikes = 0;
                link.want(intent, call.ack.map(Into::into));
            }
            Err(rejection) => self.strike(&rejection, call.ack, link),
        }
    }

    fn disconnect(&mut self, _: &str, link: &mut Link<'_>) {
        // It said so itself: there is nothing to come back for.
        link.close(Ending::Normal);
    }

    fn refuse(&mut self, rejection: &Rejection, link: &mut Link<'_>) {
        self.strike(rejection, None, link);
    }

    fn notify(&mut self, notice: &Notice, tag: &Tag, link: &mut Link<'_>) {
        if !self.is_connected && !matches!(notice, Notice::Resumed { .. }) {
            if self.early.len() < EARLY {
                self.early.push((notice.clone(), tag.clone()));
            }
            return;
        }
        let tag = tag.as_deref();
        match notice {
            Notice::Identified(user, channels) => {
                let data = match channels.as_slice() {
                    [] => json!({ "username": user }),
                    channels => json!({"username": user, "channels": channels}),
                };
                Self::answer("OK", &data, tag, link);
            }
            Notice::Published(receipt) => Self::answer("OK", &json!(receipt), tag, link),
            Notice::Answer(payload) => {
                let payload = payload.as_str();
                link.emit(ROOT, &format!(r#"["ANSWER",{payload}{}]"#, self.tail(payload)), &[]);
                if let Some(ack) = tag {
                    link.acknowledge(ROOT, ack, &format!("[{payload}]"), &[]);
                }
            }
            Notice::Removed { channel, reason } => {
                Self::answer("LEFT", &json!({"channel": channel, "reason": reason}), None, link);
            }
            Notice::Expiring(left) => Self::answer("EXPIRING", &json!({ "in": left.as_secs() }), None, link),
            Notice::Joined(channel) | Notice::Left(channel) => {
                Self::answer("OK", &json!({ "channel": channel }), tag, link);
            }
            Notice::Resumed {
                connection, recovered, ..
            } => {
                // The same secret tells the client that it was recovered, a new one that it was not.
                let own = self.ids.as_ref().map(|(_, secret)| secret.clone());
                let secret = self.resumes.take().filter(|_| *recovered).or(own);
                self.connected(connection, secret.as_deref().unwrap_or_default(), link);
            }
            Notice::Rejected(rejection) => self.reject(rejection, tag, link),
            // A poll repeats nothing here, since its answers are not numbered; and there is no word for what is newer
            // than the dialect.
            _ => {}
        }
    }

    fn encoding(terms: &Terms) -> Option<&'static str> {
        let remembers = terms.recovery && terms.version == Version::V5;
        Some(if remembers { "socket.io with ids" } else { "socket.io" })
    }

    fn encode_event(terms: &Terms, delivery: &Delivery<'_>) -> Bytes {
        let mut out = BytesMut::with_capacity(delivery.payload.as_bytes().len() + 160);
        out.put_slice(br#"2["EVENT",{"event":"#);
        json::write(&mut out, delivery.event);
        out.put_slice(br#","payload":"#);
        out.put_slice(delivery.payload.as_bytes());
        out.put_slice(br#","via":"#);
        json::write(&mut out, delivery.via);
        if let Some(from) = delivery.from {
            out.put_slice(br#","from":"#);
            json::write(&mut out, from);
        }
        out.put_u8(b'}');
        if terms.recovery && terms.version == Version::V5 {
            out.put_u8(b',');
            json::write(&mut out, delivery.id);
        }
        out.put_u8(b']');
        out.freeze()
    }
}
