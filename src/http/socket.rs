//! The door for WebSocket clients.
//!
//! In: upgrade requests. Out: a connection, or a refusal with a sentence: 403 for foreign pages, 426 without an upgrade, 429
//! and 503 when there is no room.

use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use turted_core::Welcome;

use super::admission::Full;
use super::{Shared, bearer};
use crate::connection::actor::Surroundings;
use crate::transport::websocket;

/// Answers `GET` on the WebSocket path.
pub async fn open(request: HttpRequest, shared: web::Data<Shared>, payload: web::Payload) -> HttpResponse {
    let text = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    if !shared.origins.allow(text(header::ORIGIN), text(header::HOST)) {
        return refuse(StatusCode::FORBIDDEN, "this origin is not allowed; see server.origins");
    }
    if shared.shutdown.is_wanted() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "the server is shutting down");
    }
    if !text(header::UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        let mut response = refuse(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket endpoint");
        let value = header::HeaderValue::from_static("websocket");
        response.headers_mut().insert(header::UPGRADE, value);
        return response;
    }
    let (Some(peer), Some(surroundings)) = (request.peer_addr(), request.app_data::<Rc<Surroundings>>()) else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the connection has no address");
    };
    let ticket = match shared.admission.admit(peer.ip()) {
        Ok(ticket) => ticket,
        Err(full @ Full::Address) => return refuse(StatusCode::TOO_MANY_REQUESTS, &full.to_string()),
        Err(full @ Full::Server) => return refuse(StatusCode::SERVICE_UNAVAILABLE, &full.to_string()),
    };
    let (Some(connection), Some(resume)) = (secret::<9>(), secret::<20>()) else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the system has no random numbers");
    };
    let welcome = Welcome {
        connection,
        resume,
        window: shared.window,
        ping: shared.ping.as_secs().max(1),
    };
    let (mount, bearer) = (&shared.websocket.1, bearer(&request).map(Box::from));
    websocket::accept(
        &request,
        payload,
        mount,
        Rc::clone(surroundings),
        welcome,
        bearer,
        ticket,
    )
    .await
    .unwrap_or_else(|error| error.error_response())
}

fn refuse(status: StatusCode, why: &str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/plain; charset=utf-8")
        .body(format!("{why}\n"))
}

/// `N` bytes that nobody can guess (CWE-330), in hexadecimal.
fn secret<const N: usize>() -> Option<Arc<str>> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    let mut text = String::with_capacity(2 * N);
    for byte in bytes {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Some(text.into())
}
