//! The first line of a stranger.
//!
//! In: a line. Out: credentials for the backends' authenticator, which decides. Refuses to know what makes them good;
//! nothing in here reaches an answer or a log.

use serde_json::Value;
use turted_core::auth::confirm;
use turted_core::json::without_mark;
use turted_core::{Authenticator, Brought, Identity, Visitor};

/// Says how it is done, to whoever did it otherwise.
pub(crate) const WANTED: &str =
    "credentials were not accepted; the first line must be `Bearer <token>`, or JSON such as {\"password\":\"…\"}";

/// Credentials were not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Denied;

/// Checks `Bearer <token>`, or JSON as it stands in the `auth` of a push; says who it is, and with what bounds.
pub(crate) async fn verify(backends: &dyn Authenticator, line: &[u8]) -> Result<Identity, Denied> {
    let line = std::str::from_utf8(without_mark(line)).map_err(|_| Denied)?.trim();
    let bearer = line
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let data = match bearer {
        Some(_) => Value::Null,
        None => serde_json::from_str(line).map_err(|_| Denied)?,
    };
    let brought = Brought::bearer(bearer);
    let confirmed = confirm(backends, &Visitor::new(&data, &brought)).await;
    confirmed.map_err(|_| Denied)
}
