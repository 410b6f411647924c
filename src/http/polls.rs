//! Long-polling, for clients behind proxies that let nothing else through.
//!
//! In: `POST /poll` opens, `GET /poll/<connection>?after=<id>` waits for messages, `POST` there sends a command, `DELETE` ends it. Out: JSON.
//! The id of the last event that the client saw makes up for a poll whose answer was lost.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde_json::json;

use super::entrance::{Refused, admit, check_origin};
use super::visitor::{self, Query, first, refuse, token};
use super::{Shared, bearer, cors};
use crate::connection::{Reader, Reading};
use crate::dispatcher::{Arrival, Request};
use crate::protocol::native::SERVER;
use crate::transport::{Guest, Mount, polling};

/// How long a poll waits for something to say.
const POLL: Duration = Duration::from_secs(25);

/// The routes at and below `path`.
pub fn routes(config: &mut ServiceConfig, path: &str, mount: &Arc<Mount>) {
    let door = web::resource(path)
        .app_data(web::Data::from(Arc::clone(mount)))
        .route(web::post().to(open))
        .route(web::method(Method::OPTIONS).to(preflight));
    let connection = web::resource(format!("{path}/{{connection}}"))
        .route(web::get().to(poll))
        .route(web::post().to(visitor::command))
        .route(web::delete().to(visitor::goodbye))
        .route(web::method(Method::OPTIONS).to(preflight));
    config.service(door).service(connection);
}

async fn preflight(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    match check_origin(&request, &shared) {
        Ok(()) => cors::preflight(request.headers(), "GET, POST, DELETE, OPTIONS", visitor::HEADERS),
        Err(refused) => refuse(&request, refused),
    }
}

async fn open(request: HttpRequest, shared: web::Data<Shared>, mount: web::Data<Mount>, query: Query) -> HttpResponse {
    let opened = async {
        check_origin(&request, &shared)?;
        let user = visitor::identify(&request, &query, &shared, visitor::surroundings(&request)?).await?;
        let admitted = admit(&request, &shared)?;
        let welcome = &admitted.welcome;
        let body = json!({
            "connection": *welcome.connection,
            "secret": *welcome.resume,
            "resume": *welcome.resume,
            "window": welcome.window,
            "ping": welcome.ping,
            "server": SERVER,
        });
        let guest = Guest {
            bearer: bearer(&request).map(Box::from),
            first: user.map(|user| {
                Request::Arrive(Arrival {
                    user: Some(user),
                    ..Arrival::default()
                })
            }),
            listing: visitor::listing(welcome, &admitted.surroundings),
            opening: None,
            welcome: admitted.welcome,
        };
        polling::open(&mount, &admitted.surroundings, guest, admitted.ticket).await;
        Ok(visitor::answer(&request, StatusCode::OK, body.to_string()))
    };
    opened
        .await
        .unwrap_or_else(|refused: Refused| refuse(&request, refused))
}

async fn poll(request: HttpRequest, shared: web::Data<Shared>, id: web::Path<String>, query: Query) -> HttpResponse {
    let polled = async {
        check_origin(&request, &shared)?;
        let secret = token(&query, "secret");
        let connection = visitor::find(&request, secret.as_deref(), &id, visitor::surroundings(&request)?)?;
        let reader = Reader::single(connection);
        let after = first(&query, "after").map(Arc::from);
        let frames = match reader.read(after, POLL).await {
            Reading::Frames(frames) | Reading::Last(frames, _) => frames,
            // Nothing came in time: an empty answer, and the client asks again.
            Reading::Nothing | Reading::Busy | Reading::Moved => Bytes::new(),
            Reading::TooFast => {
                let why = "more polls per second than messages are allowed";
                return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "too_fast", why));
            }
            Reading::Gone | Reading::Vanished => return Err(visitor::gone()),
        };
        reader.finish();
        Ok(visitor::answer(&request, StatusCode::OK, polling::array(&frames)))
    };
    polled
        .await
        .unwrap_or_else(|refused: Refused| refuse(&request, refused))
}
