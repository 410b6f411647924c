//! Whether a request comes from a backend.
//!
//! In: a request. Out: yes or no, as the backends' authenticator says.

use actix_web::HttpRequest;
use serde_json::Value;
use turted_core::Credentials;

use super::{Shared, bearer};

/// Whether the `Authorization` header satisfies the backends' authenticator.
pub async fn is_backend(request: &HttpRequest, shared: &Shared) -> bool {
    let credentials = Credentials {
        data: &Value::Null,
        bearer: bearer(request),
    };
    shared.backends.verify(credentials).await.is_ok()
}
