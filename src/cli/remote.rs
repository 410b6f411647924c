//! A server somewhere else, for the commands that are clients.
//!
//! In: where it is. Out: an HTTP client that can reach it, and sentences about why it could not. Credentials go where
//! the command line says and nowhere else: redirects are not followed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use awc::error::{ConnectError, SendRequestError};
use awc::http::StatusCode;
use awc::http::header::USER_AGENT;
use awc::{Client, Connector};

use super::url::Url;
use crate::outbound::client_config;

/// How long a connection may take, and after it a handshake.
const CONNECT: Duration = Duration::from_secs(10);

/// How long the head of an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

const AGENT: &str = concat!("turted/", env!("CARGO_PKG_VERSION"));

/// A client for the server at `url`.
///
/// # Errors
/// When TLS is needed and this system knows no certificate authority.
pub fn client(url: &Url) -> Result<Client> {
    let mut connector = Connector::new().timeout(CONNECT).handshake_timeout(CONNECT);
    if url.is_secure() {
        connector = connector.rustls_0_23(Arc::new(client_config()?));
    }
    let builder = Client::builder()
        .connector(connector)
        .disable_redirects()
        .timeout(ANSWER);
    Ok(builder.add_default_header((USER_AGENT, AGENT)).finish())
}

/// Why there is no connection or no answer.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Broken {
    /// A lowercase sentence.
    pub reason: String,
    /// Whether a later attempt may go better.
    pub again: bool,
}

impl Broken {
    /// Something that may pass.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            again: true,
        }
    }

    /// The request did not get an answer.
    pub fn unanswered(url: &str, error: &SendRequestError) -> Self {
        let reason = match error {
            SendRequestError::Connect(ConnectError::Io(error)) | SendRequestError::Send(error) => error.to_string(),
            SendRequestError::Connect(ConnectError::Resolver(error)) => format!("the host is unknown: {error}"),
            SendRequestError::Connect(ConnectError::NoRecords) => "the host has no address".to_owned(),
            SendRequestError::Connect(ConnectError::Timeout) => format!("no connection within {CONNECT:?}"),
            SendRequestError::Timeout => format!("no answer within {ANSWER:?}"),
            SendRequestError::Response(_) => "the answer is not HTTP".to_owned(),
            other => other.to_string(),
        };
        let again = !matches!(error, SendRequestError::Url(_) | SendRequestError::Http(_));
        Self {
            reason: format!("failed to reach {url}: {reason}"),
            again,
        }
    }

    /// The server answered, and it was not what was asked for.
    pub fn status(url: &str, status: StatusCode) -> Self {
        let hint = match status {
            StatusCode::UNAUTHORIZED => "; it wants other credentials (--token)",
            StatusCode::FORBIDDEN => "; this client is not allowed",
            StatusCode::NOT_FOUND => "; is this turted, and is --url right?",
            status if status.is_redirection() => "; give --url the address that it points to",
            _ => "",
        };
        let again =
            status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        Self {
            reason: format!("{url} answered {status}{hint}"),
            again,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, again) in [
            (503, true),
            (429, true),
            (502, true),
            (401, false),
            (404, false),
            (301, false),
            (200, false),
        ] {
            let broken = Broken::status("http://h/", StatusCode::from_u16(status).unwrap());
            assert_eq!(broken.again, again, "{broken}");
            assert!(
                broken.reason.starts_with(&format!("http://h/ answered {status}")),
                "{broken}"
            );
        }
    }

    #[test]
    fn a_client_without_tls_needs_nothing_of_the_system() {
        assert!(client(&Url::parse("http://h").unwrap()).is_ok());
    }
}
