//! What goes wrong with a broker, as sentences.
//!
//! In: errors of the driver. Out: errors for people, who know queues and logins, not frames and promises. No text of
//! the driver that could hold a credential gets through: the broker's own words, and those of the operating system, do
//! not.

use lapin::{Error, ErrorKind};
use turted_core::ConnectorError;

/// `what` failed: a sentence with the reason.
pub fn of(what: &str, error: &Error) -> ConnectorError {
    ConnectorError::new(format!("{what}: {}", why(error)))
}

/// The reason as a fragment.
pub fn why(error: &Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => format!("the broker says {:?}", error.get_message().as_str()),
        ErrorKind::IOError(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {
            "the broker closed the connection".to_owned()
        }
        ErrorKind::IOError(error) | ErrorKind::RuntimeShutdownError(error) => error.to_string(),
        ErrorKind::MissingHeartbeatError => "the broker fell silent".to_owned(),
        ErrorKind::InvalidConnectionState(_) | ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidChannel(_) => {
            "the connection is gone".to_owned()
        }
        ErrorKind::InvalidProtocolVersion(version) => {
            format!("the broker wants AMQP {version}, this speaks 0-9-1")
        }
        ErrorKind::AuthProviderError(_) => "the broker offers no way to log in that this knows".to_owned(),
        ErrorKind::ParsingError(_) => "the broker sent what is not AMQP".to_owned(),
        other => format!("{other:?}")
            .chars()
            .take_while(|c| c.is_ascii_alphabetic())
            .collect(),
    }
}
