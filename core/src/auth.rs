//! Who somebody is: the question, not the answers.
//!
//! In: a [`Visitor`], what a client or a backend presents. Out: an [`Identity`], a [`Refusal`], or that there is
//! nothing of the kind that an authenticator looks at. The trait is asynchronous so that it may ask somebody else.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::may::{Claims, Grants, Names, Pattern, Verb};
use crate::name::{ChannelName, UserName};
use crate::scope::Scope;

/// Somebody at a door, with what it presents. Never logged, never part of an error.
#[derive(Clone, Copy)]
pub struct Visitor<'a> {
    /// The data of IDENT, or the `auth` member of a push (`Null` when absent).
    pub data: &'a Value,
    /// What its request brought along.
    pub brought: &'a Brought,
    /// Where it comes from: the real address, behind trusted proxies.
    pub address: Option<IpAddr>,
    /// The public id of its connection, if it has one.
    pub connection: &'a str,
    /// What it speaks.
    pub dialect: &'a str,
    /// Whether the token of `data` stood in a URL, from where it gets into logs and histories.
    pub token_in_url: bool,
}

/// What says who somebody is in a request, before anybody speaks.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Brought {
    /// The token of `Authorization: Bearer …`; it wins over a token in `data`.
    pub bearer: Option<Box<str>>,
    /// Cookies that some authenticator [wants](Authenticator::wants), by name.
    pub cookies: Vec<(Box<str>, Box<str>)>,
    /// Headers that some authenticator wants, by name in small letters.
    pub headers: Vec<(Box<str>, Box<str>)>,
}

impl<'a> Visitor<'a> {
    /// Somebody with only this to show.
    #[must_use]
    pub fn new(data: &'a Value, brought: &'a Brought) -> Self {
        Self {
            data,
            brought,
            address: None,
            connection: "",
            dialect: "",
            token_in_url: false,
        }
    }

    /// The token of `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(&self) -> Option<&'a str> {
        self.brought.bearer.as_deref()
    }
}

impl Brought {
    /// A request with this bearer token, or none, and nothing else.
    #[must_use]
    pub fn bearer(token: Option<&str>) -> Self {
        Self {
            bearer: token.map(Box::from),
            ..Self::default()
        }
    }

    /// Whether it says nothing about anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bearer.is_none() && self.cookies.is_empty() && self.headers.is_empty()
    }

    /// The value of a cookie.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        value(&self.cookies, name)
    }

    /// The value of a header, by its name in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        value(&self.headers, name)
    }
}

fn value<'a>(pairs: &'a [(Box<str>, Box<str>)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| **key == *name).map(|(_, value)| &**value)
}

/// Names what is there, and never a value.
impl fmt::Debug for Brought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |pairs: &[(Box<str>, Box<str>)]| pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        f.debug_struct("Brought")
            .field("bearer", &self.bearer.is_some())
            .field("cookies", &names(&self.cookies))
            .field("headers", &names(&self.headers))
            .finish()
    }
}

/// What an authenticator wants to see of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wants {
    /// Cookies, by name; `*` is all of them.
    pub cookies: Vec<Box<str>>,
    /// Headers, by name in small letters.
    pub headers: Vec<Box<str>>,
    /// Those of the headers that only a proxy of `server.proxies` may have set.
    pub of_proxies: Vec<Box<str>>,
}

/// What an authenticator has confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The user, where the authenticator itself says who it is, as a signed token does. `None`: nobody in particular.
    pub user: Option<UserName>,
    /// Whether the name that the client gives is taken where there is no user: the authenticator vouches for something
    /// else, as a password does.
    pub as_claimed: bool,
    /// What else is vouched for, as far as rules ask for it.
    pub claims: Claims,
    /// What it may, beside what rules grant to everybody like it.
    pub grants: Grants,
    /// Beyond these its own grants count for nothing. `None`: no bound.
    pub within: Option<Arc<[Pattern]>>,
    /// Channels to join at once, as far as it may.
    pub joins: Vec<ChannelName>,
    /// When it was issued. `None`: nobody says.
    pub issued: Option<SystemTime>,
    /// When it ends. `None`: never.
    pub expires: Option<SystemTime>,
    /// When whoever confirmed it wants to be asked again. `None`: never.
    pub renews: Option<SystemTime>,
    /// Its token, as revocations name it.
    pub token: Option<Arc<str>>,
    /// What a backend may do. `None`: everything.
    pub scope: Option<Arc<Scope>>,
}

impl Identity {
    /// Somebody of whom only the name is known.
    #[must_use]
    pub fn of(user: UserName) -> Self {
        Self {
            user: Some(user),
            ..Self::default()
        }
    }

    /// Somebody who may be whoever it says it is.
    #[must_use]
    pub fn as_claimed() -> Self {
        Self {
            as_claimed: true,
            ..Self::default()
        }
    }

    /// Bytes that it takes beside itself, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        let joins = self
            .joins
            .iter()
            .map(|name| name.as_str().len() + size_of::<ChannelName>());
        self.claims.weight() + self.grants.weight() + joins.sum::<usize>() + size_of::<Self>()
    }

    /// Which of its own patterns grants this, counted from 0.
    #[must_use]
    pub fn granted<'a>(&self, verb: Verb, names: impl Into<Names<'a>>) -> Option<usize> {
        let names = names.into();
        let user = self.user.as_ref().map(UserName::as_str);
        let is_within = |within: &Arc<[Pattern]>| within.iter().any(|one| one.matches(names, user, &self.claims));
        let at = self.grants.find(verb, names, user, &self.claims)?;
        self.within.as_ref().is_none_or(is_within).then_some(at)
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// What was presented does not hold.
    Denied(Denial),
    /// It held until a while ago: with a new one the client may come in.
    Expired,
    /// Whoever knows did not answer: neither a yes nor a no.
    Unavailable {
        /// When it is worth while to ask again.
        after: Duration,
    },
}

/// A no. Whoever is denied learns nothing more: that would help only an attacker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What does not hold, for the log: never a credential.
    pub why: Cow<'static, str>,
    /// One word for the client, where the user's backend gave one.
    pub word: Option<Box<str>>,
}

impl Refusal {
    /// A no, with the reason for the log.
    pub fn denied(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Denied(Denial {
            why: why.into(),
            word: None,
        })
    }
}

/// Asks the user's backend what rules leave to it.
pub trait Adviser: Send + Sync {
    /// Whether this identity may do this with this name.
    ///
    /// # Errors
    /// When it did not say: the time after which it is worth while to ask again.
    fn may<'a>(&'a self, verb: Verb, name: &'a str, who: &'a Identity) -> BoxFuture<'a, Result<bool, Duration>>;
}

/// Confirms identities, at the clients' door or at the backends'.
pub trait Authenticator: Send + Sync {
    /// What it wants to see of requests, beside `Authorization: Bearer`.
    fn wants(&self) -> Wants {
        Wants::default()
    }

    /// Checks what somebody presents. `None`: nothing of the kind that this authenticator looks at is there, so that
    /// another may look.
    ///
    /// # Errors
    /// [`Refusal`] when what is there does not hold; nobody else is asked then.
    fn verify<'a>(&'a self, visitor: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>>;
}

/// Asks about somebody who has to be somebody.
///
/// # Errors
/// What the authenticator says, or a no when there is nothing that it looks at.
pub async fn confirm(authenticator: &dyn Authenticator, visitor: &Visitor<'_>) -> Result<Identity, Refusal> {
    let found = authenticator.verify(visitor).await?;
    found.ok_or_else(|| Refusal::denied("there is nothing that says who it is"))
}
