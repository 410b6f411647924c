//! Who a request is from, and what it may hear, where that is known before there is a connection.
//!
//! In: queries, cookies, headers. Out: an identity that was confirmed, or nobody's when nothing says who it is; and of
//! the channels that it names, those that the user's backend has granted.

use std::sync::Arc;
use std::time::Instant;

use actix_web::cookie::Cookie;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpMessage, HttpRequest, web};
use serde_json::{Map, Value};
use turted_core::may::{Verb, Verdict};
use turted_core::{
    Arrival, Brought, ChannelName, Denial, Identity, Intent, Refusal, Rejection, UserName, Visitor, Worth,
};

use super::entrance::Refused;
use super::proxies::{origin, vouched};
use super::refusals::note;
use super::request::{bad_request, channels, first, host, text, token, worker};
use super::{Shared, bearer};
use crate::client::{Worker, named};
use crate::dispatcher::Vouched;
use crate::dispatcher::messages::{GoesOn, IsRevoked, Knows};

/// Members of the query that say who somebody is; the same as the data of IDENT.
const CREDENTIALS: [&str; 5] = ["username", "user", "id", "password", "token"];
/// Cookies that do.
const COOKIES: [(&str, &str); 2] = [("turted-username", "username"), ("turted-token", "token")];

/// With what a connection begins whose request says it all: who it is, by its query, by cookies or headers, and the
/// channels of its query.
///
/// # Errors
/// What was presented does not hold, or it may hear none of the channels.
pub async fn arrival(
    request: &HttpRequest,
    query: &[(String, String)],
    shared: &Shared,
    dialect: &str,
) -> Result<Arrival, Refused> {
    let worker = worker(request)?;
    if let Some(ticket) = first(query, "ticket") {
        return ticketed(request, query, ticket, shared, worker).await;
    }
    let (identity, presented) = identify(request, query, shared, worker, dialect).await?;
    let arrival = arrival_of(request, query, shared, identity).await?;
    let presented = arrival.identity.renews.map(|_| presented.into());
    Ok(Arrival { presented, ..arrival })
}

/// As [`arrival`], of somebody who is known already.
///
/// # Errors
/// It was thrown out, or may hear none of the channels.
pub async fn arrival_of(
    request: &HttpRequest,
    query: &[(String, String)],
    shared: &Shared,
    identity: Identity,
) -> Result<Arrival, Refused> {
    let (identity, worker) = (Arc::new(identity), worker(request)?);
    refuse_revoked(request, &identity, worker).await?;
    let channels = channels(query, shared)?;
    let granted = granted(request, &identity, &channels, worker).await?;
    Ok(Arrival {
        channels,
        granted,
        identity,
        ..Arrival::default()
    })
}

/// As [`arrival`], where `resume` may name an earlier connection: one that goes on as somebody is asked about when its
/// time is over, however many come back at once.
///
/// # Errors
/// As [`arrival`].
pub async fn returning(
    request: &HttpRequest,
    query: &[(String, String)],
    shared: &Shared,
    dialect: &str,
) -> Result<Arrival, Refused> {
    let Some(secret) = token(query, "resume") else {
        return arrival(request, query, shared, dialect).await;
    };
    let resume = Some(Arc::clone(&secret));
    let knows = worker(request)?.dispatcher.send(GoesOn(secret));
    if first(query, "ticket").is_none() && matches!(knows.await, Ok(true)) {
        return Ok(Arrival {
            resume,
            returns: true,
            ..Arrival::default()
        });
    }
    let arrival = arrival(request, query, shared, dialect).await?;
    // A ticket that was used says itself where it leads.
    let resume = arrival.resume.or(resume);
    Ok(Arrival { resume, ..arrival })
}

/// The secret of the connection that this request opens, if a ticket says it.
#[derive(Clone)]
pub(super) struct Opens(pub(super) Arc<str>);

/// With what a connection begins that shows a ticket. One that was used leads back to its own connection, so that an
/// event stream recovers by itself, and opens nothing else.
async fn ticketed(
    request: &HttpRequest,
    query: &[(String, String)],
    ticket: &str,
    shared: &Shared,
    worker: &Worker,
) -> Result<Arrival, Refused> {
    let refused = |why| Err(turn_away(request, Refusal::denied(why)));
    // Whoever may not hear anything there has not used it up.
    let channels = channels(query, shared)?;
    match shared.tickets.redeem(ticket, origin(request), Instant::now()) {
        Worth::Fresh(identity, secret) => {
            refuse_revoked(request, &identity, worker).await?;
            let granted = granted(request, &identity, &channels, worker).await?;
            request.extensions_mut().insert(Opens(secret));
            Ok(Arrival {
                identity,
                channels,
                granted,
                ..Arrival::default()
            })
        }
        Worth::Used(secret) => match worker.dispatcher.send(Knows(Arc::clone(&secret))).await {
            Ok(true) => Ok(Arrival {
                resume: Some(secret),
                returns: true,
                ..Arrival::default()
            }),
            _ => refused("the ticket was used before, and what it opened has ended"),
        },
        Worth::Nothing => refused("the ticket is none, or is over"),
    }
}

