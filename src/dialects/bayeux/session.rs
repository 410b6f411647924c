//! One session: what it answers to each batch, and how long a connect on its socket is held.
//!
//! In: batches, marked with the way that they came, and notices. Out: wishes in order, and one answer for the whole
//! batch when the last of them is granted. To a request that brings a connect it says how long that may be held,
//! followed by the answers to the rest, `30000;[…]`: whoever holds it answers it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use turted_core::{
    Call, ChannelName, Ending, Intent, Notice, Payload, Publication, Rejection, Subscription, Tag, UserName, Welcome,
};
use turted_core::{Conversation, Reaction};

use super::channel::{Channel, Invalid};
use super::message::{self, BayeuxMessage, MOST};
use super::reply::{HANDSHAKE, NONE, Reply, argument, refusal};
use super::{TYPES, Terms, Way};

/// What the tags of calls begin with; those of other wishes are numbers.
const CALL: char = '!';

/// One client.
pub struct Session {
    terms: Arc<Terms>,
    client: Arc<str>,
    /// Who it is has been accepted.
    is_open: bool,
    /// Its first connect was answered, at once.
    is_connected: bool,
    batch: Batch,
    /// The connect that waits on its socket.
    held: Option<Box<Reply>>,
    /// What it asks services when the batch is answered.
    calls: Vec<(Call, Arc<str>)>,
    strikes: u32,
}

/// What is being answered.
#[derive(Default)]
struct Batch {
    slots: Vec<Slot>,
    /// Wishes without an answer.
    waiting: usize,
    is_asked: bool,
    /// How long a connect of a request may be held.
    hold: Option<u128>,
    ends: Option<Ending>,
}

struct Slot {
    reply: Reply,
    waiting: usize,
    is_handshake: bool,
}

impl Session {
    /// A client that has just come.
    #[must_use]
    pub fn new(terms: Arc<Terms>) -> Self {
        Self {
            terms,
            client: "".into(),
            is_open: false,
            is_connected: false,
            batch: Batch::default(),
            held: None,
            calls: Vec::new(),
            strikes: 0,
        }
    }

    fn take(&mut self, message: &BayeuxMessage<'_>, way: Way, is_alone: bool, out: &mut Vec<Reaction>) {
        let Some(channel) = message.channel() else {
            return self.answer(self.to(message, "").failed("400::Channel missing"));
        };
        let reply = self.to(message, &channel);
        if channel == "/meta/handshake" {
            return self.handshake(message, reply, out);
        }
        if !self.is_open || message.client().as_deref() != Some(&*self.client) {
            return self.answer(reply.unknown());
        }
        match channel.as_str() {
            "/meta/connect" => self.connect(message, reply, way, is_alone, out),
            "/meta/disconnect" => {
                let held = self.held.take();
                self.answer(reply);
                if let Some(held) = held {
                    self.answer(held.advised(NONE));
                }
                self.batch.ends = Some(Ending::Normal);
            }
            "/meta/subscribe" => self.subscribe(message, reply, true, out),
            "/meta/unsubscribe" => self.subscribe(message, reply, false, out),
            _ => self.publish(message, &channel, reply, out),
        }
    }

    fn to(&self, message: &BayeuxMessage<'_>, channel: &str) -> Reply {
        Reply::to(message, channel, (self.terms.now)())
    }

