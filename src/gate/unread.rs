//! Bodies of requests that nobody reads to their end.
//!
//! In: requests whose body does not tell its length. Out: the same, answered in such a way that the rest of the body
//! costs little: actix-http skips such a body for as long as it comes, once nobody holds it any more (CWE-400). Held
//! until the answer is on its way, it is cut off a moment later.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::{Error, HttpMessage};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// A body that its request only borrows.
struct Lent(Rc<RefCell<Payload>>);

impl Stream for Lent {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.borrow_mut().poll_next_unpin(cx)
    }
}

/// The body of an answer, and that of its request.
struct Holding {
    body: BoxBody,
    _request: Rc<RefCell<Payload>>,
}

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

/// Passes a request on and holds its body until its answer is written.
pub fn hold<S>(mut request: ServiceRequest, next: &S) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let held = request.headers().contains_key(header::TRANSFER_ENCODING).then(|| {
        let held = Rc::new(RefCell::new(request.take_payload()));
        let payload = Box::pin(Lent(Rc::clone(&held)));
        request.set_payload(Payload::Stream { payload });
        held
    });
    let answered = next.call(request);
    async move {
        let response = answered.await?;
        Ok(match held {
            Some(_request) => response.map_body(|_, body| BoxBody::new(Holding { body, _request })),
            None => response,
        })
    }
}
