//! What has to hold of a token whose signature holds.
//!
//! In: claims, and the time. Out: an identity, or the first thing that does not hold, in a sentence, with the key of
//! the configuration that a person may want to change. What an expired token says is looked at before its end is:
//! only one that was good until then is "expired", which tells a client to bring a new one.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};
use turted_core::may::{Claims, Grants, MOST_GRANTS, Naming, Pattern, Verb, kind};
use turted_core::{ChannelName, Identity, Limits, UserName};

use super::claims::{text, texts, time};
use super::token::shown;

/// Longest id of a token in bytes.
const MOST_JTI: usize = 200;
/// Where the name of a user is when nobody says it.
const USER: &str = "{sub}";
/// Seconds until then: no token is meant to last so long.
const YEAR_3000: Duration = Duration::from_secs(32_503_680_000);

/// What one method demands.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whose tokens.
    pub issuer: Option<String>,
    /// For whom they have to be meant: one of these.
    pub audience: Vec<String>,
    /// How they may be signed.
    pub algorithms: Vec<Algorithm>,
    /// What makes the user's name.
    pub user: Naming,
    /// By how much clocks may differ.
    pub leeway: Duration,
    /// How long a token may be good for.
    pub max_lifetime: Duration,
    /// Beyond these its own grants count for nothing.
    pub within: Option<Arc<[Pattern]>>,
    /// The claims that rules ask for.
    pub claims: Vec<Arc<str>>,
    /// Bounds of names.
    pub limits: Limits,
    /// Whether it may stand in a URL.
    pub query: bool,
}

/// What does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A sentence about "it", the token; of its text only what was signed, and the name of an algorithm.
    pub why: String,
    /// What may have to change in the configuration.
    pub mend: Option<String>,
    /// What it means for whoever brought it.
    pub kind: FaultKind,
}

/// What a fault means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It is no good.
    Denied,
    /// It was good.
    Expired,
    /// It cannot be said now.
    Unavailable(Duration),
}

impl Fault {
    /// It is no good.
    pub fn denied(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            mend: None,
            kind: FaultKind::Denied,
        }
    }

    /// Names the line to change.
    pub fn mend(mut self, line: impl Into<String>) -> Self {
        self.mend = Some(line.into());
        self
    }
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self::denied(why)
    }
}

/// Hears of each thing that holds.
pub type Tell<'a> = &'a mut (dyn FnMut(&dyn Display) + Send);

impl Rules {
    /// Whether tokens that are signed so can be meant for this method at all.
    pub fn takes(&self, algorithm: Algorithm, issuer: Option<&str>) -> bool {
        let of_issuer = self.issuer.is_none() || self.issuer.as_deref() == issuer;
        of_issuer && self.algorithms.iter().any(|one| one.family() == algorithm.family())
    }

    /// Who it is.
    ///
    /// # Errors
    /// [`Fault`]
    pub fn identity(&self, claims: &Map<String, Value>, now: SystemTime, tell: Tell<'_>) -> Result<Identity, Fault> {
        self.issuer(claims, tell)?;
        self.audience(claims, tell)?;
        let user = self.user.render(claims).and_then(|name| {
            let why = |why| format!("{} {why}", shown(&name));
            UserName::parse(&name, &self.limits).map_err(why)
        });
        let user = user.map_err(|why| {
            let fault = Fault::denied(format!("it makes no user name: {why}"));
            // What is so already needs no telling.
            match Naming::parse(USER) == Ok(self.user.clone()) {
                true => fault,
                false => fault.mend(format!("user = \"{USER}\"")),
            }
        })?;
        tell(&format_args!("user {user}"));
        let grants = self.grants(claims, tell)?;
        let joins = self.joins(claims, tell)?;
        let jti = text(claims, "jti")?;
        if jti.is_some_and(|jti| jti.len() > MOST_JTI) {
            return Err(Fault::denied(format!("jti is longer than {MOST_JTI} bytes")));
        }
        let (issued, expires) = self.times(claims, now, tell)?;
        let of_own = Verb::ALL.into_iter().flat_map(|verb| grants.of(verb));
        let of_own = of_own.filter_map(|text| Pattern::parse(text).ok());
        let mut wanted = self.claims.clone();
        for pattern in of_own {
            wanted.extend(pattern.claims().map(Arc::from));
        }
        wanted.sort();
        wanted.dedup();
        Ok(Identity {
            user: Some(user),
            claims: Claims::pick(claims, &wanted),
            within: self.within.clone().filter(|_| !grants.is_empty()),
            grants,
            joins,
            issued,
            expires: Some(expires),
            token: jti.map(Arc::from),
            ..Identity::default()
        })
    }

    fn issuer(&self, claims: &Map<String, Value>, tell: Tell<'_>) -> Result<(), Fault> {
        let Some(expected) = &self.issuer else {
            return Ok(());
        };
        let found =
            text(claims, "iss")?.ok_or_else(|| Fault::denied(format!("it has no iss, expected is {expected:?}")))?;
        if found != expected {
            let why = format!("iss is {}, expected is {expected:?}", shown(found));
            return Err(Fault::denied(why).mend(format!("issuer = {}", shown(found))));
        }
        tell(&format_args!("iss is {expected:?}"));
        Ok(())
    }

