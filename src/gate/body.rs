//! Bodies of requests, within bounds of size and time.
//!
//! In: a payload. Out: its bytes, or why there are none (CWE-400).

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::entrance::Refused;

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
        }
    }
}

/// Collects a body of at most `max` bytes.
///
/// # Errors
/// [`Unread`].
pub async fn read(payload: web::Payload, max: usize) -> Result<Bytes, Unread> {
    let collected = tokio::time::timeout(TIME, collect(payload, max)).await;
    collected.unwrap_or(Err(Unread::Late))
}

async fn collect(mut payload: web::Payload, max: usize) -> Result<Bytes, Unread> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Unread::Broken)?;
        if body.len() + chunk.len() > max {
            return Err(Unread::TooLarge(max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
