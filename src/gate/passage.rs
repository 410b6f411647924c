//! What every request passes before it comes to any door.
//!
//! In: requests. Out: the same to whoever answers them, or a refusal: a host that is not believed here (CWE-350). It
//! does not know what is at which path.

use std::future::ready;

use actix_web::dev::{RequestHead, Service, ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::{Error, HttpResponse, web};
use futures_util::future::Either;

use super::Shared;
use super::entrance::Refused;
use super::request::host;

/// Passes a request on, if it is for this server.
pub fn pass<S>(request: ServiceRequest, next: &S) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let shared = request.app_data::<web::Data<Shared>>();
    match shared.map_or(Ok(()), |shared| check_host(request.head(), shared)) {
        Ok(()) => Either::Left(next.call(request)),
        Err(refused) => Either::Right(ready(Ok(request.into_response(plain(&refused))))),
    }
}

/// Programs need not say a host; browsers always do.
fn check_host(request: &RequestHead, shared: &Shared) -> Result<(), Refused> {
    let is_said = request.headers().contains_key(header::HOST) || request.uri.authority().is_some();
    if !is_said || host(request).is_some_and(|host| shared.origins.believe(host)) {
        return Ok(());
    }
    let why = "this server is not known under this host; a name that a proxy passes on belongs to server.origins";
    Err(Refused::new(StatusCode::FORBIDDEN, "bad_host", why))
}

/// A refusal as a line of text.
fn plain(refused: &Refused) -> HttpResponse {
    HttpResponse::build(refused.status)
        .content_type("text/plain; charset=utf-8")
        .body(format!("{}\n", refused.why))
}
