//! What clients over plain HTTP have in common: who they are, and commands to their connection.
//!
//! In: queries, headers, bodies. Out: an identity that was verified before a connection exists, answers to commands as JSON. It does not know how
//! events reach the client.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use turted_core::{Credentials, Rejection, UserName, Welcome};

use super::entrance::{Refused, check_origin};
use super::{Shared, bearer, body, cors};
use crate::connection::register::{Listing, NotFound, Place};
use crate::connection::visit::{Command, Goodbye};
use crate::connection::{Connection, Surroundings};
use crate::dispatcher::messages::Forget;

/// The header that carries the secret of a connection.
pub const SECRET: &str = "turted-secret";
/// What a preflight allows.
pub const HEADERS: &str = "authorization, content-type, last-event-id, turted-secret";

/// How long the end of a stream takes to be known, at most, as far as anybody waits for it.
const UNDER_WAY: Duration = Duration::from_millis(50);

/// Members of the query that say who somebody is; the same as the data of IDENT.
const CREDENTIALS: [&str; 5] = ["username", "user", "id", "password", "token"];
/// Cookies that do.
const COOKIES: [(&str, &str); 2] = [("turted-username", "username"), ("turted-token", "token")];

/// The pairs of a query, in order.
pub type Query = web::Query<Vec<(String, String)>>;

/// A refusal as `{"error":{"code":…,"message":…}}`, which a page may read.
pub fn refuse(request: &HttpRequest, Refused { status, code, why }: Refused) -> HttpResponse {
    answer(
        request,
        status,
        json!({"error": {"code": code, "message": why}}).to_string(),
    )
}

/// A JSON answer that no cache keeps and a page may read.
pub fn answer(request: &HttpRequest, status: StatusCode, json: impl Into<Bytes>) -> HttpResponse {
    let mut response = HttpResponse::build(status)
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(json.into());
    cors::allow(request.headers(), &mut response);
    response
}

/// Who this is, if it says so: by the query, by cookies, or by `Authorization: Bearer …`.
pub async fn identify(
    request: &HttpRequest,
    query: &[(String, String)],
    shared: &Shared,
    surroundings: &Surroundings,
) -> Result<Option<UserName>, Refused> {
    let mut data = Map::new();
    for (cookie, member) in COOKIES {
        if let Some(cookie) = request.cookie(cookie) {
            data.insert(member.to_owned(), cookie.value().into());
        }
    }
    let said = query.iter().filter(|(name, _)| CREDENTIALS.contains(&name.as_str()));
    data.extend(said.map(|(name, value)| (name.clone(), Value::from(value.as_str()))));
    let bearer = bearer(request);
    if data.is_empty() && bearer.is_none() {
        return Ok(None);
    }
    let claimed = data
        .get("username")
        .or_else(|| data.get("user"))
        .and_then(Value::as_str);
    let claimed = claimed.map(|name| UserName::parse(name, &shared.limits)).transpose();
    let claimed = claimed.map_err(|why| bad_request("bad_name", format!("the user name {why}")))?;
    let data = Value::Object(data);
    let credentials = Credentials { data: &data, bearer };
    let denied = |_| {
        let (code, why) = (Rejection::IdentDenied.code(), Rejection::IdentDenied.to_string());
        Refused::new(StatusCode::UNAUTHORIZED, code, why)
    };
    let identity = surroundings.clients.verify(credentials).await.map_err(denied)?;
    let user = identity.user.or(claimed);
    user.map(Some)
        .ok_or_else(|| bad_request("missing_field", "username is missing"))
}

/// Lets requests find a connection by its id, if they know its secret.
pub fn listing(welcome: &Welcome, surroundings: &Surroundings) -> Option<Listing> {
    match surroundings
        .register
        .reserve(&welcome.connection, Some(Arc::clone(&welcome.resume)))
    {
        Place::Free(listing) => Some(listing),
        // An id of ours is random: nobody has it.
        Place::Reserved | Place::Taken(_) => None,
    }
}

/// The connection that a request is about, if it brings the right secret.
pub fn find(
    request: &HttpRequest,
    secret: Option<&str>,
    id: &str,
    surroundings: &Surroundings,
) -> Result<Addr<Connection>, Refused> {
    let secret = secret_header(request).or(secret).unwrap_or_default();
    let found = surroundings.register.find(id, Some(secret));
    found.map(|found| found.connection).map_err(|why| {
        let (status, code) = match why {
            NotFound::Unknown => (StatusCode::NOT_FOUND, "unknown_connection"),
            NotFound::Secret => (StatusCode::FORBIDDEN, "wrong_secret"),
        };
        Refused::new(status, code, why.to_string())
    })
}

