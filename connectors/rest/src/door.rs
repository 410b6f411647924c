//! The door itself: from a request to dispatches to an answer.
//!
//! In: requests below the prefix. Out: one response each. The order is always the same: who is it (header), what
//! does it say, who is it (body), dispatch, answer. Refuses to know: connections, and how answers are written.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Method, Request, Response, request};
use serde_json::Value;
use turted_core::Report;
use turted_core::connector;
use turted_core::endpoint::{Peer, Refusals};
use turted_core::envelope::{self, Body, Push, Refusal};
use turted_core::json::{JsonError, without_mark};
use turted_core::mapping::own_key;
use turted_core::{Authenticator, ConnectorContext, Dispatch, Door, Inbox, Limits, Payload, Receipt};

use crate::answer::{Failure, Form, Outcome};
use crate::credentials::{self, Bounds, Clearance, Denied};
use crate::inline;
use crate::path::Direct;
use crate::{Answers, RestConfig};

/// How long a push waits for its receipt, where several nodes share one order.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the door of a connector answers to; OPTIONS is the server's.
pub(crate) fn methods(ape: bool) -> &'static str {
    if ape { "GET, OPTIONS, POST" } else { "OPTIONS, POST" }
}

/// Takes pushes.
pub(crate) struct RestDoor {
    prefix: String,
    ape: bool,
    answers: Answers,
    pub(crate) inbox: Inbox,
    pub(crate) backends: Arc<dyn Authenticator>,
    pub(crate) limits: Limits,
    name: Arc<str>,
    report: Report,
}

/// What to read about pushes, where no key decides.
const FORM: &str = "docs/connectors.md says how a push is written";

/// What the answer to a request depends on, beside the request.
struct Asked<'a> {
    form: Form,
    prefix: &'a str,
    /// The path behind the prefix.
    below: &'a str,
    /// What is taken although it is doubtful.
    warning: Option<Refusal>,
}

impl Asked<'_> {
    /// Takes a push that is probably not meant as it is written from those who expect the words of the original, which
    /// took it, and refuses it to programs that read why.
    fn settle(&mut self, push: Push) -> Result<Dispatch, Failure> {
        let Some(mut doubt) = push.doubt else {
            return Ok(push.dispatch);
        };
        if let Some(meant) = Direct::meant(self.below) {
            doubt.message += &format!("; did you mean the path {}{meant}?", self.prefix);
        }
        if self.form == Form::Json && doubt.code == "unknown_member" {
            return Err(doubt.into());
        }
        self.warning.get_or_insert(doubt);
        Ok(push.dispatch)
    }
}

impl RestDoor {
    pub(crate) fn new(config: &RestConfig, cx: &ConnectorContext) -> Self {
        Self {
            prefix: config.path.clone(),
            ape: config.ape,
            answers: config.answers,
            inbox: cx.inbox.patient(PATIENCE),
            backends: Arc::clone(&cx.backends),
            limits: cx.limits,
            name: Arc::clone(&cx.name),
            report: cx.report.clone(),
        }
    }

    async fn outcome(&self, request: &Request<Bytes>, asked: &mut Asked<'_>) -> Result<Outcome, Failure> {
        let below = asked.below;
        match *request.method() {
            Method::POST => {
                let clearance = credentials::by_header(&*self.backends, request.headers())
                    .await
                    .map_err(wrong_auth)?;
                if is_encoded(request.headers()) {
                    return Err(Failure::encoded());
                }
                match Direct::recognise(below) {
                    Some(direct) => self.direct(clearance, direct, request.body()).await,
                    None => self.push(clearance, request.body(), asked).await,
                }
            }
            Method::GET if self.ape => self.inline(request, below).await,
            _ => Err(Failure::method(methods(self.ape))),
        }
    }

