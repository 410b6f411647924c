//! Who is pushing: what a request presents, and whether the authenticator of the backends' door takes it.
//!
//! In: headers, and `auth` members. Out: a no for the whole request, or the bounds of whoever it is. Refuses to know:
//! what makes credentials good, and what is being pushed. Nothing in here reaches an answer or a log.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::Value;
use serde_json::value::RawValue;
use turted_core::auth::confirm;
use turted_core::envelope::{Push, Refusal};
use turted_core::{Authenticator, Brought, Scope, Visitor};

/// What the header of a request has settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Clearance {
    /// The header holds good credentials, of a backend with these bounds; those in the body do not matter.
    Proven(Bounds),
    /// The header holds none; the body has to.
    Open,
}

/// Credentials were not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Denied;

/// The bounds of a backend, if it has any.
pub(crate) type Bounds = Option<Arc<Scope>>;

async fn verify(backends: &dyn Authenticator, data: &Value, brought: &Brought) -> Result<Bounds, Denied> {
    let confirmed = confirm(backends, &Visitor::new(data, brought)).await;
    confirmed.map(|backend| backend.scope).map_err(|_| Denied)
}

/// What follows `Authorization: Bearer`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let bytes = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = bytes.split_at(bytes.iter().position(|byte| *byte == b' ').unwrap_or(bytes.len()));
    scheme.eq_ignore_ascii_case(b"bearer").then_some(token)
}

/// Checks `Authorization: Bearer …`. Other schemes are none of ours: a proxy may use them.
pub(crate) async fn by_header(backends: &dyn Authenticator, headers: &HeaderMap) -> Result<Clearance, Denied> {
    let Some(token) = bearer(headers) else {
        return Ok(Clearance::Open);
    };
    // A header that cannot be read wins as well, and fails: falling back to the body would hide the mistake.
    let bearer = std::str::from_utf8(token).map_err(|_| Denied)?.trim();
    let brought = Brought::bearer(Some(bearer));
    verify(backends, &Value::Null, &brought).await.map(Clearance::Proven)
}

/// Checks the credentials of one body.
pub(crate) async fn by_data(backends: &dyn Authenticator, data: &Value) -> Result<Bounds, Denied> {
    verify(backends, data, &Brought::default()).await
}

/// Checks the credentials of everything in `presented`, and gives the bounds of each; equal neighbours, the usual case,
/// are checked once. What carries none has no bounds to be held to, since nothing comes of it; a request in which
/// nothing carries any is checked as one with `null`: it is nobody's.
pub(crate) async fn by_all<'a>(
    backends: &dyn Authenticator,
    presented: impl Iterator<Item = Option<Cow<'a, Value>>>,
) -> Result<Vec<Bounds>, Denied> {
    let mut last: Option<(Cow<'a, Value>, Bounds)> = None;
    let mut all = Vec::with_capacity(presented.size_hint().0);
    for data in presented {
        let Some(data) = data else {
            all.push(None);
            continue;
        };
        let bounds = match last.take() {
            Some((same, bounds)) if same == data => bounds,
            _ => by_data(backends, &data).await?,
        };
        all.push(bounds.clone());
        last = Some((data, bounds));
    }
    if last.is_none() {
        by_data(backends, &Value::Null).await?;
    }
    Ok(all)
}

/// The `auth` member of a push that was refused for another member, so that only those who may push learn why.
/// `None` when the text is not an object and cannot carry any.
pub(crate) fn of_refused(push: &[u8]) -> Option<Value> {
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(push).ok()?;
    let auth = members.get("auth").and_then(|raw| serde_json::from_str(raw.get()).ok());
    Some(auth.unwrap_or(Value::Null))
}

/// The credentials in a list of pushes that was read from `body`, one for each push that can carry any, in order.
pub(crate) fn of_list<'a>(list: &'a [Result<Push, Refusal>], body: &[u8]) -> Vec<Option<Cow<'a, Value>>> {
    // Only a list with a refused push is read a second time.
    let texts: Vec<&RawValue> = match list.iter().all(Result::is_ok) {
        true => Vec::new(),
        false => serde_json::from_slice(body).unwrap_or_default(),
    };
    let auth = |(at, push): (usize, &'a Result<Push, Refusal>)| match push {
        Ok(push) => Some(Cow::Borrowed(&push.auth)),
        Err(_) => of_refused(texts.get(at)?.get().as_bytes()).map(Cow::Owned),
    };
    list.iter().enumerate().map(auth).collect()
}
