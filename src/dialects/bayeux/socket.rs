//! A WebSocket, until it carries a session, or as long as its session is one that acknowledges events.
//!
//! In: an upgrade, and what its client says. Out: answers, as to requests; and with the first connect a session that
//! moves here, from whichever worker and whichever wire it was on. From then on this is its socket, as any other.

use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use actix::Addr;
use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::{StatusCode, header};
use actix_web::web::Payload;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use turted_core::Ending;

use super::Way;
use super::exchange::{Batch, Visit};
use super::message::batch;
use crate::carriers::body::Wire;
use crate::carriers::websocket::{Handshake, Incoming, WebSocketFraming, frame, translate};
use crate::client::quiet::Quiet;
use crate::client::requests::moving::{Move, Moving};
use crate::client::{Connection, Framing, Inbound, Voice};
use crate::dispatcher::LaneKey;
use crate::gate::entrance::Refused;

/// How long a socket may be silent that carries nothing.
const IDLE: Duration = Duration::from_secs(30);

/// Answers the upgrade.
///
/// # Errors
/// The handshake's own refusals.
pub async fn accept(mut visit: Visit, payload: Payload) -> Result<HttpResponse, Refused> {
    if visit.shared.shutdown.is_wanted() {
        let why = "the server is shutting down";
        return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", why));
    }
    visit.transport = "WebSocket";
    let wanted = visit.request.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
    let wanted = wanted.and_then(|wanted| wanted.to_str().ok()).unwrap_or_default();
    // Whatever its client calls it, it is Bayeux.
    let subprotocols: Vec<&str> = wanted
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let handshake = Handshake {
        request: &visit.request,
        payload,
        subprotocols: &subprotocols,
    };
    let mount = &visit.service.mount;
    let (response, incoming) = match handshake.answer(mount.message_bytes).await {
        Ok(answered) => answered,
        Err(error) => return Ok(error.error_response()),
    };
    let voice = mount.voice(visit.worker()?, Box::new(Quiet));
    let wire = Wire::new(Rc::clone(&voice), ()).plugged();
    actix::spawn(Socket { visit, voice }.run(incoming));
    Ok(response.map_body(|_, _| BoxBody::new(wire)))
}

struct Socket {
    visit: Visit,
    voice: Rc<Voice>,
}

/// What comes later: the answer to a connect that is held.
type Later = Pin<Box<dyn Future<Output = String>>>;

impl Socket {
    async fn run(self, mut incoming: Incoming) {
        let mut later: Option<Later> = None;
        let ending = loop {
            let patience = if later.is_some() { Duration::MAX } else { IDLE };
            let held = async {
                match &mut later {
                    Some(later) => later.await,
                    None => pending().await,
                }
            };
            let message = tokio::select! {
                text = held => {
                    later = None;
                    self.say(&text);
                    continue;
                }
                message = timeout(patience, incoming.next()) => message,
            };
            let text = match message.map(|message| message.map(translate)) {
                Ok(Some(Inbound::Text(text))) => text,
                Ok(Some(Inbound::Ping(pong))) => {
                    self.voice.control(pong);
                    continue;
                }
                Ok(Some(Inbound::Pong | Inbound::Binary(_))) => continue,
                Ok(Some(Inbound::Broken(ending))) => break ending,
                Ok(Some(Inbound::Close(_)) | None) | Err(_) => break Ending::Normal,
            };
            let limits = self.visit.service.terms.limits;
            // As Faye has it: what is no batch is passed over.
            let Some(read) = batch(&text, &limits).ok().and_then(Batch::read) else {
                continue;
            };
            let session = read.connects().and_then(|client| self.visit.find(&client));
            if let Some((connection, false)) = session
                && let Some(moving) = self.fetch(&connection).await
            {
                return self.go_on(*moving, &text, incoming);
            }
            let answers = self.visit.exchange(&read).await;
            if answers.waits() {
                later = Some(Box::pin(answers.complete()));
            } else {
                self.say(&answers.complete().await);
            }
            if self.voice.ended().is_some() || !self.voice.is_plugged() {
                break Ending::Normal;
            }
        };
        if let Some(close) = WebSocketFraming.close(ending) {
            self.voice.control(close);
        }
        self.voice.finish();
    }

    fn say(&self, text: &str) {
        if text != "[]" {
            self.voice.control(frame::text(text.as_bytes()));
        }
    }

    /// Lets a session move to this socket; nothing when it is gone, or goes elsewhere.
    async fn fetch(&self, connection: &Addr<Connection>) -> Option<Box<Moving>> {
        let worker = self.visit.worker().ok()?;
        self.voice.hold();
        let lane = LaneKey {
            courier: worker.courier,
            lane: worker.voices.insert(Rc::clone(&self.voice)),
        };
        let (answer, moving) = oneshot::channel();
        // Without an answer the Dispatcher has never heard of the lane.
        let sent = connection.send(Move { lane, answer }).await;
        let (Ok(()), Ok(moving)) = (sent, moving.await) else {
            worker.voices.retire(lane.lane);
            self.voice.release();
            return None;
        };
        Some(moving)
    }

    /// Makes this the socket of a session.
    fn go_on(self, moving: Moving, text: &str, incoming: Incoming) {
        let Ok(worker) = self.visit.worker() else {
            return;
        };
        let first = Inbound::Text(Way::NewSocket.mark(text));
        let rules = &self.visit.service.mount.rules;
        let inbound = stream::once(async { first }).chain(until_closed(incoming));
        Connection::arrive(worker, &self.voice, rules, moving, inbound);
    }
}

/// What the client says as long as this socket lasts. Its end is not that of the session.
fn until_closed(incoming: Incoming) -> impl Stream<Item = Inbound> {
    let is_end = |inbound: &Inbound| matches!(inbound, Inbound::Close(_) | Inbound::Broken(Ending::Vanished));
    incoming
        .map(translate)
        .take_while(move |inbound| std::future::ready(!is_end(inbound)))
        .map(|inbound| match inbound {
            Inbound::Text(text) => Inbound::Text(Way::unmarked(text)),
            other => other,
        })
}
