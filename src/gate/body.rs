//! Bodies of requests, within bounds of size and time.
//!
//! In: a payload. Out: its bytes, or why there are none (CWE-400). All bodies under way have a bound together: what one
//! peer may send is small, what a thousand may send is not.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::RequestHead;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::Shared;
use super::entrance::Refused;
use super::refusals::{note, path};
use super::request::text;
use super::socket::Answering;

/// How long a body may take.
const TIME: Duration = Duration::from_secs(30);

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is longer than this.
    TooLarge(usize),
    /// It broke off.
    Broken,
    /// It took too long.
    Late,
    /// All bodies together are as large as they may be.
    Crowded,
}

impl From<Unread> for Refused {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge(max) => {
                let why = format!("a body may have {max} bytes");
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", why)
            }
            Unread::Broken => Self::new(StatusCode::BAD_REQUEST, "bad_body", "the body broke off"),
            Unread::Late => Self::new(StatusCode::REQUEST_TIMEOUT, "late", "the body took too long"),
            Unread::Crowded => {
                let why = "the server is busy with as many bodies as it may hold; try again in a moment";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", why)
            }
        }
    }
}

/// What bodies take together, and their bound.
#[derive(Debug)]
pub struct Bodies {
    taken: AtomicUsize,
    most: usize,
}

impl Bodies {
    /// At most so many bytes at a time.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let taken = AtomicUsize::new(0);
        Self { taken, most }
    }

    /// How many bytes they have now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// The place that one body has among all.
#[derive(Debug)]
struct Room {
    bodies: Arc<Bodies>,
    bytes: usize,
}

impl Room {
    fn grow(&mut self, by: usize) -> Result<(), Unread> {
        self.bytes += by;
        let before = self.bodies.taken.fetch_add(by, Ordering::Relaxed);
        // What is too much is given back with the whole.
        if before + by > self.bodies.most {
            return Err(Unread::Crowded);
        }
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.bodies.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A whole body. It counts as long as it lives, and as long its request is taken for one that is being answered.
#[derive(Debug)]
pub struct Body {
    bytes: Bytes,
    _room: Room,
    _answering: Answering,
}

impl Deref for Body {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

/// Collects a body of at most `max` bytes, which is what `key` says.
///
/// # Errors
/// [`Unread`].
pub async fn read(
    request: &HttpRequest,
    shared: &Shared,
    payload: web::Payload,
    max: usize,
    key: &'static str,
) -> Result<Body, Unread> {
    let room = Room {
        bodies: Arc::clone(&shared.bodies),
        bytes: 0,
    };
    let collected = tokio::time::timeout(TIME, collect(payload, max, room)).await;
    let body = collected.unwrap_or(Err(Unread::Late));
    if let Err(unread) = &body {
        tell(request, *unread, key);
    }
    body
}

async fn collect(mut payload: web::Payload, max: usize, mut room: Room) -> Result<Body, Unread> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Unread::Broken)?;
        if body.len() + chunk.len() > max {
            return Err(Unread::TooLarge(max));
        }
        room.grow(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    Ok(Body {
        bytes: body.freeze(),
        _room: room,
        _answering: Answering::begin(),
    })
}

fn tell(request: &HttpRequest, unread: Unread, key: &'static str) {
    let at = || path(request.head());
    match unread {
        Unread::TooLarge(max) => note(request, "body", "too_large", || too_large(request.head(), max, key)),
        Unread::Crowded => note(request, "body", "overloaded", || {
            format!(
                "with one for {}, all under way would be more than limits.bodies_total",
                at()
            )
        }),
        Unread::Late => note(request, "body", "late", || {
            format!("one for {} was not complete after {} s", at(), TIME.as_secs())
        }),
        // Nobody refused it: its sender broke off.
        Unread::Broken => {}
    }
}

/// What no door for clients reads more of.
const LARGEST: usize = 1 << 20;

/// Whether a body that is announced with `Expect: 100-continue` may come (RFC 9110 section 10.1.1): the bound, when it
/// is longer than that. Whoever asks first need not send in vain.
///
/// # Errors
/// The bound.
pub fn expect(head: &RequestHead, shared: &Shared) -> Result<(), Unread> {
    let length = text(head, header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    let path = head.uri.path();
    let mut doors = shared.endpoints.iter();
    let door = doors.find(|door| door.takes(path));
    let (max, key) = match door {
        Some(door) => (door.max_body, "limits.push_bytes"),
        None => (LARGEST.max(shared.message_bytes), "limits.message_bytes"),
    };
    if length.is_none_or(|length| length <= max) {
        return Ok(());
    }
    let tell = || too_large(head, max, key);
    shared.refusals.note("body", "too_large", head.peer_addr, tell);
    Err(Unread::TooLarge(max))
}

fn too_large(head: &RequestHead, max: usize, key: &str) -> String {
    format!("one for {} has more than the {max} bytes of {key}", path(head))
}
