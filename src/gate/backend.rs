//! Whether a request comes from a backend.
//!
//! In: a request. Out: yes or no, as the backends' authenticator says, and what is answered then.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;
use turted_core::auth::confirm;
use turted_core::{Brought, Visitor};

use super::refusals::note;
use super::{Shared, bearer};

/// Whether the `Authorization` header satisfies the backends' authenticator.
pub async fn is_backend(request: &HttpRequest, shared: &Shared) -> bool {
    let brought = Brought::bearer(bearer(request));
    confirm(&*shared.backends, &Visitor::new(&Value::Null, &brought))
        .await
        .is_ok()
}

/// The answer to whoever is none but would have to be, to look at `what`.
pub fn ask(request: &HttpRequest, what: &'static str) -> HttpResponse {
    note(request, what, "denied", || {
        "it brought no Authorization: Bearer, or another one than [auth.backends] accepts".to_owned()
    });
    HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, "Bearer"))
        .content_type("text/plain; charset=utf-8")
        .body("this asks for the credentials of a backend, as Authorization: Bearer; see [auth.backends]\n")
}
