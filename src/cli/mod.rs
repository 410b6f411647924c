//! The command line: which commands there are, and what their failures look like.
//!
//! In: arguments and the environment. Out: a command that ran, and an exit code: 0 done, 1 failed, 2 wrong arguments or a wrong
//! configuration, 130 interrupted twice. Only here and below are errors printed. Refuses to know how a server works.
//!
//! `serve`, `check` and `token` read the configuration; `push`, `listen` and `bench` are clients and read none.

mod backoff;
pub mod bench;
mod check;
mod line;
mod listen;
mod push;
mod remote;
mod serve;
mod session;
mod sse;
mod token;
mod url;
mod watch;
mod wire;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use actix_web::rt::System;
use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::config::{Config, ConfigError, Problem, Sources};
use crate::registry;
use crate::server::ServeError;

/// Sets the level of the log, or a whole env_logger filter.
const LOGLEVEL: &str = "TURTED_LOGLEVEL";

const EXAMPLES: &str = "\
Examples, each in a terminal of its own:
  turted serve
  turted listen --channel chat
  turted push --channel chat --event MESSAGE:NEW --payload '{\"text\":\"hello\"}'

Environment:
  TURTED_LOGLEVEL         off, error, warn, info, debug, trace, or a filter such as info,turted::connection=debug
  TURTED_SECTION__KEY     a key of the configuration, as in TURTED_SERVER__LISTEN=0.0.0.0:80
Flags win over the environment, the environment over the file. `turted check` shows what is in effect.";

/// Real-time event dispatcher: any backend pushes, the right clients hear it once, in order
///
/// Clients connect over WebSocket, say who they are and join channels. Backends POST events to users, to channels or to
/// everybody. Without a command, turted serves.
#[derive(Debug, Parser)]
#[command(name = "turted", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    settings: Settings,

    #[command(subcommand)]
    command: Option<Command>,
}

/// Where the configuration comes from; understood before and after the command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Configuration")]
struct Settings {
    /// Configuration file [default: turted.toml in this folder, if it is there]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "TURTED_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,

    /// Set one key of the configuration, as in --set limits.ping=20s. May be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Address and port to listen on; short for --set server.listen=ADDR
    #[arg(
        long,
        global = true,
        value_name = "ADDR",
        env = "TURTED_LISTEN",
        hide_env_values = true
    )]
    listen: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until SIGTERM or SIGINT (this is the default)
    ///
    /// Says on standard output where it listens, and logs to standard error. When asked to stop it lets connectors finish and
    /// says goodbye to the clients, for at most server.shutdown_timeout; a second SIGINT ends it at once.
    Serve,

    /// Check the configuration and print what is in effect
    ///
    /// Prints the whole configuration as TOML, secrets masked. Every mistake is shown with file, line and key; then the exit
    /// code is 2.
    Check,

    /// Push one event to users, channels or everybody
    Push(push::PushArgs),

    /// Print events as they come: those of a user, of channels, or all of them
    Listen(listen::ListenArgs),

    /// Print the token with which a user or a backend proves its name
    Token(token::TokenArgs),

    /// Measure a running server: throughput, latency, loss, and what a delivery and a connection cost it
    Bench(bench::BenchArgs),
}

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

impl Cli {
    fn run(self) -> Result<()> {
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => {
                let config = self.settings.load()?;
                log_from(&config.server.loglevel);
                System::new().block_on(serve::run(config))
            }
            Command::Check => check::run(&self.settings.load()?),
            Command::Token(args) => token::run(&args, &self.settings.load()?),
            Command::Push(args) => as_client(push::run(args)),
            Command::Listen(args) => as_client(listen::run(args)),
            Command::Bench(args) => as_client(bench::run(args)),
        }
    }
}

