//! What a browser lets a foreign page see.
//!
//! In: a request and our answer. Out: the answer with the headers of the Fetch standard ("HTTP-CORS protocol"). Whether
//! the origin may call at all was decided before.

use std::time::{Duration, SystemTime};

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};

/// Lets the page of this request read the answer.
pub fn show(request: &HeaderMap, response: &mut HttpResponse) {
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = request.get(header::ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}

/// As [`show`], also when the request came with cookies.
pub fn allow(request: &HeaderMap, response: &mut HttpResponse) {
    show(request, response);
    let credentials = HeaderValue::from_static("true");
    response
        .headers_mut()
        .insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials);
}

/// As [`allow`], for services that programs without an origin use like pages; headers that a page asks for are allowed.
pub fn open(request: &HeaderMap, response: &mut HttpResponse) {
    if request.contains_key(header::ORIGIN) {
        allow(request, response);
    } else {
        show(request, response);
        let everybody = HeaderValue::from_static("*");
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, everybody);
    }
    let wanted = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    if let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) {
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
}

/// A year in seconds.
const YEAR: u64 = 31_536_000;

/// Lets caches keep an answer for a year.
pub fn cache(response: &mut HttpResponseBuilder) {
    let expires = SystemTime::now() + Duration::from_secs(YEAR);
    response
        .insert_header((header::CACHE_CONTROL, format!("public, max-age={YEAR}")))
        .insert_header((header::EXPIRES, header::HttpDate::from(expires)));
}

/// The answer to a preflight that may be kept for a year, without the headers of [`open`].
#[must_use]
pub fn preflight_for_a_year(methods: &'static str) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    cache(&mut response);
    response
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, methods))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, YEAR.to_string()))
        .finish()
}

/// The answer to a preflight: which methods and headers a page may use.
#[must_use]
pub fn preflight(request: &HeaderMap, methods: &'static str, headers: &'static str) -> HttpResponse {
    let mut response = HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, methods))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, headers))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish();
    allow(request, &mut response);
    response
}
