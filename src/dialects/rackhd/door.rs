//! Where clients of RackHD come in: an upgrade at a path or anywhere below it, whose last part is a resource.
//!
//! In: upgrades; at `/` those that nobody else has taken, and nothing else. Out: a connection that is who its request
//! says it is and whose public id is a UUID; a line of text for whoever only looks.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, guard};
use turted_core::{Intent, Protocol};

use super::RackHd;
use crate::carriers::websocket::{self, Handshake};
use crate::carriers::{Mount, Mounts, Offer, Routes};
use crate::client::Newcomer;
use crate::gate::Shared;
use crate::gate::entrance::{Refused, admit, check_origin, secret};
use crate::gate::identity::arrival;
use crate::gate::methods::only;
use crate::gate::request::{Query, refuse, worker};

/// The dialect over a WebSocket.
pub struct MessengerDoor {
    /// What is spoken.
    pub protocol: RackHd,
}

struct Site {
    protocol: RackHd,
    mount: Mount,
}

impl Offer for MessengerDoor {
    fn open(self: Box<Self>, path: &str, mounts: &mut Mounts) -> Routes {
        let mount = websocket::mount(Arc::new(self.protocol.clone()), mounts);
        let site = Arc::new(Site {
            protocol: self.protocol,
            mount,
        });
        let path = path.trim_end_matches('/').to_owned();
        Arc::new(move |config| routes(config, &path, &site))
    }
}

fn routes(config: &mut ServiceConfig, path: &str, site: &Arc<Site>) {
    let below = format!("{path}/{{tail:.*}}");
    let site = web::Data::from(Arc::clone(site));
    if path.is_empty() {
        let upgrades = guard::fn_guard(|request| websocket::asks_for_upgrade(request.head().headers()));
        let door = web::resource(below).guard(guard::Get()).guard(upgrades);
        config.service(door.app_data(site).route(web::get().to(open)));
    } else {
        let door = web::resource([path.to_owned(), below]).app_data(site);
        config.service(door.route(web::get().to(open)).default_service(only("GET, HEAD")));
    }
}

async fn open(
    request: HttpRequest,
    shared: web::Data<Shared>,
    site: web::Data<Site>,
    query: Query,
    payload: web::Payload,
) -> HttpResponse {
    if !websocket::is_upgrade(&request) {
        return HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            // There is nothing here that not everybody may know.
            .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
            .body("RackHD WebSocketServer");
    }
    let opened = accept(&request, &shared, &site, &query, payload).await;
    opened.unwrap_or_else(|refused| refuse(&request, refused))
}

async fn accept(
    request: &HttpRequest,
    shared: &Shared,
    site: &Site,
    query: &[(String, String)],
    payload: web::Payload,
) -> Result<HttpResponse, Refused> {
    check_origin(request, shared)?;
    let arrival = arrival(request, query, shared, site.protocol.name()).await?;
    let (mut newcomer, ticket) = admit(request, shared)?;
    // A session is a connection: a backend leaves it out by the id that its client was told.
    if let Some(random) = secret::<16>() {
        newcomer.welcome.connection = uuid(&random).into();
    }
    let tail = request.match_info().get("tail").unwrap_or_default();
    let part = tail.rsplit('/').next().unwrap_or_default();
    let newcomer = Newcomer {
        transport: "WebSocket",
        first: Some(Intent::Arrive(arrival)),
        conversation: Some(site.protocol.at(part).open()),
        ..newcomer
    };
    let handshake = Handshake {
        request,
        payload,
        subprotocols: &[],
    };
    let worker = worker(request)?;
    let response = websocket::accept(handshake, &site.mount, worker, newcomer, websocket::plain, ticket).await;
    Ok(response.unwrap_or_else(|error| error.error_response()))
}

/// A version 4 UUID (RFC 9562 section 5.4) of 32 hexadecimal digits that nobody can guess.
fn uuid(random: &str) -> String {
    let mut out = String::with_capacity(36);
    for (at, digit) in random.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(match (at, digit) {
            (12, _) => '4',
            (16, '0'..='3') => '8',
            (16, '4'..='7') => '9',
            (16, '8'..='9' | 'a' | 'b') => 'a',
            (16, _) => 'b',
            (_, digit) => digit,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_of_version_4() {
        let made = uuid("0123456789abcdef0123456789abcdef");
        assert_eq!(made, "01234567-89ab-4def-8123-456789abcdef");
        assert_eq!(&uuid(&"f".repeat(32))[14..20], "4fff-b");
    }
}
