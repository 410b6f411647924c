//! One Redis server: where it is, and how to get a connection.
//!
//! In: the settings that say where and who. Out: connections, and errors as sentences without credentials. It knows no
//! channel and no stream.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::TryFutureExt;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError,
    TlsCertificates,
};
use turted_core::{ConnectorError, SettingError};

/// How long a server may take for an answer; longer than any time that it is asked to wait.
pub const ANSWER: Duration = Duration::from_secs(8);
/// How long it may take until a connection stands and the login is done.
const CONNECT: Duration = Duration::from_secs(10);
/// After how much silence the operating system asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Where a server is and how to log in.
pub struct Server {
    info: ConnectionInfo,
    ca: Option<PathBuf>,
    place: String,
}

/// How to log in, as the section says it; goes before what the URL says.
#[derive(Default)]
pub struct Login {
    pub username: Option<String>,
    pub password: Option<String>,
}

impl Server {
    /// Reads the URL. `ca` names a file with certificates (PEM) to trust instead of the system's.
    pub fn new(url: &str, login: Login, ca: Option<PathBuf>) -> Result<Self, SettingError> {
        // The driver's own words could repeat a part of the URL, and so of a password.
        let info = url.into_connection_info().map_err(|_| SettingError::new("url", URL))?;
        match (info.addr(), &ca) {
            (ConnectionAddr::TcpTls { insecure: true, .. }, _) => {
                return Err(SettingError::new(
                    "url",
                    "must not end in #insecure: certificates are always checked; name the one to trust with ca",
                ));
            }
            (ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_), Some(_)) => {
                return Err(SettingError::new("ca", "is for TLS, that is for a url with rediss://"));
            }
            _ => {}
        }
        let mut redis = info.redis_settings().clone();
        if let Some(username) = login.username {
            redis = redis.set_username(username);
        }
        if let Some(password) = login.password {
            redis = redis.set_password(password);
        }
        if redis.username().is_some() && redis.password().is_none() {
            return Err(SettingError::new("password", "is needed with a user name"));
        }
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE));
        let place = format!("redis at {}", info.addr());
        let info = info.set_redis_settings(redis).set_tcp_settings(tcp);
        Ok(Self { info, ca, place })
    }

    /// Where it is, for people: `redis at localhost:6379`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The number of its database.
    pub fn database(&self) -> i64 {
        self.info.redis_settings().db()
    }

    /// A connection for commands. A command that is told to block must be the only one on its connection.
    pub async fn connect(&self) -> Result<MultiplexedConnection, ConnectorError> {
        let client = self.client().await?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(Some(ANSWER));
        self.in_time(client.get_multiplexed_async_connection_with_config(&config))
            .await
    }

    /// A connection for Pub/Sub.
    pub async fn listen(&self) -> Result<PubSub, ConnectorError> {
        let client = self.client().await?;
        self.in_time(client.get_async_pubsub()).await
    }

    async fn in_time<T>(&self, connect: impl Future<Output = Result<T, RedisError>>) -> Result<T, ConnectorError> {
        let connected = tokio::time::timeout(CONNECT, connect.map_err(|error| self.error("the login", &error)));
        match connected.await {
            Ok(connected) => connected,
            Err(_) => Err(ConnectorError::new(format!(
                "{} cannot be reached within {CONNECT:?}",
                self.place
            ))),
        }
    }

    async fn client(&self) -> Result<Client, ConnectorError> {
        if !matches!(self.info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Client::open(self.info.clone()).map_err(|error| self.error("the url", &error));
        }
        // An error means that the program has chosen already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let root_cert = match &self.ca {
            None => None,
            Some(path) => {
                let failed = |error| ConnectorError::new(format!("cannot read ca, {}: {error}", path.display()));
                let (file, read) = (path.clone(), |path| std::fs::read(path));
                let read = tokio::task::spawn_blocking(move || read(file)).await;
                Some(
                    read.unwrap_or_else(|gone| Err(std::io::Error::other(gone)))
                        .map_err(failed)?,
                )
            }
        };
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert,
        };
        Client::build_with_tls(self.info.clone(), certificates).map_err(|error| self.error("the certificates", &error))
    }

    /// What went wrong with `what`, as a sentence without credentials.
    pub fn error(&self, what: &str, error: &RedisError) -> ConnectorError {
        let place = &self.place;
        let sentence = match error.kind() {
            kind if kind == ErrorKind::AuthenticationFailed || error.code() == Some("WRONGPASS") => {
                format!("{place} refused the user name or the password")
            }
            _ if error.code() == Some("NOAUTH") => format!("{place} wants a password"),
            _ if error.is_timeout() => format!("{place} did not answer to {what} in time"),
            _ if error.is_connection_refusal() => format!("{place} cannot be reached: {error}"),
            _ if error.is_connection_dropped() => self.lost(),
            ErrorKind::Io => format!("{place} cannot be reached: {error}"),
            _ => match (error.code(), error.detail()) {
                (Some(code), detail) => format!("{place} answered to {what}: {code} {}", detail.unwrap_or_default()),
                (None, _) => format!("{place}, {what}: {error}"),
            },
        };
        // A server that does not know a command repeats its arguments, and the login is one of them.
        let sentence = match self.info.redis_settings().password() {
            Some(password) if !password.is_empty() => sentence.replace(password, "***"),
            _ => sentence,
        };
        ConnectorError::new(sentence.trim_end())
    }

    /// The sentence for a connection that ended.
    pub fn lost(&self) -> String {
        format!("the connection to {} was lost", self.place)
    }
}

const URL: &str = "must be redis://host:port/database, rediss://… for TLS or redis+unix:///path?db=0; a user name and a password stand before \
                   the host as user:password@, their special characters written as %40 for @, or in the keys username and password";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_the_server_repeats_is_masked() {
        let server = Server::new("redis://adam:s3cret@localhost/2", Login::default(), None).unwrap();
        let repeated = (
            ErrorKind::Client,
            "unknown command HELLO",
            "with args beginning with: AUTH adam s3cret".to_owned(),
        );
        let error = server.error("the login", &repeated.into()).to_string();
        assert!(
            error.starts_with("redis at localhost:6379") && error.contains("adam ***"),
            "{error}"
        );
    }
}
