//! `turted push`: one event, from the command line.
//!
//! In: targets, an event and a payload. Out: the receipt on standard output. The payload is checked here and then sent
//! byte for byte. Refuses to know the server's limits: it says itself what is too much.

use std::io::Read;

use anyhow::{Context, Result, bail};
use awc::http::StatusCode;
use awc::http::header::{ACCEPT, CONTENT_TYPE};
use clap::ArgGroup;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::line;
use super::remote::{self, Broken};
use super::url::{self, Url};

const EXAMPLES: &str = "\
Examples:
  turted push --channel chat --event MESSAGE:NEW --payload '{\"text\":\"hello\"}'
  turted push --user adam --user eve --event PAID --id order-4711
  date +%s | turted push --broadcast --event TICK --payload -";

/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Push one event to users, channels or everybody
///
/// Prints the id of the dispatch and how many connections were reached. Who matches several targets hears it once.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group(ArgGroup::new("targets").required(true).multiple(true).args(["user", "channel", "broadcast"])))]
pub struct PushArgs {
    /// The server, or the full URL of its push path
    #[arg(long, default_value = url::DEFAULT, env = "TURTED_URL", hide_env_values = true)]
    url: String,

    /// Every connection of this user. May be repeated
    #[arg(long, value_name = "NAME")]
    user: Vec<String>,

    /// Every connection in this channel. May be repeated
    #[arg(long, value_name = "NAME")]
    channel: Vec<String>,

    /// Every connection there is
    #[arg(long)]
    broadcast: bool,

    /// What happened
    #[arg(long, value_name = "NAME")]
    event: String,

    /// What goes with it, one JSON value; - reads it from standard input
    #[arg(long, value_name = "JSON", default_value = "{}", allow_hyphen_values = true)]
    payload: String,

    /// Idempotency key, 1 to 128 bytes: the same key within five minutes dispatches nothing again
    #[arg(long, value_name = "KEY")]
    id: Option<String>,

    /// Proof that this is a backend, sent as `Authorization: Bearer TOKEN`; a password goes here, too
    #[arg(long, env = "TURTED_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// Print the receipt as JSON: {"id":"k3f9-42","recipients":17}
    #[arg(long)]
    json: bool,
}

/// The envelope, as the server reads it.
#[derive(Serialize)]
struct Push<'a> {
    event: &'a str,
    targets: Targets<'a>,
    payload: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

#[derive(Serialize)]
struct Targets<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    users: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    channels: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    broadcast: bool,
}

/// Pushes and prints the receipt.
pub async fn run(args: PushArgs) -> Result<()> {
    let payload = match args.payload.as_str() {
        "-" => read_input()?,
        text => text.to_owned(),
    };
    let body = envelope(&args, &payload)?;
    let url = Url::parse(&args.url)?;
    let (client, url) = (remote::client(&url)?, url.push());
    let mut request = client
        .post(&url)
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((ACCEPT, "application/json"));
    if let Some(token) = args.token.as_deref().filter(|token| !token.is_empty()) {
        request = request.bearer_auth(token);
    }
    let sent = request.send_body(body).await;
    let mut response = sent.map_err(|error| Broken::unanswered(&url, &error))?;
    let status = response.status();
    let answer = response.body().limit(LARGEST_ANSWER).await;
    let answer = answer.with_context(|| format!("{url} answered {status} and broke off"))?;
    line::print(&receipt(&url, status, &answer, args.json)?)
}

fn read_input() -> Result<String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().read_to_string(&mut text);
    read.context("failed to read the payload from standard input")?;
    Ok(text)
}

fn envelope(args: &PushArgs, payload: &str) -> Result<Vec<u8>> {
    let payload = serde_json::from_str(payload).context("the payload is not JSON")?;
    let push = Push {
        event: &args.event,
        targets: Targets {
            users: &args.user,
            channels: &args.channel,
            broadcast: args.broadcast,
        },
        payload,
        id: args.id.as_deref(),
    };
    serde_json::to_vec(&push).context("failed to write the push")
}

