//! The door itself: from a request to dispatches to an answer.
//!
//! In: requests below the prefix. Out: one response each. The order is always the same: who is it (header), what
//! does it say, who is it (body), dispatch, answer. Refuses to know: connections, and how answers are written.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response, request};
use serde_json::Value;
use turted_core::Report;
use turted_core::envelope::{self, Body};
use turted_core::json::JsonError;
use turted_core::{Authenticator, ConnectorContext, Denied, Dispatch, Door, Inbox, Limits, Payload, Receipt};

use crate::answer::{Failure, Form, Outcome};
use crate::credentials::{self, Clearance};
use crate::inline;
use crate::path::Direct;
use crate::{Answers, RestConfig};

/// What the door of a connector answers to; OPTIONS is the server's.
pub(crate) fn methods(ape: bool) -> &'static str {
    if ape { "GET, OPTIONS, POST" } else { "OPTIONS, POST" }
}

/// Takes pushes.
pub(crate) struct RestDoor {
    prefix: String,
    ape: bool,
    answers: Answers,
    inbox: Inbox,
    backends: Arc<dyn Authenticator>,
    limits: Limits,
    report: Report,
}

impl RestDoor {
    pub(crate) fn new(config: &RestConfig, cx: &ConnectorContext) -> Self {
        Self {
            prefix: config.path.clone(),
            ape: config.ape,
            answers: config.answers,
            inbox: cx.inbox.clone(),
            backends: Arc::clone(&cx.backends),
            limits: cx.limits,
            report: cx.report.clone(),
        }
    }

    async fn outcome(&self, request: &Request<Bytes>) -> Result<Outcome, Failure> {
        let below = request.uri().path().strip_prefix(&self.prefix).unwrap_or_default();
        match *request.method() {
            Method::POST => {
                let clearance = credentials::by_header(&*self.backends, request.headers())
                    .await
                    .map_err(wrong_auth)?;
                match Direct::recognise(below) {
                    Some(direct) => self.direct(clearance, direct, request.body()).await,
                    None => self.push(clearance, request.body()).await,
                }
            }
            Method::GET if self.ape => self.inline(request, below).await,
            _ => Err(Failure::method(methods(self.ape))),
        }
    }

    /// A push, or a list of them, as the body says.
    async fn push(&self, clearance: Clearance, body: &[u8]) -> Result<Outcome, Failure> {
        let open = clearance == Clearance::Open;
        match envelope::parse(body, &self.limits) {
            Ok(Body::One(push)) => {
                if open {
                    credentials::by_data(&*self.backends, &push.auth)
                        .await
                        .map_err(wrong_auth)?;
                }
                Ok(Outcome::One(self.inbox.notify(push.dispatch).await?))
            }
            Ok(Body::Batch(list)) => {
                if open {
                    let presented = credentials::of_list(&list, body).into_iter();
                    credentials::by_all(&*self.backends, presented)
                        .await
                        .map_err(wrong_auth)?;
                }
                let dispatches = list.into_iter().map(|push| Ok(push?.dispatch));
                Ok(Outcome::List(self.in_order(dispatches).await))
            }
            Err(refusal) => {
                if let (true, Some(auth)) = (open, credentials::of_refused(body)) {
                    credentials::by_data(&*self.backends, &auth).await.map_err(wrong_auth)?;
                }
                Err(refusal.into())
            }
        }
    }

    /// A convenience URL. An empty body is a push without a payload.
    async fn direct(&self, clearance: Clearance, direct: Direct<'_>, body: &Bytes) -> Result<Outcome, Failure> {
        if clearance == Clearance::Open {
            credentials::by_data(&*self.backends, &Value::Null)
                .await
                .map_err(wrong_auth)?;
        }
        let (target, event) = direct.names(&self.limits)?;
        let payload = match body.is_empty() {
            true => Payload::empty_object(),
            false => Payload::parse(body.clone(), &self.limits).map_err(not_a_payload)?,
        };
        let dispatch = Dispatch::new(event, vec![target], payload);
        Ok(Outcome::One(self.inbox.notify(dispatch).await?))
    }

    /// The older inline form: everything is checked before anything is dispatched.
    async fn inline(&self, request: &Request<Bytes>, below: &str) -> Result<Outcome, Failure> {
        let wrong = |Denied| Failure::denied("Wrong password");
        let clearance = credentials::by_header(&*self.backends, request.headers())
            .await
            .map_err(wrong)?;
        let commands = inline::read(below, &self.limits).ok_or_else(Failure::malformed_list)?;
        if clearance == Clearance::Open {
            let presented = commands.iter().map(|command| Cow::Borrowed(&command.auth));
            credentials::by_all(&*self.backends, presented).await.map_err(wrong)?;
        }
        let dispatches = commands.into_iter().map(|command| Ok(command.dispatch));
        Ok(Outcome::List(self.in_order(dispatches).await))
    }

    /// Dispatches one after the other. When the server cannot take one, those behind it are not tried, because they
    /// would overtake it when it is sent again.
    async fn in_order(
        &self,
        dispatches: impl Iterator<Item = Result<Dispatch, Failure>>,
    ) -> Vec<Result<Receipt, Failure>> {
        let mut results = Vec::with_capacity(dispatches.size_hint().0);
        let mut stopped: Option<Failure> = None;
        for dispatch in dispatches {
            let result = match (&stopped, dispatch) {
                (_, Err(failure)) => Err(failure),
                (Some(failure), Ok(_)) => Err(failure.clone()),
                (None, Ok(dispatch)) => self.inbox.notify(dispatch).await.map_err(Failure::from),
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

    fn count(&self, outcome: &Result<Outcome, Failure>) {
        let refused = |failure: &Failure| self.report.refused(failure.code());
        match outcome {
            Ok(Outcome::One(_)) => self.report.accepted(),
            Ok(Outcome::List(list)) => list.iter().for_each(|push| match push {
                Ok(_) => self.report.accepted(),
                Err(failure) => refused(failure),
            }),
            Err(failure) => refused(failure),
        }
    }
}

fn wrong_auth(_: Denied) -> Failure {
    Failure::denied("Wrong auth data")
}

fn not_a_payload(error: JsonError) -> Failure {
    envelope::Refusal::from(error).into()
}

impl Door for RestDoor {
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'_, Response<Bytes>> {
        Box::pin(async move {
            let form = Form::wanted(request.headers(), self.answers);
            let outcome = self.outcome(&request).await;
            self.count(&outcome);
            form.answer(&outcome)
        })
    }

    fn too_large(&self, request: &request::Parts) -> Response<Bytes> {
        let outcome = Err(Failure::too_large(self.limits.push_bytes));
        self.count(&outcome);
        Form::wanted(&request.headers, self.answers).answer(&outcome)
    }
}
