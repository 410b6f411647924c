//! Plays the golden conversations of every dialect against the bare protocol, with the simplest Dispatcher that could
//! be.
//!
//! In: the stories of `tests/transcripts`. What the server does becomes lines of the same form, and they must be the
//! lines of the story. Sockets, transports and times are not here.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use turted_core::envelope::{self, Body};
use turted_core::may::Verb;
use turted_core::{
    ChannelName, Delivery, Dispatch, Ending, Epoch, EventName, Intent, Limits, Notice, Payload, Publication, Receipt,
    Rejection, Sender, Subscription, Target, UserName, Welcome,
};

use super::bayeux::{self, Bayeux};
use super::classic::Classic;
use super::native::Native;
use super::nodefony;
use super::primus::{self, Primus};
use super::rackhd::{self, RackHd};
use super::realizehit::RealizeHit;
use super::socketio::turted::Turted;
use super::socketio::{SocketIo, Terms, Version};
use turted_core::{Conversation, Protocol, Reaction};

/// Bad messages in a row that end a client.
const BAD_MESSAGES: u32 = 20;
/// Whoever shows another password is denied.
const PASSWORD: &str = "secret";
/// Nobody may hear or say anything in channels whose names begin so.
const CLOSED: &str = "closed";

/// What is spoken in each folder.
fn dialects() -> Vec<(&'static str, Box<dyn Protocol>)> {
    let limits = Limits::default();
    let socketio = |version, recovery| -> Box<dyn Protocol> {
        let terms = Terms {
            version,
            recovery,
            limits,
            message_bytes: 1_000_000,
            bad_messages: BAD_MESSAGES,
        };
        Box::new(SocketIo::new(terms, Turted::new))
    };
    vec![
        ("native", Box::new(Native::new(limits, BAD_MESSAGES))),
        ("classic", Box::new(Classic::new(limits, BAD_MESSAGES))),
        ("primus", Box::new(primus())),
        ("nodefony", Box::new(nodefony::sample())),
        ("realizehit", Box::new(RealizeHit::new(limits, BAD_MESSAGES))),
        ("rackhd", Box::new(rackhd())),
        ("rackhd_path", Box::new(rackhd().at("nodes"))),
        ("bayeux", Box::new(Bayeux(Arc::new(bayeux::terms())))),
        ("socketio4", socketio(Version::V4, true)),
        ("socketio5", socketio(Version::V5, false)),
        ("socketio5_recovery", socketio(Version::V5, true)),
    ]
}

/// With an exchange, a resource that nobody may ask for, one for which nobody answers, and one where nothing is found.
fn rackhd() -> RackHd {
    RackHd::new(rackhd::Terms {
        resources: ["nodes", "skus", "closed", "nobody", "nothing"]
            .map(str::to_owned)
            .into(),
        around: (String::new(), String::new()),
        exchanges: ["on.events".to_owned()].into(),
        personal: ("user".to_owned(), "everybody".to_owned()),
        limits: Limits::default(),
        bad_messages: BAD_MESSAGES,
    })
}

/// Which publishes what clients write in the channel `chat`.
fn primus() -> Primus {
    let limits = Limits::default();
    Primus::new(primus::Terms {
        event: EventName::parse("MESSAGE", &limits).unwrap(),
        channel: Some(ChannelName::parse("chat", &limits).unwrap()),
        bare: false,
        ping: Duration::from_secs(30),
        limits,
        bad_messages: BAD_MESSAGES,
    })
}

/// What a connection keeps when its wire is lost.
#[derive(Clone, Default)]
struct Kept {
    connection: String,
    tokens: Vec<String>,
    opened: u64,
    user: Option<UserName>,
    subscriptions: Vec<Subscription>,
}

impl Kept {
    fn via<'a>(&self, dispatch: &'a Dispatch) -> Option<&'a Target> {
        dispatch.targets.iter().find(|target| match target {
            Target::User(user) => self.user.as_ref() == Some(user),
            Target::Channel(channel) => self.subscriptions.iter().any(|one| one.has(channel)),
            Target::Everybody => true,
        })
    }
}

struct Player<'a> {
    protocol: &'a dyn Protocol,
    conversation: Box<dyn Conversation>,
    wires: u32,
    standing: Kept,
    parked: Vec<Kept>,
    log: Vec<Dispatch>,
    /// It may be about to continue an earlier connection: events wait in the log.
    is_fresh: bool,
    has_ended: bool,
    /// What the story must say next.
    happened: VecDeque<String>,
}

impl<'a> Player<'a> {
    fn new(protocol: &'a dyn Protocol) -> Self {
        let mut player = Self {
            protocol,
            conversation: protocol.open(),
            wires: 0,
            standing: Kept::default(),
            parked: Vec::new(),
            log: Vec::new(),
            is_fresh: true,
            has_ended: true,
            happened: VecDeque::new(),
        };
        player.come();
        player
    }

