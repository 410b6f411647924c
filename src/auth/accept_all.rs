//! The door that is open to everybody.
//!
//! In: any credentials. Out: an identity without a name, so that the name which the client gave is taken.
//! Refuses to know: what was presented.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use turted_core::{Authenticator, Credentials, Denied, Identity};

/// Accepts whatever is presented. For development, and for doors that something else guards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AcceptAll;

impl Authenticator for AcceptAll {
    fn verify<'a>(&'a self, _credentials: Credentials<'a>) -> BoxFuture<'a, Result<Identity, Denied>> {
        ready(Ok(Identity::default())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn everybody_is_accepted_and_nobody_is_given_a_name() {
        for bearer in [None, Some("anything")] {
            let credentials = Credentials {
                data: &Value::Null,
                bearer,
            };
            let answer = AcceptAll.verify(credentials).now_or_never().unwrap();
            assert_eq!(answer, Ok(Identity { user: None }));
        }
    }
}
