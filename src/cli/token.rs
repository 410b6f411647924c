//! `turted token`: makes the token that a door of the configuration accepts.
//!
//! In: a name, and how the door is guarded. Out: the token on standard output, alone, for scripts. Refuses to know how
//! a token is computed.

use anyhow::{Context, Result, anyhow};
use turted_core::UserName;

use super::line;
use super::settings::ConfigArgs;
use crate::config::{Config, Method};
use crate::server::{core_limits, token};

const EXAMPLES: &str = "\
Examples:
  turted token adam
  turted listen --user adam --token \"$(turted token adam)\"
  TURTED_TOKEN=\"$(turted token shop --backends)\" turted push --user adam --event PAID";

/// Print the token with which a user or a backend proves its name
///
/// Works when [auth.clients] (with --backends: [auth.backends]) has the type "token". The token holds for as long as
/// the secret in the configuration stays the same.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TokenArgs {
    /// The name that the token is for
    user: String,

    /// Make the token of a backend, as USER:TOKEN: the form that `turted push --token` and `Authorization: Bearer` take
    #[arg(long)]
    backends: bool,

    #[command(flatten)]
    settings: ConfigArgs,
}

impl TokenArgs {
    /// Takes the settings out.
    pub(super) fn split(mut self) -> (Self, ConfigArgs) {
        let settings = std::mem::take(&mut self.settings);
        (self, settings)
    }
}

/// Prints the token.
pub fn run(args: &TokenArgs, config: &Config) -> Result<()> {
    line::print(&issue(args, config)?)
}

fn issue(args: &TokenArgs, config: &Config) -> Result<String> {
    let (section, methods): (_, Vec<&Method>) = match args.backends {
        false => ("auth.clients", config.auth.clients.iter().collect()),
        true => (
            "auth.backends",
            config.auth.backends.iter().map(|backend| &backend.method).collect(),
        ),
    };
    let limits = core_limits(config);
    let user = UserName::parse(&args.user, &limits).map_err(|error| anyhow!("the name {error}"))?;
    let found = methods.iter().find_map(|method| token(method, limits));
    let token = found.with_context(|| {
        let way_out = "set type = \"token\" there to use tokens (turted.toml shows how)";
        match methods.as_slice() {
            [Method::Password(_), ..] => format!("[{section}] asks for a password and takes no tokens; {way_out}"),
            _ => format!("[{section}] believes everybody and needs no tokens; {way_out}"),
        }
    })?;
    let token = token.issue(&user);
    Ok(if args.backends {
        format!("{user}:{token}")
    } else {
        token
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Backend, Secret};
    use futures_util::FutureExt;
    use serde_json::Value;
    use turted_core::{Brought, Visitor};

    fn args(backends: bool) -> TokenArgs {
        TokenArgs {
            user: "adam".into(),
            backends,
            settings: ConfigArgs::default(),
        }
    }

    fn guarded() -> Config {
        let mut config = Config::default();
        config.auth.clients = vec![Method::Hmac(Secret::new("hush"))];
        config.auth.backends = vec![Backend::of(Method::Hmac(Secret::new("hush, too")))];
        config
    }

    fn verify(method: &Method, data: &Value, bearer: Option<&str>) -> bool {
        let authenticator = token(method, core_limits(&guarded())).unwrap();
        let (brought, visitor) = (Brought::bearer(bearer), |brought| Visitor::new(data, brought));
        let verdict = turted_core::Authenticator::verify(&authenticator, &visitor(&brought)).now_or_never();
        matches!(verdict, Some(Ok(Some(_))))
    }

    #[test]
    fn each_door_accepts_the_token_that_was_made_for_it() {
        let config = guarded();
        let data = serde_json::json!({"username": "adam", "token": issue(&args(false), &config).unwrap()});
        assert!(verify(&config.auth.clients[0], &data, None));
        assert!(!verify(&config.auth.backends[0].method, &data, None));
        let bearer = issue(&args(true), &config).unwrap();
        assert!(verify(&config.auth.backends[0].method, &Value::Null, Some(&bearer)));
    }

    #[test]
    fn a_door_without_tokens_says_so() {
        let mut config = guarded();
        config.auth.clients = vec![Method::Password(Secret::new("hush"))];
        config.auth.backends = vec![Backend::default()];
        let says = |backends| issue(&args(backends), &config).unwrap_err().to_string();
        assert!(
            says(false).contains("[auth.clients] asks for a password"),
            "{}",
            says(false)
        );
        assert!(
            says(true).contains("[auth.backends] believes everybody"),
            "{}",
            says(true)
        );
        assert!(!says(false).contains("hush"));
    }

    #[test]
    fn a_name_that_no_user_can_have_is_refused() {
        let args = TokenArgs {
            user: String::new(),
            backends: false,
            settings: ConfigArgs::default(),
        };
        assert_eq!(
            issue(&args, &guarded()).unwrap_err().to_string(),
            "the name must not be empty"
        );
    }
}
