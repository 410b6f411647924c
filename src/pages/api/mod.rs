//! `/api`: what backends ask the server, and tell it, beside events.
//!
//! In: requests with the credentials of a backend. Out: JSON; `{"error":{"code":…,"message":…}}` when it is none. Each
//! file is a resource. A page may ask only where it is the server's own: there are no words here for pages of others
//! (CWE-352), and an open door of backends opens this one to programs, not to what a browser was sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::dev::ToEnvelope;
use actix::{Addr, Handler, Message};
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use turted_core::{Api as Level, Identity, UserName};

use crate::dispatcher::{Census, Dispatcher};
use crate::gate::backend::{ask, backend};
use crate::gate::entrance::{Refused, check_origin};
use crate::gate::methods::{only, spellings};
use crate::gate::refusals::{note, quoted};
use crate::gate::request::{bad_request, host, text};
use crate::gate::{Shared, bearer, body};

mod connections;
mod kick;
mod revoked;
mod root;
mod tickets;

/// The path of it all.
pub const PATH: &str = "/api";
/// Longest body in bytes.
const BODY: usize = 64 * 1024;
/// How long an answer of the Dispatcher may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long anything may last that is asked for here.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
/// Longest id of a connection or a token in bytes.
const ID: usize = 256;

/// What the resources are about.
pub struct Api {
    /// The centre.
    pub dispatcher: Addr<Dispatcher>,
    /// How many there are.
    pub census: Arc<Census>,
    /// When the server began.
    pub began: Instant,
    /// The claims that rules ask for, which a ticket keeps.
    pub claims: Arc<[Arc<str>]>,
}

/// Every resource at its path.
pub fn routes(config: &mut ServiceConfig, api: &Arc<Api>) {
    config.app_data(web::Data::from(Arc::clone(api)));
    root::routes(config);
    kick::routes(config);
    connections::routes(config);
    revoked::routes(config);
    tickets::routes(config);
    let nothing = |request: HttpRequest| async move {
        let what = quoted(Some(request.path()));
        refuse(Refused::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is nothing at {what}; see docs/api.md"),
        ))
    };
    config.service(web::resource(format!("{PATH}/{{rest:.*}}")).default_service(web::to(nothing)));
}

/// A resource below [`PATH`], which answers these methods and no other.
fn resource(
    below: &str,
    allowed: &'static str,
    routes: impl IntoIterator<Item = actix_web::Route>,
) -> actix_web::Resource {
    let resource = web::resource(spellings(&format!("{PATH}{below}")));
    let resource = routes.into_iter().fold(resource, actix_web::Resource::route);
    resource.default_service(only(allowed))
}

/// Lets a backend in that may do so much, and answers as `done` says.
async fn answer<T: Into<Value>>(
    request: &HttpRequest,
    shared: &Shared,
    need: Level,
    done: impl AsyncFnOnce(Identity) -> Result<T, Refused>,
) -> HttpResponse {
    let answered = async {
        check_origin(request, shared)?;
        check_page(request)?;
        let who = backend(request, shared, "api", need).await?;
        done(who).await
    };
    match answered.await {
        Ok(value) => json(StatusCode::OK, &value.into()),
        Err(refused) => refuse(refused),
    }
}

/// A program has no origin. A page has, and what it asks without a credential of its own counts only if the page is
/// this server's: `server.origins` are pages of clients. Requests for images and scripts have no origin, but browsers
/// say what they are from (Fetch Metadata).
fn check_page(request: &HttpRequest) -> Result<(), Refused> {
    if bearer(request).is_some() {
        // No foreign page can add one: this door answers no preflight.
        return Ok(());
    }
    let head = request.head();
    let own = |origin: &str| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_some() && authority.map(str::to_ascii_lowercase) == host(head).map(str::to_ascii_lowercase)
    };
    let is_said = head.headers().contains_key(header::ORIGIN);
    let is_own = !is_said || text(head, header::ORIGIN).is_some_and(own);
    let site = head.headers().get("sec-fetch-site").map(header::HeaderValue::as_bytes);
    if is_own && site.is_none_or(|site| matches!(site, b"same-origin" | b"none")) {
        return Ok(());
    }
    note(request, "api", "bad_origin", || {
        let origin = quoted(text(head, header::ORIGIN));
        format!("a page of another origin, {origin}, asked without Authorization: Bearer")
    });
    let why = "pages of other origins have no access here; ask from a backend";
    Err(Refused::new(StatusCode::FORBIDDEN, "bad_origin", why))
}

