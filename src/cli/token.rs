//! `turted token`: makes the token that a door of the configuration accepts, and says of one what is wrong with it.
//!
//! In: a name, and how the door is guarded. Out: the token on standard output, alone, for scripts. Refuses to know how
//! a token is computed.

mod check;
mod jwt;

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use turted_core::UserName;

use super::line;
use super::settings::ConfigArgs;
use crate::config::{Config, Method};
use crate::server::token;

const EXAMPLES: &str = "\
Examples:
  turted token adam
  turted listen --user adam --token \"$(turted token adam)\"
  turted token adam --ttl 10m --claim org=acme --may join=room.** --join room.7
  turted token --check eyJhbGciOiJIUzI1NiJ9.…
  TURTED_TOKEN=\"$(turted token shop --backends)\" turted push --user adam --event PAID";

/// Print the token with which a user or a backend proves its name, or say what is wrong with one
///
/// Works when [auth.clients] (with --backends: [auth.backends]) has the type "token" or, with a secret, "jwt". A
/// token of the type "token" holds for as long as the secret in the configuration stays the same; a JWT holds for
/// --ttl.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TokenArgs {
    /// The name that the token is for
    #[arg(required_unless_present = "check")]
    user: Option<String>,

    /// Make the token of a backend, as `turted push --token` and `Authorization: Bearer` take it
    #[arg(long)]
    backends: bool,

    /// How long a JWT is good for
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    ttl: Duration,

    /// Another claim of a JWT: JSON, or else a text
    #[arg(long, value_name = "NAME=VALUE")]
    claim: Vec<String>,

    /// What a JWT lets its user do, as in join=room.**
    #[arg(long, value_name = "VERB=PATTERN")]
    may: Vec<String>,

    /// A channel that a JWT lets its user join at once
    #[arg(long, value_name = "CHANNEL")]
    join: Vec<String>,

    /// Say of a JWT, or of the one on standard input (-), what holds and what does not
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["user", "claim", "may", "join"])]
    check: Option<String>,

    #[command(flatten)]
    settings: ConfigArgs,
}

impl TokenArgs {
    /// Takes the settings out.
    pub(super) fn split(mut self) -> (Self, ConfigArgs) {
        let settings = std::mem::take(&mut self.settings);
        (self, settings)
    }

    /// The section of the door, and its methods.
    fn door<'a>(&self, config: &'a Config) -> (&'static str, Vec<&'a Method>) {
        let backends = config.auth.backends.iter().map(|backend| &backend.method);
        match self.backends {
            false => ("auth.clients", config.auth.clients.iter().collect()),
            true => ("auth.backends", backends.collect()),
        }
    }
}

/// Prints the token, or what is to be said of one.
pub fn run(args: &TokenArgs, config: &Config) -> Result<()> {
    match &args.check {
        Some(token) => check::run(token, args.door(config), config),
        None => line::print(&issue(args, config)?),
    }
}

fn issue(args: &TokenArgs, config: &Config) -> Result<String> {
    let (section, methods) = args.door(config);
    let limits = config.limits.core();
    let user = UserName::parse(args.user.as_deref().unwrap_or_default(), &limits);
    let user = user.map_err(|error| anyhow!("the name {error}"))?;
    if let Some(method) = methods.iter().find_map(|method| match method {
        Method::Jwt(jwt) if !jwt.secret.is_empty() => Some(jwt),
        _ => None,
    }) {
        return jwt::issue(args, section, &user, method, config);
    }
    let found = methods.iter().find_map(|method| token(method, limits));
    let token = found.with_context(|| {
        let way_out = "set type = \"token\" there to use tokens (turted.toml shows how)";
        match methods.as_slice() {
            [Method::Callback(_) | Method::Headers(_), ..] => {
                format!("[{section}] takes no tokens: somebody else says there who a client is")
            }
            [Method::Password(_), ..] => format!("[{section}] asks for a password and takes no tokens; {way_out}"),
            [Method::Jwt(_), ..] => {
                format!("[{section}] takes tokens that an identity provider signs; without its private key none can be made here")
            }
            _ => format!("[{section}] believes everybody and needs no tokens; {way_out}"),
        }
    })?;
    if !(args.claim.is_empty() && args.may.is_empty() && args.join.is_empty()) {
        return Err(anyhow!(
            "tokens of [{section}] say a name and nothing else; --claim, --may and --join are for type = \"jwt\""
        ));
    }
    let token = token.issue(&user);
    Ok(if args.backends {
        format!("{user}:{token}")
    } else {
        token
    })
}

#[cfg(test)]
mod tests;
