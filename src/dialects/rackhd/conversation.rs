//! One client's conversation.
//!
//! In: its messages and the server's notices. Out: intents and answers. What makes no sense is passed over, as the
//! original does. Questions have no number: their answers come as they are ready, each with its resource.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use log::{debug, trace};
use serde::Deserialize;
use serde_json::value::RawValue;
use turted_core::json::check_depth;
use turted_core::{
    Call, ChannelName, Conversation, Ending, Intent, Notice, Payload, Reaction, Rejection, Subscription, Tag, Welcome,
};

use super::watches::{self, Watches};
use super::{MQ, Terms, messages};

/// What a client says.
#[derive(Deserialize)]
struct Said<'a> {
    handler: String,
    resource: Option<String>,
    r#type: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// What of RabbitMQ a client watches.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Topic {
    exchange: String,
    routing_key: String,
}

/// What a client wants to know of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// All that fit.
    Many,
    /// The first that fits.
    One,
}

/// A question that is not answered yet.
struct Question {
    resource: String,
    wanted: Wanted,
    params: String,
}

/// One client.
pub struct Messenger {
    terms: Arc<Terms>,
    at: Option<Arc<str>>,
    id: Arc<str>,
    watches: Watches,
    questions: BTreeMap<u64, Question>,
    asked: u64,
    strikes: u32,
}

impl Messenger {
    pub fn new(terms: Arc<Terms>, at: Option<Arc<str>>) -> Self {
        Self {
            terms,
            at,
            id: "".into(),
            watches: Watches::default(),
            questions: BTreeMap::new(),
            asked: 0,
            strikes: 0,
        }
    }

    /// What makes no sense is not answered.
    fn strike(&mut self, out: &mut Vec<Reaction>) {
        self.strikes += 1;
        if self.strikes >= self.terms.bad_messages {
            out.push(Reaction::Close(Ending::BadMessages));
        }
    }

    /// Does what is said of a resource; false when there is no such thing.
    fn act(&mut self, handler: &str, resource: &str, params: &str, out: &mut Vec<Reaction>) -> bool {
        if resource != MQ && !self.terms.resources.contains(resource) {
            return false;
        }
        match handler {
            "query" | "all" | "get" if resource == MQ => {}
            "query" => self.ask(handler, resource, Wanted::Many, params, out),
            "all" => self.ask(handler, resource, Wanted::Many, "{}", out),
            "get" => self.ask(handler, resource, Wanted::One, params, out),
            "watch" => {
                if let Err((code, why)) = self.watch(resource, params, out) {
                    out.push(Reaction::Send(messages::error(resource, code, &why)));
                }
            }
            "stop" => self.stop(resource, params, out),
            _ => return false,
        }
        true
    }

