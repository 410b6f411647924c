//! Health and numbers for those who run the server.
//!
//! In: GET requests. Out: `/health/live` (the process answers), `/health/ready` (it takes clients; with the state of each
//! connector), `/metrics`.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use turted_core::{Credentials, Report};

use super::{Shared, bearer};

/// The process is alive.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("ok\n")
}

/// 200 while clients are welcome, 503 when the server is going down.
pub async fn ready(shared: web::Data<Shared>) -> HttpResponse {
    let states = shared.connectors.iter();
    let connectors: BTreeMap<_, _> = states
        .map(|(name, report)| (name.to_string(), connector(report)))
        .collect();
    let leaving = shared.shutdown.is_wanted();
    let status = if leaving { "shutting down" } else { "ready" };
    let body = json!({"status": status, "connectors": connectors});
    if leaving {
        HttpResponse::ServiceUnavailable().json(body)
    } else {
        HttpResponse::Ok().json(body)
    }
}

/// What may be known to everybody: no error texts, which can name hosts (CWE-209); those are in the log.
fn connector(report: &Report) -> Value {
    let (status, (events, refused)) = (report.status(), report.counts());
    let since = humantime::format_rfc3339_seconds(status.since).to_string();
    json!({"state": status.state.word(), "since": since, "events": events, "refused": refused})
}

/// The numbers, behind the backends' authenticator if so configured.
pub async fn metrics(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    if shared.metrics_auth && !is_backend(&request, &shared).await {
        return HttpResponse::Unauthorized().finish();
    }
    let Some(metrics) = &shared.metrics else {
        return HttpResponse::NotFound().finish();
    };
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(metrics.render(&shared.connectors, shared.bus.lost()))
}

/// Whether the `Authorization` header satisfies the backends' authenticator.
pub async fn is_backend(request: &HttpRequest, shared: &Shared) -> bool {
    let credentials = Credentials {
        data: &Value::Null,
        bearer: bearer(request),
    };
    shared.backends.verify(credentials).await.is_ok()
}
