//! Several backends at one door, each with what it may.
//!
//! In: a visitor. Out: the first backend whose credentials these are, with its bounds. Other than the methods of
//! clients, all of them are asked: they are different backends, or the old and the new secret of one.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use turted_core::{Authenticator, Identity, Refusal, Scope, Visitor};

/// A backend.
pub struct Backend {
    /// What says that it is this one.
    pub method: Box<dyn Authenticator>,
    /// Its name: a token of somebody else is none of its.
    pub name: Option<String>,
    /// What it may.
    pub scope: Option<Arc<Scope>>,
}

/// Every backend there is.
pub struct Backends(Vec<Backend>);

impl Backends {
    /// A door with these backends and their bounds; without any it opens to nobody.
    #[must_use]
    pub fn new(all: Vec<Backend>) -> Self {
        Self(all)
    }
}

impl Authenticator for Backends {
    fn verify<'a>(&'a self, visitor: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>> {
        Box::pin(async move {
            let mut refusal = None;
            for Backend { method, name, scope } in &self.0 {
                match method.verify(visitor).await {
                    Ok(Some(Identity { user: Some(user), .. }))
                        if name.as_ref().is_some_and(|name| name != user.as_str()) =>
                    {
                        let why = "the token is that of another name";
                        refusal = refusal.or(Some(Refusal::denied(why)));
                    }
                    Ok(Some(identity)) => {
                        let scope = scope.clone().or(identity.scope);
                        return Ok(Some(Identity { scope, ..identity }));
                    }
                    Ok(None) => {}
                    // Somebody whom nobody could look at may still be somebody.
                    Err(_) if matches!(refusal, Some(Refusal::Unavailable { .. })) => {}
                    Err(why) => refusal = Some(why),
                }
            }
            refusal.map_or(Ok(None), Err)
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

    fn name(bearer: Option<&str>, data: &Value) -> Result<Option<String>, Refusal> {
        let scheme = TokenScheme::Hmac { secret: "hush".into() };
        let scope = |name: &str| {
            Some(Arc::new(Scope {
                name: name.into(),
                ..Scope::default()
            }))
        };
        let backend = |method: Box<dyn Authenticator>, name: Option<&str>| Backend {
            method,
            name: name.map(str::to_owned),
            scope: name.and_then(scope),
        };
        let all = vec![
            backend(Box::new(Password::new("new")), Some("shop")),
            backend(Box::new(Password::new("old")), Some("shop")),
            backend(Box::new(Password::new("root")), None),
            backend(Box::new(Token::new(scheme, Limits::default())), Some("signed")),
        ];
        let brought = Brought::bearer(bearer);
        let verdict = Backends::new(all)
            .verify(&Visitor::new(data, &brought))
            .now_or_never()
            .unwrap();
        let name = |identity: Identity| identity.scope.map_or(String::new(), |scope| scope.name.to_string());
        verdict.map(|identity| identity.map(name))
    }

    #[test]
    fn everybody_is_who_its_credentials_say_and_has_no_more_than_its_own_bounds() {
        for (password, whose) in [("new", "shop"), ("old", "shop"), ("root", "")] {
            assert_eq!(name(Some(password), &Value::Null), Ok(Some(whose.to_owned())));
            assert_eq!(name(None, &json!({"password": password})), Ok(Some(whose.to_owned())));
        }
        let token = Token::new(TokenScheme::Hmac { secret: "hush".into() }, Limits::default());
        let user = turted_core::UserName::parse("signed", &Limits::default()).unwrap();
        let bearer = format!("signed:{}", token.issue(&user));
        assert_eq!(name(Some(&bearer), &Value::Null), Ok(Some("signed".to_owned())));
        let other = turted_core::UserName::parse("mail", &Limits::default()).unwrap();
        let bearer = format!("mail:{}", token.issue(&other));
        assert!(name(Some(&bearer), &Value::Null).is_err(), "a token of another name");
        assert!(name(Some("neither"), &Value::Null).is_err());
        assert!(name(Some(""), &Value::Null).is_err());
        assert_eq!(name(None, &Value::Null), Ok(None));
        assert!(
            Backends::new(Vec::new())
                .verify(&Visitor::new(&Value::Null, &Brought::default()))
                .now_or_never()
                == Some(Ok(None))
        );
    }
}
