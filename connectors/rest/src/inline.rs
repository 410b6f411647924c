//! The older inline push: commands in the URL, as APE had them.
//!
//! In: what follows the prefix of `GET <prefix><urlencoded JSON list>`. Out: 1 to 10 commands in order, or nothing at
//! all. Refuses to know: whether the passwords are good, and why a list could not be read (the original does not say).

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use turted_core::json::check_depth;
use turted_core::{ChannelName, Dispatch, EventName, Limits, Payload, Target, UserName};

/// Most commands in one URL.
const COMMANDS: usize = 10;

/// One command of the list.
pub(crate) struct Inline {
    /// What it dispatches.
    pub(crate) dispatch: Dispatch,
    /// `{"password": …}`, as the authenticator expects it.
    pub(crate) auth: Value,
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Reads the whole list; one command that cannot be read spoils it.
pub(crate) fn read(below: &str, limits: &Limits) -> Option<Vec<Inline>> {
    let text = percent_decode_str(below).decode_utf8().ok()?;
    check_depth(text.as_bytes(), limits).ok()?;
    let list: Vec<&RawValue> = serde_json::from_str(&text).ok()?;
    if !(1..=COMMANDS).contains(&list.len()) {
        return None;
    }
    list.into_iter().map(|raw| command(raw, limits)).collect()
}

/// `{"cmd":"notifyUser","params":{"password":…,"event":…,"user":…,"data":…}}`
fn command(raw: &RawValue, limits: &Limits) -> Option<Inline> {
    let members: Members<'_> = serde_json::from_str(raw.get()).ok()?;
    let params: Members<'_> = serde_json::from_str(members.get("params")?.get()).ok()?;
    let target = match text(&members, "cmd")?.as_str() {
        "notifyUser" => Target::User(UserName::parse(&text(&params, "user")?, limits).ok()?),
        "notifyChannel" => Target::Channel(ChannelName::parse(&text(&params, "channel")?, limits).ok()?),
        "notifyAll" => Target::Everybody,
        _ => return None,
    };
    let event = EventName::parse(&text(&params, "event")?, limits).ok()?;
    let payload = params
        .get("data")
        .map_or_else(Payload::empty_object, |raw| Payload::from_raw(raw));
    let password = match params.get("password") {
        Some(raw) => serde_json::from_str(raw.get()).ok()?,
        None => Value::Null,
    };
    Some(Inline {
        dispatch: Dispatch::new(event, vec![target], payload),
        auth: json!({ "password": password }),
    })
}

fn text(members: &Members<'_>, name: &str) -> Option<String> {
    serde_json::from_str(members.get(name)?.get()).ok()
}
