//! How a dispatch is written down for other nodes, and read again.
//!
//! In: a dispatch with its origin. Out: a header as JSON, and the payload as it came; and back, checked as at every
//! other door, since whoever can write into the shared log is not trusted with what nobody may push. The form has a
//! number: what has a greater one is from a newer turted, and is not guessed at.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{NodeId, Origin};
use crate::dispatch::{Dispatch, Epoch, Exclude, Sender};
use crate::envelope::KEY_BYTES;
use crate::json::{self, Payload, check_depth};
use crate::limits::Limits;
use crate::name::{ChannelName, EventName, UserName};
use crate::target::Target;

/// The form that is written, and the newest that is read.
pub const FORM: u32 = 1;

/// How often longer than the largest push a header may be: every name in it takes a few bytes more than in a push.
const HEADER: usize = 4;

/// What goes with a payload. Members that a newer turted adds are passed over.
#[derive(Serialize, Deserialize)]
struct Header {
    #[serde(rename = "v")]
    form: u32,
    #[serde(rename = "n")]
    node: String,
    #[serde(rename = "p")]
    epoch: String,
    #[serde(rename = "t")]
    ticket: u64,
    #[serde(rename = "e", default, skip_serializing_if = "String::is_empty")]
    event: String,
    #[serde(rename = "to", default, skip_serializing_if = "Vec::is_empty")]
    targets: Vec<To>,
    #[serde(rename = "xc", default, skip_serializing_if = "Vec::is_empty")]
    without_connections: Vec<Arc<str>>,
    #[serde(rename = "xu", default, skip_serializing_if = "Vec::is_empty")]
    without_users: Vec<String>,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    key: Option<Arc<str>>,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    from: Option<From>,
}

/// One target, in the order of a dispatch: it decides about `via`.
#[derive(Serialize, Deserialize)]
enum To {
    #[serde(rename = "u")]
    User(String),
    #[serde(rename = "c")]
    Channel(String),
    #[serde(rename = "a")]
    Everybody,
}

#[derive(Serialize, Deserialize)]
struct From {
    #[serde(rename = "c")]
    connection: Arc<str>,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

/// The header of a dispatch; its payload is written beside it.
#[must_use]
pub fn write(origin: &Origin, dispatch: &Dispatch) -> Bytes {
    let target = |target: &Target| match target {
        Target::User(name) => To::User(name.as_str().to_owned()),
        Target::Channel(name) => To::Channel(name.as_str().to_owned()),
        Target::Everybody => To::Everybody,
    };
    let header = Header {
        form: FORM,
        node: origin.node.as_str().to_owned(),
        epoch: origin.epoch.as_str().to_owned(),
        ticket: origin.ticket,
        event: dispatch.event.as_str().to_owned(),
        targets: dispatch.targets.iter().map(target).collect(),
        without_connections: dispatch.exclude.connections.clone(),
        without_users: dispatch
            .exclude
            .users
            .iter()
            .map(|user| user.as_str().to_owned())
            .collect(),
        key: dispatch.key.clone(),
        from: dispatch.from.as_ref().map(|from| From {
            connection: Arc::clone(&from.connection),
            user: from.user.as_ref().map(|user| user.as_str().to_owned()),
        }),
    };
    let mut written = BytesMut::new();
    json::write(&mut written, &header);
    written.freeze()
}

/// Reads a dispatch.
///
/// # Errors
/// What is wrong with it, without what it contains.
pub fn read(header: &[u8], payload: Bytes, limits: &Limits) -> Result<(Origin, Dispatch), String> {
    if header.len() > HEADER * limits.push_bytes {
        return Err(format!("its header has {} bytes", header.len()));
    }
    if payload.len() > limits.push_bytes {
        return Err(format!("its payload has {} bytes", payload.len()));
    }
    check_depth(header, limits).map_err(|error| format!("its header {error}"))?;
    let header: Header = serde_json::from_slice(header).map_err(|error| {
        // The text of the error may quote what stands there.
        let place = error.column();
        format!("its header is not of a form that is known, at byte {place}")
    })?;
    if header.form > FORM {
        return Err(format!(
            "it is of form {}, and this turted reads up to {FORM}",
            header.form
        ));
    }
    let name = |error| format!("a name in it {error}");
    let user = |text: &String| UserName::parse(text, limits).map_err(name);
    let target = |target: &To| match target {
        To::User(text) => user(text).map(Target::User),
        To::Channel(text) => ChannelName::parse(text, limits).map(Target::Channel).map_err(name),
        To::Everybody => Ok(Target::Everybody),
    };
    let event = match &*header.event {
        "" => EventName::unnamed(),
        text => EventName::parse(text, limits).map_err(name)?,
    };
    let from = header.from.as_ref().map(|from| {
        let user = from.user.as_ref().map(user).transpose()?;
        let connection = id(&from.connection)?;
        Ok::<_, String>(Arc::new(Sender { user, connection }))
    });
    let connections = header.without_connections.iter().map(id);
    let dispatch = Dispatch {
        event,
        payload: Payload::parse(payload, limits).map_err(|error| format!("its payload {error}"))?,
        targets: header.targets.iter().map(target).collect::<Result<_, _>>()?,
        exclude: Exclude {
            connections: connections.collect::<Result<_, _>>()?,
            users: header.without_users.iter().map(user).collect::<Result<_, _>>()?,
        },
        key: header.key.as_ref().map(id).transpose()?,
        from: from.transpose()?,
    };
    let origin = Origin {
        node: NodeId::parse(&header.node)?,
        epoch: Epoch::parse(&header.epoch)?,
        ticket: header.ticket,
    };
    Ok((origin, dispatch))
}

/// A connection or a key, as they may be named in a push.
fn id(text: &Arc<str>) -> Result<Arc<str>, String> {
    match text.len() {
        1..=KEY_BYTES => Ok(Arc::clone(text)),
        bytes => Err(format!("a connection or key in it has {bytes} bytes")),
    }
}
