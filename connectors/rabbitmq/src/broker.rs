//! Where the broker is and how to log in.
//!
//! In: the text of `url`. Out: a [`Broker`], or what is wrong with the text, without a word of it: it holds a password.

use std::time::Duration;

use lapin::uri::AMQPUri;
use turted_core::{ConnectorError, SettingError};

/// How often, in seconds, both sides say that they are alive. A peer that was silent for twice as long is gone, and the
/// driver notices at most half an interval later.
const HEARTBEAT: u16 = 3;
/// How long the way to the first message may take, in milliseconds.
const PATIENCE: u64 = 10_000;

/// One broker.
pub struct Broker {
    /// Everything that the driver needs, the password included.
    pub uri: AMQPUri,
    /// Host and port, for people.
    pub place: String,
    /// How long connecting, logging in and declaring may take together.
    pub patience: Duration,
}

impl Broker {
    /// Reads `url`: `amqp://user:password@host:port/vhost?heartbeat=3&connection_timeout=10000` and `amqps://…`, as in
    /// RabbitMQ's own documents; absent parts have the usual defaults.
    pub fn parse(url: &str) -> Result<Self, SettingError> {
        let wrong = |why: &str| SettingError::new("url", why);
        if !url.starts_with("amqp://") && !url.starts_with("amqps://") {
            return Err(wrong(
                "must begin with amqp:// or amqps://, as in \"amqp://user:${PASSWORD}@localhost:5672/%2f\"",
            ));
        }
        // The parser's own words are left out: they may quote a part of the text.
        let mut uri: AMQPUri = url.parse().map_err(|_| {
            wrong("must have the form amqp://user:password@host:port/vhost; characters such as / # ? @ % in a user, password \
                   or vhost are written as %2f %23 %3f %40 %25")
        })?;
        if let Some(address) = ipv6(url) {
            uri.authority.host = address.to_owned();
        }
        if uri.authority.host.is_empty() {
            return Err(wrong("names no host"));
        }
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        let patience = uri.query.connection_timeout.unwrap_or(PATIENCE);
        if !(100..=600_000).contains(&patience) {
            return Err(wrong("connection_timeout must be between 100 and 600000 milliseconds"));
        }
        Ok(Self {
            place: format!("{}:{}", uri.authority.host, uri.authority.port),
            patience: Duration::from_millis(patience),
            uri,
        })
    }

    /// How long nothing may come before the other side counts as gone; `None` when heartbeats are switched off.
    pub fn silence(&self) -> Option<Duration> {
        let heartbeat = self.uri.query.heartbeat.filter(|seconds| *seconds > 0)?;
        Some(Duration::from_secs(2 * u64::from(heartbeat)))
    }

    /// It accepted the connection, but did not answer in time.
    pub fn silent(&self) -> ConnectorError {
        ConnectorError::new(format!(
            "the broker at {} did not answer within {:?}",
            self.place, self.patience
        ))
    }
}

/// The address between square brackets, which the parser of the driver takes for a lack of a host.
fn ipv6(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    host.strip_prefix('[')?.split_once(']').map(|(address, _)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(url: &str) -> Broker {
        Broker::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn absent_parts_have_the_usual_defaults() {
        let plain = broker("amqp://localhost");
        assert_eq!(
            (plain.place.as_str(), plain.uri.vhost.as_str()),
            ("localhost:5672", "/")
        );
        assert_eq!(plain.uri.authority.userinfo.username, "guest");
        assert_eq!(
            (plain.silence(), plain.patience),
            (Some(Duration::from_secs(6)), Duration::from_secs(10))
        );
        assert_eq!(broker("amqps://localhost/").place, "localhost:5671");
        assert_eq!(broker("amqps://localhost/").uri.vhost, "/");
        let full = broker("amqp://a:b%2fc@[::1]:7/shop?heartbeat=0&connection_timeout=500");
        assert_eq!((full.place.as_str(), full.uri.vhost.as_str()), ("::1:7", "shop"));
        assert_eq!(full.uri.authority.userinfo.password, "b/c");
        assert_eq!((full.silence(), full.patience), (None, Duration::from_millis(500)));
    }

    #[test]
    fn a_wrong_url_is_refused_without_quoting_it() {
        for url in [
            "http://turted:s3cret@localhost",
            "localhost",
            "s3cret",
            "amqp://turted:s3c/ret@localhost",
            "amqp://turted:s3cret@localhost:port",
            "amqp://turted:s3cret@localhost?heartbeat=s3cret",
            "amqp://turted:s3cret@localhost?connection_timeout=1",
            "amqp://turted:s3cret@localhost?auth_mechanism=s3cret",
        ] {
            let error = Broker::parse(url).err().unwrap_or_else(|| panic!("{url} was taken"));
            assert_eq!(error.key, "url");
            assert!(!error.why.contains("s3c"), "{error}");
        }
    }
}
