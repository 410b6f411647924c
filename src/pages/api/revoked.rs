//! `/api/revoked`: takes back what was issued.
//!
//! In: `POST {"user","issued_before","jti","for"}`, a user's tokens from before a time, or one token by its id. Out:
//! `{"connections":1}`, those that came in by it and were ended. `GET` lists what is revoked, bans as well, `DELETE`
//! forgets it; both take `user` and `jti` in the query. It lives in memory: after a restart it is to be said again.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use log::info;
use serde::Deserialize;
use serde_json::{Value, json};
use turted_core::{Api as Level, UserName};

use super::{Api, Lasts, answer, id, name, read, resource, user};
use crate::dispatcher::messages::{ListRevoked, Pardon, Revocation, Revoke};
use crate::dispatcher::revoked::Subject;
use crate::gate::Shared;
use crate::gate::entrance::Refused;
use crate::gate::request::bad_request;

/// How long it is remembered when nobody says: as long as a token of `type = "jwt"` may last.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How far ahead of ours another clock may be.
const SKEW: Duration = Duration::from_secs(300);
/// How many a list shows when nobody says, and at most.
const SHOWN: (usize, usize) = (100, 1000);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    user: Option<String>,
    issued_before: Option<Moment>,
    jti: Option<String>,
    #[serde(rename = "for")]
    lasts: Option<Lasts>,
}

/// Seconds since 1970, as `iat` of a token, or `"2026-11-30T13:00:00Z"`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Moment {
    Seconds(u64),
    Text(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    user: Option<String>,
    jti: Option<String>,
    limit: Option<usize>,
}

/// A user, a token, or both.
type Whose = (Option<UserName>, Option<Arc<str>>);

pub(super) fn routes(config: &mut ServiceConfig) {
    let ways = [web::get().to(get), web::post().to(post), web::delete().to(delete)];
    config.service(resource("/revoked", "GET, HEAD, POST, DELETE", ways));
}

async fn post(
    request: HttpRequest,
    shared: web::Data<Shared>,
    api: web::Data<Api>,
    payload: web::Payload,
) -> HttpResponse {
    answer(&request, &shared, Level::All, async |who| {
        let body: Body = read(&request, &shared, payload).await?;
        let now = SystemTime::now();
        let before = body.issued_before.as_ref().map(|moment| moment.time(now)).transpose()?;
        let lasts = body.lasts.map_or(DAY, |Lasts(lasts)| lasts);
        let (user, token) = whose(body.user.as_deref(), body.jti.as_deref(), &shared)?;
        if user.is_none() && before.is_some() {
            return Err(bad_request("missing_field", "issued_before needs a user"));
        }
        one_of(&user, &token)?;
        let what = shown(&user, &token);
        let user = user.map(|user| (user, before.unwrap_or(now)));
        let connections = api.ask(Revoke { user, token, lasts }).await?;
        info!(
            "{} revoked {what} for {}: {connections} connections",
            name(&who),
            humantime::format_duration(lasts)
        );
        Ok(json!({"connections": connections, "until": stamp(now + lasts)}))
    })
    .await
}

async fn get(request: HttpRequest, shared: web::Data<Shared>, api: web::Data<Api>) -> HttpResponse {
    answer(&request, &shared, Level::Read, async |_| {
        let query = query(&request)?;
        let most = query.limit.unwrap_or(SHOWN.0);
        if !(1..=SHOWN.1).contains(&most) {
            return Err(bad_request("bad_query", format!("limit must be from 1 to {}", SHOWN.1)));
        }
        let (user, token) = whose(query.user.as_deref(), query.jti.as_deref(), &shared)?;
        let found = api.ask(ListRevoked { user, token, most }).await?;
        let now = SystemTime::now();
        let listed: Vec<Value> = found.listed.iter().map(|one| entry(one, now)).collect();
        Ok(json!({"revoked": listed, "count": found.count}))
    })
    .await
}

async fn delete(request: HttpRequest, shared: web::Data<Shared>, api: web::Data<Api>) -> HttpResponse {
    answer(&request, &shared, Level::All, async |who| {
        let query = query(&request)?;
        let (user, token) = whose(query.user.as_deref(), query.jti.as_deref(), &shared)?;
        one_of(&user, &token)?;
        let what = shown(&user, &token);
        let removed = api.ask(Pardon { user, token }).await?;
        info!("{} forgave {what}: {removed} entries", name(&who));
        Ok(json!({"removed": removed}))
    })
    .await
}

fn query(request: &HttpRequest) -> Result<Query, Refused> {
    let query = web::Query::<Query>::from_query(request.query_string());
    query
        .map(web::Query::into_inner)
        .map_err(|why| bad_request("bad_query", format!("the query is not right: {why}")))
}

fn whose(name: Option<&str>, jti: Option<&str>, shared: &Shared) -> Result<Whose, Refused> {
    let name = name.map(|name| user(name, shared)).transpose()?;
    Ok((name, jti.map(|jti| id(jti, "jti")).transpose()?))
}

fn one_of(user: &Option<UserName>, token: &Option<Arc<str>>) -> Result<(), Refused> {
    match (user, token) {
        (None, None) => Err(bad_request(
            "missing_field",
            "say whose it is: a user, or a token's jti",
        )),
        _ => Ok(()),
    }
}

/// For the log; the id of a token is no credential.
fn shown(user: &Option<UserName>, token: &Option<Arc<str>>) -> String {
    let user = user.as_ref().map(|user| format!("what {:?} was issued", user.as_str()));
    let token = token.as_ref().map(|token| format!("the token {token:?}"));
    [user, token].into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

fn entry(one: &Revocation, now: SystemTime) -> Value {
    let until = stamp(now + one.lasts);
    match &one.subject {
        Subject::User(user) => json!({"user": user, "until": until, "banned": true}),
        Subject::Older(user) => json!({"user": user, "until": until, "issued_before": one.before.map(stamp)}),
        Subject::Token(token) => json!({"jti": **token, "until": until}),
    }
}

fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

impl Moment {
    fn time(&self, now: SystemTime) -> Result<SystemTime, Refused> {
        let bad = || {
            let why =
                "issued_before must be seconds since 1970 or a time such as \"2026-11-30T13:00:00Z\", and not be ahead";
            bad_request("bad_time", why)
        };
        let time = match self {
            Self::Seconds(seconds) => UNIX_EPOCH.checked_add(Duration::from_secs(*seconds)),
            Self::Text(text) => humantime::parse_rfc3339(text).ok(),
        };
        time.filter(|time| *time <= now + SKEW).ok_or_else(bad)
    }
}
