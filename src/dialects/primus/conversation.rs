//! One client of Primus, a spark.
//!
//! In: its messages and the server's notices. Out: intents and answers. It is pinged now and then, unless it is of the
//! generations that ping themselves; what is no JSON is dropped, as the original does.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use turted_core::json::check_depth;
use turted_core::{Conversation, Ending, Intent, Notice, Payload, Publication, Reaction, Rejection, Tag, Welcome};

use super::{CONTROL, Terms, readable};
use crate::dialects::command::{self, Command};
use crate::dialects::native::reply;

/// Words that are commands; whatever else a client writes is published.
const WORDS: [&str; 7] = ["IDENT", "JOIN", "LEAVE", "PUBLISH", "CALL", "ECHO", "PING"];
/// Marks what a client wrote that was no command: it expects no receipt. No `ref` of a client is such a tag, as those
/// are JSON.
const WRITE: &str = "write";

/// One client.
pub struct Spark {
    terms: Arc<Terms>,
    id: Arc<str>,
    /// How many pings it was sent.
    pings: u64,
    /// Whether it pings by itself.
    asks: bool,
    strikes: u32,
}

impl Spark {
    pub fn new(terms: Arc<Terms>) -> Self {
        Self {
            terms,
            id: "".into(),
            pings: 0,
            asks: false,
            strikes: 0,
        }
    }

    fn strike(&mut self, out: &mut Vec<Reaction>) {
        self.strikes += 1;
        if self.strikes >= self.terms.bad_messages {
            out.push(Reaction::Close(Ending::BadMessages));
        }
    }

    fn reject(&mut self, rejection: &Rejection, tag: &Tag, out: &mut Vec<Reaction>) {
        out.push(send(&reply::error(rejection, tag)));
        // Nothing is wrong with a message that came too early.
        if !matches!(rejection, Rejection::TooFast(_)) {
            self.strike(out);
        }
    }

    /// A word of the protocol. Those that are none are written like any text.
    fn control(&mut self, text: &str, out: &mut Vec<Reaction>) -> bool {
        let Some((word, rest)) = text.strip_prefix(CONTROL).and_then(|text| text.split_once("::")) else {
            return false;
        };
        match word {
            "ping" => {
                self.asks = true;
                out.push(say(&format!("{CONTROL}pong::{rest}")));
            }
            // It is there.
            "pong" => {}
            "id" => out.push(say(&format!("{CONTROL}id::{}", self.id))),
            _ => return false,
        }
        true
    }

    fn write(&mut self, raw: &RawValue, out: &mut Vec<Reaction>) {
        let Some(channel) = self.terms.channel.clone() else {
            let why = "nothing is published here that names no channel: say PUBLISH, or set channel in the section of [clients]";
            return self.reject(&Rejection::BadMessage(why.into()), &None, out);
        };
        self.strikes = 0;
        let publication = Publication {
            channel,
            event: self.terms.event.clone(),
            payload: Payload::from_raw(raw),
            echo: true,
        };
        out.push(Reaction::Want(Intent::Publish(publication), Some(WRITE.into())));
    }
}

/// A text as JSON.
fn say(text: &str) -> Reaction {
    Reaction::Send(json!(text).to_string().into())
}

fn send(json: &Bytes) -> Reaction {
    Reaction::Send(readable(json))
}

/// Whether a message is one of the commands.
fn is_command(raw: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Typed {
        r#type: String,
    }
    let typed = serde_json::from_str::<Typed>(raw.get());
    typed.is_ok_and(|typed| WORDS.iter().any(|word| word.eq_ignore_ascii_case(&typed.r#type)))
}

impl Conversation for Spark {
    fn welcome(&mut self, welcome: &Welcome, out: &mut Vec<Reaction>) {
        self.id = Arc::clone(&welcome.connection);
        out.push(Reaction::Wake(self.terms.ping));
    }

    fn receive(&mut self, text: &str, out: &mut Vec<Reaction>) {
        let raw = match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) if check_depth(text.as_bytes(), &self.terms.limits).is_ok() => raw,
            _ => return self.strike(out),
        };
        if raw.get().starts_with('"')
            && let Ok(said) = serde_json::from_str::<String>(raw.get())
            && self.control(&said, out)
        {
            self.strikes = 0;
            return;
        }
        if !is_command(raw) {
            return self.write(raw, out);
        }
        let (tag, command) = command::read(text, &self.terms.limits);
        match command {
            Ok(command) => {
                self.strikes = 0;
                out.push(match command {
                    Command::Intent(intent) => Reaction::Want(intent, tag),
                    Command::Echo(data) => send(&reply::echo(&data, &tag)),
                    Command::Ping => send(&reply::pong(&tag)),
                });
            }
            Err(rejection) => self.reject(&rejection, &tag, out),
        }
    }

    fn refuse(&mut self, _: &str, rejection: &Rejection, out: &mut Vec<Reaction>) {
        self.reject(rejection, &None, out);
    }

    fn notify(&mut self, notice: &Notice, tag: &Tag, out: &mut Vec<Reaction>) {
        let is_write = tag.as_deref() == Some(WRITE);
        match notice {
            Notice::Published(_) if is_write => {}
            notice => {
                let tag = if is_write { &None } else { tag };
                out.extend(reply::notice(notice, tag).iter().map(send));
            }
        }
    }

    fn wake(&mut self, out: &mut Vec<Reaction>) {
        if self.asks {
            return;
        }
        // The original says the time; clients give back whatever it is.
        self.pings += 1;
        out.push(say(&format!("{CONTROL}ping::{}", self.pings)));
        out.push(Reaction::Wake(self.terms.ping));
    }

    fn farewell(&mut self, ending: Ending, out: &mut Vec<Reaction>) {
        // Without that word a client comes back.
        if !ending.reconnect() {
            out.push(say(&format!("{CONTROL}server::close")));
        }
    }
}