    /// A push, or a list of them, as the body says.
    async fn push(&self, clearance: Clearance, body: &[u8], asked: &mut Asked<'_>) -> Result<Outcome, Failure> {
        let parsed = envelope::parse(body, &self.limits);
        let body = without_mark(body);
        match parsed {
            Ok(Body::One(push)) => {
                let inbox = self.inbox.within(self.bounds(&clearance, &push.auth).await?.as_ref());
                Ok(Outcome::One(inbox.notify(self.own(asked.settle(*push)?)).await?))
            }
            Ok(Body::Batch(list)) => {
                let inboxes = match clearance {
                    Clearance::Proven(bounds) => vec![self.inbox.within(bounds.as_ref()); list.len()],
                    Clearance::Open => {
                        let presented = credentials::of_list(&list, body).into_iter();
                        self.inboxes(presented).await.map_err(wrong_auth)?
                    }
                };
                let dispatches = list.iter().map(|push| push.as_ref().ok().map(|push| &push.dispatch));
                check_all(dispatches.zip(&inboxes))?;
                let dispatches = list.into_iter().map(|push| Ok(self.own(asked.settle(push?)?)));
                Ok(Outcome::List(in_order(dispatches.zip(inboxes)).await))
            }
            Err(refusal) => {
                if let Some(auth) = credentials::of_refused(body) {
                    self.bounds(&clearance, &auth).await?;
                }
                Err(refusal.into())
            }
        }
    }

    /// A convenience URL. An empty body is a push without a payload.
    async fn direct(&self, clearance: Clearance, direct: Direct<'_>, body: &Bytes) -> Result<Outcome, Failure> {
        let inbox = self.inbox.within(self.bounds(&clearance, &Value::Null).await?.as_ref());
        let (target, event) = direct.names(&self.limits)?;
        let payload = match body.is_empty() {
            true => Payload::empty_object(),
            false => Payload::parse(body.clone(), &self.limits).map_err(not_a_payload)?,
        };
        let dispatch = Dispatch::new(event, vec![target], payload);
        Ok(Outcome::One(inbox.notify(dispatch).await?))
    }

    /// The older inline form: everything is checked before anything is dispatched.
    async fn inline(&self, request: &Request<Bytes>, below: &str) -> Result<Outcome, Failure> {
        let wrong = |Denied| Failure::denied("Wrong password");
        let clearance = credentials::by_header(&*self.backends, request.headers())
            .await
            .map_err(wrong)?;
        let commands = inline::read(below, &self.limits).ok_or_else(Failure::malformed_list)?;
        let inboxes = match clearance {
            Clearance::Proven(bounds) => vec![self.inbox.within(bounds.as_ref()); commands.len()],
            Clearance::Open => {
                let presented = commands.iter().map(|command| Some(Cow::Borrowed(&command.auth)));
                self.inboxes(presented).await.map_err(wrong)?
            }
        };
        check_all(commands.iter().map(|command| Some(&command.dispatch)).zip(&inboxes))?;
        let dispatches = commands.into_iter().map(|command| Ok(command.dispatch));
        Ok(Outcome::List(in_order(dispatches.zip(inboxes)).await))
    }

    /// The bounds of whoever a push is from: as the header says it, or else these credentials.
    pub(crate) async fn bounds(&self, clearance: &Clearance, data: &Value) -> Result<Bounds, Failure> {
        match clearance {
            Clearance::Proven(bounds) => Ok(bounds.clone()),
            Clearance::Open => credentials::by_data(&*self.backends, data).await.map_err(wrong_auth),
        }
    }

    /// An inbox for each push of a list, within the bounds of whoever it is from.
    async fn inboxes<'a>(&self, presented: impl Iterator<Item = Option<Cow<'a, Value>>>) -> Result<Vec<Inbox>, Denied> {
        let bounds = credentials::by_all(&*self.backends, presented).await?;
        Ok(bounds.iter().map(|bounds| self.inbox.within(bounds.as_ref())).collect())
    }

    /// Ids of this door have nothing to do with those of other connectors.
    fn own(&self, mut dispatch: Dispatch) -> Dispatch {
        dispatch.key = dispatch.key.map(|id| own_key(&self.name, &id));
        dispatch
    }

    /// Counts what was taken and what was not; gives the latter for the server to tell.
    pub(crate) fn count(&self, outcome: &Result<Outcome, Failure>, headers: &HeaderMap) -> Refusals {
        let refused = |failure: &Failure| {
            self.report.refused(failure.code());
            let why = match failure.code() {
                "denied" if credentials::bearer(headers).is_some() => {
                    "the token in Authorization: Bearer was not accepted".into()
                }
                "denied" => "there is no Authorization: Bearer, and the credentials in it are wrong or missing".into(),
                _ => failure.message().to_owned(),
            };
            let key = connector::decides(failure.code(), FORM);
            Refusal::new(failure.code(), format!("connector {}: {why}; {key}", self.name))
        };
        let mut refusals = Vec::new();
        match outcome {
            Ok(Outcome::One(_) | Outcome::Queued) => self.report.accepted(),
            Ok(Outcome::List(list)) => list.iter().for_each(|push| match push {
                Ok(_) => self.report.accepted(),
                Err(failure) => refusals.push(refused(failure)),
            }),
            Err(failure) => refusals.push(refused(failure)),
        }
        Refusals(refusals)
    }
}