impl Settings {
    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.sources(std::env::vars_os()), &registry::check)
    }

    /// What is set but empty counts as not set, because container files cannot leave a variable out.
    fn sources(&self, environment: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>) -> Sources {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let mut env: Vec<(String, String)> = environment.filter_map(text).collect();
        // The short name becomes the long one, so that its value is checked like every other.
        if let Some((_, level)) = env.iter().find(|(name, level)| name == LOGLEVEL && !level.is_empty()) {
            let level = level.clone();
            env.retain(|(name, _)| !name.eq_ignore_ascii_case("TURTED_SERVER__LOGLEVEL"));
            env.push(("TURTED_SERVER__LOGLEVEL".to_owned(), level));
        }
        // Before --set: TURTED_LISTEN is also found here, and a flag wins over a variable.
        let listen = self.listen.iter().filter(|address| !address.is_empty());
        let listen = listen.map(|address| format!("server.listen={address}"));
        Sources {
            file: self.config.clone().filter(|file| !file.as_os_str().is_empty()),
            env,
            sets: listen.chain(self.set.iter().cloned()).collect(),
        }
    }
}

/// Runs a command that talks to a server, inside an actix runtime.
fn as_client(command: impl Future<Output = Result<()>>) -> Result<()> {
    let level = std::env::var(LOGLEVEL).ok().filter(|level| !level.is_empty());
    log_from(level.as_deref().unwrap_or("warn"));
    System::new().block_on(command)
}

/// Logs to standard error, with time stamps in UTC.
fn log_from(filters: &str) {
    let mut builder = env_logger::Builder::new();
    // A program that embeds this one may have a logger already.
    let _ = builder.parse_filters(filters).format_timestamp_millis().try_init();
}

/// Says what went wrong, and chooses the exit code.
fn report(error: &anyhow::Error) -> ExitCode {
    if error.is::<line::Closed>() {
        // Whoever read standard output has heard enough, as in `turted listen | head`.
        return ExitCode::SUCCESS;
    }
    let problems = match (error.downcast_ref(), error.downcast_ref()) {
        (Some(ConfigError { problems }), _) | (_, Some(ServeError::Config(problems))) => problems,
        _ => {
            tell(&format!("{error:#}"));
            return ExitCode::FAILURE;
        }
    };
    tell(&describe(problems));
    ExitCode::from(2)
}

/// A headline and every problem on a line of its own, as compilers do it, so that editors find the place.
fn describe(problems: &[Problem]) -> String {
    let lines: String = problems.iter().map(|problem| format!("\n{problem}")).collect();
    let mistakes = if problems.len() == 1 { "mistake" } else { "mistakes" };
    format!("{} {mistakes} in the configuration{lines}", problems.len())
}

/// A line for the person at the terminal, on standard error. It is lost when nobody reads there.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "turted: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn sources(arguments: &[&str], environment: &[(&str, &str)]) -> Sources {
        let cli = Cli::try_parse_from([&["turted"], arguments].concat()).unwrap();
        cli.settings
            .sources(environment.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn settings_are_understood_before_and_after_the_command() {
        for arguments in [
            &["--config", "my.toml", "--set", "a.b=1"][..],
            &["serve", "--config", "my.toml", "--set", "a.b=1"],
            &["--config", "my.toml", "check", "--set", "a.b=1"],
        ] {
            let sources = sources(arguments, &[]);
            assert_eq!(sources.file, Some("my.toml".into()));
            assert_eq!(sources.sets, ["a.b=1"]);
        }
    }

    #[test]
    fn an_address_is_a_setting_that_comes_before_the_others() {
        let sources = sources(&["--set", "server.listen=a", "--listen", "b"], &[]);
        assert_eq!(sources.sets, ["server.listen=b", "server.listen=a"]);
    }

    #[test]
    fn the_level_of_the_log_is_a_setting_of_the_environment() {
        let level = |environment: &[(&str, &str)]| sources(&[], environment).env;
        let expected = [("TURTED_SERVER__LOGLEVEL".to_owned(), "debug".to_owned())];
        assert_eq!(
            level(&[(LOGLEVEL, "debug"), ("TURTED_SERVER__LOGLEVEL", "warn")])[1..],
            expected
        );
        assert_eq!(level(&[(LOGLEVEL, "")]).len(), 1);
    }

    #[test]
    fn problems_stand_on_lines_of_their_own() {
        let error = Sources {
            sets: vec!["limits.ping=x".into(), "limits.pong=1".into()],
            file: None,
            env: Vec::new(),
        };
        let error = Config::load(&error, &registry::check).unwrap_err();
        let text = describe(&error.problems);
        assert!(text.starts_with("2 mistakes in the configuration\n"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}
