//! What went wrong with a call, as one of the few things that its caller can do something about.
//!
//! In: errors of the driver and of the server. Out: the errors of a ledger, with a sentence for operators. It decides
//! what can pass by itself.

use redis::{ErrorKind, RedisError};
use turted_core::ledger::LedgerError;

use crate::server::Server;

/// Why a call did not do what it should.
#[derive(Debug)]
pub enum Trouble {
    /// The driver or the server said so.
    Redis(RedisError),
    /// Found out here; the place is still to be put before the sentence.
    Told(LedgerError),
}

impl Trouble {
    /// It may pass.
    pub fn away(sentence: impl Into<String>) -> Self {
        Self::Told(LedgerError::Away(sentence.into()))
    }

    /// It will not.
    pub fn fatal(sentence: impl Into<String>) -> Self {
        Self::Told(LedgerError::Fatal(sentence.into()))
    }

    /// As its caller gets it; `what` was being done.
    pub fn told(self, server: &Server, what: &str) -> LedgerError {
        let place = server.place();
        let sentence = |text: String| server.masked(&format!("{place} {text}"));
        match self {
            Self::Told(LedgerError::Away(text)) => LedgerError::Away(sentence(text)),
            Self::Told(LedgerError::Fatal(text)) => LedgerError::Fatal(sentence(text)),
            Self::Told(other) => other,
            Self::Redis(error) => match words(&error, what) {
                Ok(text) => LedgerError::Away(sentence(text)),
                Err(text) => LedgerError::Fatal(sentence(text)),
            },
        }
    }
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Self {
        Self::Told(error)
    }
}

/// A sentence that goes behind the place; an error when it will not pass.
fn words(error: &RedisError, what: &str) -> Result<String, String> {
    let detail = error.detail().unwrap_or_default();
    Ok(match error.code() {
        Some("WRONGPASS") => "refused the user name or the password".to_owned(),
        Some("NOAUTH") => "wants a password".to_owned(),
        Some("NOPERM") => format!("does not let this user do what {what} needs: {detail}"),
        Some("READONLY") => "is a replica, which takes no writes".to_owned(),
        Some("LOADING") => "is still loading its data".to_owned(),
        Some("OOM") => "has no memory left (maxmemory), and takes no writes".to_owned(),
        Some("BUSY") => "is busy with a script of somebody else".to_owned(),
        Some("NOREPLICAS") => {
            "takes no writes: fewer replicas are connected than min-replicas-to-write says".to_owned()
        }
        Some("MISCONF") => "takes no writes: it cannot save its data to disk".to_owned(),
        Some("MASTERDOWN") => "is a replica, and its master is gone".to_owned(),
        Some("UNBLOCKED") => "is no longer the master".to_owned(),
        Some("MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN") => return Err(CLUSTER.to_owned()),
        Some("WRONGTYPE") => {
            return Err(format!(
                "has a key of this realm that is of another type, found at {what}: another program wrote it; name another \
                 realm, or delete it"
            ));
        }
        _ if detail.contains("The user executing the script can't run this command") => {
            format!("does not let this user do what {what} needs in a script")
        }
        _ if error.kind() == ErrorKind::AuthenticationFailed => "refused the user name or the password".to_owned(),
        _ if error.kind() == ErrorKind::MasterNameNotFoundBySentinel => {
            "has no master: no sentinel that answers knows one of this name that is up".to_owned()
        }
        _ if error.is_timeout() => late(what),
        _ if error.is_connection_refusal() => format!("cannot be reached: {error}"),
        _ if error.is_connection_dropped() => format!("ended the connection at {what}"),
        _ if error.kind() == ErrorKind::Io => format!("cannot be reached: {error}"),
        Some(code) => format!("answered to {what}: {code} {detail}"),
        None => format!("does not do {what}: {error}"),
    })
}

/// The sentence for an answer that does not come.
pub fn late(what: &str) -> String {
    format!("did not answer to {what} in time")
}

/// The sentence for a server that is one of several.
pub const CLUSTER: &str = "is a node of a Redis Cluster, which is not supported: use one server, or Sentinel";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn server() -> Server {
        Server::new(&Settings::new("redis://adam:s3cret@localhost/2", "shop")).unwrap()
    }

    fn said(code: &str, detail: &str) -> LedgerError {
        let value = redis::parse_redis_value(format!("-{code} {detail}\r\n").as_bytes());
        let error = value.and_then(redis::Value::extract_error).unwrap_err();
        Trouble::from(error).told(&server(), "an append")
    }

    #[test]
    fn what_can_pass_is_no_reason_to_give_up() {
        for code in [
            "WRONGPASS",
            "NOAUTH",
            "NOPERM",
            "READONLY",
            "LOADING",
            "OOM",
            "BUSY",
            "NOREPLICAS",
            "MISCONF",
            "MASTERDOWN",
            "UNBLOCKED",
            "ERR",
            "WHATEVER",
        ] {
            let LedgerError::Away(sentence) = said(code, "something with s3cret in it") else {
                panic!("{code} passes");
            };
            assert!(sentence.starts_with("redis at localhost:6379 "), "{sentence}");
            assert!(!sentence.contains("s3cret"), "{sentence}");
        }
        for code in ["MOVED", "ASK", "CROSSSLOT", "CLUSTERDOWN", "WRONGTYPE"] {
            assert!(matches!(said(code, "x"), LedgerError::Fatal(_)), "{code} does not pass");
        }
    }
}
