//! Health and numbers for those who run the server.
//!
//! In: GET requests. Out: `/health/live` (the process answers), `/health/ready` (it takes clients; with the state of
//! each connector), `/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use turted_core::{Api, ConnectorState, Report};

use crate::dispatcher::Queued;
use crate::engine::{LinkState, Reach};
use crate::gate::Shared;
use crate::gate::backend::{backend, in_words};
use crate::gate::socket::Answering;
use crate::observe::{Bus, Metrics};

/// Says how old something is, if it is there.
pub type Age = Box<dyn Fn() -> Option<Duration> + Send + Sync>;

/// What there is to look at.
pub struct Watched {
    /// The state of each connector.
    pub connectors: Vec<(Arc<str>, Report)>,
    /// How this node stands with the others; `None` when it is alone.
    pub cluster: Option<Arc<LinkState>>,
    /// The keys of each issuer: its name, and how old they are now.
    pub keys: Vec<(Arc<str>, Age)>,
    /// Numbers; `None` switches the page off.
    pub metrics: Option<Arc<Metrics>>,
    /// Whether clients are welcome while a connector is not well.
    pub ready_while_degraded: bool,
    /// Whether the numbers need a backend's credentials.
    pub metrics_auth: bool,
    /// Whether `/observe` exists.
    pub stream: bool,
    /// What waits for all clients together.
    pub queued: Arc<Queued>,
    /// Where notes come from.
    pub bus: Arc<Bus>,
}

/// The process is alive.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("ok\n")
}

/// 200 while clients are welcome, 503 when the server is going down; while a connector is not well as configured.
pub async fn ready(shared: web::Data<Shared>, watched: web::Data<Watched>) -> HttpResponse {
    let states = watched.connectors.iter();
    let connectors: BTreeMap<_, _> = states
        .map(|(name, report)| (name.to_string(), connector(report)))
        .collect();
    let is_unwell = |(_, report): &(Arc<str>, Report)| {
        matches!(
            report.current(),
            ConnectorState::Retrying { .. } | ConnectorState::Failed { .. }
        )
    };
    let (status, welcome) = if shared.shutdown.is_wanted() {
        ("shutting down", false)
    } else if watched
        .cluster
        .as_ref()
        .is_some_and(|cluster| !cluster.is_ready(Instant::now()))
    {
        ("away from its cluster", false)
    } else if watched.connectors.iter().any(is_unwell) {
        ("degraded", watched.ready_while_degraded)
    } else {
        ("ready", true)
    };
    let mut response = match welcome {
        true => HttpResponse::Ok(),
        false => HttpResponse::ServiceUnavailable(),
    };
    let mut answer = json!({"status": status, "connectors": connectors});
    if let Some(state) = &watched.cluster {
        answer["cluster"] = cluster(state);
    }
    response.json(answer)
}

/// Names of nodes tell nothing about where they are.
fn cluster(state: &LinkState) -> Value {
    let (word, since) = match state.reach() {
        Reach::Joined => ("joined", None),
        Reach::Away(since, _) => ("away", Some(since.elapsed().as_secs())),
    };
    let (applied, top) = (state.applied.load(Ordering::Relaxed), state.top.load(Ordering::Relaxed));
    json!({"state": word, "seconds": since, "nodes": state.nodes().len(), "applied": applied, "top": top.max(applied)})
}

/// What may be known to everybody: no error texts, which can name hosts (CWE-209); those are in the log.
fn connector(report: &Report) -> Value {
    let (status, (events, refused)) = (report.status(), report.counts());
    let since = humantime::format_rfc3339_seconds(status.since).to_string();
    json!({"state": status.state.word(), "since": since, "events": events, "refused": refused})
}

/// The numbers, behind the backends' authenticator if so configured.
pub async fn metrics(request: HttpRequest, shared: web::Data<Shared>, watched: web::Data<Watched>) -> HttpResponse {
    let _answering = Answering::begin();
    if watched.metrics_auth
        && let Err(refused) = backend(&request, &shared, "metrics", Api::Read).await
    {
        return in_words(refused);
    }
    let Some(metrics) = &watched.metrics else {
        return HttpResponse::NotFound().finish();
    };
    let gauged = [
        (
            "sockets",
            "Open sockets of HTTP, with a client or without",
            shared.sockets.count(),
        ),
        ("body_bytes", "Bytes of request bodies under way", shared.bodies.taken()),
        (
            "outbox_bytes",
            "Bytes that wait for all clients together, a shared frame once",
            watched.queued.bytes(),
        ),
        ("viewers", "Who watches /observe", shared.viewers.count()),
    ];
    let keys: Vec<_> = watched
        .keys
        .iter()
        .map(|(issuer, age)| (Arc::clone(issuer), age()))
        .collect();
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(metrics.render(
            &watched.connectors,
            watched.bus.lost(),
            &gauged,
            &keys,
            watched.cluster.as_deref(),
        ))
}
