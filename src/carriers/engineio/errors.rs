//! How requests of Engine.IO clients fail.
//!
//! In: what is wrong. Out: answers with the codes and words of the reference server, since clients show them.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::carriers::websocket;
use crate::gate::entrance::Refused;

/// What is wrong with a request, in the words of the reference server.
#[derive(Debug, Clone, Copy)]
pub enum Error {
    /// Neither polling nor WebSocket.
    TransportUnknown,
    /// There is no such session (any more).
    SessionUnknown,
    /// A session begins with GET.
    BadMethod,
    /// Not now, or not in this way.
    BadRequest,
    /// The page may not call.
    Forbidden,
    /// Not a version that is spoken here.
    UnsupportedVersion,
}

impl Error {
    /// For programs.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// For people.
    pub fn message(self) -> &'static str {
        match self {
            Self::TransportUnknown => "Transport unknown",
            Self::SessionUnknown => "Session ID unknown",
            Self::BadMethod => "Bad handshake method",
            Self::BadRequest => "Bad request",
            Self::Forbidden => "Forbidden",
            Self::UnsupportedVersion => "Unsupported protocol version",
        }
    }
}

/// How a request fails.
pub enum Failure {
    /// As the reference server does.
    Known(Error),
    /// As this one does.
    Refused(Refused),
    /// The session is gone; the answer has no body.
    Closed,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Known(error)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        if refused.code == "bad_origin" {
            Self::Known(Error::Forbidden)
        } else {
            Self::Refused(refused)
        }
    }
}

/// The answer.
pub fn refuse(request: &HttpRequest, failure: Failure) -> HttpResponse {
    match failure {
        Failure::Known(error) if websocket::is_upgrade(request) => HttpResponse::build(status(error))
            .content_type("text/html")
            .force_close()
            .body(error.message()),
        Failure::Known(error) => HttpResponse::build(status(error))
            .content_type("application/json")
            .body(json!({"code": error.code(), "message": error.message()}).to_string()),
        Failure::Refused(Refused { status, why, .. }) => HttpResponse::build(status)
            .content_type("application/json")
            .body(json!({"code": Error::Forbidden.code(), "message": why}).to_string()),
        Failure::Closed => HttpResponse::BadRequest().finish(),
    }
}

fn status(error: Error) -> StatusCode {
    match error {
        Error::Forbidden => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    }
}