/// With what a connection begins that says the rest later, if its request shows a ticket. Such a client can say with a
/// new one who it is, or resume: a ticket that was used opens nothing, and leads nowhere.
///
/// # Errors
/// The ticket does not open, or whoever comes with it was thrown out.
pub async fn opening(
    request: &HttpRequest,
    query: &[(String, String)],
    shared: &Shared,
) -> Result<Option<Intent>, Refused> {
    let Some(ticket) = first(query, "ticket") else {
        return Ok(None);
    };
    let why = match shared.tickets.redeem(ticket, origin(request), Instant::now()) {
        Worth::Fresh(identity, _) => {
            refuse_revoked(request, &identity, worker(request)?).await?;
            return Ok(Some(Intent::Arrive(Arrival {
                identity,
                waits: true,
                ..Arrival::default()
            })));
        }
        Worth::Used(_) => "the ticket was used before",
        Worth::Nothing => "the ticket is none, or is over",
    };
    Err(turn_away(request, Refusal::denied(why)))
}

/// With what a connection begins: as [`arrival`], where the request says it all; otherwise as [`opening`].
///
/// # Errors
/// As theirs.
pub async fn beginning(
    request: &HttpRequest,
    query: &[(String, String)],
    shared: &Shared,
    dialect: &str,
    is_told: bool,
) -> Result<Option<Intent>, Refused> {
    match is_told {
        true => arrival(request, query, shared, dialect)
            .await
            .map(Intent::Arrive)
            .map(Some),
        false => opening(request, query, shared).await,
    }
}

/// What a request brings along that some authenticator looks at.
///
/// # Errors
/// When it cannot be believed.
pub fn bring(request: &HttpRequest) -> Result<Brought, Refused> {
    let wants = &worker(request)?.policy.wants;
    let header = |name: &str| Some(request.headers().get(name)?.to_str().ok()?.into());
    // What only a proxy may say is never taken from anybody else, whoever wants to see it.
    let plain = wants.headers.iter().filter(|name| !wants.of_proxies.contains(name));
    let mut headers: Vec<_> = plain.filter_map(|name| Some((name.clone(), header(name)?))).collect();
    if let Some(shared) = request.app_data::<web::Data<Shared>>() {
        for name in &wants.of_proxies {
            headers.extend(vouched(request, name, &shared.proxies)?.map(|value| (name.clone(), value)));
        }
    }
    Ok(Brought {
        bearer: bearer(request).map(Box::from),
        cookies: cookies(request, &wants.cookies),
        headers,
    })
}

/// The value of a cookie, where cookies count for the page that it comes from.
#[must_use]
pub fn cookie(request: &HttpRequest, shared: &Shared, name: &str) -> Option<Box<str>> {
    let head = request.head();
    if !shared.origins.trusts_cookies(text(head, header::ORIGIN), host(head)) {
        return None;
    }
    cookies(request, &[name.into()]).pop().map(|(_, value)| value)
}

/// The cookies that are wanted. One that is none spoils no other, or its user would become nobody; of two with one name
/// the first counts, which browsers take from the narrower path.
fn cookies(request: &HttpRequest, wanted: &[Box<str>]) -> Vec<(Box<str>, Box<str>)> {
    let mut cookies: Vec<(Box<str>, Box<str>)> = Vec::new();
    if wanted.is_empty() {
        return cookies;
    }
    let is_wanted = |name: &str| wanted.iter().any(|one| &**one == "*" || **one == *name);
    let lines = request.headers().get_all(header::COOKIE);
    for piece in lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
    {
        let Ok(cookie) = Cookie::parse_encoded(piece.trim()) else {
            continue;
        };
        if is_wanted(cookie.name()) && cookies.iter().all(|(name, _)| **name != *cookie.name()) {
            cookies.push((cookie.name().into(), cookie.value().into()));
        }
    }
    cookies
}

