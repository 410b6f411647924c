//! Who a request is from, where that is known before there is a connection.
//!
//! In: queries, cookies, headers. Out: a user that was verified, or none when nothing says who it is.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use serde_json::{Map, Value};
use turted_core::{Credentials, Rejection, UserName};

use super::entrance::Refused;
use super::refusals::note;
use super::request::bad_request;
use super::{Shared, bearer};
use crate::client::Worker;

/// Members of the query that say who somebody is; the same as the data of IDENT.
const CREDENTIALS: [&str; 5] = ["username", "user", "id", "password", "token"];
/// Cookies that do.
const COOKIES: [(&str, &str); 2] = [("turted-username", "username"), ("turted-token", "token")];

/// Who this is, if it says so: by the query, by cookies, or by `Authorization: Bearer …`.
pub async fn identify(
    request: &HttpRequest,
    query: &[(String, String)],
    shared: &Shared,
    worker: &Worker,
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
        note(request, "ident", "ident_denied", || {
            "what its query, its cookies or its Authorization say is not accepted by [auth.clients]".to_owned()
        });
        let (code, why) = (Rejection::IdentDenied.code(), Rejection::IdentDenied.to_string());
        Refused::new(StatusCode::UNAUTHORIZED, code, why)
    };
    let identity = worker.clients.verify(credentials).await.map_err(denied)?;
    let user = identity.user.or(claimed);
    user.map(Some)
        .ok_or_else(|| bad_request("missing_field", "username is missing"))
}
