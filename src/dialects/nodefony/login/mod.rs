//! Who somebody is by the SASL digest of nodefony: a challenge, one answer to it, and a session that a cookie names.
//!
//! In: what `Authorization: SASL` says, cookies, the time. Out: challenges, sessions, identities; or why not, for the
//! log. MD5 is what the clients speak: it hides a password from a reader of the wire, and little more, so that beyond
//! this machine a login belongs behind TLS. Nothing that is kept here opens anything but by this exchange.

mod attempts;
pub mod config;
mod digest;
pub mod door;
mod seal;
mod spent;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use subtle::{Choice, ConstantTimeEq};
use turted_core::{Identity, Limits, UserName};

use attempts::Attempts;
pub use digest::Answer;
use digest::Hash;
use seal::Seal;
use spent::Spent;

/// For how long a challenge may be answered, in seconds: somebody types a password meanwhile.
const NONCE_LASTS: u64 = 600;

/// Those who may log in at one entrance.
pub struct Login {
    realm: String,
    users: HashMap<String, (UserName, Hash)>,
    /// Stands in for the password of a user who does not exist.
    decoy: Hash,
    seal: Seal,
    lasts: Duration,
    spent: Spent,
    attempts: Attempts,
}

/// Why somebody is not logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// The answer does not hold; the sentence is for the log and has no credential.
    Denied(&'static str),
    /// There were too many attempts from there.
    TooMany,
}

/// Somebody who has logged in.
#[derive(Debug, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub user: UserName,
    /// What shows it from now on: a credential.
    pub token: String,
}

impl Login {
    /// These users with their passwords. `None`: the system has no random numbers.
    #[must_use]
    pub fn new(realm: &str, users: Vec<(UserName, &str)>, lasts: Duration) -> Option<Self> {
        let hashed = users.into_iter().map(|(user, password)| {
            let hash = digest::secret(user.as_str(), realm, password);
            (user.as_str().to_owned(), (user, hash))
        });
        let mut decoy = Hash::default();
        getrandom::fill(&mut decoy).ok()?;
        Some(Self {
            realm: realm.to_owned(),
            users: hashed.collect(),
            decoy,
            seal: Seal::new()?,
            lasts,
            spent: Spent::default(),
            attempts: Attempts::default(),
        })
    }

    /// How long a session lasts.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        self.lasts
    }

    /// The value of `WWW-Authenticate`. It costs nothing to keep: a nonce says itself when it was made.
    #[must_use]
    pub fn challenge(&self, now: SystemTime) -> Option<String> {
        let mut own = [0; 16];
        getrandom::fill(&mut own).ok()?;
        let nonce = self
            .seal
            .close("nonce", &format!("{}.{}", seconds(now), hex::encode(own)));
        let challenge = format!("nonce=\"{nonce}\",realm=\"{}\",qop=\"auth\"", self.realm);
        let challenge = BASE64_STANDARD.encode(challenge);
        Some(format!("SASL mechanisms=\"Digest\",challenge=\"{challenge}\""))
    }

    /// Judges an answer to a challenge that came for this host.
    ///
    /// # Errors
    /// Why it does not hold. Of the user and the password neither is told apart, not by the clock either.
    pub fn enter(&self, said: &str, host: &str, from: IpAddr, now: SystemTime) -> Result<Session, Wrong> {
        let at = seconds(now);
        if !self.attempts.begin(from, at) {
            return Err(Wrong::TooMany);
        }
        let user = self.judge(said, host, at)?;
        self.attempts.forgive(from);
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| Wrong::Denied("the system has no random numbers"))?;
        let (name, id) = (hex::encode(user.as_str()), hex::encode(id));
        let token = self.seal.close("session", &format!("{name}.{at}.{id}"));
        Ok(Session { user, token })
    }

    fn judge(&self, said: &str, host: &str, at: u64) -> Result<UserName, Wrong> {
        let answer = Answer::read(said).map_err(Wrong::Denied)?;
        if answer.realm != self.realm {
            return Err(Wrong::Denied("it is for another realm"));
        }
        if !answer.is_for(host) {
            // CWE-294: what was said to another server opens nothing here.
            return Err(Wrong::Denied(
                "its digest-uri names another host: does the proxy pass Host on?",
            ));
        }
        let nonce = self.seal.open("nonce", &answer.nonce).and_then(|nonce| {
            let (made, own) = nonce.split_once('.')?;
            Some((made.parse::<u64>().ok()?, own))
        });
        let (made, own) = nonce.ok_or(Wrong::Denied("its nonce is none of this server"))?;
        let ends = made.saturating_add(NONCE_LASTS);
        if ends <= at {
            return Err(Wrong::Denied("its nonce is over"));
        }
        // CWE-204, CWE-208: somebody unknown takes the same way, to the same end.
        let known = self.users.get(&answer.username);
        let hash = known.map_or(&self.decoy, |(_, hash)| hash);
        let is_right = answer.expected(hash).ct_eq(&answer.response) & Choice::from(u8::from(known.is_some()));
        let user = known.filter(|_| is_right.into());
        let (user, _) = user.ok_or(Wrong::Denied("its user or its password is another one"))?;
        // CWE-294: a nonce opens once. One that did not open anything may be answered again.
        if !self.spent.take(own, ends, at) {
            return Err(Wrong::Denied("its nonce was used, or too many were"));
        }
        Ok(user.clone())
    }

    /// Who comes with this token, if it is one of a session that goes on.
    #[must_use]
    pub fn identity(&self, token: &str, now: SystemTime, limits: &Limits) -> Option<Identity> {
        let mut parts = self.seal.open("session", token)?.split('.');
        let user = String::from_utf8(hex::decode(parts.next()?).ok()?).ok()?;
        let issued = UNIX_EPOCH.checked_add(Duration::from_secs(parts.next()?.parse().ok()?))?;
        let (expires, id) = (issued.checked_add(self.lasts)?, parts.next()?);
        (expires > now).then_some(())?;
        Some(Identity {
            issued: Some(issued),
            expires: Some(expires),
            token: Some(id.into()),
            ..Identity::of(UserName::parse(&user, limits).ok()?)
        })
    }
}

/// Says nothing but for what it is.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// Since 1970.
fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;
