//! Where the configuration comes from, as far as the command line says.
//!
//! In: flags before and after the command, and the environment. Out: the checked configuration, or every mistake in it
//! under the name that was used. Refuses to know any key but the two with short names.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use super::LOGLEVEL;
use crate::Server;
use crate::config::{Config, ConfigError, Place, Sources};

/// Names the configuration file.
const CONFIG: &str = "TURTED_CONFIG";

/// Short names of settings in the environment, and the names that the configuration knows.
const SHORT: [(&str, &str); 2] = [
    (LOGLEVEL, "TURTED_SERVER__LOGLEVEL"),
    ("TURTED_LISTEN", "TURTED_SERVER__LISTEN"),
];

/// Where the configuration comes from. Understood before the command and after it; both count, and the later ones win.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Configuration")]
pub(super) struct ConfigArgs {
    /// Configuration file [env: TURTED_CONFIG] [default: turted.toml in this folder, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Set one key of the configuration, as in --set limits.ping=20s. May be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Address and port to listen on [env: TURTED_LISTEN]; short for --set server.listen=ADDR
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

impl ConfigArgs {
    /// These, and over them those that were written behind the command.
    pub(super) fn and(mut self, later: ConfigArgs) -> ConfigArgs {
        self.set.extend(later.set);
        ConfigArgs {
            config: later.config.or(self.config),
            set: self.set,
            listen: later.listen.or(self.listen),
        }
    }

    /// Reads and checks the configuration.
    pub(super) fn load(&self) -> Result<Config, ConfigError> {
        // Names and values that are not text are nobody's settings.
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let environment: Vec<_> = std::env::vars_os().filter_map(text).collect();
        let short = SHORT
            .into_iter()
            .filter(|(short, _)| is_set(short, &environment).is_some());
        let short: Vec<_> = short.collect();
        Server::load(&self.sources(environment)).map_err(|error| as_written(error, &short))
    }

    /// What [`Config::load`] reads, of these flags and this environment.
    fn sources(&self, mut env: Vec<(String, String)>) -> Sources {
        let file = is_set(CONFIG, &env).map(PathBuf::from);
        // A short name becomes the long one, so that its value is checked like every other.
        for (short, long) in SHORT {
            if let Some(value) = is_set(short, &env).map(str::to_owned) {
                env.retain(|(name, _)| !name.eq_ignore_ascii_case(long));
                env.push((long.to_owned(), value));
            }
        }
        let listen = self.listen.iter().map(|address| format!("server.listen={address}"));
        Sources {
            file: self.config.clone().or(file),
            env,
            sets: listen.chain(self.set.iter().cloned()).collect(),
        }
    }
}

/// The value of a variable. What is set but empty counts as not set, because container files cannot leave a variable
/// out.
fn is_set<'a>(name: &str, env: &'a [(String, String)]) -> Option<&'a str> {
    let found = env.iter().find(|(other, value)| other == name && !value.is_empty());
    found.map(|(_, value)| value.as_str())
}

/// The problems, with the short names of variables where these were used.
fn as_written(mut error: ConfigError, short: &[(&str, &str)]) -> ConfigError {
    for problem in &mut error.problems {
        let Place::Env(name) = &mut problem.place else {
            continue;
        };
        if let Some((short, _)) = short.iter().find(|(_, long)| **long == **name) {
            *name = Arc::from(*short);
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Task};
    use clap::Parser;

    fn sources(arguments: &[&str], environment: &[(&str, &str)]) -> Sources {
        let cli = Cli::try_parse_from([&["turted"], arguments].concat()).unwrap();
        let settings = match cli.command {
            Some(Task::Serve(settings) | Task::Check(settings)) => cli.settings.and(settings),
            Some(Task::Token(args)) => cli.settings.and(args.split().1),
            _ => cli.settings,
        };
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        settings.sources(environment.iter().map(owned).collect())
    }

    #[test]
    fn settings_are_understood_before_and_after_the_command() {
        for arguments in [
            &["--config", "my.toml", "--set", "a.b=1", "--set", "a.c=2"][..],
            &["serve", "--config", "my.toml", "--set", "a.b=1", "--set", "a.c=2"],
            &[
                "--config",
                "other.toml",
                "--set",
                "a.b=1",
                "check",
                "--set",
                "a.c=2",
                "--config",
                "my.toml",
            ],
            &[
                "--set", "a.b=1", "token", "adam", "--config", "my.toml", "--set", "a.c=2",
            ],
        ] {
            let sources = sources(arguments, &[(CONFIG, "env.toml")]);
            assert_eq!(sources.file, Some("my.toml".into()));
            assert_eq!(sources.sets, ["a.b=1", "a.c=2"]);
        }
    }

    #[test]
    fn an_address_is_a_setting() {
        let both = sources(&["--set", "server.listen=a", "--listen", "b"], &[]);
        assert_eq!(both.sets, ["server.listen=b", "server.listen=a"]);
        let variable = sources(&["--listen", "b"], &[("TURTED_LISTEN", "c")]);
        assert_eq!(
            variable.sets,
            ["server.listen=b"],
            "flags are laid over the environment"
        );
        assert!(variable.env.contains(&("TURTED_SERVER__LISTEN".into(), "c".into())));
    }

    #[test]
    fn short_names_in_the_environment_go_before_the_long_ones() {
        let env = |environment: &[(&str, &str)]| sources(&[], environment).env;
        let expected = [("TURTED_SERVER__LOGLEVEL".to_owned(), "debug".to_owned())];
        assert_eq!(
            env(&[(LOGLEVEL, "debug"), ("TURTED_SERVER__LOGLEVEL", "warn")])[1..],
            expected
        );
        assert_eq!(env(&[(LOGLEVEL, "")]).len(), 1);
        assert_eq!(sources(&[], &[(CONFIG, "")]).file, None);
    }

    #[test]
    fn a_mistake_in_a_short_variable_is_told_under_its_short_name() {
        let sources = sources(&[], &[(LOGLEVEL, "verbose")]);
        let error = Server::load(&sources).unwrap_err();
        let text = as_written(error, &SHORT).to_string();
        assert!(text.starts_with("TURTED_LOGLEVEL: server.loglevel: must be"), "{text}");
    }
}
