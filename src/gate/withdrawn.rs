//! Requests of HTTP/2 that their client takes back.
//!
//! In: requests. Out: the same, and the moment when nobody waits for their answer any more: their stream was reset, or
//! the connection is gone. The library tells neither to whoever has nothing to read or to write, but a look at the body
//! of the request shows both. With HTTP/1 a request ends with its socket.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often is looked.
const LOOKS: Duration = Duration::from_secs(2);
/// What may come of a body while nobody reads it; what is behind that is left to the library.
const EARLY: usize = 64 << 10;

/// The body of a request, for two who look at it.
struct Loan {
    payload: Payload,
    early: VecDeque<Bytes>,
    borrower: Borrower,
}

/// What whoever answers does with the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Borrower {
    /// Nothing yet.
    Idle,
    /// It waits for more, and is told of everything.
    Waits,
    /// It needs no more.
    Gone,
}

impl Loan {
    /// Whether the request was taken back. Takes nothing away from the borrower.
    fn look(&mut self) -> bool {
        // Whoever waits for bytes hears it, and must be the one who is woken.
        while self.borrower != Borrower::Waits && self.early.iter().map(Bytes::len).sum::<usize>() < EARLY {
            match self.payload.poll_next_unpin(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(_))) if self.borrower == Borrower::Gone => return false,
                Poll::Ready(Some(Ok(chunk))) => self.early.push_back(chunk),
                Poll::Ready(Some(Err(_))) => return true,
                Poll::Ready(None) | Poll::Pending => return false,
            }
        }
        false
    }
}

/// The body as whoever answers has it.
struct Lent(Rc<RefCell<Loan>>);

impl Stream for Lent {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut loan = self.0.borrow_mut();
        if let Some(chunk) = loan.early.pop_front() {
            return Poll::Ready(Some(Ok(chunk)));
        }
        let next = loan.payload.poll_next_unpin(cx);
        loan.borrower = match next {
            Poll::Pending => Borrower::Waits,
            Poll::Ready(_) => Borrower::Idle,
        };
        next
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut loan = self.0.borrow_mut();
        loan.borrower = Borrower::Gone;
        loan.early.clear();
    }
}

/// A request, until it is answered or taken back.
pub struct Wanted {
    request: Rc<RefCell<Loan>>,
    looks: Interval,
}

impl Wanted {
    /// Lends the body of a request to whoever answers it.
    pub fn new(request: &mut ServiceRequest) -> Self {
        let loan = Rc::new(RefCell::new(Loan {
            payload: request.take_payload(),
            early: VecDeque::new(),
            borrower: Borrower::Idle,
        }));
        let payload = Box::pin(Lent(Rc::clone(&loan)));
        request.set_payload(Payload::Stream { payload });
        let mut looks = interval_at(Instant::now() + LOOKS, LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { request: loan, looks }
    }

    /// What this future gives, or nothing when nobody waits for it any more.
    pub async fn answer<T>(&mut self, answered: impl Future<Output = T>) -> Option<T> {
        let mut answered = pin!(answered);
        poll_fn(|cx| match answered.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => self.poll_withdrawn(cx).map(|()| None),
        })
        .await
    }

    /// Ready when the request was taken back.
    pub fn poll_withdrawn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.looks.poll_tick(cx));
            if self.request.borrow_mut().look() {
                return Poll::Ready(());
            }
        }
    }
}
