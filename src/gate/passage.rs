//! What every request passes before it comes to any door.
//!
//! In: requests. Out: the same to whoever answers them, HEAD as GET, or a refusal: a host that is not believed here
//! (CWE-350), or one more request than an HTTP/2 connection may have under way (CWE-770). It does not know what is at
//! which path.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{RequestHead, Service, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{Error, HttpMessage, web};
use bytes::Bytes;
use futures_util::future::Either;

use super::Shared;
use super::entrance::Refused;
use super::methods::{Head, sentence};
use super::refusals::{path, quoted};
use super::request::host;
use super::withdrawn::Wanted;

/// The requests that one HTTP/2 connection has under way, among the data of that connection. One of HTTP/1 has one.
#[derive(Debug, Clone, Default)]
pub struct UnderWay(Rc<Cell<usize>>);

/// One request, until its answer has been written.
struct Counted(UnderWay);

impl UnderWay {
    fn enter(&self, most: usize) -> Option<Counted> {
        let count = self.0.get();
        self.0.set(if count < most { count + 1 } else { count });
        (count < most).then(|| Counted(self.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Self(UnderWay(count)) = self;
        count.set(count.get().saturating_sub(1));
    }
}

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
    let checked = shared.map_or(Ok(None), |shared| {
        shared.proxies.watch(request.head());
        check_host(&request, shared)?;
        check_count(&request, shared)
    });
    let mut counted = None;
    let answered = match checked {
        Ok(place) => {
            counted = place.map(|place| (place, Wanted::new(&mut request)));
            Either::Left(next.call(request))
        }
        Err(Refused { status, why, .. }) => Either::Right(ready(Ok(request.into_response(sentence(status, &why))))),
    };
    async move {
        let response = match &mut counted {
            // Nobody gets this answer.
            Some((_, wanted)) => wanted
                .answer(answered)
                .await
                .unwrap_or(Err(PayloadError::Incomplete(None).into()))?,
            None => answered.await?,
        };
        Ok(match (is_head, counted) {
            (true, _) => response.map_body(|_, body| BoxBody::new(Untold(body.size()))),
            (false, Some((_counted, wanted))) => response.map_body(|_, body| {
                let answer = Answer { body, wanted, _counted };
                BoxBody::new(answer)
            }),
            (false, None) => response,
        })
    }
}

/// A body that counts as long as it is written, which is as long as somebody wants it.
struct Answer {
    body: BoxBody,
    wanted: Wanted,
    _counted: Counted,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Poll::Ready(chunk) = Pin::new(&mut self.body).poll_next(cx) {
            return Poll::Ready(chunk);
        }
        // Whoever writes finds out with it that there is nowhere to write to, and drops the body.
        self.wanted.poll_withdrawn(cx).map(|()| Some(Ok(Bytes::new())))
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
fn check_host(request: &ServiceRequest, shared: &Shared) -> Result<(), Refused> {
    let head = request.head();
    if !is_said(head) || host(head).is_some_and(|host| shared.origins.believe(host)) {
        return Ok(());
    }
    shared.refusals.note("host", "bad_host", request.peer_addr(), || {
        let host = quoted(host(head));
        format!(
            "{host} is no loopback name, as server.listen is, and no host of server.origins, where a proxy's belongs"
        )
    });
    let why = "this server is not known under this host; a name that a proxy passes on belongs to server.origins";
    Err(Refused::new(StatusCode::FORBIDDEN, "bad_host", why))
}

fn is_said(head: &RequestHead) -> bool {
    head.headers().contains_key(header::HOST) || head.uri.authority().is_some()
}

/// Each request of an HTTP/2 connection can hold a body and an answer, and there may be thousands.
fn check_count(request: &ServiceRequest, shared: &Shared) -> Result<Option<Counted>, Refused> {
    let Some(under_way) = request.conn_data::<UnderWay>() else {
        return Ok(None);
    };
    under_way.enter(shared.requests).map(Some).ok_or_else(|| {
        shared.refusals.note("request", "too_many", request.peer_addr(), || {
            let path = path(request.head());
            format!("with one for {path} its connection would have more than limits.requests_per_connection under way")
        });
        let why = "too many requests at once on one connection; wait for an answer, or open another one";
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_requests", why)
    })
}
