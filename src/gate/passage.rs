//! What every request passes before it comes to any door.
//!
//! In: requests. Out: the same to whoever answers them, HEAD as GET, or a refusal: a host that is not believed here
//! (CWE-350). It does not know what is at which path.

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{RequestHead, Service, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, header};
use actix_web::{Error, HttpMessage, web};
use bytes::Bytes;
use futures_util::future::Either;

use super::Shared;
use super::entrance::Refused;
use super::methods::{Head, sentence};
use super::request::host;

/// Passes a request on, if it is for this server.
pub fn pass<S>(mut request: ServiceRequest, next: &S) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let is_head = request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
        request.extensions_mut().insert(Head);
    }
    let shared = request.app_data::<web::Data<Shared>>();
    let answered = match shared.map_or(Ok(()), |shared| check_host(request.head(), shared)) {
        Ok(()) => Either::Left(next.call(request)),
        Err(Refused { status, why, .. }) => Either::Right(ready(Ok(request.into_response(sentence(status, &why))))),
    };
    async move {
        let response = answered.await?;
        Ok(match is_head {
            true => response.map_body(|_, body| BoxBody::new(Untold(body.size()))),
            false => response,
        })
    }
}

/// A body of which only the length is told.
struct Untold(BodySize);

impl MessageBody for Untold {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
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
