//! Several methods at one door.
//!
//! In: a visitor. Out: what the first method says whose kind of credential is there. A refusal never falls through to
//! the next method, and nobody becomes nobody because a credential did not hold.

use futures_util::future::BoxFuture;
use turted_core::{Authenticator, Identity, Refusal, Visitor, Wants};

/// Methods in the order in which they look.
pub struct Chain(Vec<Box<dyn Authenticator>>);

impl Chain {
    /// A door with these methods; without any it opens to nobody.
    #[must_use]
    pub fn new(methods: Vec<Box<dyn Authenticator>>) -> Self {
        Self(methods)
    }
}

impl Authenticator for Chain {
    fn wants(&self) -> Wants {
        let mut all = Wants::default();
        for method in &self.0 {
            let wants = method.wants();
            all.cookies.extend(wants.cookies);
            all.headers.extend(wants.headers);
            all.of_proxies.extend(wants.of_proxies);
        }
        for names in [&mut all.cookies, &mut all.headers, &mut all.of_proxies] {
            names.sort();
            names.dedup();
        }
        all
    }

    fn verify<'a>(&'a self, visitor: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>> {
        Box::pin(async move {
            for method in &self.0 {
                if let Some(identity) = method.verify(visitor).await? {
                    return Ok(Some(identity));
                }
            }
            Ok(None)
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use serde_json::{Value, json};
    use turted_core::{Brought, Limits};

    use super::super::{Password, Token, TokenScheme};
    use super::*;

    fn asked(data: &Value, bearer: Option<&str>) -> Result<Option<Identity>, Refusal> {
        let scheme = TokenScheme::Hmac { secret: "hush".into() };
        let token = Token::new(scheme, Limits::default());
        let chain = Chain::new(vec![Box::new(token), Box::new(Password::new("sesame"))]);
        let brought = Brought::bearer(bearer);
        chain.verify(&Visitor::new(data, &brought)).now_or_never().unwrap()
    }

    #[test]
    fn the_first_whose_kind_of_credential_is_there_decides_and_nothing_falls_through() {
        assert!(asked(&json!({"password": "sesame"}), None).unwrap().is_some());
        let both = json!({"username": "adam", "token": "00", "password": "sesame"});
        assert!(
            asked(&both, None).is_err(),
            "a wrong token is not saved by the right password"
        );
        assert_eq!(asked(&Value::Null, None), Ok(None));
        assert_eq!(asked(&json!({"username": "adam"}), None), Ok(None));
        assert!(asked(&Value::Null, Some("adam:00")).is_err());
    }
}
