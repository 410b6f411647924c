//! Which methods are answered at a path, and how the path may be spelt.
//!
//! In: paths and methods as doors name them. Out: the parts of routes that are the same everywhere: 405 with `Allow`,
//! 404 with a sentence, and HEAD, which is GET without the body (RFC 9110 section 9.3.2).

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Route, web};

/// Marks a request that came as HEAD. Every door sees GET.
pub(super) struct Head;

/// Whether only the head of the answer is wanted: then nothing is opened, and nothing taken from anybody.
#[must_use]
pub fn is_head(request: &HttpRequest) -> bool {
    request.extensions().get::<Head>().is_some()
}

/// A path without and with a slash at its end: both are meant.
#[must_use]
pub fn spellings(path: &str) -> [String; 2] {
    let path = path.trim_end_matches('/');
    [path.to_owned(), format!("{path}/")]
}

/// The answer to every other method.
#[must_use]
pub fn only(allowed: &'static str) -> Route {
    web::to(move |request: HttpRequest| async move { not_allowed(request.method(), allowed) })
}

fn not_allowed(method: &Method, allowed: &'static str) -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((header::ALLOW, allowed))
        .content_type("text/plain; charset=utf-8")
        .body(format!("{method} is not answered here; allowed are {allowed}\n"))
}

/// The answer where there is nothing.
#[must_use]
pub fn nothing() -> HttpResponse {
    sentence(
        StatusCode::NOT_FOUND,
        "there is nothing at this path; a door of clients or backends may be switched off",
    )
}

/// An answer that is one line for people.
#[must_use]
pub fn sentence(status: StatusCode, why: &str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/plain; charset=utf-8")
        .body(format!("{why}\n"))
}
