//! `POST /api/users/{user}/kick`: throws a user out, for a while if so wanted.
//!
//! In: `{"reason","except":[ids],"for":"10m"}`, each of which may be left out. Out: `{"connections":2}`, those counted
//! that had lost their wire and could have come back.

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use log::info;
use serde::Deserialize;
use serde_json::json;
use turted_core::Api as Level;

use super::{Api, Lasts, answer, id, name, part, read, resource, user};
use crate::dispatcher::messages::{Expel, Whom};
use crate::gate::Shared;
use crate::gate::entrance::Refused;
use crate::gate::request::bad_request;

/// Most connections that may be spared.
const EXCEPT: usize = 1000;
/// Longest reason in bytes.
const REASON: usize = 200;

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Kick {
    reason: Option<String>,
    except: Vec<String>,
    #[serde(rename = "for")]
    lasts: Option<Lasts>,
}

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(resource("/users/{user}/kick", "POST", [web::post().to(post)]));
}

async fn post(
    request: HttpRequest,
    shared: web::Data<Shared>,
    api: web::Data<Api>,
    payload: web::Payload,
) -> HttpResponse {
    answer(&request, &shared, Level::All, async |who| {
        let user = user(&part(&request)?, &shared)?;
        let kick: Kick = read(&request, &shared, payload).await?;
        let reason = kick.reason.map_or(Ok(String::new()), reason)?;
        if kick.except.len() > EXCEPT {
            let why = format!("except has {} ids, allowed are {EXCEPT}", kick.except.len());
            return Err(bad_request("too_many", why));
        }
        let except = kick.except.iter().map(|text| id(text, "an id of except"));
        let except = except.collect::<Result<Vec<Arc<str>>, _>>()?;
        let ban = kick.lasts.map(|Lasts(lasts)| lasts);
        let whom = Whom::User(user.clone());
        let connections = api.ask(Expel { whom, except, ban }).await?;
        let lasts = ban.map_or_else(String::new, |ban| format!(" for {}", humantime::format_duration(ban)));
        info!(
            "{} kicked {:?}{lasts}: {connections} connections{reason}",
            name(&who),
            user.as_str()
        );
        Ok(json!({"connections": connections}))
    })
    .await
}

/// As the log shows it: quoted, so that it cannot forge a line (CWE-117).
fn reason(text: String) -> Result<String, Refused> {
    if text.len() > REASON {
        return Err(bad_request("too_long", format!("reason may have {REASON} bytes")));
    }
    Ok(format!(", because {text:?}"))
}
