//! Where it is said: one request is one client.
//!
//! In: `POST <path>` with a batch. Out: its answer.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use turted_core::{Ending, SettingError};

use super::conversation::Sample;
use crate::carriers::websocket::{WebSocketEncoder, WebSocketFraming, frame};
use crate::carriers::{Bounds, Mount, Mounts, Offer, OfferConfig, Routes, nothing};
use crate::client::requests::collect::hand;
use crate::client::requests::register::Place;
use crate::client::{Inbound, Newcomer, Reader, Reading, Rules};
use crate::gate::entrance::{Refused, admit, check_origin};
use crate::gate::methods::{only, spellings};
use crate::gate::request::{bad_request, refuse, worker};
use crate::gate::{Shared, body};

/// `type = "sample"`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleConfig {}

impl OfferConfig for SampleConfig {
    const TYPE: &'static str = "sample";
    type Offer = SampleDoor;

    fn build(self, _: &Bounds) -> Result<SampleDoor, SettingError> {
        Ok(SampleDoor)
    }
}

/// The door.
pub struct SampleDoor;

impl Offer for SampleDoor {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let rules = Rules::socket(mounts.ping());
        let mount = mounts.mount(Arc::new(Sample), &WebSocketFraming, WebSocketEncoder, rules);
        let (path, mount) = (path.to_owned(), web::Data::new(mount));
        Arc::new(move |config| {
            let door = web::resource(spellings(&path)).app_data(mount.clone());
            config.service(door.route(web::post().to(answer)).default_service(only("POST")));
        })
    }
}

async fn answer(
    request: HttpRequest,
    shared: web::Data<Shared>,
    mount: web::Data<Mount>,
    payload: web::Payload,
) -> HttpResponse {
    let said = batch(&request, &shared, &mount, payload).await;
    said.unwrap_or_else(|refused| refuse(&request, refused))
}

async fn batch(
    request: &HttpRequest,
    shared: &Shared,
    mount: &Mount,
    payload: web::Payload,
) -> Result<HttpResponse, Refused> {
    check_origin(request, shared)?;
    let body = body::read(request, shared, payload, mount.message_bytes, "limits.message_bytes").await?;
    let text = String::from_utf8(body.to_vec()).map_err(|_| bad_request("bad_message", "not UTF-8"))?;
    let worker = worker(request)?;
    let (newcomer, ticket) = admit(request, shared)?;
    let Place::Free(listing) = worker.register.reserve(&newcomer.welcome.connection, None) else {
        return Err(bad_request("taken", "nobody has the id of another"));
    };
    let newcomer = Newcomer {
        listing: Some(listing),
        ..newcomer
    };
    let (_, connection) = mount.connect(worker, newcomer, nothing(ticket));
    let _ = hand(&connection, Inbound::Text(text)).await;
    let reader = Reader::single(connection.clone());
    let reading = reader.read(None, Duration::from_secs(10)).await;
    let (status, frames) = match reading {
        Reading::Frames(frames) => (StatusCode::OK, frames),
        Reading::Last(frames, _) => (StatusCode::GONE, frames),
        _ => return Err(bad_request("nothing", "there is no answer")),
    };
    reader.finish();
    let _ = hand(&connection, Inbound::Close(Ending::Normal)).await;
    let said: Vec<&[u8]> = frame::texts(&frames).collect();
    Ok(HttpResponse::build(status).body(said.concat()))
}
