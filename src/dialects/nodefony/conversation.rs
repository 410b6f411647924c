//! One client's conversation.
//!
//! In: its messages and the server's notices. Out: intents and answers. A service of somebody else is one long call,
//! whose tag is the service's name; a channel is joined.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use turted_core::json::check_depth;
use turted_core::{
    Call, Conversation, Ending, Intent, Notice, Payload, Publication, Reaction, Rejection, Subscription, Tag, Welcome,
};

use super::{Service, Terms, answers};

/// Longest `id` of what a client says, in bytes of JSON.
const ID_BYTES: usize = 128;

/// What a client says.
#[derive(Deserialize)]
struct Said<'a> {
    channel: String,
    #[serde(rename = "clientId")]
    client_id: Option<IgnoredAny>,
    subscription: Option<String>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// How far a subscription has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its answer is under way.
    Asked,
    Open,
    /// The client has said that no more comes, and the service has not ended.
    Closing,
}

/// One client.
pub struct Realtime {
    terms: Arc<Terms>,
    address: Arc<str>,
    id: Arc<str>,
    open: BTreeMap<String, State>,
    strikes: u32,
}

impl Realtime {
    /// A client that comes from this address, which is JSON.
    pub fn new(terms: Arc<Terms>, address: Arc<str>) -> Self {
        Self {
            terms,
            address,
            id: "".into(),
            open: BTreeMap::new(),
            strikes: 0,
        }
    }

    fn strike(&mut self, sentence: &str, out: &mut Vec<Reaction>) {
        out.push(Reaction::Send(answers::failed(500, "", sentence)));
        self.strikes += 1;
        if self.strikes >= self.terms.bad_messages {
            out.push(Reaction::Close(Ending::BadMessages));
        }
    }

    fn subscribe(&mut self, name: &str, data: Option<&RawValue>, out: &mut Vec<Reaction>) {
        let refuse =
            |id: &str, wrong: &Value| Reaction::Send(answers::subscription("/meta/subscribe", id, name, Some(wrong)));
        let Some(service) = self.terms.services.get(name) else {
            let wrong = answers::error(404, &answers::path(name), "Unknown Channel");
            return out.push(refuse(&self.id, &wrong));
        };
        if let Some(state) = self.open.get(name) {
            let why = match state {
                State::Closing => "the unsubscription is not answered yet",
                State::Asked | State::Open => "already subscribed",
            };
            let wrong = answers::error(500, &answers::path(name), why);
            return out.push(refuse(&self.id, &wrong));
        }
        self.open.insert(name.to_owned(), State::Asked);
        let tag = Some(name.into());
        out.push(match service {
            Service::Bridge(_) => Reaction::Want(
                Intent::Call(Call {
                    name: name.into(),
                    params: data.map_or_else(Payload::null, Payload::from_raw),
                }),
                tag,
            ),
            Service::Channel(channel) => Reaction::Want(Intent::Join(channel.clone().into()), tag),
        });
    }

    fn unsubscribe(&mut self, name: &str, data: Option<&RawValue>, out: &mut Vec<Reaction>) {
        let call: Arc<str> = name.into();
        match (self.open.get_mut(name), self.terms.services.get(name)) {
            (Some(State::Open), Some(Service::Channel(channel))) => {
                out.push(Reaction::Want(Intent::Leave(channel.clone().into()), Some(call)));
            }
            // The answer comes when the other side has ended.
            (Some(state @ State::Open), Some(Service::Bridge(_))) => {
                *state = State::Closing;
                let say = |payload| {
                    let call = Arc::clone(&call);
                    Reaction::Want(Intent::Say { call, payload }, None)
                };
                out.extend(data.map(|data| say(Some(Payload::from_raw(data)))));
                out.push(say(None));
            }
            // There is no other side yet.
            (Some(State::Asked), Some(Service::Bridge(_))) => {
                self.refused(name, 500, "unsubscribed before it was there", out);
                out.push(Reaction::Want(Intent::Cancel { call }, None));
                out.push(Reaction::Send(answers::ended(&self.id, name, None)));
            }
            _ => {
                let wrong = answers::error(404, &answers::path(name), "Unknown Channel");
                let answer = answers::subscription("/meta/unsubscribe", &self.id, name, Some(&wrong));
                out.push(Reaction::Send(answer));
            }
        }
    }

