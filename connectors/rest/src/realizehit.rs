//! realizehit's API: a pattern and a payload, and its sentences.
//!
//! In: `POST` with `{"pattern":{…},"payload":…}`. Out: a dispatch to the channel that is the spelling of the pattern,
//! or the same published through another connector; and whether it was queued. Who may push is asked as at every door:
//! by the header, or by a member `auth`, neither of which the original knows.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode, request};
use serde_json::Value;
use serde_json::value::RawValue;
use turted_core::endpoint::Refusals;
use turted_core::facets;
use turted_core::json::{check_depth, without_mark};
use turted_core::{ChannelName, Dispatch, Door, EventName, Payload, Relays, Target};

use crate::answer::{Failure, Outcome, page};
use crate::credentials;
use crate::door::{RestDoor, is_encoded, wrong_auth};

const QUEUED: &str = "Your payload has been queued for delivery";
const NO_PATTERN: &str = "Please include .pattern in your request body";
const NO_PAYLOAD: &str = "Please include .payload in your request body";
const FAILED: &str = "An error has occurred on the Server, sorry";
/// The original shows what its framework makes of such requests.
const BROKEN: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Error</title></head>\
    <body><pre>Bad Request: the body is not a JSON object</pre></body></html>\n";
const NOTHING: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Error</title></head>\
    <body><pre>Not Found: pushes are POSTed</pre></body></html>\n";

/// Takes pushes.
pub(crate) struct RealizeHitDoor {
    /// Whose inbox, credentials and counts they are.
    pub(crate) door: RestDoor,
    /// What a push becomes.
    pub(crate) event: EventName,
    /// Through which connector it is published instead.
    pub(crate) through: Option<String>,
    pub(crate) relays: Relays,
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

impl RealizeHitDoor {
    async fn outcome(&self, request: &Request<Bytes>) -> Result<Outcome, Failure> {
        if request.method() != Method::POST {
            let failure = Failure::bad_request("method_not_allowed", "pushes are POSTed");
            return Err(failure.saying(StatusCode::NOT_FOUND, NOTHING));
        }
        let clearance = credentials::by_header(&*self.door.backends, request.headers())
            .await
            .map_err(wrong_auth)?;
        if is_encoded(request.headers()) {
            return Err(Failure::encoded());
        }
        let members = self.members(request);
        // Only those who may push learn what is wrong with theirs.
        let auth = members.as_ref().ok().and_then(|members| members.get("auth"));
        let auth = auth.map_or(Value::Null, |raw| serde_json::from_str(raw.get()).unwrap_or_default());
        let inbox = self
            .door
            .inbox
            .within(self.door.bounds(&clearance, &auth).await?.as_ref());
        let (channel, payload) = self.read(&members?)?;
        let Some(through) = &self.through else {
            let dispatch = Dispatch::new(self.event.clone(), vec![Target::Channel(channel)], payload);
            return Ok(Outcome::One(inbox.notify(dispatch).await.map_err(failed)?));
        };
        let target = Target::Channel(channel.clone());
        inbox.permits(&[target]).map_err(failed)?;
        let published = match self.relays.get(through) {
            Some(relay) => relay.publish(&channel, &payload).await.map_err(|why| why.to_string()),
            None => Err("there is no such connector".to_owned()),
        };
        published.map(|()| Outcome::Queued).map_err(|why| {
            Failure::bad_request(
                "not_published",
                format!("connectors.{through} could not publish it: {why}"),
            )
            .saying(StatusCode::INTERNAL_SERVER_ERROR, FAILED)
        })
    }

    /// The members of the body: none when it is not said to be JSON, and of a list.
    fn members<'a>(&self, request: &'a Request<Bytes>) -> Result<Members<'a>, Failure> {
        let body = without_mark(request.body()).trim_ascii();
        let media = request
            .headers()
            .get(CONTENT_TYPE)
            .map_or(&b""[..], |value| value.as_bytes());
        let media = media
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        if body.is_empty() || !media.eq_ignore_ascii_case(b"application/json") {
            return Ok(Members::new());
        }
        let broken = |why: String| {
            let failure = Failure::bad_request("not_json", why);
            failure.saying(StatusCode::BAD_REQUEST, BROKEN)
        };
        check_depth(body, &self.door.limits).map_err(|error| broken(format!("the body {error}")))?;
        let read = match body.first() {
            Some(b'[') => serde_json::from_slice::<Vec<&RawValue>>(body).map(|_| Members::new()),
            _ => serde_json::from_slice(body),
        };
        read.map_err(|error| broken(format!("the body is not a JSON object: {error}")))
    }

    fn read(&self, members: &Members<'_>) -> Result<(ChannelName, Payload), Failure> {
        let lacks = |which: &'static str, words: &'static str| {
            let failure = Failure::bad_request("missing_member", format!("there is no {which} in the body"));
            failure.saying(StatusCode::BAD_REQUEST, words)
        };
        let bad = |why: String| {
            let failure = Failure::bad_request("bad_target", format!("the pattern {why}"));
            failure.saying(StatusCode::INTERNAL_SERVER_ERROR, FAILED)
        };
        let pattern = members.get("pattern");
        let pattern = pattern.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
        let has_something = match &pattern {
            Some(Value::Object(pairs)) => !pairs.is_empty(),
            Some(Value::Array(list)) => !list.is_empty(),
            _ => false,
        };
        if !has_something {
            return Err(lacks("pattern", NO_PATTERN));
        }
        let payload = members.get("payload").ok_or_else(|| lacks("payload", NO_PAYLOAD))?;
        let spelling = facets::canonical(pattern.as_ref()).map_err(|why| bad(format!("is none: {why}")))?;
        let channel = ChannelName::parse(&spelling, &self.door.limits).map_err(|why| bad(why.to_string()))?;
        Ok((channel, Payload::from_raw(payload)))
    }

    /// Counts what came of a request and says it in the words of the original.
    fn answer_with(&self, outcome: Result<Outcome, Failure>, parts: &http::HeaderMap) -> Response<Bytes> {
        let refusals = self.door.count(&outcome, parts);
        let mut response = match &outcome {
            Ok(_) => page(QUEUED.into(), StatusCode::OK),
            Err(failure) => failure.as_page(),
        };
        if !refusals.0.is_empty() {
            response.extensions_mut().insert(refusals);
        }
        response
    }
}

/// What the original says when its Redis fails; the status tells who may try again.
fn failed(error: turted_core::PushError) -> Failure {
    let failure = Failure::from(error);
    let status = failure.status();
    match status {
        StatusCode::BAD_REQUEST => failure.saying(StatusCode::INTERNAL_SERVER_ERROR, FAILED),
        StatusCode::SERVICE_UNAVAILABLE => failure.saying(status, FAILED),
        _ => failure,
    }
}

impl Door for RealizeHitDoor {
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'_, Response<Bytes>> {
        Box::pin(async move {
            let outcome = self.outcome(&request).await;
            self.answer_with(outcome, request.headers())
        })
    }

    fn too_large(&self, request: &request::Parts) -> Response<Bytes> {
        let mut response = self.answer_with(Err(Failure::too_large(self.door.limits.push_bytes)), &request.headers);
        // The server has told it.
        response.extensions_mut().remove::<Refusals>();
        response
    }
}