/// Dispatches one after the other. When the server cannot take one, those behind it are not tried, because they would
/// overtake it when it is sent again.
async fn in_order(
    dispatches: impl Iterator<Item = (Result<Dispatch, Failure>, Inbox)>,
) -> Vec<Result<Receipt, Failure>> {
    let mut results = Vec::with_capacity(dispatches.size_hint().0);
    let mut stopped: Option<Failure> = None;
    for (dispatch, inbox) in dispatches {
        let result = match (&stopped, dispatch) {
            (_, Err(failure)) => Err(failure),
            (Some(failure), Ok(_)) => Err(failure.clone()),
            (None, Ok(dispatch)) => inbox.notify(dispatch).await.map_err(Failure::from),
        };
        stopped = stopped.or_else(|| {
            result
                .as_ref()
                .err()
                .filter(|failure| failure.is_unavailable())
                .cloned()
        });
        results.push(result);
    }
    results
}

/// What one push of a list may not tell is refused with all of them, as wrong credentials are.
fn check_all<'a>(list: impl Iterator<Item = (Option<&'a Dispatch>, &'a Inbox)>) -> Result<(), Failure> {
    for (at, (dispatch, inbox)) in list.enumerate() {
        let permitted = dispatch.map_or(Ok(()), |dispatch| inbox.permits(&dispatch.targets));
        permitted.map_err(|error| Failure::forbidden(&format!("push[{at}]: "), &error))?;
    }
    Ok(())
}

fn from(peer: Option<&Peer>) -> String {
    peer.map_or_else(String::new, |Peer(address)| format!(" from {}", address.ip()))
}

/// Nothing is unpacked here: what a small body becomes is nothing that its sender should decide (CWE-409).
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    let encodings = headers.get_all(CONTENT_ENCODING).iter();
    let mut words = encodings.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    words.any(|word| !matches!(word.trim_ascii(), b"") && !word.trim_ascii().eq_ignore_ascii_case(b"identity"))
}

pub(crate) fn wrong_auth(_: Denied) -> Failure {
    Failure::denied("Wrong auth data")
}

fn not_a_payload(error: JsonError) -> Failure {
    envelope::Refusal::from(error).into()
}

impl Door for RestDoor {
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'_, Response<Bytes>> {
        Box::pin(async move {
            let mut asked = Asked {
                form: Form::wanted(request.headers(), self.answers),
                prefix: &self.prefix,
                below: request.uri().path().strip_prefix(&self.prefix).unwrap_or_default(),
                warning: None,
            };
            let outcome = self.outcome(&request, &mut asked).await;
            let refusals = self.count(&outcome, request.headers());
            let warning = asked.warning.filter(|_| outcome.is_ok());
            if let Some(doubt) = &warning {
                self.report.doubted(doubt.code);
                let from = from(request.extensions().get());
                let what = format!("took a push{from} that is probably not meant so");
                connector::say(&self.name, &self.report, &what, doubt, FORM);
            }
            let warning = warning.as_ref().map(|doubt| doubt.message.as_str());
            let mut response = asked.form.answer(&outcome, warning);
            if !refusals.0.is_empty() {
                response.extensions_mut().insert(refusals);
            }
            response
        })
    }

    fn too_large(&self, request: &request::Parts) -> Response<Bytes> {
        let outcome = Err(Failure::too_large(self.limits.push_bytes));
        // The server has told it.
        let Refusals(_) = self.count(&outcome, &request.headers);
        Form::wanted(&request.headers, self.answers).answer(&outcome, None)
    }
}