/// Gives a command to a connection and answers with the protocol's words.
pub async fn command(
    request: HttpRequest,
    shared: web::Data<Shared>,
    id: web::Path<String>,
    payload: web::Payload,
) -> HttpResponse {
    let said = ask(&request, &shared, &id, payload).await;
    said.map_or_else(
        |refused| refuse(&request, refused),
        |said| answer(&request, StatusCode::OK, said),
    )
}

async fn ask(request: &HttpRequest, shared: &Shared, id: &str, payload: web::Payload) -> Result<Bytes, Refused> {
    check_origin(request, shared)?;
    let surroundings = surroundings(request)?;
    let body = body::read(payload, shared.message_bytes).await?;
    let text = std::str::from_utf8(&body).map_err(|_| bad_request("bad_message", "the body is not UTF-8"))?;
    let query = Query::from_query(request.query_string());
    let secret = query
        .ok()
        .and_then(|query| token(&query, "secret").map(|secret| secret.to_string()));
    let secret = secret.or_else(|| secret_in(text));
    let connection = find(request, secret.as_deref(), id, surroundings)?;
    let (answer_to, said) = oneshot::channel();
    let command = Command {
        text: text.to_owned(),
        answer: answer_to,
    };
    connection.send(command).await.map_err(|_| gone())?;
    let said = said.await.map_err(|_| gone())?;
    Ok(match said.is_empty() {
        true => Bytes::from_static(b"null"),
        false => said,
    })
}

/// Ends a connection whose client says goodbye.
pub async fn goodbye(
    request: HttpRequest,
    shared: web::Data<Shared>,
    id: web::Path<String>,
    query: Query,
) -> HttpResponse {
    let left = async {
        check_origin(&request, &shared)?;
        let secret = token(&query, "secret");
        let surroundings = surroundings(&request)?;
        let said = match find(&request, secret.as_deref(), &id, surroundings) {
            Ok(connection) => connection.send(Goodbye).await.unwrap_or(false),
            Err(refused) if refused.status == StatusCode::NOT_FOUND => false,
            Err(refused) => return Err(refused),
        };
        let secret = secret_header(&request).map(Arc::from).or(secret);
        if !said && !forget(surroundings, secret).await {
            return Err(gone());
        }
        Ok(answer(&request, StatusCode::OK, "null"))
    };
    left.await.unwrap_or_else(|refused: Refused| refuse(&request, refused))
}

/// A page that goes closes its stream and says goodbye at the same moment: the stream may have been missed first. True when the connection
/// was waited for.
async fn forget(surroundings: &Surroundings, secret: Option<Arc<str>>) -> bool {
    let Some(secret) = secret else {
        return false;
    };
    let forget = || surroundings.dispatcher.send(Forget(Arc::clone(&secret)));
    if forget().await.unwrap_or(false) {
        return true;
    }
    // The news that the stream has ended may still be under way.
    tokio::time::sleep(UNDER_WAY).await;
    forget().await.unwrap_or(false)
}

fn secret_header(request: &HttpRequest) -> Option<&str> {
    request.headers().get(SECRET).and_then(|value| value.to_str().ok())
}

/// The worker that a request came to.
pub fn surroundings(request: &HttpRequest) -> Result<&Surroundings, Refused> {
    let found = request.app_data::<Rc<Surroundings>>();
    let why = "the worker has no courier";
    found
        .map(|found| &**found)
        .ok_or_else(|| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", why))
}

/// 400.
pub fn bad_request(code: &'static str, why: impl Into<String>) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, code, why)
}

/// The connection ended while it was asked.
pub fn gone() -> Refused {
    let why = NotFound::Unknown;
    Refused::new(StatusCode::NOT_FOUND, "unknown_connection", why.to_string())
}

/// The first value under a name of the query.
pub fn first<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// As [`first`], for an id or a secret; an empty one counts as none.
pub fn token(query: &[(String, String)], name: &str) -> Option<Arc<str>> {
    first(query, name).filter(|value| !value.is_empty()).map(Arc::from)
}

/// The member `secret` of a command, for pages that must not set a header.
fn secret_in(text: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Guarded {
        secret: String,
    }
    serde_json::from_str::<Guarded>(text).ok().map(|guarded| guarded.secret)
}
