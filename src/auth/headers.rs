//! A proxy says who somebody is, which it has found out itself.
//!
//! In: headers that the gate believes, because a proxy of ours set them. Out: the identity that they name.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde_json::{Map, Value};
use turted_core::mapping::Template;
use turted_core::may::Claims;
use turted_core::{Authenticator, Identity, Limits, Refusal, UserName, Visitor, Wants};

/// Believes headers.
pub struct Headers {
    /// Who it is.
    pub user: Template,
    /// What else is vouched for.
    pub claims: Vec<(Arc<str>, Template)>,
    /// The claims that rules ask for.
    pub wanted: Arc<[Arc<str>]>,
    /// Bounds for names.
    pub limits: Limits,
}

/// In templates.
const PREFIX: &str = "header.";

/// The header that a placeholder means.
pub fn header(placeholder: &str) -> Option<String> {
    placeholder.strip_prefix(PREFIX).map(str::to_ascii_lowercase)
}

impl Headers {
    fn check(&self, visitor: &Visitor<'_>) -> Result<Option<Identity>, Refusal> {
        let find = |name: &str| visitor.brought.header(&header(name)?).map(Cow::Borrowed);
        let Some(user) = self.user.fill(find) else {
            return Ok(None);
        };
        let user = UserName::parse(&user, &self.limits);
        let user = user.map_err(|why| Refusal::denied(format!("the user of the proxy's header {why}")))?;
        let claims = self.claims.iter().filter_map(|(name, template)| {
            let value = template.fill(find)?;
            Some((name.to_string(), Value::from(value)))
        });
        let claims: Map<String, Value> = claims.collect();
        Ok(Some(Identity {
            claims: Claims::pick(&claims, &self.wanted),
            ..Identity::of(user)
        }))
    }
}

impl Authenticator for Headers {
    fn wants(&self) -> Wants {
        let templates = self.claims.iter().map(|(_, template)| template);
        let names = templates.chain([&self.user]).flat_map(Template::names);
        Wants {
            of_proxies: names.filter_map(header).map(Box::from).collect(),
            ..Wants::default()
        }
    }

    fn verify<'a>(&'a self, visitor: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>> {
        ready(self.check(visitor)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turted_core::Brought;

    fn asked(headers: &[(&str, &str)]) -> Result<Option<Identity>, Refusal> {
        let method = Headers {
            user: Template::parse("proxy:{header.X-User}").unwrap(),
            claims: vec![("zone".into(), Template::parse("{header.x-zone|none}").unwrap())],
            wanted: Arc::from([Arc::from("zone")]),
            limits: Limits::default(),
        };
        assert_eq!(method.wants().of_proxies, ["x-zone", "x-user"].map(Box::from));
        let pairs = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let brought = Brought {
            headers: pairs.collect(),
            ..Brought::default()
        };
        method
            .verify(&Visitor::new(&Value::Null, &brought))
            .now_or_never()
            .unwrap()
    }

    #[test]
    fn headers_name_a_user_and_claims() {
        let adam = asked(&[("x-user", "adam"), ("x-zone", "north")]).unwrap().unwrap();
        assert_eq!(adam.user.unwrap().as_str(), "proxy:adam");
        assert!(adam.claims.has("zone", "north") && !adam.as_claimed);
        let adam = asked(&[("x-user", "adam")]).unwrap().unwrap();
        assert!(adam.claims.has("zone", "none"));
        assert_eq!(asked(&[("x-zone", "north")]), Ok(None), "nobody is named");
        assert!(asked(&[("x-user", &"x".repeat(300))]).is_err());
    }
}