    /// Does what a line says; false when the line says what must have happened.
    fn act(&mut self, line: &str) -> bool {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("C:", text) => self.converse(&|conversation, out| conversation.receive(text, out)),
            ("C#", hex) => {
                let data = Bytes::from(hex::decode(hex).unwrap());
                self.converse(&|conversation, out| conversation.receive_binary(data.clone(), out));
            }
            ("hasty", text) => {
                self.converse(&|conversation, out| conversation.refuse(text, &Rejection::TooFast(100), out));
            }
            ("woken", "") => self.converse(&|conversation, out| conversation.wake(out)),
            ("push", body) => self.push(body),
            ("left", channel) => {
                self.standing.subscriptions.retain(|joined| joined.as_str() != channel);
                let channel = ChannelName::parse(channel, &Limits::default()).unwrap().into();
                let reason = "denied";
                self.tell(&Notice::Removed { channel, reason });
            }
            ("expiring", seconds) => {
                let left = Duration::from_secs(seconds.parse().unwrap());
                self.tell(&Notice::Expiring(left));
            }
            ("end", reason) => {
                let ending = Ending::ALL.into_iter().find(|ending| ending.reason() == reason);
                self.end(ending.unwrap());
            }
            ("lost", "") => {
                assert!(!self.has_ended, "nobody is there");
                self.parked.push(std::mem::take(&mut self.standing));
                self.has_ended = true;
            }
            ("back", "") => self.come(),
            _ => return false,
        }
        true
    }

    /// A new wire.
    fn come(&mut self) {
        assert!(self.has_ended, "one wire at a time");
        self.wires += 1;
        let number = if self.wires == 1 {
            String::new()
        } else {
            self.wires.to_string()
        };
        let (connection, token) = (format!("CONNECTION{number}"), format!("TOKEN{number}"));
        let welcome = Welcome {
            connection: connection.as_str().into(),
            resume: token.as_str().into(),
            window: 120,
            ping: 25,
        };
        self.standing = Kept {
            connection,
            tokens: vec![token],
            opened: self.log.len() as u64,
            ..Kept::default()
        };
        self.conversation = self.protocol.open();
        self.is_fresh = self.protocol.resumes();
        self.has_ended = false;
        self.converse(&|conversation, out| conversation.welcome(&welcome, out));
    }

    /// As a lane does it: everything for the wire first, then what the client wants.
    fn converse(&mut self, say: &dyn Fn(&mut dyn Conversation, &mut Vec<Reaction>)) {
        assert!(!self.has_ended, "nobody is there");
        let (mut reactions, mut wishes) = (Vec::new(), Vec::new());
        say(&mut *self.conversation, &mut reactions);
        for reaction in reactions {
            match reaction {
                Reaction::Want(intent, tag) => wishes.push((intent, tag)),
                _ if self.has_ended => {}
                Reaction::Send(text) => self.say(&text),
                Reaction::SendBinary(data) => self.happened.push_back(format!("S# {}", hex::encode(data))),
                Reaction::Close(ending) => self.end(ending),
                Reaction::Wake(after) => self.happened.push_back(format!("wakes {}", after.as_millis())),
                other => panic!("no story knows {other:?}"),
            }
        }
        for (intent, tag) in wishes {
            let notice = self.grant(intent);
            if let Some(notice) = notice.filter(|_| !self.has_ended) {
                self.converse(&|conversation, out| conversation.notify(&notice, &tag, out));
            }
        }
    }

    fn tell(&mut self, notice: &Notice) {
        self.converse(&|conversation, out| conversation.notify(notice, &None, out));
    }

    fn say(&mut self, text: &Bytes) {
        let text = std::str::from_utf8(text).unwrap();
        self.happened.push_back(format!("S: {text}"));
    }

    fn end(&mut self, ending: Ending) {
        let mut farewell = Vec::new();
        self.conversation.farewell(ending, &mut farewell);
        for reaction in farewell {
            let Reaction::Send(text) = reaction else {
                panic!("a goodbye is text: {reaction:?}");
            };
            self.say(&text);
        }
        self.happened.push_back(format!("close {}", ending.code()));
        self.has_ended = true;
    }

    fn grant(&mut self, intent: Intent) -> Option<Notice> {
        if self.is_fresh && !matches!(intent, Intent::Resume { .. }) {
            self.is_fresh = false;
            self.replay(self.standing.opened);
        }
        Some(match intent {
            Intent::Ready => return None,
            Intent::Ident { data, .. } if data.get("password").is_some_and(|password| password != PASSWORD) => {
                Notice::Rejected(Rejection::IdentDenied(None))
            }
            Intent::Ident { claimed: None, .. } => Notice::Rejected(Rejection::MissingField("data.username")),
            Intent::Ident {
                claimed: Some(user), ..
            } => {
                self.standing.user = Some(user.clone());
                Notice::Identified(Some(user), Vec::new())
            }
            Intent::Join(channel) if channel.as_str().starts_with(CLOSED) => denied(Verb::Join, channel.as_str()),
            Intent::Publish(said) if said.channel.as_str().starts_with(CLOSED) => {
                denied(Verb::Publish, said.channel.as_str())
            }
            Intent::Call(call) if call.name.starts_with(CLOSED) => denied(Verb::Call, &call.name),
            Intent::Call(call) if &*call.name == "nobody" => Notice::Rejected(Rejection::NobodyAnswers(call.name)),
            Intent::Call(call) if &*call.name == "nothing" => Notice::Answer(Payload::null()),
            Intent::Call(call) => Notice::Answer(call.params),
            Intent::Publish(said) => Notice::Published(self.publish(said)),
            Intent::Join(channel) => {
                self.standing.subscriptions.push(channel.clone());
                Notice::Joined(channel)
            }
            Intent::Leave(channel) if self.standing.subscriptions.contains(&channel) => {
                self.standing.subscriptions.retain(|joined| *joined != channel);
                Notice::Left(channel)
            }
            Intent::Leave(channel) => Notice::Rejected(Rejection::NotJoined(channel)),
            Intent::Resume { token, last } => self.resume(&token, last.as_deref()),
            other => panic!("no story knows {other:?}"),
        })
    }

    fn publish(&mut self, said: Publication) -> Receipt {
        let mut dispatch = Dispatch::new(said.event, vec![Target::Channel(said.channel)], said.payload);
        dispatch.from = Some(Arc::new(Sender {
            user: self.standing.user.clone(),
            connection: self.standing.connection.as_str().into(),
        }));
        let heard = said.echo && self.standing.via(&dispatch).is_some();
        if !said.echo {
            dispatch.exclude.connections = vec![self.standing.connection.as_str().into()];
        }
        self.log.push(dispatch);
        let sequence = self.log.len() as u64;
        self.replay(sequence - 1);
        Receipt::new(epoch().id(sequence), usize::from(heard))
    }

    fn resume(&mut self, token: &str, last: Option<&str>) -> Notice {
        let mut seen = None;
        let mut is_known = |parked: &Kept| parked.tokens.iter().any(|own| own == token);
        if let Some(at) = self.parked.iter().position(&mut is_known) {
            let own = std::mem::replace(&mut self.standing, self.parked.remove(at));
            self.standing.tokens.extend(own.tokens);
            seen = last.map_or(Some(self.standing.opened), |last| epoch().sequence_of(last));
        }
        self.is_fresh = false;
        Notice::Resumed {
            connection: self.standing.connection.as_str().into(),
            recovered: seen.is_some(),
            expired: false,
            replayed: seen.map_or(0, |seen| self.replay(seen)),
            since: last.filter(|_| seen.is_none()).map(Into::into),
        }
    }

    fn push(&mut self, body: &str) {
        let Ok(Body::One(push)) = envelope::parse(body.as_bytes(), &Limits::default()) else {
            panic!("not a push: {body}");
        };
        self.log.push(push.dispatch);
        if !self.is_fresh && !self.has_ended {
            self.replay(self.log.len() as u64 - 1);
        }
    }

    /// Tells everything after this number; gives how much that was.
    fn replay(&mut self, seen: u64) -> usize {
        let before = self.happened.len();
        for (sequence, dispatch) in (1..).zip(self.log.clone()).filter(|(sequence, _)| *sequence > seen) {
            let is_own = dispatch
                .exclude
                .connections
                .iter()
                .any(|own| **own == self.standing.connection);
            if let Some(via) = self.standing.via(&dispatch).filter(|_| !is_own) {
                let text = self.protocol.encode_event(&Delivery {
                    id: &epoch().id(sequence),
                    event: &dispatch.event,
                    payload: &dispatch.payload,
                    via,
                    from: dispatch.from.as_deref(),
                });
                let times = match self.conversation.repeats() {
                    true => self.conversation.times(&text),
                    false => 1,
                };
                (0..times).for_each(|_| self.say(&text));
            }
        }
        self.happened.len() - before
    }
}

