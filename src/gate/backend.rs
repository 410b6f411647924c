//! Whether a request comes from a backend, and from one that may do this.
//!
//! In: a request, and how much of the server API it takes. Out: who it is, as the backends' authenticator says, or a
//! refusal that was counted and told.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;
use turted_core::auth::confirm;
use turted_core::{Api, Brought, Identity, Refusal, Visitor};

use super::entrance::Refused;
use super::methods::sentence;
use super::refusals::note;
use super::{Shared, bearer};

/// The backend whose `Authorization` header this is, if it may `need` so much; `what` is what it asks for.
///
/// # Errors
/// 401 when it is nobody, 403 when it may not, 503 when that cannot be said now.
pub async fn backend(
    request: &HttpRequest,
    shared: &Shared,
    what: &'static str,
    need: Api,
) -> Result<Identity, Refused> {
    let brought = Brought::bearer(bearer(request));
    let visitor = Visitor {
        address: request.peer_addr().map(|peer| peer.ip()),
        ..Visitor::new(&Value::Null, &brought)
    };
    let identity = confirm(&*shared.backends, &visitor).await.map_err(|why| match why {
        Refusal::Unavailable { .. } => {
            note(request, what, "unavailable", || {
                "whoever knows did not answer".to_owned()
            });
            let why = "it cannot be said now whether these credentials hold; try again";
            Refused::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why)
        }
        _ => {
            note(request, what, "denied", || {
                "it brought no Authorization: Bearer, or another one than [auth.backends] accepts".to_owned()
            });
            let why = "this asks for the credentials of a backend, as Authorization: Bearer; see [auth.backends]";
            Refused::new(StatusCode::UNAUTHORIZED, "denied", why)
        }
    })?;
    let Some(scope) = identity.scope.as_ref().filter(|scope| scope.api < need) else {
        return Ok(identity);
    };
    let (name, has, need) = (&scope.name, scope.api.word(), need.word());
    let why = format!("{name} has api = \"{has}\", and this takes \"{need}\"; see [[auth.backends]]");
    note(request, what, "forbidden", || why.clone());
    Err(Refused::new(StatusCode::FORBIDDEN, "forbidden", why))
}

/// Such a refusal as a line for people.
pub fn in_words(Refused { status, why, .. }: Refused) -> HttpResponse {
    let mut response = sentence(status, &why);
    ask(&mut response);
    response
}

/// Whoever is nobody learns how to be somebody (RFC 9110 section 11.6.1).
pub fn ask(response: &mut HttpResponse) {
    if response.status() == StatusCode::UNAUTHORIZED {
        let bearer = header::HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    }
}
