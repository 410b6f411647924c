//! From a message to dispatches.
//!
//! In: an [`Envelope`] and a [`Vocabulary`] once, then messages. Out: for each its dispatches, in order, or why there
//! is none.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::Message;
use super::config::{Envelope, Mapping, Names, Switch, truth};
use super::opened::{Opened, plain};
use super::payload::Shape;
use super::template::{Bound, Sole, Template};
use super::vocabulary::Vocabulary;
use crate::connector::SettingError;
use crate::dispatch::{Dispatch, Exclude};
use crate::envelope::{self, Body, KEY_BYTES, Push, Refusal, TARGETS};
use crate::json::Payload;
use crate::limits::Limits;
use crate::name::{ChannelName, EventName, NameError, UserName};
use crate::target::Target;

/// How the messages of one source become dispatches, checked against what the source offers.
#[derive(Debug, Clone)]
pub struct Recipe(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Turted,
    Mapped(Box<Bindings>),
}

#[derive(Debug, Clone)]
struct Bindings {
    event: Bound,
    users: Vec<Bound>,
    channels: Vec<Bound>,
    broadcast: Result<bool, Bound>,
    payload: Shape,
    id: Option<Bound>,
}

impl Recipe {
    /// Checks an envelope. `payload` is what a mapping without one takes, e.g. `"{json}"`.
    ///
    /// # Errors
    /// The key below `envelope` that names what the source does not have, or can never work.
    pub fn new(envelope: Envelope, vocabulary: &Vocabulary, payload: &Value) -> Result<Self, SettingError> {
        match envelope {
            Envelope::Turted => Ok(Self(Kind::Turted)),
            Envelope::Mapped(mapping) => {
                Bindings::new(*mapping, vocabulary, payload).map(|bindings| Self(Kind::Mapped(Box::new(bindings))))
            }
        }
    }

    /// The dispatches of a message that came in through the connector `name`. Each has an idempotency key when the
    /// message has an id.
    ///
    /// # Errors
    /// Why the message can never be dispatched. In a list of pushes, one that is wrong refuses the list.
    pub fn dispatches(&self, message: &dyn Message, name: &str, limits: &Limits) -> Result<Vec<Dispatch>, Refusal> {
        self.read(message, name, limits).map(|(dispatches, _)| dispatches)
    }

    /// The same, with what is probably not meant in the message although it can be dispatched.
    ///
    /// # Errors
    /// As above; also when a push names nobody, since nobody can be asked what was meant.
    pub fn read(
        &self,
        message: &dyn Message,
        name: &str,
        limits: &Limits,
    ) -> Result<(Vec<Dispatch>, Option<Refusal>), Refusal> {
        let bytes = message.body().len();
        if bytes > limits.push_bytes {
            let why = format!("the message has {bytes} bytes, allowed are {}", limits.push_bytes);
            return Err(Refusal::new("too_large", why));
        }
        let (mut dispatches, doubt) = match &self.0 {
            Kind::Turted => pushes(message.body(), limits)?,
            Kind::Mapped(bindings) => (vec![bindings.dispatch(message, limits)?], None),
        };
        for (at, dispatch) in dispatches.iter_mut().enumerate() {
            dispatch.key = match (dispatch.key.take(), message.id()) {
                (Some(id), _) => Some(own_key(name, &id)),
                (None, Some(id)) => Some(format!("{name}/{id}/{at}").into()),
                (None, None) => None,
            };
        }
        Ok((dispatches, doubt))
    }
}

/// The idempotency key of a dispatch to which the sender gave this id. Ids that came in through different connectors
/// have nothing to do with one another, and nothing with those that a source gives to its messages.
#[must_use]
pub fn own_key(name: &str, id: &str) -> Arc<str> {
    format!("{name}:{id}").into()
}

fn pushes(body: &[u8], limits: &Limits) -> Result<(Vec<Dispatch>, Option<Refusal>), Refusal> {
    let list = match envelope::parse(body, limits)? {
        Body::One(push) => vec![*push],
        Body::Batch(list) => list.into_iter().collect::<Result<_, _>>()?,
    };
    let nobody = list.iter().find(|push| push.dispatch.targets.is_empty());
    if let Some(doubt) = nobody.and_then(|push| push.doubt.clone()) {
        return Err(doubt);
    }
    let doubt = list.iter().find_map(|push| push.doubt.clone());
    let dispatches = list.into_iter().map(|Push { dispatch, .. }| dispatch);
    Ok((dispatches.collect(), doubt))
}

