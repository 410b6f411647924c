//! The door that is open to everybody.
//!
//! In: anybody. Out: an identity without a name, so that the name which the client gave is taken.
//! Refuses to know: what was presented.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use turted_core::{Authenticator, Identity, Refusal, Visitor};

/// Accepts whatever is presented. For development, and for doors that something else guards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AcceptAll;

impl Authenticator for AcceptAll {
    fn verify<'a>(&'a self, _: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>> {
        ready(Ok(Some(Identity::as_claimed()))).boxed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use turted_core::Brought;

    use super::*;

    #[test]
    fn everybody_is_accepted_and_nobody_is_given_a_name() {
        for bearer in [None, Some("anything")] {
            let brought = Brought::bearer(bearer);
            let answer = AcceptAll.verify(&Visitor::new(&Value::Null, &brought)).now_or_never();
            assert_eq!(answer, Some(Ok(Some(Identity::as_claimed()))));
        }
    }
}
