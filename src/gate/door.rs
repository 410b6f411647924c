//! Connectors' doors on the server's port.
//!
//! In: requests below an endpoint's prefix. Out: what its door answers, with the CORS headers that its origin deserves.
//! Origin rules, preflights, body limits and slow bodies are settled here, once for all connectors.

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use turted_core::Endpoint;
use turted_core::endpoint::{Peer, Refusals};

use super::body::{self, Unread};
use super::entrance::{Refused, check_origin};
use super::methods::sentence;
use super::proxies::origin;
use super::refusals::note;
use super::{Shared, cors};

/// Answers one request for the endpoint with this index.
pub async fn answer(
    index: usize,
    request: HttpRequest,
    shared: web::Data<Shared>,
    payload: web::Payload,
) -> HttpResponse {
    let endpoint = &shared.endpoints[index];
    if check_origin(&request, &shared).is_err() {
        return HttpResponse::Forbidden()
            .content_type("text/plain; charset=utf-8")
            .body("this origin is not allowed; see server.origins\n");
    }
    let mut response = if request.method() == Method::OPTIONS {
        HttpResponse::Ok().finish()
    } else {
        pass_on(endpoint, &request, &shared, payload).await
    };
    let allow = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, endpoint.allow_methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, endpoint.allow_headers),
    ];
    cors::show(request.headers(), &mut response);
    for (name, value) in allow {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn pass_on(endpoint: &Endpoint, request: &HttpRequest, shared: &Shared, payload: web::Payload) -> HttpResponse {
    let Some(parts) = translate(request) else {
        return HttpResponse::BadRequest().finish();
    };
    let response = match body::read(request, shared, payload, endpoint.max_body, "limits.push_bytes").await {
        Err(unread @ (Unread::Crowded | Unread::Late | Unread::Broken)) => {
            let Refused { status, why, .. } = unread.into();
            let mut response = sentence(status, &why);
            if unread == Unread::Crowded {
                let soon = HeaderValue::from_static("1");
                response.headers_mut().insert(header::RETRY_AFTER, soon);
            }
            return response;
        }
        Err(Unread::TooLarge(_)) => {
            let mut refusal = endpoint.door.too_large(&parts);
            // What was not read cannot be skipped: the next request would begin inside it.
            refusal
                .headers_mut()
                .insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
            refusal
        }
        Ok(body) => {
            let whole = http::Request::from_parts(parts, Bytes::clone(&body));
            endpoint.door.answer(whole).await
        }
    };
    if let Some(Refusals(refusals)) = response.extensions().get() {
        for refusal in refusals {
            note(request, "push", refusal.code, || refusal.message.clone());
        }
    } else if matches!(
        response.status(),
        http::StatusCode::UNAUTHORIZED | http::StatusCode::FORBIDDEN
    ) {
        // A door that says no more than that.
        note(request, "push", "denied", || {
            format!(
                "one to {} brought no credentials, or others than [auth.backends] accepts",
                endpoint.prefix
            )
        });
    }
    translate_back(response)
}

/// From actix-web's `http` 0.2 to the `http` 1 of the contracts.
fn translate(request: &HttpRequest) -> Option<http::request::Parts> {
    let mut builder = http::Request::builder()
        .method(request.method().as_str())
        .uri(request.uri().to_string());
    for (name, value) in request.headers() {
        builder = builder.header(name.as_str(), value.as_bytes());
    }
    if let Some(mut peer) = request.peer_addr() {
        peer.set_ip(origin(request).unwrap_or(peer.ip()));
        builder = builder.extension(Peer(peer));
    }
    builder.body(()).ok().map(|request| request.into_parts().0)
}

fn translate_back(response: http::Response<Bytes>) -> HttpResponse {
    let (parts, body) = response.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponse::build(status);
    for (name, value) in &parts.headers {
        builder.append_header((name.as_str(), value.as_bytes()));
    }
    builder.body(body)
}