fn denied(verb: Verb, name: &str) -> Notice {
    let (name, why) = (name.into(), None);
    Notice::Rejected(Rejection::Denied { verb, name, why })
}

fn epoch() -> Epoch {
    Epoch::new("EPOCH")
}

fn play(protocol: &dyn Protocol, path: &Path) {
    let mut player = Player::new(protocol);
    for (number, line) in std::fs::read_to_string(path).unwrap().lines().enumerate() {
        let at = format!("{}:{}", path.display(), number + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let expected = player.happened.front().map(String::as_str);
        if expected == Some(line) {
            player.happened.pop_front();
            continue;
        }
        assert_eq!(expected, None, "{at} says: {line}");
        assert!(player.act(line), "{at}: nothing happened, and the story says: {line}");
    }
    assert!(player.happened.is_empty(), "{}: {:?}", path.display(), player.happened);
}

fn inside(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_golden_conversation_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let dialects = dialects();
    for (name, protocol) in &dialects {
        let stories = inside(&folder.join(name));
        assert!(stories.len() >= 3, "{name} has too few stories");
        stories.iter().for_each(|story| play(&**protocol, story));
    }
    for room in inside(&folder).iter().filter(|path| path.is_dir()) {
        let is_played = dialects.iter().any(|(name, _)| room.ends_with(name));
        assert!(is_played, "nobody plays {}", room.display());
    }
}