    fn publish(&mut self, name: &str, id: Option<&RawValue>, data: Option<&RawValue>, out: &mut Vec<Reaction>) {
        let id = id.filter(|id| id.get().len() <= ID_BYTES && !id.get().starts_with(['{', '[']));
        let id = id.map_or("null", RawValue::get);
        let shown: Value = serde_json::from_str(id).unwrap_or_default();
        let refuse = |code, sentence: &str| {
            let wrong = answers::error(code, &format!("undefined,{id}"), sentence);
            Reaction::Send(answers::published(&shown, Some(&wrong)))
        };
        let Some(data) = data else {
            return out.push(refuse(500, "no message "));
        };
        let (Some(State::Open), Some(service)) = (self.open.get(name), self.terms.services.get(name)) else {
            return out.push(refuse(404, "Unknown Channel"));
        };
        let payload = Payload::from_raw(data);
        let intent = match service {
            Service::Bridge(_) => Intent::Say {
                call: name.into(),
                payload: Some(payload),
            },
            Service::Channel(channel) => Intent::Publish(Publication {
                channel: channel.clone(),
                event: self.terms.event.clone(),
                payload,
                echo: true,
            }),
        };
        // No service is called so: a name holds no slash.
        out.push(Reaction::Want(intent, Some(format!("/{id}").into())));
    }

    /// What was granted has ended, or broken off.
    fn over(&mut self, name: &str, why: Option<(u16, &str)>, out: &mut Vec<Reaction>) {
        if self.open.remove(name).is_some() {
            out.push(Reaction::Send(answers::ended(&self.id, name, why)));
        }
    }

    /// What was asked for is not granted.
    fn refused(&mut self, name: &str, code: u16, why: &str, out: &mut Vec<Reaction>) {
        self.open.remove(name);
        let wrong = answers::error(code, &format!("{},/meta/subscribe", self.id), why);
        let answer = answers::subscription("/meta/subscribe", &self.id, name, Some(&wrong));
        out.push(Reaction::Send(answer));
    }

    /// The service whose channel this is.
    fn service_of(&self, subscription: &Subscription) -> Option<String> {
        let is_it = |service: &Service| matches!(service, Service::Channel(name) if *subscription == *name);
        let found = self.terms.services.iter().find(|(_, service)| is_it(service));
        found.map(|(name, _)| name.clone())
    }

    fn rejected(&mut self, rejection: &Rejection, tag: &str, out: &mut Vec<Reaction>) {
        if let Some(id) = tag.strip_prefix('/') {
            let wrong = answers::error(code(rejection), &format!("undefined,{id}"), &rejection.to_string());
            let id = serde_json::from_str(id).unwrap_or_default();
            return out.push(Reaction::Send(answers::published(&id, Some(&wrong))));
        }
        let (code, why) = (code(rejection), rejection.to_string());
        match self.open.get(tag) {
            Some(State::Open | State::Closing) => self.over(tag, Some((code, &why)), out),
            Some(State::Asked) => self.refused(tag, code, &why, out),
            None => {}
        }
    }
}

/// As HTTP has it: what clients show.
fn code(rejection: &Rejection) -> u16 {
    match rejection {
        Rejection::CallFailed(why) if why == "ETIMEDOUT" => 408,
        // Nobody listens there.
        Rejection::CallFailed(why) if why == "ECONNREFUSED" || why == "ENOENT" => 403,
        Rejection::Denied { .. } => 403,
        Rejection::NoCall | Rejection::NobodyAnswers(_) => 404,
        Rejection::Expired => 401,
        Rejection::TooFast(_) | Rejection::TooManyCalls(_) | Rejection::TooManyChannels(_) => 429,
        Rejection::Unavailable { .. } => 503,
        _ => 500,
    }
}

/// The name in `/service/<name>`.
fn service(path: &str) -> Option<&str> {
    path.strip_prefix("/service/")
        .filter(|name| !name.is_empty() && !name.contains('/'))
}

