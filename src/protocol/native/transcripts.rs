//! Plays the golden conversations against the bare protocol, with the simplest Dispatcher that could be.

use std::collections::VecDeque;

use bytes::Bytes;
use turted_core::envelope::{self, Body};
use turted_core::{
    ChannelName, Delivery, Ending, Epoch, Intent, Limits, Notice, Rejection, Tag, Target, UserName, Welcome,
};

use super::Native;
use crate::protocol::{Conversation, Protocol, Reaction};

struct Player {
    protocol: Native,
    conversation: Box<dyn Conversation>,
    said: VecDeque<String>,
    closed: Option<Ending>,
    user: Option<UserName>,
    channels: Vec<ChannelName>,
    pushed: u64,
}

impl Player {
    fn new() -> Self {
        let protocol = Native::new(Limits::default(), 20);
        let mut player = Self {
            conversation: protocol.open(),
            protocol,
            said: VecDeque::new(),
            closed: None,
            user: None,
            channels: Vec::new(),
            pushed: 0,
        };
        let welcome = Welcome {
            connection: "CONNECTION".into(),
            resume: "TOKEN".into(),
            window: 120,
            ping: 25,
        };
        player.react(|conversation, out| conversation.welcome(&welcome, out));
        player
    }

    fn react(&mut self, act: impl FnOnce(&mut dyn Conversation, &mut Vec<Reaction>)) {
        let mut out = Vec::new();
        act(&mut *self.conversation, &mut out);
        for reaction in out {
            match reaction {
                Reaction::Send(text) => self.say(&text),
                Reaction::Close(ending) => {
                    self.closed = Some(ending);
                    let mut farewell = Vec::new();
                    self.conversation.farewell(ending, &mut farewell);
                    let Some(Reaction::Send(text)) = farewell.pop() else {
                        panic!("no goodbye");
                    };
                    self.say(&text);
                }
                Reaction::Want(intent, tag) => self.grant(intent, &tag),
                Reaction::SendBinary(_) => panic!("the protocol is text"),
            }
        }
    }

    fn say(&mut self, text: &Bytes) {
        self.said.push_back(String::from_utf8(text.to_vec()).unwrap());
    }

    fn grant(&mut self, intent: Intent, tag: &Tag) {
        let notice = match intent {
            Intent::Ident { claimed: None, .. } => Notice::Rejected(Rejection::MissingField("data.username")),
            Intent::Ident {
                claimed: Some(user), ..
            } => {
                self.user = Some(user.clone());
                Notice::Identified(user)
            }
            Intent::Join(channel) => {
                self.channels.push(channel.clone());
                Notice::Joined(channel)
            }
            Intent::Leave(channel) if self.channels.contains(&channel) => {
                self.channels.retain(|joined| *joined != channel);
                Notice::Left(channel)
            }
            Intent::Leave(channel) => Notice::Rejected(Rejection::NotJoined(channel)),
            Intent::Resume { .. } | Intent::Ready => unreachable!("no story resumes"),
        };
        let mut out = Vec::new();
        self.conversation.notify(&notice, tag, &mut out);
        for reaction in out {
            let Reaction::Send(text) = reaction else {
                panic!("an answer is a message: {reaction:?}");
            };
            self.say(&text);
        }
    }

    fn push(&mut self, body: &str) {
        let Ok(Body::One(push)) = envelope::parse(body.as_bytes(), &Limits::default()) else {
            panic!("not a push: {body}");
        };
        self.pushed += 1;
        let id = Epoch::new("EPOCH").id(self.pushed);
        let via = push.dispatch.targets.iter().find(|target| match target {
            Target::User(user) => self.user.as_ref() == Some(user),
            Target::Channel(channel) => self.channels.contains(channel),
            Target::Everybody => true,
        });
        if let Some(via) = via {
            let (event, payload) = (&push.dispatch.event, &push.dispatch.payload);
            let text = self.protocol.encode_event(&Delivery {
                id: &id,
                event,
                payload,
                via,
            });
            self.say(&text);
        }
    }
}

fn play(name: &str, transcript: &str) {
    let mut player = Player::new();
    for (number, line) in transcript.lines().enumerate() {
        let at = format!("{name}:{}", number + 1);
        match line.split_once(' ') {
            Some(("C:", text)) => player.react(|conversation, out| conversation.receive(text, out)),
            Some(("push", body)) => player.push(body),
            Some(("S:", text)) => assert_eq!(player.said.pop_front().as_deref(), Some(text), "{at}"),
            Some(("close", code)) => {
                let closed = player.closed.map(|ending| ending.code().to_string());
                assert_eq!(closed.as_deref(), Some(code), "{at}");
            }
            _ => assert!(line.is_empty() || line.starts_with('#'), "{at}: {line}"),
        }
    }
    assert_eq!(player.said, VecDeque::<String>::new(), "{name}: nothing more is said");
}

#[test]
fn every_golden_conversation_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts/native");
    let mut played = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        play(
            path.file_name().unwrap().to_str().unwrap(),
            &std::fs::read_to_string(&path).unwrap(),
        );
        played += 1;
    }
    assert!(played >= 3);
}
