//! The dialect of TURTED 1.x and 2.x: `{"type":…,"data":…}`, where an event has its own name as its type.
//!
//! In: `ident join leave echo message ping`, in any case. Out: events as `{"type":<event>,"data":<payload>,"via":…}`,
//! and, which the ancestor did not say, `OK` and `ERROR` as events of these names: its clients ignore names that nobody
//! asked for. It has no resumption.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::json;
use turted_core::encode::Delivery;
use turted_core::{Ending, Intent, Limits, Notice, Rejection, Tag, Welcome, json};

use super::command::{self, Command};
use turted_core::{Conversation, Protocol, Reaction};

/// The dialect with its bounds.
#[derive(Debug, Clone, Copy)]
pub struct Classic {
    limits: Limits,
    bad_messages: u32,
}

impl Classic {
    /// A dialect that ends a client after `bad_messages` bad messages in a row.
    #[must_use]
    pub fn new(limits: Limits, bad_messages: u32) -> Self {
        Self { limits, bad_messages }
    }
}

impl Protocol for Classic {
    fn name(&self) -> &'static str {
        "classic"
    }

    fn encoding(&self) -> Option<&'static str> {
        Some("classic")
    }

    fn open(&self) -> Box<dyn Conversation> {
        Box::new(ClassicConversation {
            dialect: *self,
            strikes: 0,
        })
    }

    fn resumes(&self) -> bool {
        false
    }

    fn encode_event(&self, delivery: &Delivery<'_>) -> Bytes {
        let mut out = BytesMut::with_capacity(delivery.payload.as_bytes().len() + 96);
        out.put_slice(br#"{"type":"#);
        json::write(&mut out, delivery.event);
        out.put_slice(br#","data":"#);
        out.put_slice(delivery.payload.as_bytes());
        out.put_slice(br#","via":"#);
        json::write(&mut out, delivery.via);
        out.put_u8(b'}');
        out.freeze()
    }
}

struct ClassicConversation {
    dialect: Classic,
    strikes: u32,
}

impl ClassicConversation {
    fn strike(&mut self, rejection: &Rejection, out: &mut Vec<Reaction>) {
        out.push(say("ERROR", &json!(rejection.to_string())));
        // Nothing is wrong with a message that came too early.
        if matches!(rejection, Rejection::TooFast(_)) {
            return;
        }
        self.strikes += 1;
        if self.strikes >= self.dialect.bad_messages {
            out.push(Reaction::Close(Ending::BadMessages));
        }
    }
}

impl Conversation for ClassicConversation {
    fn welcome(&mut self, _: &Welcome, _: &mut Vec<Reaction>) {}

    fn receive(&mut self, text: &str, out: &mut Vec<Reaction>) {
        match command::read(text, &self.dialect.limits).1 {
            // Words of other dialects: whoever continues a connection here would never learn of it.
            Ok(Command::Intent(Intent::Resume { .. })) => self.strike(&unknown("RESUME".into()), out),
            Ok(Command::Intent(Intent::Publish(_))) => self.strike(&unknown("PUBLISH".into()), out),
            Ok(Command::Intent(Intent::Call(_))) => self.strike(&unknown("CALL".into()), out),
            Ok(command) => {
                self.strikes = 0;
                match command {
                    Command::Intent(intent) => out.push(Reaction::Want(intent, None)),
                    Command::Echo(data) => out.push(Reaction::Send(message(&data))),
                    Command::Ping => {}
                }
            }
            // The ancestor took it and did nothing with it.
            Err(Rejection::UnknownType(..)) if is_message(text) => self.strikes = 0,
            Err(Rejection::UnknownType(word, _)) => self.strike(&unknown(word), out),
            Err(rejection) => self.strike(&rejection, out),
        }
    }

    fn refuse(&mut self, _: &str, rejection: &Rejection, out: &mut Vec<Reaction>) {
        self.strike(rejection, out);
    }

    fn notify(&mut self, notice: &Notice, _: &Tag, out: &mut Vec<Reaction>) {
        match notice {
            Notice::Identified(user, _) => out.push(say("OK", &json!({ "username": user }))),
            Notice::Joined(channel) | Notice::Left(channel) => out.push(say("OK", &json!({ "channel": channel }))),
            Notice::Rejected(rejection) => out.push(say("ERROR", &json!(rejection.to_string()))),
            // Events of names that nobody asked for, to the ancestor's clients.
            Notice::Removed { channel, reason } => {
                out.push(say("LEFT", &json!({"channel": channel, "reason": reason})))
            }
            Notice::Expiring(left) => out.push(say("EXPIRING", &json!({ "in": left.as_secs() }))),
            // Nothing here asks for a past, and the dialect has no words for what is newer than it.
            _ => {}
        }
    }

    fn farewell(&mut self, _: Ending, _: &mut Vec<Reaction>) {}
}

fn unknown(word: String) -> Rejection {
    Rejection::UnknownType(word, "IDENT, JOIN, LEAVE, ECHO, MESSAGE, PING")
}

fn is_message(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Typed {
        r#type: String,
    }
    serde_json::from_str::<Typed>(text).is_ok_and(|typed| typed.r#type.eq_ignore_ascii_case("message"))
}

fn say(word: &str, data: &serde_json::Value) -> Reaction {
    Reaction::Send(json!({"type": word, "data": data}).to_string().into())
}

/// The answer to `echo`, byte for byte.
fn message(data: &Bytes) -> Bytes {
    [br#"{"type":"message","data":"#, &data[..], b"}"].concat().into()
}