    fn audience(&self, claims: &Map<String, Value>, tell: Tell<'_>) -> Result<(), Fault> {
        let found = texts(claims, "aud")?;
        match (found, self.audience.as_slice()) {
            (None, []) => Ok(()),
            // RFC 7519, 4.1.3: it is meant for somebody, and nobody says that this is who.
            (Some(found), []) => {
                let first = shown(found.first().unwrap_or(&""));
                let why = format!("aud is {first}, and [auth.clients] does not say that this is here");
                Err(Fault::denied(why).mend(format!("audience = {first}")))
            }
            (None, expected) => Err(Fault::denied(format!("it has no aud, expected is {}", any(expected)))),
            (Some(found), expected) => match found.iter().find(|one| expected.iter().any(|other| other == *one)) {
                Some(one) => {
                    tell(&format_args!("aud is {one:?}"));
                    Ok(())
                }
                None => {
                    let first = shown(found.first().unwrap_or(&""));
                    let why = format!("aud is {first}, expected is {}", any(expected));
                    Err(Fault::denied(why).mend(format!("audience = {first}")))
                }
            },
        }
    }

    fn grants(&self, claims: &Map<String, Value>, tell: Tell<'_>) -> Result<Grants, Fault> {
        let Some(may) = claims.get("may") else {
            return Ok(Grants::default());
        };
        let grants = Grants::read(may)?;
        tell(&format_args!("may {}", one_line(&grants)));
        Ok(grants)
    }

    fn joins(&self, claims: &Map<String, Value>, tell: Tell<'_>) -> Result<Vec<ChannelName>, Fault> {
        let Some(join) = claims.get("join") else {
            return Ok(Vec::new());
        };
        let list = join.as_array();
        let list = list.ok_or_else(|| format!("join is {}, not a list of channels", kind(join)))?;
        if list.len() > MOST_GRANTS {
            return Err(Fault::denied(format!("join has more than {MOST_GRANTS} channels")));
        }
        let mut joins = Vec::with_capacity(list.len());
        for (at, name) in list.iter().enumerate() {
            let name = name.as_str().ok_or_else(|| format!("join[{at}] is no text"))?;
            let name = ChannelName::parse(name, &self.limits).map_err(|why| format!("join[{at}] {why}"))?;
            if !joins.contains(&name) {
                joins.push(name);
            }
        }
        let names: Vec<&str> = joins.iter().map(ChannelName::as_str).collect();
        tell(&format_args!("joins {}", names.join(", ")));
        Ok(joins)
    }

    /// When it was issued, if it says so, and when it ends.
    fn times(
        &self,
        claims: &Map<String, Value>,
        now: SystemTime,
        tell: Tell<'_>,
    ) -> Result<(Option<SystemTime>, SystemTime), Fault> {
        let soon = now + self.leeway;
        let by_clock = || {
            format!(
                "leeway = \"{}\", and set the clocks",
                humantime::format_duration(self.leeway * 2)
            )
        };
        let issued = time(claims, "iat")?;
        let begins = time(claims, "nbf")?;
        let ends = time(claims, "exp")?;
        let ends = ends.ok_or_else(|| Fault::denied("it has no exp: a token that never ends cannot be taken back"))?;
        if ends.duration_since(UNIX_EPOCH).is_ok_and(|ends| ends > YEAR_3000) {
            let why = "exp is after the year 3000: it counts seconds, and this looks like milliseconds";
            return Err(Fault::denied(why));
        }
        for (name, at) in [("iat", issued), ("nbf", begins)] {
            let Some(at) = at else { continue };
            if at > soon {
                let far = whole(at.duration_since(now).unwrap_or_default());
                return Err(Fault::denied(format!("{name} is {far} in the future")).mend(by_clock()));
            }
            tell(&format_args!("{name} is {}", when(at)));
        }
        // Without iat it counts from now, and clocks may differ.
        let from = issued.map_or(soon, |issued| issued);
        let lifetime = ends.duration_since(from).unwrap_or_default();
        if lifetime > self.max_lifetime {
            let longest = humantime::format_duration(self.max_lifetime);
            let line = format!("max_lifetime = \"{}\"", whole(lifetime));
            return Err(Fault::denied(format!("it lasts {}, allowed are {longest}", whole(lifetime))).mend(line));
        }
        if ends > now {
            tell(&format_args!(
                "exp is {}, in {}",
                when(ends),
                whole(ends.duration_since(now).unwrap_or_default())
            ));
            return Ok((issued, ends));
        }
        // One that arrives a little late, by a clock that may be wrong, is good for that much longer.
        let last = ends.checked_add(self.leeway).filter(|last| *last > now);
        last.map(|last| (issued, last)).ok_or_else(|| Fault {
            why: format!(
                "exp is {}, {} ago",
                when(ends),
                whole(now.duration_since(ends).unwrap_or_default())
            ),
            mend: None,
            kind: FaultKind::Expired,
        })
    }
}

fn any(expected: &[String]) -> String {
    let quoted: Vec<String> = expected.iter().map(|one| format!("{one:?}")).collect();
    quoted.join(" or ")
}

fn one_line(grants: &Grants) -> String {
    let of = |verb: Verb| {
        let patterns: Vec<&str> = grants.of(verb).collect();
        (!patterns.is_empty()).then(|| format!("{verb} {}", patterns.join(" ")))
    };
    Verb::ALL.into_iter().filter_map(of).collect::<Vec<_>>().join("; ")
}

fn whole(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs()))
}

fn when(time: SystemTime) -> String {
    // What humantime can write; later is told in seconds.
    const LATEST: u64 = 253_402_300_799;
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) if since.as_secs() <= LATEST => humantime::format_rfc3339_seconds(time).to_string(),
        Ok(since) => format!("{} s after 1970", since.as_secs()),
        Err(_) => "before 1970".into(),
    }
}