/// JSON that no cache keeps and no foreign page may read.
fn json(status: StatusCode, value: &Value) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(value.to_string())
}

fn refuse(Refused { status, code, why }: Refused) -> HttpResponse {
    let mut response = json(status, &serde_json::json!({"error": {"code": code, "message": why}}));
    ask(&mut response);
    response
}

/// The body of a request as JSON; an empty one is an empty object.
async fn read<T: DeserializeOwned>(
    request: &HttpRequest,
    shared: &Shared,
    payload: web::Payload,
) -> Result<T, Refused> {
    if text(request.head(), header::CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        let why = "the body is compressed; send it without Content-Encoding";
        return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded", why));
    }
    let body = body::read(request, shared, payload, BODY, "the server API").await?;
    let bytes = turted_core::json::without_mark(&body).trim_ascii();
    let object = if bytes.is_empty() { b"{}" } else { bytes };
    if !object.starts_with(b"{") {
        return Err(bad_request("bad_body", "the body must be a JSON object"));
    }
    serde_json::from_slice(object).map_err(|why| bad_request("bad_body", format!("the body is not right: {why}")))
}

/// A name or an id in the path: its third part, percent-encoded.
fn part(request: &HttpRequest) -> Result<String, Refused> {
    // As it came, so that `%2F` is not taken for the end of it.
    let part = request.uri().path().split('/').nth(3).unwrap_or_default();
    let bad = || bad_request("bad_name", "the name in the path is not UTF-8, percent-encoded");
    percent_decoded(part).ok_or_else(bad)
}

/// `None` when a `%` has no two digits behind it, or it is no text.
fn percent_decoded(part: &str) -> Option<String> {
    let (mut out, mut rest) = (Vec::with_capacity(part.len()), part.as_bytes());
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let mut byte = [0];
        hex::decode_to_slice(rest.get(..2)?, &mut byte).ok()?;
        out.extend(byte);
        rest = &rest[2..];
    }
    String::from_utf8(out).ok()
}

fn user(text: &str, shared: &Shared) -> Result<UserName, Refused> {
    UserName::parse(text, &shared.limits).map_err(|why| bad_request("bad_name", format!("the user name {why}")))
}

fn id(text: &str, what: &str) -> Result<Arc<str>, Refused> {
    if (1..=ID).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(text.into());
    }
    let why = format!("{what} must have 1 to {ID} bytes and no control characters");
    Err(bad_request("bad_id", why))
}

/// `"10m"`, within [`LONGEST`].
#[derive(Debug, Clone, Copy)]
struct Lasts(Duration);

impl<'de> Deserialize<'de> for Lasts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let lasts = turted_core::units::duration::deserialize(deserializer)?;
        if (Duration::from_secs(1)..=LONGEST).contains(&lasts) {
            return Ok(Self(lasts));
        }
        Err(serde::de::Error::custom("for must be from \"1s\" to \"366days\""))
    }
}

impl Api {
    /// Asks the Dispatcher.
    async fn ask<M>(&self, message: M) -> Result<M::Result, Refused>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        Dispatcher: Handler<M>,
        <Dispatcher as actix::Actor>::Context: ToEnvelope<Dispatcher, M>,
    {
        let unavailable = |code, why: &str| Refused::new(StatusCode::SERVICE_UNAVAILABLE, code, why);
        let answer = self.dispatcher.send(message).timeout(PATIENCE).await;
        answer.map_err(|error| match error {
            actix::MailboxError::Closed => unavailable("shutting_down", "the server is shutting down"),
            actix::MailboxError::Timeout => unavailable(
                "overloaded",
                "the server is overloaded; what was asked for may still happen",
            ),
        })
    }
}

/// Who did something, for the log.
fn name(who: &Identity) -> String {
    match (&who.scope, &who.user) {
        (Some(scope), _) => scope.name.to_string(),
        (None, Some(user)) => format!("the backend {:?}", user.as_str()),
        (None, None) => "a backend".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths_are_decoded_once() {
        for (written, name) in [
            ("adam", Some("adam")),
            ("adam%40shop.example", Some("adam@shop.example")),
            ("a%2Fb%2fc", Some("a/b/c")),
            ("%2525", Some("%25")),
            ("a+b", Some("a+b")),
            ("%C3%A9", Some("\u{e9}")),
            ("", Some("")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%+4", None),
            ("%C3", None),
            ("%ff", None),
        ] {
            assert_eq!(percent_decoded(written).as_deref(), name, "{written}");
        }
    }
}