/// What to print about an answer.
fn receipt(url: &str, status: StatusCode, answer: &[u8], json: bool) -> Result<String> {
    #[derive(Deserialize)]
    struct Receipt {
        id: String,
        recipients: u64,
    }
    #[derive(Deserialize)]
    struct Failure {
        error: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        message: String,
    }
    let text = line::plain(String::from_utf8_lossy(answer).trim());
    if !status.is_success() {
        if let Ok(failure) = serde_json::from_slice::<Failure>(answer) {
            bail!(
                "the server refused the push: {} ({status})",
                line::plain(&failure.error.message)
            );
        }
        bail!(Broken::status(url, status));
    }
    match serde_json::from_slice(answer) {
        Ok(Receipt { .. }) if json => Ok(text),
        Ok(Receipt { id, recipients }) => {
            let connections = if recipients == 1 { "connection" } else { "connections" };
            Ok(line::plain(&format!("{id} reached {recipients} {connections}")))
        }
        // The servers before this one say OK and no more.
        Err(_) if text.eq_ignore_ascii_case("ok") && !json => Ok("accepted, without a receipt".to_owned()),
        Err(_) => bail!("{url} answered {status}, but not with a receipt; is this turted, and is --url right?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Task};
    use clap::Parser;

    fn args(arguments: &[&str]) -> Result<PushArgs, clap::Error> {
        let cli = Cli::try_parse_from([&["turted", "push", "--event", "E"], arguments].concat())?;
        match cli.command {
            Some(Task::Push(args)) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    fn body(arguments: &[&str]) -> String {
        let args = args(arguments).unwrap();
        String::from_utf8(envelope(&args, &args.payload).unwrap()).unwrap()
    }

    #[test]
    fn the_payload_is_sent_byte_for_byte() {
        let payload = r#"{"n":12345678901234567890123, "a":1.0,"s":"\u00e9"}"#;
        let expected = format!(r#"{{"event":"E","targets":{{"channels":["chat"]}},"payload":{payload}}}"#);
        assert_eq!(body(&["--channel", "chat", "--payload", payload]), expected);
    }

    #[test]
    fn every_target_is_named() {
        assert_eq!(
            body(&[
                "--user",
                "a",
                "--user",
                "b",
                "--channel",
                "c",
                "--broadcast",
                "--id",
                "k",
                "--payload",
                "-1"
            ]),
            r#"{"event":"E","targets":{"users":["a","b"],"channels":["c"],"broadcast":true},"payload":-1,"id":"k"}"#
        );
        assert!(args(&[]).is_err(), "a push to nobody is a mistake");
    }

    #[test]
    fn a_payload_that_is_not_json_is_not_sent() {
        let args = args(&["--broadcast"]).unwrap();
        for payload in ["", "{", "{} {}", "hello"] {
            let error = envelope(&args, payload).unwrap_err();
            assert!(format!("{error:#}").starts_with("the payload is not JSON"), "{payload}");
        }
    }

    #[test]
    fn the_answer_is_told_in_a_sentence() {
        let told = |status, answer: &str, json| {
            let status = StatusCode::from_u16(status).unwrap();
            receipt("http://h/push/", status, answer.as_bytes(), json).map_err(|error| error.to_string())
        };
        let ok = r#"{"id":"k3f9-42","recipients":17}"#;
        assert_eq!(told(200, ok, false).unwrap(), "k3f9-42 reached 17 connections");
        assert_eq!(
            told(200, &ok.replace("17", "1"), false).unwrap(),
            "k3f9-42 reached 1 connection"
        );
        assert_eq!(told(200, ok, true).unwrap(), ok);
        assert_eq!(told(200, "OK", false).unwrap(), "accepted, without a receipt");
        let refused = r#"{"error":{"code":"bad_target","message":"targets.users is\u001b wrong"}}"#;
        let sentence = "the server refused the push: targets.users is\u{fffd} wrong (400 Bad Request)";
        assert_eq!(told(400, refused, false).unwrap_err(), sentence);
        assert!(
            told(404, "<html>", false)
                .unwrap_err()
                .contains("answered 404 Not Found")
        );
        assert!(told(200, "<html>", false).unwrap_err().contains("not with a receipt"));
    }
}
