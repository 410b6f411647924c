//! `GET /observe`: everything that happens, as server-sent events, for backends and people who watch.
//!
//! In: notes from the bus. Out: `event: dispatched` and its siblings with JSON data. A viewer that reads too slowly
//! loses notes; it never slows anything down.

use std::fmt::Write as _;
use std::pin::pin;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use turted_core::{Api, Note, Shutdown};

use super::watch::Watched;
use crate::gate::Shared;
use crate::gate::admission::Ticket;
use crate::gate::backend::{backend, in_words};
use crate::gate::entrance::{Refused, check_origin};
use crate::gate::methods::is_head;
use crate::gate::proxies::origin;
use crate::gate::refusals::note;
use crate::gate::request::refuse;
use crate::observe::Subscription;

/// Notes that wait for one viewer.
const QUEUE: usize = 1024;
/// A comment keeps the stream alive through proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What a viewer may ask for.
#[derive(Debug, Deserialize)]
pub struct Query {
    /// Only dispatches of this event.
    event: Option<String>,
}

/// Answers with a stream that ends with the server.
pub async fn stream(
    request: HttpRequest,
    shared: web::Data<Shared>,
    watched: web::Data<Watched>,
    query: web::Query<Query>,
) -> HttpResponse {
    if let Err(refused) = check_origin(&request, &shared) {
        return refuse(&request, refused);
    }
    if let Err(refused) = backend(&request, &shared, "viewer", Api::All).await {
        return in_words(refused);
    }
    let Some(place) = origin(&request).map(|address| shared.viewers.admit(address)) else {
        return HttpResponse::InternalServerError().finish();
    };
    let Ok(place) = place else {
        note(&request, "viewer", "full", || {
            "there are observe.viewers of them".to_owned()
        });
        let why = "as many watch as may; see observe.viewers";
        return refuse(&request, Refused::new(StatusCode::SERVICE_UNAVAILABLE, "full", why));
    };
    let mut response = head();
    if is_head(&request) {
        return response.finish();
    }
    let viewer = Viewer {
        notes: watched.bus.subscribe(QUEUE),
        event: query.into_inner().event,
        shutdown: shared.shutdown.clone(),
        _place: place,
    };
    let first = stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from_static(b": turted\n\n"))]);
    let rest = stream::unfold(viewer, |mut viewer| async {
        viewer.next().await.map(|text| (Ok(text), viewer))
    });
    response.streaming(futures_util::StreamExt::chain(first, rest))
}

fn head() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache, no-transform"))
        // Proxies of the nginx family buffer responses unless told otherwise.
        .insert_header(("X-Accel-Buffering", "no"));
    response
}

struct Viewer {
    notes: Subscription,
    event: Option<String>,
    shutdown: Shutdown,
    _place: Ticket,
}

impl Viewer {
    async fn next(&mut self) -> Option<Bytes> {
        // Notes that this viewer does not want are no sign of life to it.
        let mut silent = pin!(tokio::time::sleep(KEEP_ALIVE));
        loop {
            tokio::select! {
                () = self.shutdown.wait() => return None,
                () = &mut silent => return Some(Bytes::from_static(b":\n\n")),
                note = self.notes.recv() => match note {
                    None => return None,
                    Some(note) if self.wants(&note) => return Some(render(&note).into()),
                    Some(_) => {}
                },
            }
        }
    }

    fn wants(&self, note: &Note) -> bool {
        match (&self.event, note) {
            (None, _) => true,
            (Some(event), Note::Dispatched { dispatch, .. }) => dispatch.event.as_str() == event,
            (Some(_), _) => false,
        }
    }
}

fn render(note: &Note) -> String {
    match note {
        Note::Dispatched { dispatch, receipt, .. } => {
            let payload: Option<&RawValue> = serde_json::from_str(dispatch.payload.as_str()).ok();
            let data = json!({
                "id": receipt.id,
                "event": dispatch.event,
                "targets": dispatch.targets,
                "recipients": receipt.recipients,
            });
            // The payload stays as it came, so it is not put through a JSON value.
            let mut data = data.to_string();
            data.pop();
            let _ = write!(data, ",\"payload\":{}}}", payload.map_or("null", RawValue::get));
            event("dispatched", &data)
        }
        Note::Opened { connection } => event("opened", &json!({"connection": **connection}).to_string()),
        Note::Identified { connection, user } => event(
            "identified",
            &json!({"connection": **connection, "user": user}).to_string(),
        ),
        Note::Joined { connection, channel } => event(
            "joined",
            &json!({"connection": **connection, "channel": channel}).to_string(),
        ),
        Note::Left { connection, channel } => event(
            "left",
            &json!({"connection": **connection, "channel": channel}).to_string(),
        ),
        Note::Resumed { connection, replayed } => event(
            "resumed",
            &json!({"connection": **connection, "replayed": replayed}).to_string(),
        ),
        Note::Ended {
            connection,
            code,
            reason,
        } => event(
            "ended",
            &json!({"connection": **connection, "code": code, "reason": reason}).to_string(),
        ),
        // A comment is nothing to a viewer.
        _ => ":\n\n".to_owned(),
    }
}

/// A line break in a payload (JSON allows it between tokens) must not end the field (CWE-93).
fn event(name: &str, data: &str) -> String {
    let mut out = format!("event: {name}\n");
    // No stream can carry a carriage return; a space is the same between tokens.
    for line in data.replace('\r', " ").split('\n') {
        let _ = writeln!(out, "data: {line}");
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_between_tokens_stays_inside_the_data() {
        assert_eq!(event("e", "{\n\"a\":\r1}"), "event: e\ndata: {\ndata: \"a\": 1}\n\n");
    }
}
