//! `type = "http"`: a backend answers, as other products' RPC proxies ask it.
//!
//! In: a call. Out: `POST` of a signed question, and from its answer what the client is told. A body is JSON and passed
//! through untouched; 204 is `null`. A refusal is a 4xx, and its `error` the client's; everything else, and too late,
//! is unavailable. Who may call is decided before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use log::warn;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use turted_core::units::duration;
use turted_core::{Call, Caller, Failure, Limits, Line, Named, Payload, Responder, Seldom, SettingError, UserName};

use super::ResponderConfig;
use crate::config::{HookUrl, Secrets};
use crate::outbound::{Answer, Bounds, Hook, Outbound};

/// When it is worth while to ask again.
const RETRY: Duration = Duration::from_secs(1);
/// Largest answer in bytes.
const ANSWER: usize = 256 * 1024;
/// Letters of a refusal that a client is told.
const WORD: usize = 200;

/// The section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where to ask.
    url: HookUrl,
    /// Signs the question, as all questions of turted are signed (Standard Webhooks); several while they are changed.
    secret: Secrets,
    /// How long an answer may take. Default 5 s.
    #[serde(default = "five_seconds", with = "duration")]
    timeout: Duration,
    /// Questions under way at once; more wait. Default 64.
    #[serde(default = "sixty_four")]
    at_once: usize,
}

fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

fn sixty_four() -> usize {
    64
}

impl ResponderConfig for HttpConfig {
    const TYPE: &'static str = "http";

    fn build(self, name: &str, outbound: Option<&Outbound>) -> Result<Vec<Named>, SettingError> {
        let Some(outbound) = outbound else {
            return Ok(Vec::new());
        };
        let bounds = Bounds {
            at_once: self.at_once,
            waiting: self.at_once.saturating_mul(16),
            bytes: ANSWER,
            timeout: self.timeout,
        };
        let destination = outbound.toward("call", self.url.as_str(), bounds);
        let destination = destination.map_err(|why| SettingError::new("url", why))?;
        let responder = Http {
            hook: Hook::new(destination, self.secret.expose()),
            timeout: self.timeout,
            told: Arc::default(),
        };
        Ok(vec![(name.into(), Arc::new(responder))])
    }
}

struct Http {
    hook: Hook,
    timeout: Duration,
    told: Arc<Seldom>,
}

impl Responder for Http {
    fn answer(&self, call: Call, caller: Caller, _: Line) -> BoxFuture<'static, Result<Payload, Failure>> {
        let (hook, told) = (self.hook.clone(), Arc::clone(&self.told));
        async move {
            let unavailable = |why: &str| {
                told.tell(Instant::now(), |more| {
                    warn!("the backend that answers to {} does not: {why}{more}", call.name);
                });
                Failure::Unavailable { after: RETRY }
            };
            let question = question(&call, &caller).map_err(|_| unavailable("the question cannot be written"))?;
            let answer = hook.ask(question).await.map_err(|why| unavailable(&why.to_string()))?;
            read(&answer).map_err(|failure| failure.unwrap_or_else(|| unavailable(&wrong(&answer))))
        }
        .boxed()
    }

    fn patience(&self) -> Duration {
        // The way out keeps to the limit and says more about it.
        self.timeout + RETRY
    }
}

/// `{"verb":"call","name":"orders","params":{…},"user":"adam","claims":{…},"connection":"c7…","address":"…"}`
fn question(call: &Call, caller: &Caller) -> serde_json::Result<String> {
    let params: &RawValue = serde_json::from_str(call.params.as_str())?;
    let identity = &caller.identity;
    let rest = json!({
        "user": identity.user.as_ref().map(UserName::as_str),
        "claims": identity.claims.to_json(),
        "connection": &*caller.connection,
        "address": caller.address,
    });
    let name = serde_json::to_string(&*call.name)?;
    let rest = rest.to_string();
    Ok(format!(
        r#"{{"verb":"call","name":{name},"params":{},{}"#,
        params.get(),
        &rest[1..]
    ))
}

fn read(answer: &Answer) -> Result<Payload, Option<Failure>> {
    match answer.status {
        204 => Ok(Payload::null()),
        200 => Payload::parse(answer.body.clone(), &Limits::default()).map_err(|_| None),
        400..=499 => Err(Some(Failure::Refused(refusal(answer)))),
        _ => Err(None),
    }
}

/// What a client may be told: one line of the backend's own, or the status.
fn refusal(answer: &Answer) -> String {
    let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let error = said.as_ref().and_then(|said| said.get("error"));
    let text = error.and_then(|error| error.as_str().or_else(|| error.get("message")?.as_str()));
    let is_line = |text: &&str| !text.is_empty() && text.chars().count() <= WORD && !text.chars().any(char::is_control);
    match text.filter(is_line) {
        Some(text) => text.to_owned(),
        None => format!("refused with {}", answer.status),
    }
}

fn wrong(answer: &Answer) -> String {
    match answer.status {
        200 => "its answer is no JSON, or too deep".to_owned(),
        status => format!("it answered {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turted_core::Identity;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn the_question_says_who_asks_and_passes_the_params_through() {
        let limits = Limits::default();
        let call = Call {
            name: "orders".into(),
            params: Payload::parse(r#"{"a": 1.0, "a": "\u00e9"}"#.to_owned().into(), &limits).unwrap(),
        };
        let caller = Caller {
            identity: Arc::new(Identity::of(UserName::parse("adam", &limits).unwrap())),
            connection: "c7".into(),
            address: [127, 0, 0, 1].into(),
        };
        let asked = question(&call, &caller).unwrap();
        assert!(
            asked.starts_with(r#"{"verb":"call","name":"orders","params":{"a": 1.0, "a": "\u00e9"},"#),
            "{asked}"
        );
        let read: Value = serde_json::from_str(&asked).unwrap();
        assert_eq!(read["user"], "adam");
        assert_eq!(read["connection"], "c7");
        assert_eq!(read["address"], "127.0.0.1");
        assert_eq!(read["claims"], json!({}));
    }

    #[test]
    fn an_answer_is_passed_on_or_refused_in_the_backends_words() {
        let told = |status, body: &str| match read(&answer(status, body)) {
            Ok(payload) => payload.as_str().to_owned(),
            Err(Some(Failure::Refused(why))) => format!("refused: {why}"),
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(told(200, r#"[1, 2.50]"#), "[1, 2.50]");
        assert_eq!(told(200, "null"), "null");
        assert_eq!(told(204, ""), "null");
        assert_eq!(told(409, r#"{"error":"sold_out"}"#), "refused: sold_out");
        assert_eq!(
            told(422, r#"{"error":{"message":"no such order"}}"#),
            "refused: no such order"
        );
        assert_eq!(told(404, "<html>"), "refused: refused with 404");
        assert_eq!(told(403, "{\"error\":\"a\\nb\"}"), "refused: refused with 403");
        assert_eq!(
            told(403, &format!(r#"{{"error":"{}"}}"#, "x".repeat(201))),
            "refused: refused with 403"
        );
        assert_eq!(told(200, "no json"), "None");
        assert_eq!(told(500, r#"{"error":"no"}"#), "None");
        assert_eq!(told(302, ""), "None");
    }
}