/// Who this is, if it says so: by the query, by cookies, or by `Authorization: Bearer …`.
async fn identify(
    request: &HttpRequest,
    query: &[(String, String)],
    shared: &Shared,
    worker: &Worker,
    dialect: &str,
) -> Result<(Identity, Value), Refused> {
    let mut data = Map::new();
    let head = request.head();
    let trusts = shared.origins.trusts_cookies(text(head, header::ORIGIN), host(head));
    for (cookie, member) in COOKIES.into_iter().filter(|_| trusts) {
        if let Some(cookie) = request.cookie(cookie) {
            data.insert(member.to_owned(), cookie.value().into());
        }
    }
    let said = query.iter().filter(|(name, _)| CREDENTIALS.contains(&name.as_str()));
    data.extend(said.map(|(name, value)| (name.clone(), Value::from(value.as_str()))));
    let brought = bring(request)?;
    if data.is_empty() && brought.is_empty() {
        return Ok((Identity::default(), Value::Null));
    }
    let claimed = data
        .get("username")
        .or_else(|| data.get("user"))
        .and_then(Value::as_str);
    let claimed = claimed.map(|name| UserName::parse(name, &shared.limits)).transpose();
    let claimed = claimed.map_err(|why| bad_request("bad_name", format!("the user name {why}")))?;
    let data = Value::Object(data);
    let visitor = Visitor {
        address: origin(request),
        dialect,
        token_in_url: query.iter().any(|(name, _)| name == "token"),
        ..Visitor::new(&data, &brought)
    };
    let verdict = worker
        .policy
        .clients
        .verify(&visitor)
        .await
        .map_err(|refusal| turn_away(request, refusal))?;
    // Cookies and headers of others say nothing here, but who names itself wants to be somebody.
    let nothing = || match data.as_object().is_some_and(|data| !data.is_empty()) || brought.bearer.is_some() {
        true => Err(turn_away(
            request,
            Refusal::denied("there is nothing in it that [auth.clients] looks at"),
        )),
        false => Ok(Identity::default()),
    };
    let identity = verdict.map_or_else(nothing, Ok)?;
    let identity = named(identity, claimed).map_err(|_| bad_request("missing_field", "username is missing"))?;
    Ok((identity, data))
}

/// Whoever was thrown out hears it here: a stream that begins and ends would be opened again and again. The Dispatcher
/// asks once more, in its turn.
async fn refuse_revoked(request: &HttpRequest, identity: &Arc<Identity>, worker: &Worker) -> Result<(), Refused> {
    if identity.user.is_none() && identity.token.is_none() {
        return Ok(());
    }
    let vouched = Vouched::new(Arc::clone(identity));
    if !matches!(worker.dispatcher.send(IsRevoked(vouched)).await, Ok(true)) {
        return Ok(());
    }
    note(request, "ident", "revoked", || {
        let user = identity.user.as_ref().map_or("", |user| user.as_str());
        format!("{user:?} was thrown out, or its token revoked; see GET /api/revoked")
    });
    let rejection = Rejection::IdentDenied(None);
    Err(Refused::new(
        StatusCode::FORBIDDEN,
        rejection.code(),
        rejection.to_string(),
    ))
}

/// What is answered to somebody who is not let in; the operator hears why.
pub fn turn_away(request: &HttpRequest, refusal: Refusal) -> Refused {
    let (status, rejection, why) = match refusal {
        Refusal::Denied(Denial { why, word }) => (
            StatusCode::UNAUTHORIZED,
            Rejection::IdentDenied(word.map(Arc::from)),
            why,
        ),
        Refusal::Expired => (
            StatusCode::UNAUTHORIZED,
            Rejection::Expired,
            "its token has expired".into(),
        ),
        Refusal::Unavailable { after } => {
            let why = "whoever knows did not answer".into();
            (StatusCode::SERVICE_UNAVAILABLE, Rejection::Unavailable { after }, why)
        }
    };
    note(request, "ident", rejection.code(), || {
        format!("what its query, its cookies or its headers say does not hold: {why}; see [auth.clients]")
    });
    Refused::new(status, rejection.code(), rejection.to_string())
}

/// Of the channels that a request names, those that the user's backend has to grant, and did.
///
/// # Errors
/// When it may hear none of them, or it cannot be said now.
async fn granted(
    request: &HttpRequest,
    identity: &Identity,
    channels: &[ChannelName],
    worker: &Worker,
) -> Result<Vec<ChannelName>, Refused> {
    let (mut granted, mut may_hear) = (Vec::new(), 0);
    for channel in channels {
        match worker.policy.permissions.judge(Verb::Join, channel.as_str(), identity) {
            Verdict::Yes(_) => may_hear += 1,
            Verdict::No => {}
            Verdict::Ask => {
                let Some(adviser) = &worker.policy.adviser else {
                    continue;
                };
                let answer = adviser.may(Verb::Join, channel.as_str(), identity).await;
                let unavailable = |after| turn_away(request, Refusal::Unavailable { after });
                if answer.map_err(unavailable)? {
                    granted.push(channel.clone());
                }
            }
        }
    }
    let Some(first) = channels.first().filter(|_| may_hear == 0 && granted.is_empty()) else {
        return Ok(granted);
    };
    note(request, "join", "join_denied", || {
        worker.policy.permissions.explain(Verb::Join, first.as_str(), identity)
    });
    let (verb, name, why) = (Verb::Join, first.as_str().into(), None);
    let rejection = Rejection::Denied { verb, name, why };
    Err(Refused::new(
        StatusCode::FORBIDDEN,
        rejection.code(),
        rejection.to_string(),
    ))
}
