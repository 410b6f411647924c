//! Where a client gets a ticket.
//!
//! In: `POST /ticket` with a token that says who it is. Out: `{"ticket":"tk_…","expires_in":30}`. Those that a backend
//! orders are in [`api`](super::api).

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use turted_core::auth::confirm;
use turted_core::{Refusal, Visitor};

use crate::auth::Order;
use crate::gate::entrance::{Refused, check_origin};
use crate::gate::identity::{bring, turn_away};
use crate::gate::proxies::origin;
use crate::gate::request::{HEADERS, answer, refuse, worker};
use crate::gate::{Shared, cors};

/// A client wants one for itself, since what it opens next cannot carry its token.
pub async fn of_client(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    let issued = async {
        check_origin(&request, &shared)?;
        let brought = bring(&request)?;
        if brought.bearer.is_none() {
            return Err(turn_away(
                &request,
                Refusal::denied("there is no Authorization: Bearer"),
            ));
        }
        let visitor = Visitor {
            address: origin(&request),
            ..Visitor::new(&Value::Null, &brought)
        };
        let confirmed = confirm(&*worker(&request)?.policy.clients, &visitor).await;
        let identity = confirmed.map_err(|refusal| turn_away(&request, refusal))?;
        if identity.user.is_none() {
            return Err(turn_away(&request, Refusal::denied("its token names nobody")));
        }
        issue(&shared, Order::of(identity))
    };
    told(&request, issued.await)
}

/// Pages of other origins may ask, if they may connect.
pub async fn preflight(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    match check_origin(&request, &shared) {
        Ok(()) => cors::preflight(request.headers(), "POST, OPTIONS", HEADERS),
        Err(refused) => refuse(&request, refused),
    }
}

/// A ticket for whom the order names.
///
/// # Errors
/// When there are as many as there may be.
pub fn issue(shared: &Shared, order: Order) -> Result<Value, Refused> {
    let ticket = shared
        .tickets
        .issue(order.identity, order.ttl, order.lasts, Instant::now());
    let why = "there are as many tickets as there may be";
    let full = || Refused::new(StatusCode::SERVICE_UNAVAILABLE, "full", why);
    let ticket = ticket.ok_or_else(full)?;
    Ok(json!({"ticket": *ticket, "expires_in": order.ttl.as_secs()}))
}

fn told(request: &HttpRequest, issued: Result<Value, Refused>) -> HttpResponse {
    match issued {
        Ok(ticket) => answer(request, StatusCode::OK, ticket.to_string()),
        Err(refused) => refuse(request, refused),
    }
}
