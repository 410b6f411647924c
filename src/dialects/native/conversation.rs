//! One client's native conversation.
//!
//! In: its messages and the server's notices. Out: intents and answers; it answers ECHO and PING itself, and ends a
//! client that sends too many bad messages in a row.

use turted_core::{Ending, Limits, Notice, Rejection, Tag, Welcome};

use super::reply;
use crate::dialects::command::{self, Command};
use turted_core::{Conversation, Reaction};

/// The state of one conversation: its bounds, and how many bad messages came since the last good one.
pub struct NativeConversation {
    limits: Limits,
    bad_messages: u32,
    strikes: u32,
}

impl NativeConversation {
    pub fn new(limits: Limits, bad_messages: u32) -> Self {
        Self {
            limits,
            bad_messages,
            strikes: 0,
        }
    }

    fn strike(&mut self, out: &mut Vec<Reaction>) {
        self.strikes += 1;
        if self.strikes >= self.bad_messages {
            out.push(Reaction::Close(Ending::BadMessages));
        }
    }
}

impl Conversation for NativeConversation {
    fn welcome(&mut self, welcome: &Welcome, out: &mut Vec<Reaction>) {
        out.push(Reaction::Send(reply::welcome(welcome)));
    }

    fn receive(&mut self, text: &str, out: &mut Vec<Reaction>) {
        let (tag, command) = command::read(text, &self.limits);
        match command {
            Ok(command) => {
                self.strikes = 0;
                out.push(match command {
                    Command::Intent(intent) => Reaction::Want(intent, tag),
                    Command::Echo(data) => Reaction::Send(reply::echo(&data, &tag)),
                    Command::Ping => Reaction::Send(reply::pong(&tag)),
                });
            }
            Err(rejection) => {
                out.push(Reaction::Send(reply::error(&rejection, &tag)));
                self.strike(out);
            }
        }
    }

    fn refuse(&mut self, text: &str, rejection: &Rejection, out: &mut Vec<Reaction>) {
        let (tag, _) = command::read(text, &self.limits);
        out.push(Reaction::Send(reply::error(rejection, &tag)));
        // Nothing is wrong with a message that came too early.
        if !matches!(rejection, Rejection::TooFast(_)) {
            self.strike(out);
        }
    }

    fn notify(&mut self, notice: &Notice, tag: &Tag, out: &mut Vec<Reaction>) {
        out.extend(reply::notice(notice, tag).into_iter().map(Reaction::Send));
    }

    fn farewell(&mut self, ending: Ending, out: &mut Vec<Reaction>) {
        out.push(Reaction::Send(reply::bye(ending)));
    }
}
