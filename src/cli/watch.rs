//! `turted listen --all`: prints everything that happens on a server.
//!
//! In: the URL of the observer stream, and the token of a backend. Out: one line per note on standard output. The
//! stream cannot be resumed: after a break it begins anew, and standard error says so.

use std::time::{Duration, Instant};

use anyhow::Result;
use awc::Client;
use awc::http::StatusCode;
use awc::http::header::ACCEPT;
use bytes::Bytes;
use futures_util::{Stream as Source, StreamExt};
use tokio::time::{sleep, timeout};

use super::listen::Countdown;
use super::remote::Broken;
use super::sse::{Parser, Sent};
use super::{line, tell};

/// The server says something, if only a comment, every 15 s.
const PATIENCE: Duration = Duration::from_secs(45);

/// What to watch, and how to print it.
pub struct Stream {
    /// Where it is.
    pub url: String,
    /// The proof that this may push, and so may watch.
    pub token: Option<String>,
    /// JSON lines instead of lines for people.
    pub json: bool,
}

/// Prints notes until the count of dispatches is reached.
///
/// # Errors
/// When the first attempt fails, and when the server refuses.
pub async fn run(client: &Client, stream: &Stream, mut countdown: Countdown) -> Result<()> {
    let mut backoff = super::backoff();
    let mut body = stream.open(client).await?;
    tell(&format!("watching {}", stream.url));
    loop {
        let begin = Instant::now();
        let Some(mut reason) = stream.follow(body, &mut countdown).await? else {
            return Ok(());
        };
        backoff.lasted(begin.elapsed());
        body = loop {
            let pause = backoff.pause();
            tell(&format!("{reason}; trying again in {:.1} s", pause.as_secs_f64()));
            sleep(pause).await;
            match stream.open(client).await {
                Ok(body) => break body,
                Err(broken) if !broken.again => return Err(broken.into()),
                Err(broken) => reason = broken.reason,
            }
        };
        tell("watching again; what happened meanwhile is not shown");
    }
}

type Body = Box<dyn Source<Item = Result<Bytes, awc::error::PayloadError>> + Unpin>;

impl Stream {
    async fn open(&self, client: &Client) -> Result<Body, Broken> {
        let mut request = client.get(&self.url).insert_header((ACCEPT, "text/event-stream"));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await;
        let response = response.map_err(|error| Broken::unanswered(&self.url, &error))?;
        match response.status() {
            StatusCode::OK => Ok(Box::new(response)),
            status => Err(Broken::status(&self.url, status)),
        }
    }

    /// Prints one stream to its end; the reason why it ended, or `None` when enough was printed.
    async fn follow(&self, mut body: Body, countdown: &mut Countdown) -> Result<Option<String>> {
        let mut parser = Parser::default();
        loop {
            let bytes = match timeout(PATIENCE, body.next()).await {
                Err(_) => return Ok(Some(format!("no sign of life for {PATIENCE:?}"))),
                Ok(None) => return Ok(Some("the server ended the stream".to_owned())),
                Ok(Some(Err(error))) => return Ok(Some(format!("the stream broke: {error}"))),
                Ok(Some(Ok(bytes))) => bytes,
            };
            for sent in parser.feed(&bytes)? {
                line::print(&self.render(&sent))?;
                if sent.name == "dispatched" && countdown.is_last() {
                    return Ok(None);
                }
            }
        }
    }

    fn render(&self, Sent { name, data }: &Sent) -> String {
        match self.json {
            // Names of notes are plain words; `Value` writes whatever else comes as JSON, too.
            true => format!(
                "{{\"note\":{},\"data\":{}}}",
                serde_json::Value::from(name.as_str()),
                line::json(data)
            ),
            false => line::note(&line::now(), name, data),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_for_programs_are_json_with_the_payload_as_it_came() {
        let stream = Stream {
            url: String::new(),
            token: None,
            json: true,
        };
        let sent = Sent {
            name: "dispatched".into(),
            data: "{\"payload\":{\n\"n\":12345678901234567890123}}".into(),
        };
        let expected = r#"{"note":"dispatched","data":{"payload":{ "n":12345678901234567890123}}}"#;
        assert_eq!(stream.render(&sent), expected);
    }
}
