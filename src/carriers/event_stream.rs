//! Server-sent events (HTML Living Standard, section 9.2).
//!
//! In: a request whose client may come in. Out: a response that stays open, with a connection behind it. What the
//! client says comes in requests of their own.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use tokio::sync::oneshot;
use turted_core::{DispatchId, Ending};

use super::Mount;
use super::body::Wire;
use crate::client::requests::collect::settled;
use crate::client::{Inbound, Newcomer, Worker};
use crate::gate::cors;
use crate::gate::entrance::{Refused, turned_out};
use crate::gate::request::token;

/// Spellings of `Last-Event-ID` in queries, compared without regard to case: polyfills and other servers have their
/// own.
const LAST: [&str; 4] = ["last", "lastEventId", "last-event-id", "evs_last_event_id"];
/// What a browser that was refused waits before it comes back, at most: half of it is random.
const PAUSE: Duration = Duration::from_secs(20);

/// The first line of a stream: how long a browser waits before it comes back.
#[must_use]
pub fn retry(time: Duration) -> Bytes {
    format!("retry: {}\n\n", time.as_millis()).into()
}

/// Whether this is an `EventSource` that is refused only for now. Any status but 200 ends one for good, so it gets a
/// stream that ends, and comes back by itself.
#[must_use]
pub fn is_to_return(request: &HttpRequest, refused: &Refused) -> bool {
    let accepts = request.headers().get(header::ACCEPT);
    let accepts = accepts.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_momentary = matches!(refused.code, "full" | "shutting_down");
    is_momentary && accepts.split([',', ';']).any(|kind| kind.trim() == "text/event-stream")
}

/// The stream for [`is_to_return`]: when to come back, and `said`.
#[must_use]
pub fn to_return(request: &HttpRequest, said: &Bytes) -> HttpResponse {
    let retry = retry(PAUSE.mul_f64(0.5 + fastrand::f64() / 2.0));
    let mut response = head().body(Bytes::from([&retry[..], said].concat()));
    cors::allow(request.headers(), &mut response);
    response
}

/// Answers with a stream, as soon as the connection has what it asks for before anybody speaks: whoever reads the first
/// words is there for everybody. `held` lives as long as the socket.
///
/// # Errors
/// When its client may not be who it says.
pub async fn open(
    mount: &Mount,
    worker: &Rc<Worker>,
    newcomer: Newcomer,
    held: impl Sized + 'static,
) -> Result<HttpResponse, Refused> {
    let newcomer = Newcomer {
        transport: "server-sent events",
        ..newcomer
    };
    let (alive, gone) = oneshot::channel::<()>();
    let inbound = stream::once(async move {
        // Nothing is ever sent: it resolves when the body is dropped with its socket.
        let _ = gone.await;
        Inbound::Broken(Ending::Vanished)
    });
    let (voice, connection) = mount.connect(worker, newcomer, inbound);
    settled(&connection).await;
    turned_out(voice.ended())?;
    Ok(head().body(Wire::new(voice, (held, alive))))
}

/// The head of a stream.
#[must_use]
pub fn head() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store, no-transform"))
        // Proxies of the nginx family buffer responses unless told otherwise.
        .insert_header(("X-Accel-Buffering", "no"));
    response
}

/// One event. A line break in the data (JSON allows it between tokens) must not end the field (CWE-93). A stream can
/// carry no carriage return: it becomes a space, which is the same between tokens, and every other byte stays.
pub fn event(id: Option<&str>, name: Option<&str>, data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + 64);
    if let Some(id) = id {
        field(&mut out, "id", id);
    }
    if let Some(name) = name {
        field(&mut out, "event", name);
    }
    for line in data.split(|byte| *byte == b'\n') {
        out.put_slice(b"data: ");
        for (at, part) in line.split(|byte| *byte == b'\r').enumerate() {
            if at > 0 {
                out.put_u8(b' ');
            }
            out.put_slice(part);
        }
        out.put_u8(b'\n');
    }
    out.put_u8(b'\n');
    out.freeze()
}

/// An `id` alone: a browser remembers it and fires nothing.
pub fn place(id: &DispatchId) -> Bytes {
    format!("id: {id}\n\n").into()
}

/// One line of an event.
pub fn field(out: &mut BytesMut, name: &str, value: &str) {
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    out.put_slice(value.as_bytes());
    out.put_u8(b'\n');
}

/// The last id that the client saw: in the header, where browsers put it, or else in the query.
pub fn last_id(request: &HttpRequest, query: &[(String, String)]) -> Option<Arc<str>> {
    let header = request.headers().get("last-event-id");
    let header = header.and_then(|value| value.to_str().ok());
    let header = header.filter(|value| !value.is_empty()).map(Arc::from);
    header.or_else(|| LAST.iter().find_map(|name| token(query, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_told_in_milliseconds_when_to_come_back() {
        assert_eq!(retry(Duration::from_millis(1500)), "retry: 1500\n\n");
    }
}
