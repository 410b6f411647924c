//! Long-polling, for clients behind proxies that let nothing else through.
//!
//! In: `POST /poll` opens, `GET /poll/<connection>?after=<id>` waits for messages, `POST` there sends a command,
//! `DELETE` ends it. Out: JSON. The id of the last event that the client saw makes up for a poll whose answer was lost.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde_json::json;

use serde::Deserialize;
use turted_core::{Arrival, Intent, Protocol, SettingError};

use super::{Native, SERVER, commands, polling};
use crate::carriers::websocket::{WebSocketEncoder, WebSocketFraming};
use crate::carriers::{Bounds, Mount, Mounts, Offer, OfferConfig, Routes};
use crate::client::heartbeat::Heartbeat;
use crate::client::requests::rules::Second;
use crate::client::{Newcomer, Reader, Reading, Rules};
use crate::gate::entrance::{Refused, admit, check_origin};
use crate::gate::identity::arrival;
use crate::gate::methods::{is_head, only, spellings};
use crate::gate::request::{HEADERS, Query, answer, first, refuse, token, worker};
use crate::gate::socket::Answering;
use crate::gate::{Shared, cors};

/// How long a poll waits for something to say.
const POLL: Duration = Duration::from_secs(25);

/// A protocol over long-polling.
pub struct Polls(pub Arc<dyn Protocol>);

impl Offer for Polls {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let ping = mounts.ping();
        let rules = Rules {
            heartbeat: Heartbeat {
                every: None,
                patience: Some(ping * 2),
            },
            start: super::SLOW_START,
            second: Second::Replaces,
            ends_with_reader: false,
            linger: ping,
            ..Rules::socket(ping)
        };
        let mount = Arc::new(mounts.mount(self.0, &WebSocketFraming, WebSocketEncoder, rules));
        let path = path.to_owned();
        Arc::new(move |config| routes(config, &path, &mount))
    }
}

/// `type = "polls"`: the native protocol by long-polling.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollsConfig {}

impl OfferConfig for PollsConfig {
    const TYPE: &'static str = "polls";
    type Offer = Polls;

    fn build(self, bounds: &Bounds) -> Result<Polls, SettingError> {
        Ok(Polls(Arc::new(Native::new(bounds.limits, bounds.bad_messages))))
    }
}

/// The routes at and below `path`.
fn routes(config: &mut ServiceConfig, path: &str, mount: &Arc<Mount>) {
    let door = web::resource(spellings(path))
        .app_data(web::Data::from(Arc::clone(mount)))
        .route(web::post().to(open))
        .route(web::method(Method::OPTIONS).to(preflight))
        .default_service(only("POST, OPTIONS"));
    let connection = web::resource(spellings(&format!("{path}/{{connection}}")))
        .route(web::get().to(poll))
        .route(web::post().to(commands::command))
        .route(web::delete().to(commands::goodbye))
        .route(web::method(Method::OPTIONS).to(preflight))
        .default_service(only("GET, HEAD, POST, DELETE, OPTIONS"));
    config.service(door).service(connection);
}

async fn preflight(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    match check_origin(&request, &shared) {
        Ok(()) => cors::preflight(request.headers(), "GET, POST, DELETE, OPTIONS", HEADERS),
        Err(refused) => refuse(&request, refused),
    }
}

async fn open(request: HttpRequest, shared: web::Data<Shared>, mount: web::Data<Mount>, query: Query) -> HttpResponse {
    let _answering = Answering::begin();
    let opened = async {
        check_origin(&request, &shared)?;
        let worker = worker(&request)?;
        let arrival = arrival(&request, &query, &shared, mount.protocol.name()).await?;
        let (newcomer, ticket) = admit(&request, &shared)?;
        let welcome = &newcomer.welcome;
        let body = json!({
            "connection": *welcome.connection,
            "secret": *welcome.resume,
            "resume": *welcome.resume,
            "window": welcome.window,
            "ping": welcome.ping,
            "server": SERVER,
        });
        let newcomer = Newcomer {
            transport: "long-polling",
            // A client that says nothing here says RESUME itself, perhaps.
            first: (arrival != Arrival::default()).then_some(Intent::Arrive(arrival)),
            listing: commands::listing(welcome, worker),
            ..newcomer
        };
        polling::open(&mount, worker, newcomer, ticket).await?;
        Ok(answer(&request, StatusCode::OK, body.to_string()))
    };
    opened
        .await
        .unwrap_or_else(|refused: Refused| refuse(&request, refused))
}

async fn poll(request: HttpRequest, shared: web::Data<Shared>, id: web::Path<String>, query: Query) -> HttpResponse {
    let polled = async {
        check_origin(&request, &shared)?;
        let secret = token(&query, "secret");
        let connection = commands::find(&request, secret.as_deref(), &id, worker(&request)?)?;
        if is_head(&request) {
            return Ok(answer(&request, StatusCode::OK, "[]"));
        }
        let reader = Reader::single(connection);
        let after = first(&query, "after").map(Arc::from);
        let frames = match reader.read(after, POLL).await {
            Reading::Frames(frames) | Reading::Numbered(frames, _) | Reading::Last(frames, _) => frames,
            // Nothing came in time: an empty answer, and the client asks again.
            Reading::Nothing | Reading::Busy | Reading::Moved => Bytes::new(),
            Reading::TooFast => {
                let why = "more polls per second than messages are allowed";
                return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "too_fast", why));
            }
            Reading::Gone | Reading::Vanished => return Err(commands::gone()),
        };
        reader.finish();
        Ok(answer(&request, StatusCode::OK, polling::array(&frames)))
    };
    polled
        .await
        .unwrap_or_else(|refused: Refused| refuse(&request, refused))
}
