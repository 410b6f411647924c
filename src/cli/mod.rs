//! The command line: which commands there are, and what their failures look like.
//!
//! In: arguments and the environment. Out: a command that ran, and an exit code: 0 done, 1 failed, 2 wrong arguments or
//! a wrong configuration, 130 interrupted twice. Only here and below are errors printed. Refuses to know how a server
//! works.
//!
//! `serve`, `check`, `token` and `may` read the configuration; `push`, `kick`, `listen` and `bench` are clients and
//! read none.

pub mod bench;
mod check;
mod kick;
mod line;
mod listen;
mod may;
mod push;
mod remote;
mod serve;
mod session;
mod settings;
mod sse;
mod token;
mod url;
mod watch;
mod wire;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use actix_web::rt::System;
use anyhow::Result;
use clap::{Parser, Subcommand};
use turted_core::Backoff;

use self::settings::ConfigArgs;
use crate::config::{ConfigError, Problem};
use crate::server::ServeError;

/// Sets the level of the log, or a whole env_logger filter.
const LOGLEVEL: &str = "TURTED_LOGLEVEL";

const EXAMPLES: &str = "\
Examples, each in a terminal of its own:
  turted serve
  turted listen --channel chat
  turted push --channel chat --event MESSAGE:NEW --payload '{\"text\":\"hello\"}'

Environment:
  TURTED_CONFIG        the configuration file
  TURTED_LISTEN        address and port to listen on
  TURTED_LOGLEVEL      off, error, warn, info, debug, trace, or a filter of env_logger
  TURTED_SECTION__KEY  any key of the configuration, as in TURTED_LIMITS__PING=20s
Flags win over the environment, the environment over the file; `turted check` shows the outcome.";

/// Real-time event dispatcher: any backend pushes, the right clients hear it once, in order
///
/// Clients connect over WebSocket, say who they are and join channels. Backends POST events to users, to channels or to
/// everybody. Without a command, turted serves.
#[derive(Debug, Parser)]
#[command(name = "turted", version, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    settings: ConfigArgs,

    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run the server until SIGTERM or SIGINT (this is the default)
    ///
    /// Says on standard output where it listens, and logs to standard error. When asked to stop it lets connectors
    /// finish and says goodbye to the clients, for at most server.shutdown_timeout; a second SIGINT ends it at once.
    Serve(ConfigArgs),

    /// Check the configuration and print what is in effect
    ///
    /// Prints the whole configuration as TOML, secrets masked. Every mistake is shown with file, line and key; then the
    /// exit code is 2.
    Check(ConfigArgs),

    // The texts of the others stand with their arguments.
    Push(push::PushArgs),
    Kick(kick::KickArgs),
    Listen(listen::ListenArgs),
    Token(token::TokenArgs),
    May(may::MayArgs),
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
        match self.command {
            None => serve(&self.settings),
            Some(Task::Serve(settings)) => serve(&self.settings.and(settings)),
            Some(Task::Check(settings)) => check::run(&self.settings.and(settings).load()?),
            Some(Task::Token(args)) => {
                let (args, settings) = args.split();
                token::run(&args, &self.settings.and(settings).load()?)
            }
            Some(Task::May(args)) => {
                let (args, settings) = args.split();
                may::run(&args, &self.settings.and(settings).load()?)
            }
            Some(Task::Push(args)) => as_client(push::run(args)),
            Some(Task::Kick(args)) => as_client(kick::run(args)),
            Some(Task::Listen(args)) => as_client(listen::run(args)),
            Some(Task::Bench(args)) => as_client(bench::run(args)),
        }
    }
}

fn serve(settings: &ConfigArgs) -> Result<()> {
    let config = settings.load()?;
    log_from(&config.server.loglevel);
    System::new().block_on(serve::run(config))
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
    // It repeats the banner at `info`; a filter that names it still wins.
    builder.filter_module("actix_server", log::LevelFilter::Warn);
    // It logs what its errors say, before anybody knows which connector they are about.
    builder.filter_module("lapin", log::LevelFilter::Off);
    builder.filter_module("tracing::span", log::LevelFilter::Off);
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

/// How a client command waits for a server that is away: like a browser, so that both come back at the same pace.
fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(500), Duration::from_secs(15))
}

/// A line for the person at the terminal, on standard error. It is lost when nobody reads there.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "turted: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Place;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn problems_stand_on_lines_of_their_own() {
        let problem = |key: &str| Problem::new(Place::Set(key.into()), key, "is wrong");
        let text = describe(&[problem("limits.ping"), problem("limits.pong")]);
        let expected = "2 mistakes in the configuration\n--set limits.ping: is wrong\n--set limits.pong: is wrong";
        assert_eq!(text, expected);
    }
}