impl Bindings {
    fn new(mapping: Mapping, vocabulary: &Vocabulary, payload: &Value) -> Result<Self, SettingError> {
        let mut wrong = Vec::new();
        let nobody = mapping.users.0.is_empty() && mapping.channels.0.is_empty();
        if nobody && mapping.broadcast == Switch::Fixed(false) {
            let why = "needs users, channels or broadcast: whom to tell";
            wrong.push(SettingError::new("envelope", why));
        }
        // The first mistake of each key is noted, and the next key looked at.
        let bind = |template: Template| template.bind(vocabulary);
        let event = match mapping.event.constant() {
            Some(text) => EventName::parse(text, &Limits::default()).map_err(|why| why.to_string()),
            None => Ok(EventName::unnamed()),
        };
        let event = note(&mut wrong, "event", event.and_then(|_| bind(mapping.event)));
        let users = note(&mut wrong, "users", bind_names(mapping.users, vocabulary));
        let channels = note(&mut wrong, "channels", bind_names(mapping.channels, vocabulary));
        let broadcast = match mapping.broadcast {
            Switch::Fixed(fixed) => Some(Ok(fixed)),
            Switch::Mapped(template) => note(&mut wrong, "broadcast", bind(template)).map(Err),
        };
        let payload = Shape::bind(mapping.payload.as_ref().unwrap_or(payload), vocabulary, "payload");
        let payload = payload.map_err(|(key, why)| wrong.push(SettingError::new(format!("envelope.{key}"), why)));
        let id = note(&mut wrong, "id", mapping.id.map(bind).transpose());
        match (event, users, channels, broadcast, payload, id) {
            (Some(event), Some(users), Some(channels), Some(broadcast), Ok(payload), Some(id)) if wrong.is_empty() => {
                Ok(Self {
                    event,
                    users,
                    channels,
                    broadcast,
                    payload,
                    id,
                })
            }
            _ => Err(SettingError::several(wrong)),
        }
    }

    fn dispatch(&self, message: &dyn Message, limits: &Limits) -> Result<Dispatch, Refusal> {
        let opened = Opened::new(message, limits);
        let event = self.event.require("event", &opened)?;
        let event =
            EventName::parse(&event, limits).map_err(|why| Refusal::new("bad_event", format!("event {why}")))?;
        Ok(Dispatch {
            event,
            targets: self.targets(&opened, limits)?,
            payload: self.payload(&opened, limits)?,
            exclude: Exclude::default(),
            key: self.key(&opened)?,
            from: None,
        })
    }

    fn targets(&self, opened: &Opened<'_>, limits: &Limits) -> Result<Vec<Target>, Refusal> {
        let mut targets = names("users", &self.users, opened, |text| {
            UserName::parse(text, limits).map(Target::User)
        })?;
        targets.extend(names("channels", &self.channels, opened, |text| {
            ChannelName::parse(text, limits).map(Target::Channel)
        })?);
        let everybody = match &self.broadcast {
            Ok(fixed) => *fixed,
            Err(template) => {
                let text = template.require("broadcast", opened)?;
                truth(&text).ok_or_else(|| Refusal::new("bad_target", "broadcast must come out as true or false"))?
            }
        };
        targets.extend(everybody.then_some(Target::Everybody));
        if targets.is_empty() {
            return Err(Refusal::new("no_target", "the message names nobody to tell"));
        }
        Ok(targets)
    }

    fn payload(&self, opened: &Opened<'_>, limits: &Limits) -> Result<Payload, Refusal> {
        let mut json = String::new();
        if !self.payload.write(opened, &mut json)? {
            return Err(Refusal::new(
                "absent",
                "payload needs something which this message lacks",
            ));
        }
        Ok(Payload::parse(Bytes::from(json), limits)?)
    }

    fn key(&self, opened: &Opened<'_>) -> Result<Option<Arc<str>>, Refusal> {
        let Some(template) = &self.id else {
            return Ok(None);
        };
        match template.render(opened)? {
            Some(text) if text.len() > KEY_BYTES => {
                Err(Refusal::new("bad_id", format!("id is longer than {KEY_BYTES} bytes")))
            }
            text => Ok(text.filter(|text| !text.is_empty()).map(Arc::from)),
        }
    }
}

/// What `result` gives, or `None` and one more mistake about a key below `envelope`.
fn note<T>(wrong: &mut Vec<SettingError>, key: &str, result: Result<T, String>) -> Option<T> {
    result
        .map_err(|why| wrong.push(SettingError::new(format!("envelope.{key}"), why)))
        .ok()
}

fn bind_names(Names(templates): Names, vocabulary: &Vocabulary) -> Result<Vec<Bound>, String> {
    for text in templates.iter().filter_map(Template::constant) {
        // The shape of a name is the same for users and channels; the limits may only be stricter.
        ChannelName::parse(text, &Limits::default()).map_err(|why| format!("a name {why}"))?;
    }
    templates
        .into_iter()
        .map(|template| template.bind(vocabulary))
        .collect()
}

/// The names that templates come out as: empty ones are left out, a list in the message gives one each.
fn names(
    key: &str,
    templates: &[Bound],
    opened: &Opened<'_>,
    make: impl Fn(&str) -> Result<Target, NameError>,
) -> Result<Vec<Target>, Refusal> {
    let mut targets = Vec::new();
    for template in templates {
        let texts = match template.sole(opened)? {
            Sole::Json(raw) if raw.get().starts_with('[') => {
                let list: Vec<&serde_json::value::RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
                let texts = list
                    .into_iter()
                    .map(|raw| plain(raw, key).map(std::borrow::Cow::into_owned));
                texts.collect::<Result<Vec<_>, _>>()?
            }
            _ => vec![template.require(key, opened)?],
        };
        for text in texts.iter().filter(|text| !text.is_empty()) {
            let target = make(text).map_err(|why| Refusal::new("bad_target", format!("a name in {key} {why}")))?;
            targets.push(target);
        }
        if targets.len() > TARGETS {
            return Err(Refusal::new(
                "bad_target",
                format!("{key} come out as more than {TARGETS} names"),
            ));
        }
    }
    Ok(targets)
}

#[cfg(test)]
mod tests;
