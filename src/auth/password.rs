//! One word that everybody who may enter knows.
//!
//! In: `{"password": "…"}`, a bare string, or a bearer token. Out: an identity without a name, or a no.
//! Refuses to know: the password itself; only its digest is kept.

use std::fmt;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use turted_core::{Authenticator, Identity, Refusal, Visitor};

/// Accepts those who know the password. It confirms that, not a name: whoever knows it may be anybody.
#[derive(Clone)]
pub struct Password {
    /// `None` when the password is empty, which then opens to nobody.
    digest: Option<[u8; 32]>,
}

impl Password {
    /// A door that opens to `password`. An empty one opens to nobody.
    #[must_use]
    pub fn new(password: &str) -> Self {
        Self {
            digest: (!password.is_empty()).then(|| digest(password)),
        }
    }

    fn check(&self, visitor: &Visitor<'_>) -> Result<Option<Identity>, Refusal> {
        let data = visitor.data;
        let member = || data.get("password").filter(|word| !word.is_null());
        let in_data = || data.as_str().or_else(|| member()?.as_str());
        let Some(presented) = visitor.bearer().or_else(in_data) else {
            // A password that is no text is one that does not hold.
            return member().map_or(Ok(None), |_| Err(Refusal::denied("the password is no text")));
        };
        // CWE-208: digests are of one length and compared in full, so that neither the length of the password
        // nor how much of it was right can be read off the clock.
        match &self.digest {
            Some(expected) if bool::from(expected.ct_eq(&digest(presented))) => Ok(Some(Identity::as_claimed())),
            _ => Err(Refusal::denied("the password is another one")),
        }
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

impl Authenticator for Password {
    fn verify<'a>(&'a self, visitor: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>> {
        ready(self.check(visitor)).boxed()
    }
}

/// Says nothing: not even the digest, from which a weak password could be guessed.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Password").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use turted_core::Brought;

    use super::*;

    fn opens(password: &str, data: &Value, bearer: Option<&str>) -> bool {
        let door = Password::new(password);
        let brought = Brought::bearer(bearer);
        let verdict = door.verify(&Visitor::new(data, &brought)).now_or_never().unwrap();
        matches!(verdict, Ok(Some(_)))
    }

    #[test]
    fn the_password_opens_as_a_member_a_bare_string_or_a_bearer_token() {
        assert!(opens(
            "sesame",
            &json!({"password": "sesame", "username": "adam"}),
            None
        ));
        assert!(opens("sesame", &json!("sesame"), None));
        assert!(opens("sesame", &Value::Null, Some("sesame")));
        assert!(opens("Grüße", &json!("Grüße"), None));
    }

    #[test]
    fn nothing_else_opens() {
        for data in [
            Value::Null,
            json!(""),
            json!("Sesame"),
            json!("sesame "),
            json!("sesam"),
            json!(["sesame"]),
            json!({"password": ["sesame"]}),
            json!({"password": {"password": "sesame"}}),
            json!({"Password": "sesame"}),
            json!({"password": true}),
            json!({}),
            json!(5),
        ] {
            assert!(!opens("sesame", &data, None), "{data}");
        }
        assert!(!opens("5", &json!({"password": 5}), None), "a number is not a word");
    }

    #[test]
    fn a_wrong_bearer_token_is_not_saved_by_the_right_data() {
        assert!(!opens("sesame", &json!("sesame"), Some("mellon")));
        assert!(!opens("sesame", &json!("sesame"), Some("")));
        assert!(opens("sesame", &json!("mellon"), Some("sesame")));
    }

    /// Hardening (CWE-258): a password left empty must not turn into a door without a lock.
    #[test]
    fn an_empty_password_opens_to_nobody() {
        for data in [
            Value::Null,
            json!(""),
            json!({"password": ""}),
            json!({"password": null}),
        ] {
            assert!(!opens("", &data, None), "{data}");
        }
        assert!(!opens("", &Value::Null, Some("")));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Password::new("sesame")), "Password { .. }");
    }
}
