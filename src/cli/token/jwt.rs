//! A JSON Web Token with the claims of the command line.
//!
//! In: flags, and the method of the configuration. Out: a token that this configuration takes, for the name that was
//! asked for; whatever else it would be is an error here and not at the server.

use std::time::SystemTime;

use anyhow::{Result, anyhow};
use futures_util::FutureExt;
use serde_json::{Map, Value};
use turted_core::{Authenticator, Brought, UserName, Visitor};

use super::TokenArgs;
use crate::auth::jwt::{Algorithm, Draft, issue as sign};
use crate::config::{Config, Jwt};
use crate::server::verifier;

/// Makes it.
pub fn issue(args: &TokenArgs, section: &str, user: &UserName, jwt: &Jwt, config: &Config) -> Result<String> {
    if args.ttl > jwt.max_lifetime {
        let longest = humantime::format_duration(jwt.max_lifetime);
        return Err(anyhow!(
            "--ttl is longer than the max_lifetime of [{section}], which is {longest}"
        ));
    }
    let draft = Draft {
        claims: claims(args, user, jwt)?,
        ttl: args.ttl,
    };
    let secret = jwt.secret.first().map_or("", |secret| secret.expose());
    let algorithm: Option<Algorithm> = jwt.algorithms.first().and_then(|one| one.word().parse().ok());
    let token = sign(secret, algorithm.unwrap_or(Algorithm::HS256), &draft, SystemTime::now());
    let token = token.map_err(|why| anyhow!(why))?;
    let (verifier, _) = verifier(jwt, config).map_err(|(key, why)| anyhow!("{section}.{key}: {why}"))?;
    let (data, brought) = (Value::Null, Brought::bearer(Some(&token)));
    // Keys of a secret are there: nothing is waited for.
    let taken = verifier.verify(&Visitor::new(&data, &brought)).now_or_never();
    match taken {
        Some(Ok(Some(identity))) if identity.user.as_ref() == Some(user) => Ok(token),
        Some(Ok(Some(identity))) => {
            let other = identity.user.as_ref().map_or("nobody", UserName::as_str);
            Err(anyhow!(
                "with the user of [{section}] this token would be for {other}; say its claims with --claim"
            ))
        }
        Some(Err(turted_core::Refusal::Denied(denial))) => {
            Err(anyhow!("[{section}] would not take this token: {}", denial.why))
        }
        _ => Err(anyhow!("[{section}] would not take this token")),
    }
}

fn claims(args: &TokenArgs, user: &UserName, jwt: &Jwt) -> Result<Map<String, Value>> {
    let mut claims = Map::new();
    claims.insert(jwt.user.sole().unwrap_or("sub").to_owned(), user.as_str().into());
    claims.extend(
        jwt.issuer
            .as_ref()
            .map(|issuer| ("iss".to_owned(), issuer.as_str().into())),
    );
    claims.extend(
        jwt.audience
            .first()
            .map(|audience| ("aud".to_owned(), audience.as_str().into())),
    );
    for claim in &args.claim {
        let (name, value) = claim
            .split_once('=')
            .ok_or_else(|| anyhow!("--claim {claim} is not NAME=VALUE"))?;
        if matches!(name, "iat" | "exp") {
            return Err(anyhow!(
                "--claim {name} is set by turted; --ttl says how long the token is good for"
            ));
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        claims.insert(name.to_owned(), value);
    }
    let mut may = Map::new();
    for grant in &args.may {
        let (verb, pattern) = grant
            .split_once('=')
            .ok_or_else(|| anyhow!("--may {grant} is not VERB=PATTERN"))?;
        let patterns = may.entry(verb).or_insert_with(|| Value::Array(Vec::new()));
        patterns
            .as_array_mut()
            .into_iter()
            .for_each(|all| all.push(pattern.into()));
    }
    if !may.is_empty() {
        claims.insert("may".into(), may.into());
    }
    if !args.join.is_empty() {
        claims.insert("join".into(), args.join.clone().into());
    }
    Ok(claims)
}