impl Conversation for Realtime {
    fn welcome(&mut self, welcome: &Welcome, _: &mut Vec<Reaction>) {
        self.id = Arc::clone(&welcome.connection);
    }

    fn receive(&mut self, text: &str, out: &mut Vec<Reaction>) {
        let said = match serde_json::from_str::<Said<'_>>(text) {
            Ok(said) if check_depth(text.as_bytes(), &self.terms.limits).is_ok() => said,
            _ => return self.strike("bad Request", out),
        };
        let Said {
            channel,
            client_id,
            subscription,
            id,
            data,
        } = said;
        let wanted = subscription.as_deref().and_then(service);
        match (channel.as_str(), wanted) {
            ("/meta/connect", _) => {
                self.strikes = 0;
                // Those that have an id from the handshake read the address as a text, the others as an object.
                let address = match client_id {
                    Some(_) => Value::from(&*self.address),
                    None => serde_json::from_str(&self.address).unwrap_or_default(),
                };
                let told = answers::Connected {
                    id: &self.id,
                    address,
                    now: (self.terms.now)(),
                    advice: self.terms.advice(),
                    services: self.terms.listed(),
                };
                out.push(Reaction::Send(answers::connected(told)));
            }
            ("/meta/subscribe", Some(name)) => {
                self.strikes = 0;
                self.subscribe(name, data, out);
            }
            ("/meta/unsubscribe", Some(name)) => {
                self.strikes = 0;
                self.unsubscribe(name, data, out);
            }
            ("/meta/disconnect", _) => {
                for (name, state) in std::mem::take(&mut self.open) {
                    match state {
                        State::Asked => self.refused(&name, 500, "disconnected before it was there", out),
                        State::Open | State::Closing => {
                            out.push(Reaction::Send(answers::ended(&self.id, &name, None)));
                        }
                    }
                }
                out.push(Reaction::Send(answers::disconnected(&self.id)));
                out.push(Reaction::Close(Ending::Normal));
            }
            (channel, _) => match service(channel) {
                Some(name) => {
                    self.strikes = 0;
                    self.publish(name, id, data, out);
                }
                None => self.strike("bad Request", out),
            },
        }
    }

    fn refuse(&mut self, _: &str, rejection: &Rejection, out: &mut Vec<Reaction>) {
        out.push(Reaction::Send(answers::failed(
            code(rejection),
            "",
            &rejection.to_string(),
        )));
    }

    fn notify(&mut self, notice: &Notice, tag: &Tag, out: &mut Vec<Reaction>) {
        let tag = tag.as_deref().unwrap_or_default();
        match notice {
            Notice::Joined(_) => {
                self.open.insert(tag.to_owned(), State::Open);
                out.push(Reaction::Send(answers::subscription(
                    "/meta/subscribe",
                    &self.id,
                    tag,
                    None,
                )));
            }
            Notice::Told(payload) => match self.open.get_mut(tag) {
                Some(state @ State::Asked) => {
                    *state = State::Open;
                    out.push(Reaction::Send(answers::subscription(
                        "/meta/subscribe",
                        &self.id,
                        tag,
                        None,
                    )));
                }
                Some(State::Open | State::Closing) => out.push(Reaction::Send(answers::service(tag, payload))),
                None => {}
            },
            Notice::Answer(_) | Notice::Left(_) => self.over(tag, None, out),
            Notice::Removed { channel, .. } => {
                if let Some(name) = self.service_of(channel) {
                    self.over(&name, None, out);
                }
            }
            Notice::Said | Notice::Published(_) => {
                if let Some(id) = tag.strip_prefix('/') {
                    let id = serde_json::from_str(id).unwrap_or_default();
                    out.push(Reaction::Send(answers::published(&id, None)));
                }
            }
            Notice::Rejected(rejection) => self.rejected(rejection, tag, out),
            // There is no word for what is newer than the dialect.
            _ => {}
        }
    }

    fn farewell(&mut self, ending: Ending, out: &mut Vec<Reaction>) {
        if !matches!(ending, Ending::Normal | Ending::Left) && !ending.reconnect() {
            out.push(Reaction::Send(answers::disconnected(&self.id)));
        }
    }
}