    fn ask(&mut self, handler: &str, resource: &str, wanted: Wanted, params: &str, out: &mut Vec<Reaction>) {
        let said = format!(r#"{{"handler":"{handler}","params":{params}}}"#);
        let Ok(said) = serde_json::from_str::<Box<RawValue>>(&said) else {
            return;
        };
        self.asked += 1;
        let question = Question {
            resource: resource.to_owned(),
            wanted,
            params: params.to_owned(),
        };
        self.questions.insert(self.asked, question);
        let call = Call {
            name: resource.into(),
            params: Payload::from_raw(&said),
        };
        let tag = format!("?{}", self.asked);
        out.push(Reaction::Want(Intent::Call(call), Some(tag.into())));
    }

    fn watch(&mut self, resource: &str, params: &str, out: &mut Vec<Reaction>) -> Result<(), (&'static str, String)> {
        if params.len() > watches::PARAMS {
            let why = format!("the params of a watch are at most {} bytes long", watches::PARAMS);
            return Err(("bad_message", why));
        }
        let channel = self.channel(resource, params)?;
        let value = serde_json::from_str(params).unwrap_or_default();
        match self.watches.add(resource, &channel, value) {
            Ok(Some(join)) => {
                let tag = format!("+{join}");
                out.push(Reaction::Want(Intent::Join(channel.into()), Some(tag.into())));
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(watches::TooMany) => {
                let why = format!("a connection may watch {} times", watches::MOST);
                Err(("too_many_channels", why))
            }
        }
    }

    fn stop(&mut self, resource: &str, params: &str, out: &mut Vec<Reaction>) {
        let Ok(channel) = self.channel(resource, params) else {
            return;
        };
        let value = serde_json::from_str(params).unwrap_or_default();
        if self.watches.stop(&channel, &value) {
            out.push(Reaction::Want(Intent::Leave(channel.into()), None));
        }
    }

    fn channel(&self, resource: &str, params: &str) -> Result<ChannelName, (&'static str, String)> {
        let bad = |why| ("bad_name", format!("the name of its channel {why}"));
        if resource != MQ {
            return self.terms.channel(resource).map_err(bad);
        }
        let topic = Some(params).filter(|params| params.starts_with('{'));
        let topic = topic.and_then(|params| serde_json::from_str::<Topic>(params).ok());
        let topic = topic.ok_or_else(|| {
            let why = "the params must have exchange and routingKey, both texts";
            ("missing_field", why.to_owned())
        })?;
        let Topic { exchange, routing_key } = topic;
        if !self.terms.exchanges.contains(&exchange) {
            let why = format!("there is no exchange {exchange:?} here");
            return Err(("nobody_answers", why));
        }
        self.terms
            .channel(&format!("{MQ}:{exchange}:{routing_key}"))
            .map_err(bad)
    }

    fn answered(&mut self, tag: &str, answer: &Payload, out: &mut Vec<Reaction>) {
        let Some(question) = number(tag, '?').and_then(|number| self.questions.remove(&number)) else {
            return;
        };
        let Question {
            resource,
            wanted,
            params,
        } = question;
        out.push(Reaction::Send(match wanted {
            Wanted::Many => messages::list(&resource, answer),
            Wanted::One => messages::found(&resource, answer, &params),
        }));
    }

    fn rejected(&mut self, tag: &str, rejection: &Rejection, out: &mut Vec<Reaction>) {
        let question = number(tag, '?').and_then(|number| self.questions.remove(&number));
        let question = question.map(|question| question.resource);
        let resource = question.or_else(|| self.watches.refused(number(tag, '+')?));
        if let Some(resource) = resource {
            let why = rejection.to_string();
            out.push(Reaction::Send(messages::error(&resource, rejection.code(), &why)));
        }
    }
}

/// The number behind this letter.
fn number(tag: &str, letter: char) -> Option<u64> {
    tag.strip_prefix(letter)?.parse().ok()
}

impl Conversation for Messenger {
    fn welcome(&mut self, welcome: &Welcome, _: &mut Vec<Reaction>) {
        self.id = Arc::clone(&welcome.connection);
    }

    fn receive(&mut self, text: &str, out: &mut Vec<Reaction>) {
        // A list would do for serde.
        let is_object = text.trim_start().starts_with('{');
        let said = match serde_json::from_str::<Said<'_>>(text) {
            Ok(said) if is_object && check_depth(text.as_bytes(), &self.terms.limits).is_ok() => said,
            _ => return self.strike(out),
        };
        let params = said.params.map_or("{}", RawValue::get);
        let is_known = match said.handler.as_str() {
            "init" => {
                out.push(Reaction::Send(messages::session(&self.id)));
                true
            }
            "error" => {
                debug!("the client {} says that it has an error", self.id);
                trace!("the client {} says: {params}", self.id);
                true
            }
            handler => {
                let named = said.resource.or(said.r#type);
                let resource = named.or_else(|| self.at.as_deref().map(str::to_owned));
                resource.is_some_and(|resource| self.act(handler, &resource, params, out))
            }
        };
        match is_known {
            true => self.strikes = 0,
            false => self.strike(out),
        }
    }

    /// The original makes no difference.
    fn receive_binary(&mut self, data: Bytes, out: &mut Vec<Reaction>) {
        match std::str::from_utf8(&data) {
            Ok(text) => self.receive(text, out),
            Err(_) => self.strike(out),
        }
    }

    fn refuse(&mut self, text: &str, rejection: &Rejection, out: &mut Vec<Reaction>) {
        let said = serde_json::from_str::<Said<'_>>(text).ok();
        let named = said.and_then(|said| said.resource.or(said.r#type));
        let resource = named.as_deref().or(self.at.as_deref()).unwrap_or_default();
        let why = rejection.to_string();
        out.push(Reaction::Send(messages::error(resource, rejection.code(), &why)));
    }

    fn notify(&mut self, notice: &Notice, tag: &Tag, out: &mut Vec<Reaction>) {
        let tag = tag.as_deref().unwrap_or_default();
        match notice {
            Notice::Answer(payload) => self.answered(tag, payload, out),
            Notice::Rejected(rejection) => self.rejected(tag, rejection, out),
            Notice::Removed {
                channel: Subscription::Channel(channel),
                reason,
            } => {
                if let Some(resource) = self.watches.lost(channel) {
                    let why = format!("{resource} is watched no more: {reason}");
                    out.push(Reaction::Send(messages::error(&resource, reason, &why)));
                }
            }
            // A watch that is granted has no answer, and there is no word for anything else.
            _ => {}
        }
    }

    fn repeats(&self) -> bool {
        self.watches.has_doubles()
    }

    fn times(&self, event: &[u8]) -> usize {
        let channel = messages::channel(event);
        channel.and_then(|channel| self.watches.times(&channel)).unwrap_or(1)
    }

    fn farewell(&mut self, ending: Ending, out: &mut Vec<Reaction>) {
        if !matches!(ending, Ending::Normal | Ending::Left) && !ending.reconnect() {
            let (code, why) = (
                ending.reason(),
                format!("the server ends this connection: {}", ending.reason()),
            );
            out.push(Reaction::Send(messages::error("", code, &why)));
        }
    }
}
