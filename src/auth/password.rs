//! One word that everybody who may enter knows.
//!
//! In: `{"password": "…"}`, a bare string, or a bearer token. Out: an identity without a name, or a no.
//! Refuses to know: the password itself; only its digest is kept.

use std::fmt;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use turted_core::{Authenticator, Credentials, Denied, Identity};

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

    fn check(&self, credentials: &Credentials<'_>) -> Result<Identity, Denied> {
        let data = credentials.data;
        let in_data = || data.as_str().or_else(|| data.get("password")?.as_str());
        let presented = credentials.bearer.or_else(in_data).ok_or(Denied)?;
        // CWE-208: digests are of one length and compared in full, so that neither the length of the password
        // nor how much of it was right can be read off the clock.
        match &self.digest {
            Some(expected) if bool::from(expected.ct_eq(&digest(presented))) => Ok(Identity::default()),
            _ => Err(Denied),
        }
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

impl Authenticator for Password {
    fn verify<'a>(&'a self, credentials: Credentials<'a>) -> BoxFuture<'a, Result<Identity, Denied>> {
        ready(self.check(&credentials)).boxed()
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

    use super::*;

    fn opens(password: &str, data: &Value, bearer: Option<&str>) -> bool {
        let door = Password::new(password);
        door.verify(Credentials { data, bearer })
            .now_or_never()
            .unwrap()
            .is_ok()
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
