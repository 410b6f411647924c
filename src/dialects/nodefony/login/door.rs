//! The login over HTTP: a challenge in a 401, an answer to it in a header, and a cookie from then on.
//!
//! In: requests at an entrance with a login. Out: who each is from, or a refusal. What an answer is worth is not
//! decided here.

use std::time::SystemTime;

use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use turted_core::{Identity, Rejection};

use super::{Login, Session, Wrong};
use crate::carriers::websocket::is_upgrade;
use crate::gate::Shared;
use crate::gate::entrance::Refused;
use crate::gate::identity::cookie;
use crate::gate::proxies::origin;
use crate::gate::refusals::note;
use crate::gate::request::{answer, host, is_https, refuse, text};

/// What the cookie is called, before the path of the entrance.
const COOKIE: &str = "turted-login";
/// Why somebody is not let in, as stage reads it.
const X_JSON: HeaderName = HeaderName::from_static("x-json");
/// When it is worth while to try again, in seconds.
const LATER: u64 = 60;

/// An answer to a challenge, if the request brings one.
pub fn said(request: &HttpRequest) -> Option<&str> {
    let said = text(request.head(), header::AUTHORIZATION)?;
    let scheme = said.get(..4)?;
    scheme.eq_ignore_ascii_case("sasl").then_some(said)
}

/// Judges an answer; whoever is right gets a cookie.
///
/// # Errors
/// It does not hold, or too many before it did not.
pub fn enter(request: &HttpRequest, shared: &Shared, login: &Login, said: &str) -> Result<HttpResponse, Refused> {
    let internal = |why| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", why);
    let from = origin(request).ok_or_else(|| internal("the connection has no address"))?;
    let host = host(request.head()).unwrap_or_default();
    let Session { user, token } = match login.enter(said, host, from, SystemTime::now()) {
        Ok(session) => session,
        Err(Wrong::Denied(why)) => return Err(denied(request, why)),
        Err(Wrong::TooMany) => {
            note(request, "ident", "too_many_attempts", || {
                "so many logins from there did not hold that none is judged for a minute".to_owned()
            });
            let why = "too many attempts; wait a minute";
            return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", why));
        }
    };
    let mut entered = answer(request, StatusCode::OK, json!({"user": user.as_str()}).to_string());
    // Scripts need not read it (CWE-1004), nor may another site send it along (CWE-352, CWE-1275). The path is the
    // client's, which a proxy may have changed.
    let cookie = Cookie::build(name(request), token)
        .path("/")
        .http_only(true)
        .secure(is_https(request, shared))
        .same_site(SameSite::Strict)
        .max_age(login.lasts().try_into().unwrap_or_default())
        .finish();
    entered
        .add_cookie(&cookie)
        .map_err(|_| internal("the session is no cookie"))?;
    Ok(entered)
}

/// Who a request is from that brings a session.
///
/// # Errors
/// There is none, or it is over.
pub fn visitor(request: &HttpRequest, shared: &Shared, login: &Login) -> Result<Identity, Refused> {
    let token = cookie(request, shared, &name(request));
    let identity = token.and_then(|token| login.identity(&token, SystemTime::now(), &shared.limits));
    identity.ok_or_else(|| {
        let rejection = Rejection::IdentDenied(None);
        // Whoever only asks is told to log in; whoever goes on without was told.
        if request.method() != Method::GET || is_upgrade(request) {
            note(request, "ident", "no_session", || {
                "it has no session of this login, or one that is over: does its page have the origin of this server?"
                    .to_owned()
            });
        }
        Refused::new(StatusCode::UNAUTHORIZED, rejection.code(), "log in first")
    })
}

/// The refusal as JSON, with a challenge where somebody may log in, and in a header for stage.
pub fn turn_away(request: &HttpRequest, login: &Login, refused: Refused) -> HttpResponse {
    let (status, why) = (refused.status, refused.why.clone());
    let mut answer = refuse(request, refused);
    let headers = answer.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        let challenge = login.challenge(SystemTime::now());
        if let Some(challenge) = challenge.and_then(|challenge| HeaderValue::try_from(challenge).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(header::RETRY_AFTER, LATER.into());
    }
    let told = json!({"code": status.as_u16(), "message": why}).to_string();
    if let Ok(told) = HeaderValue::try_from(told) {
        headers.insert(X_JSON, told);
    }
    answer
}

fn denied(request: &HttpRequest, why: &'static str) -> Refused {
    let rejection = Rejection::IdentDenied(None);
    note(request, "ident", rejection.code(), || {
        format!("a login does not hold: {why}; see its section in [clients]")
    });
    Refused::new(StatusCode::UNAUTHORIZED, rejection.code(), rejection.to_string())
}

/// Each entrance has a cookie of its own.
fn name(request: &HttpRequest) -> String {
    let path = request.match_pattern().unwrap_or_default();
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let path: String = path.trim_end_matches('/').chars().map(plain).collect();
    format!("{COOKIE}{path}")
}
