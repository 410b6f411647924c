//! What clients of the native protocol over plain HTTP have in common: commands to their connection.
//!
//! In: requests that know the secret of a connection. Out: the protocol's answers as JSON. It does not know how events
//! reach the client.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use tokio::sync::oneshot;
use turted_core::{Ending, Welcome};

use crate::client::requests::collect::{Hand, hand};
use crate::client::requests::register::{Listing, NotFound, Place};
use crate::client::turns::{Reply, Taken};
use crate::client::{Connection, Inbound, Worker};
use crate::dispatcher::messages::Forget;
use crate::gate::entrance::{Refused, check_origin};
use crate::gate::refusals::{note, quoted};
use crate::gate::request::{Query, answer, bad_request, refuse, token, worker};
use crate::gate::socket::Answering;
use crate::gate::{Shared, body};

/// The header that carries the secret of a connection.
pub const SECRET: &str = "turted-secret";

/// How long the end of a stream takes to be known, at most, as far as anybody waits for it.
const UNDER_WAY: Duration = Duration::from_millis(50);

/// Lets requests find a connection by its id, if they know its secret.
pub fn listing(welcome: &Welcome, worker: &Worker) -> Option<Listing> {
    match worker
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
    worker: &Worker,
) -> Result<Addr<Connection>, Refused> {
    let secret = secret_header(request).or(secret).unwrap_or_default();
    let found = worker.register.find(id, Some(secret));
    found.map(|found| found.connection).map_err(|why| {
        if matches!(why, NotFound::Secret) {
            note(request, "command", "wrong_secret", || {
                format!(
                    "one for connection {} brought none of its secret, or another one",
                    quoted(Some(id))
                )
            });
        }
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
    let worker = worker(request)?;
    let body = body::read(request, shared, payload, shared.message_bytes, "limits.message_bytes").await?;
    let text = std::str::from_utf8(&body).map_err(|_| bad_request("bad_message", "the body is not UTF-8"))?;
    let query = Query::from_query(request.query_string());
    let secret = query
        .ok()
        .and_then(|query| token(&query, "secret").map(|secret| secret.to_string()));
    let secret = secret.or_else(|| secret_in(text));
    let connection = find(request, secret.as_deref(), id, worker)?;
    let (word, said) = oneshot::channel();
    let hand = Hand {
        inbound: Inbound::Text(text.to_owned()),
        reply: Reply::Word(word),
    };
    connection.send(hand).await.map_err(|_| gone())?;
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
    let _answering = Answering::begin();
    let left = async {
        check_origin(&request, &shared)?;
        let secret = token(&query, "secret");
        let worker = worker(&request)?;
        let said = match find(&request, secret.as_deref(), &id, worker) {
            Ok(connection) => {
                let taken = hand(&connection, Inbound::Close(Ending::Normal)).await;
                taken == Some(Taken::Heard)
            }
            Err(refused) if refused.status == StatusCode::NOT_FOUND => false,
            Err(refused) => return Err(refused),
        };
        let secret = secret_header(&request).map(Arc::from).or(secret);
        if !said && !forget(worker, secret).await {
            return Err(gone());
        }
        Ok(answer(&request, StatusCode::OK, "null"))
    };
    left.await.unwrap_or_else(|refused: Refused| refuse(&request, refused))
}

/// A page that goes closes its stream and says goodbye at the same moment: the stream may have been missed first. True
/// when the connection was waited for.
async fn forget(worker: &Worker, secret: Option<Arc<str>>) -> bool {
    let Some(secret) = secret else {
        return false;
    };
    let forget = || worker.dispatcher.send(Forget(Arc::clone(&secret)));
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

/// The connection ended while it was asked.
pub fn gone() -> Refused {
    let why = NotFound::Unknown;
    Refused::new(StatusCode::NOT_FOUND, "unknown_connection", why.to_string())
}

/// The member `secret` of a command, for pages that must not set a header.
fn secret_in(text: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Guarded {
        secret: String,
    }
    serde_json::from_str::<Guarded>(text).ok().map(|guarded| guarded.secret)
}
