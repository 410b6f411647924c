//! `turted may`: whether somebody may do something, and by which line of the configuration, without a server.
//!
//! In: a configuration, and somebody with claims who wants something. Out: yes with the rule; exit code 1 with the
//! reason when it is no, or when somebody else would have to be asked. Refuses to know how anybody proves who it is.

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value};
use turted_core::may::{Claims, Verb, Verdict};
use turted_core::{ChannelName, Identity, UserName};

use super::line;
use super::settings::ConfigArgs;
use crate::config::{Config, May};

const EXAMPLES: &str = "\
Examples:
  turted may join news.today
  turted may --user adam --claim org=acme join org.acme.news
  turted may --user adam --claim roles=staff --claim roles=editor publish news.today";

/// Say whether somebody may do something, and which line of [may] grants it
///
/// Asks only the configuration: nobody has to be there. The exit code is 0 for yes only.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct MayArgs {
    /// What: join, publish, call, presence or history
    verb: String,

    /// With which channel
    name: String,

    /// As which user; without it, as somebody who has not said who it is
    #[arg(long)]
    user: Option<String>,

    /// With this claim; the same name again makes a list
    #[arg(long, value_name = "NAME=VALUE")]
    claim: Vec<String>,

    #[command(flatten)]
    settings: ConfigArgs,
}

impl MayArgs {
    /// Takes the settings out.
    pub(super) fn split(mut self) -> (Self, ConfigArgs) {
        let settings = std::mem::take(&mut self.settings);
        (self, settings)
    }
}

/// Prints the answer.
pub fn run(args: &MayArgs, config: &Config) -> Result<()> {
    line::print(&answer(args, config)?)
}

fn answer(args: &MayArgs, config: &Config) -> Result<String> {
    let limits = config.limits.core();
    let verb = Verb::of(&args.verb).ok_or_else(|| {
        let known = Verb::ALL.map(Verb::word).join(", ");
        anyhow!("{:?} is no verb; known are {known}", args.verb)
    })?;
    let name = ChannelName::parse(&args.name, &limits).map_err(|error| anyhow!("the channel name {error}"))?;
    let user = args.user.as_deref().map(|user| UserName::parse(user, &limits));
    let paths = config.may.as_ref().map(May::claims).unwrap_or_default();
    let identity = Identity {
        user: user.transpose().map_err(|error| anyhow!("the user name {error}"))?,
        claims: Claims::pick(&claims(&args.claim)?, &paths),
        ..Identity::default()
    };
    let permissions = config.may.as_ref().map(May::permissions).unwrap_or_default();
    match permissions.judge(verb, name.as_str(), &identity) {
        Verdict::Yes(because) => Ok(format!("yes, by {because}")),
        Verdict::Ask => bail!("that depends: the backend of [may.ask] is asked"),
        Verdict::No => bail!("no: {}", permissions.explain(verb, name.as_str(), &identity)),
    }
}

fn claims(pairs: &[String]) -> Result<Map<String, Value>> {
    let mut claims: Map<String, Value> = Map::new();
    for pair in pairs {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| anyhow!("{pair:?} must be NAME=VALUE"))?;
        let values = claims.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(values) = values {
            // As `turted token --claim` reads it: JSON, or else text.
            values.push(serde_json::from_str(value).unwrap_or_else(|_| value.into()));
        }
    }
    for value in claims.values_mut() {
        if let Value::Array(values) = value
            && let [one] = values.as_mut_slice()
        {
            *value = one.take();
        }
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Server;
    use crate::config::Sources;

    fn asked(sets: &[&str], user: Option<&str>, claim: &[&str], verb: &str, name: &str) -> String {
        let sets = sets.iter().map(|set| (*set).to_owned()).collect();
        let config = Server::load(&Sources {
            sets,
            ..Sources::default()
        });
        let args = MayArgs {
            verb: verb.into(),
            name: name.into(),
            user: user.map(Into::into),
            claim: claim.iter().map(|pair| (*pair).to_owned()).collect(),
            settings: ConfigArgs::default(),
        };
        answer(&args, &config.unwrap()).unwrap_or_else(|error| error.to_string())
    }

    const RULES: [&str; 3] = [
        r#"may.users.join=["user.{user}", "org.{claim.org}.**"]"#,
        r#"may.staff={ if = { "claim.roles" = "staff" }, publish = ["**"] }"#,
        r#"may.ask={ url = "http://127.0.0.1:1/", secret = "0123456789012345678901234567890123", join = ["doc.*"] }"#,
    ];

    #[test]
    fn the_answer_names_the_line_or_what_is_missing() {
        let ask = |user, claim: &[&str], verb, name| asked(&RULES, user, claim, verb, name);
        let adam = Some("adam");
        assert_eq!(ask(adam, &[], "join", "user.adam"), "yes, by [may.users] join[0]");
        assert_eq!(
            ask(adam, &["org=acme"], "join", "org.acme.news"),
            "yes, by [may.users] join[1]"
        );
        assert_eq!(
            ask(adam, &[], "join", "org.acme.news"),
            "no: no pattern of [may.users] matches; nearest org.{claim.org}.**, but the claim org is missing"
        );
        assert_eq!(
            ask(adam, &["roles=editor", "roles=staff"], "publish", "x"),
            "yes, by [may.staff] publish[0]"
        );
        assert_eq!(
            ask(None, &[], "join", "doc.7"),
            "that depends: the backend of [may.ask] is asked"
        );
        assert_eq!(
            asked(&[], None, &[], "join", "x"),
            "yes, by the absence of [may]: everybody may join everything"
        );
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        let ask = |verb, name| asked(&RULES, None, &[], verb, name);
        assert!(ask("jion", "x").starts_with("\"jion\" is no verb; known are join"));
        assert_eq!(ask("join", ""), "the channel name must not be empty");
        assert_eq!(asked(&RULES, None, &["x"], "join", "x"), "\"x\" must be NAME=VALUE");
    }
}
