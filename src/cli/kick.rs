//! `turted kick`: throws a user out, from the command line.
//!
//! In: a user, and for how long. Out: on standard output, how many connections that were. Refuses to know the server's
//! limits: it says itself what is too much.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use awc::http::StatusCode;
use awc::http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};

use super::line;
use super::remote::{self, Broken};
use super::url::{self, Url, escape};

const EXAMPLES: &str = "\
Examples:
  turted kick adam
  turted kick adam --for 10m --reason 'password changed'
  turted kick adam --except 0a1b2c3d4e5f607182";

/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Throw a user out, with all its connections
///
/// Also those that have lost their wire: they cannot be resumed. The user may come back at once, or after --for.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct KickArgs {
    /// The user
    user: String,

    /// The server
    #[arg(long, default_value = url::DEFAULT, env = "TURTED_URL", hide_env_values = true)]
    url: String,

    /// How long the user may not come back, such as 10m or 1h; a restart of the server ends it
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    lasts: Option<Duration>,

    /// A connection that may stay. May be repeated
    #[arg(long, value_name = "ID")]
    except: Vec<String>,

    /// Why, for the log of the server
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Proof that this is a backend, sent as `Authorization: Bearer TOKEN`; a password goes here, too
    #[arg(long, env = "TURTED_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// Print the answer as JSON: {"connections":2}
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Kick<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    except: &'a [String],
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    lasts: Option<String>,
}

/// Asks the server and prints what it did.
pub async fn run(args: KickArgs) -> Result<()> {
    let url = Url::parse(&args.url)?;
    let (client, url) = (remote::client(&url)?, url.api(&path(&args.user)));
    let mut request = client.post(&url).insert_header((CONTENT_TYPE, "application/json"));
    if let Some(token) = args.token.as_deref().filter(|token| !token.is_empty()) {
        request = request.bearer_auth(token);
    }
    let sent = request.send_body(body(&args)?).await;
    let mut response = sent.map_err(|error| Broken::unanswered(&url, &error))?;
    let status = response.status();
    let answer = response.body().limit(LARGEST_ANSWER).await;
    let answer = answer.with_context(|| format!("{url} answered {status} and broke off"))?;
    line::print(&told(&url, status, &answer, args.json)?)
}

fn path(user: &str) -> String {
    format!("/users/{}/kick", escape(user))
}

fn body(args: &KickArgs) -> Result<Vec<u8>> {
    let kick = Kick {
        reason: args.reason.as_deref(),
        except: &args.except,
        lasts: args.lasts.map(|lasts| humantime::format_duration(lasts).to_string()),
    };
    serde_json::to_vec(&kick).context("failed to write the question")
}

/// What to print about an answer.
fn told(url: &str, status: StatusCode, answer: &[u8], json: bool) -> Result<String> {
    #[derive(Deserialize)]
    struct Done {
        connections: u64,
    }
    #[derive(Deserialize)]
    struct Failure {
        error: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        message: String,
    }
    if !status.is_success() {
        if let Ok(failure) = serde_json::from_slice::<Failure>(answer) {
            bail!("the server refused: {} ({status})", line::plain(&failure.error.message));
        }
        bail!(Broken::status(url, status));
    }
    let Ok(Done { connections }) = serde_json::from_slice(answer) else {
        bail!("{url} answered {status}, but not as turted does; is --url right?");
    };
    if json {
        return Ok(line::plain(String::from_utf8_lossy(answer).trim()));
    }
    let word = if connections == 1 { "connection" } else { "connections" };
    Ok(format!("ended {connections} {word}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Task};
    use clap::Parser;

    fn args(arguments: &[&str]) -> KickArgs {
        let cli = Cli::try_parse_from([&["turted", "kick"], arguments].concat()).unwrap();
        match cli.command {
            Some(Task::Kick(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_asked_is_what_was_written() {
        let said = |arguments: &[&str]| String::from_utf8(body(&args(arguments)).unwrap()).unwrap();
        assert_eq!(said(&["adam"]), "{}");
        assert_eq!(
            said(&[
                "adam", "--for", "90m", "--except", "a", "--except", "b", "--reason", "why"
            ]),
            r#"{"reason":"why","except":["a","b"],"for":"1h 30m"}"#
        );
        assert_eq!(path("adam@shop/1 %"), "/users/adam%40shop%2F1%20%25/kick");
    }

    #[test]
    fn the_answer_is_told_in_a_sentence() {
        let told = |status, answer: &str, json| {
            let status = StatusCode::from_u16(status).unwrap();
            told("http://h/api", status, answer.as_bytes(), json).map_err(|error| error.to_string())
        };
        assert_eq!(told(200, r#"{"connections":1}"#, false).unwrap(), "ended 1 connection");
        assert_eq!(told(200, r#"{"connections":0}"#, false).unwrap(), "ended 0 connections");
        assert_eq!(told(200, r#"{"connections":2}"#, true).unwrap(), r#"{"connections":2}"#);
        let refused = r#"{"error":{"code":"forbidden","message":"the backend shop\u001b has api"}}"#;
        let sentence = "the server refused: the backend shop\u{fffd} has api (403 Forbidden)";
        assert_eq!(told(403, refused, false).unwrap_err(), sentence);
        assert!(told(404, "nothing", false).unwrap_err().contains("answered 404"));
        assert!(told(200, "<html>", false).unwrap_err().contains("not as turted does"));
    }
}