    fn handshake(&mut self, message: &BayeuxMessage<'_>, mut reply: Reply, out: &mut Vec<Reaction>) {
        if self.is_open {
            // Its client begins anew, and does so on a wire of its own.
            self.batch.ends = Some(Ending::Normal);
            return self.answer(reply.failed("400::Handshake done before").advised(HANDSHAKE));
        }
        reply.more = format!(r#","version":"1.0","supportedConnectionTypes":{}"#, json!(TYPES));
        if let Some(types) = message.types()
            && !types.iter().any(|one| TYPES.contains(&one.as_str()))
        {
            let types: Vec<_> = types.iter().take(8).map(|one| argument(one)).collect();
            let error = format!("301:{}:Connection types not supported", types.join(","));
            self.batch.ends = Some(Ending::Normal);
            return self.answer(reply.failed(error).advised(NONE));
        }
        let ext = message.ext();
        if self.terms.ack && ext.wants_acks() {
            reply.ack = Some(0);
        }
        let Some(credentials) = ext.credentials() else {
            self.is_open = true;
            return self.answer(self.welcomed(reply));
        };
        let name = ["username", "user"]
            .iter()
            .find_map(|name| credentials.get(name)?.as_str());
        let Ok(claimed) = name.map(|name| UserName::parse(name, &self.terms.limits)).transpose() else {
            return self.turn_away(reply);
        };
        let data = credentials.into();
        self.batch.slots.push(Slot {
            reply,
            waiting: 0,
            is_handshake: true,
        });
        self.want(Intent::Ident { claimed, data }, out);
    }

    fn welcomed(&self, mut reply: Reply) -> Reply {
        reply.more.push_str(&format!(r#","clientId":{}"#, json!(*self.client)));
        reply.advised(self.terms.advice())
    }

    fn turn_away(&mut self, reply: Reply) {
        self.batch.ends = Some(Ending::Normal);
        self.answer(reply.failed("403::handshake_denied").advised(NONE));
    }

    fn connect(
        &mut self,
        message: &BayeuxMessage<'_>,
        mut reply: Reply,
        way: Way,
        is_alone: bool,
        out: &mut Vec<Reaction>,
    ) {
        if message.is_advised() {
            reply.advice = Some(self.terms.advice());
        }
        // The first one is answered at once: there are clients that have not begun until then.
        let is_first = !std::mem::replace(&mut self.is_connected, true);
        let most = u64::try_from(self.terms.timeout.as_millis()).unwrap_or(u64::MAX);
        let hold = match is_first {
            true => 0,
            false => message.timeout().unwrap_or(most).min(most),
        };
        if way == Way::Request {
            if self.batch.hold.is_some() {
                return self.answer(reply);
            }
            self.batch.hold = Some(if is_alone { hold.into() } else { 0 });
            return;
        }
        // There is one at a time.
        if let Some(earlier) = self.held.take() {
            self.answer(*earlier);
        }
        if hold == 0 {
            return self.answer(reply);
        }
        self.held = Some(Box::new(reply));
        out.push(Reaction::Wake(Duration::from_millis(hold)));
    }

    fn subscribe(&mut self, message: &BayeuxMessage<'_>, mut reply: Reply, is_join: bool, out: &mut Vec<Reaction>) {
        if let Some(raw) = message.subscription {
            reply.more = format!(r#","subscription":{}"#, raw.get());
        }
        let Some(channels) = message.subscriptions() else {
            return self.answer(reply.failed("402:subscription:Missing required parameter"));
        };
        if self.batch.waiting + channels.len() > MOST {
            return self.answer(reply.failed("429::Too many subscriptions in one batch"));
        }
        let mut wishes: Vec<Subscription> = Vec::new();
        for channel in &channels {
            match self.terms.names.read(channel, &self.terms.limits) {
                Ok(Channel::Broadcast(subscription)) => wishes.push(subscription),
                Ok(Channel::Service(_)) => {}
                Ok(Channel::Meta) => {
                    let error = format!("403:{}:Forbidden channel", argument(channel));
                    return self.answer(reply.failed(error));
                }
                Err(Invalid) => {
                    let error = format!("405:{}:Invalid channel", argument(channel));
                    return self.answer(reply.failed(error));
                }
            }
        }
        self.answer(reply);
        for subscription in wishes {
            self.want(
                match is_join {
                    true => Intent::Join(subscription),
                    false => Intent::Leave(subscription),
                },
                out,
            );
        }
    }

    fn publish(&mut self, message: &BayeuxMessage<'_>, channel: &str, reply: Reply, out: &mut Vec<Reaction>) {
        let subscription = match self.terms.names.read(channel, &self.terms.limits) {
            Ok(Channel::Broadcast(subscription)) => subscription,
            Ok(Channel::Service(name)) if !name.contains('*') => return self.call(message, name, reply),
            Ok(Channel::Meta) => {
                let error = format!("403:{}:Forbidden channel", argument(channel));
                return self.answer(reply.failed(error));
            }
            Ok(Channel::Service(_)) | Err(Invalid) => return self.answer(invalid(reply, channel)),
        };
        let Subscription::Channel(name) = subscription else {
            return self.answer(invalid(reply, channel));
        };
        let Some(data) = message.data else {
            return self.answer(reply.failed("402:data:Missing required parameter"));
        };
        self.answer(reply);
        let publication = Publication {
            channel: name,
            event: self.terms.event.clone(),
            payload: Payload::from_raw(data),
            echo: true,
        };
        self.want(Intent::Publish(publication), out);
    }

    /// What is said to a service is acknowledged at once, as a publication; what it answers comes later, like an event.
    fn call(&mut self, message: &BayeuxMessage<'_>, name: &str, reply: Reply) {
        let Some(data) = message.data else {
            return self.answer(reply.failed("402:data:Missing required parameter"));
        };
        let Ok(name) = ChannelName::parse(name, &self.terms.limits) else {
            return self.answer(invalid(reply, &format!("/service/{name}")));
        };
        // Neither JSON nor a name has a NUL in it.
        let tag = format!("{CALL}{}\0{name}", reply.id.as_deref().unwrap_or_default());
        self.answer(reply);
        let call = Call {
            name: name.as_str().into(),
            params: Payload::from_raw(data),
        };
        self.calls.push((call, tag.into()));
    }

    /// What a service answers, or why it does not, or tells meanwhile.
    fn answered(&self, notice: &Notice, about: &str) -> Option<Reaction> {
        let (id, name) = about.split_once('\0')?;
        let id = if id.is_empty() {
            String::new()
        } else {
            format!(r#","id":{id}"#)
        };
        let channel = json!(format!("/service/{name}"));
        Some(Reaction::Send(
            match notice {
                Notice::Answer(data) => {
                    format!(
                        r#"[{{"data":{},"channel":{channel}{id},"successful":true}}]"#,
                        data.as_str()
                    )
                }
                Notice::Told(data) => format!(r#"[{{"data":{},"channel":{channel}}}]"#, data.as_str()),
                Notice::Rejected(rejection) => {
                    let error = json!(refusal(rejection, &format!("/service/{name}")));
                    format!(r#"[{{"error":{error},"channel":{channel}{id},"successful":false}}]"#)
                }
                _ => return None,
            }
            .into(),
        ))
    }

    fn answer(&mut self, reply: Reply) {
        self.batch.slots.push(Slot {
            reply,
            waiting: 0,
            is_handshake: false,
        });
    }

    /// A wish of the message that was answered last, under its number.
    fn want(&mut self, intent: Intent, out: &mut Vec<Reaction>) {
        let at = self.batch.slots.len() - 1;
        self.batch.slots[at].waiting += 1;
        self.batch.waiting += 1;
        out.push(Reaction::Want(intent, Some(at.to_string().into())));
    }

    /// Says the whole answer, as soon as it is there.
    fn flush(&mut self, out: &mut Vec<Reaction>) {
        if self.batch.waiting > 0 {
            return;
        }
        let Batch {
            slots,
            is_asked,
            hold,
            ends,
            ..
        } = std::mem::take(&mut self.batch);
        if is_asked || !slots.is_empty() {
            let head = hold.map(|hold| format!("{hold};")).unwrap_or_default();
            let replies = self.written(slots.iter().map(|slot| &slot.reply));
            out.push(Reaction::Send(format!("{head}{replies}").into()));
        }
        // Whoever waits for the answer to the batch does not wait for these.
        for (call, tag) in std::mem::take(&mut self.calls) {
            out.push(Reaction::Want(Intent::Call(call), Some(tag)));
        }
        if let Some(ending) = ends {
            out.push(Reaction::Close(ending));
        }
    }

    fn written<'r>(&self, replies: impl Iterator<Item = &'r Reply>) -> String {
        let (now, mut text) = ((self.terms.now)(), "[".to_owned());
        replies.for_each(|reply| reply.write(now, &mut text));
        text.push(']');
        text
    }

    fn send(&self, reply: &Reply) -> Reaction {
        Reaction::Send(self.written(std::iter::once(reply)).into())
    }

    fn strike(&mut self, out: &mut Vec<Reaction>) {
        self.strikes += 1;
        if self.strikes >= self.terms.bad_messages {
            out.push(Reaction::Close(Ending::BadMessages));
        }
    }
}

impl Conversation for Session {
    fn welcome(&mut self, welcome: &Welcome, _: &mut Vec<Reaction>) {
        self.client = Arc::clone(&welcome.resume);
    }

    fn receive(&mut self, text: &str, out: &mut Vec<Reaction>) {
        let (way, text) = Way::of(text);
        if way != Way::Socket {
            // Whoever waits on another wire does not wait any more.
            self.held = None;
        }
        let messages = message::batch(text, &self.terms.limits).ok();
        let messages = messages.and_then(|all| all.into_iter().map(BayeuxMessage::read).collect::<Option<Vec<_>>>());
        let Some(messages) = messages else {
            // As Faye has it: what is no batch is passed over.
            return self.strike(out);
        };
        self.strikes = 0;
        self.batch.is_asked = way == Way::Request;
        for message in &messages {
            self.take(message, way, messages.len() == 1, out);
        }
        self.flush(out);
    }

    fn refuse(&mut self, text: &str, rejection: &Rejection, out: &mut Vec<Reaction>) {
        let messages = message::batch(Way::of(text).1, &self.terms.limits).unwrap_or_default();
        let replies: Vec<Reply> = messages
            .into_iter()
            .filter_map(BayeuxMessage::read)
            .map(|message| {
                let channel = message.channel().unwrap_or_default();
                self.to(&message, &channel).failed(refusal(rejection, ""))
            })
            .collect();
        if replies.is_empty() {
            return self.strike(out);
        }
        out.push(Reaction::Send(self.written(replies.iter()).into()));
    }

    fn notify(&mut self, notice: &Notice, tag: &Tag, out: &mut Vec<Reaction>) {
        if let Some(about) = tag.as_deref().and_then(|tag| tag.strip_prefix(CALL)) {
            out.extend(self.answered(notice, about));
            return;
        }
        let at = tag.as_deref().and_then(|tag| tag.parse::<usize>().ok());
        let Some(slot) = at
            .and_then(|at| self.batch.slots.get_mut(at))
            .filter(|slot| slot.waiting > 0)
        else {
            // Nobody asked: clients learn of their end from the answer to a connect, and else from silence.
            return;
        };
        slot.waiting -= 1;
        self.batch.waiting -= 1;
        let reply = std::mem::take(&mut slot.reply);
        let is_handshake = slot.is_handshake;
        let reply = match notice {
            Notice::Rejected(Rejection::Unavailable { .. }) if is_handshake => {
                self.batch.ends = Some(Ending::Normal);
                reply.failed("503::unavailable").advised(HANDSHAKE)
            }
            Notice::Rejected(_) if is_handshake => {
                self.batch.ends = Some(Ending::Normal);
                reply.failed("403::handshake_denied").advised(NONE)
            }
            _ if is_handshake => {
                self.is_open = true;
                self.welcomed(reply)
            }
            // It does not hear it, which is what it wants.
            Notice::Rejected(Rejection::NotJoined(_)) => reply,
            Notice::Rejected(rejection) => {
                let channel = match rejection {
                    Rejection::Denied { name, .. } => self.terms.names.shown(name),
                    _ => String::new(),
                };
                reply.failed(refusal(rejection, &channel))
            }
            _ => reply,
        };
        if let Some(slot) = at.and_then(|at| self.batch.slots.get_mut(at)) {
            slot.reply = reply;
        }
        self.flush(out);
    }

    fn wake(&mut self, out: &mut Vec<Reaction>) {
        if let Some(held) = self.held.take() {
            out.push(self.send(&held));
        }
    }

    fn farewell(&mut self, ending: Ending, out: &mut Vec<Reaction>) {
        if let Some(held) = self.held.take() {
            out.push(self.send(&held.ended(ending)));
        }
    }
}

fn invalid(reply: Reply, channel: &str) -> Reply {
    reply.failed(format!("405:{}:Invalid channel", argument(channel)))
}
