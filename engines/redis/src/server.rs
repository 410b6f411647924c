//! Where the server is: one address, or Sentinels that know the master.
//!
//! In: the settings that say where and who. Out: connections, and sentences about it without credentials. It knows no
//! key and no script.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError, TlsCertificates,
    TlsMode,
};
use turted_core::connector::SettingError;

use crate::settings::Settings;
use crate::trouble::Trouble;

/// After how much silence the operating system asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// How long what was sent may stay unconfirmed.
const UNCONFIRMED: Duration = Duration::from_secs(5);

/// Batches under way on one connection, with room for what comes beside them.
const UNDER_WAY: usize = 32;

/// Where a server is and how to log in.
pub struct Server {
    /// The server; with Sentinels, the first of them with the login and the database of the server.
    info: ConnectionInfo,
    sentinels: Option<Sentinels>,
    settings: Settings,
    place: String,
}

struct Sentinels {
    addresses: Vec<ConnectionAddr>,
    master: String,
}

impl Server {
    /// Reads the URL.
    pub fn new(settings: &Settings) -> Result<Self, SettingError> {
        let (info, sentinels) = match settings.url.split_once("+sentinel://") {
            Some((scheme, rest)) => {
                let (info, sentinels) = sentinels(scheme, rest).ok_or_else(|| SettingError::new("url", URL))?;
                (info, Some(sentinels))
            }
            // The driver's own words could repeat a part of the URL, and so of a password.
            None => (read(&settings.url).ok_or_else(|| SettingError::new("url", URL))?, None),
        };
        let is_tls = match info.addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => {
                return Err(SettingError::new(
                    "url",
                    "must not end in #insecure: certificates are always checked; name the one to trust with ca",
                ));
            }
            address => matches!(address, ConnectionAddr::TcpTls { .. }),
        };
        if settings.ca.is_some() && !is_tls {
            return Err(SettingError::new("ca", "is for TLS, that is for a url with rediss"));
        }
        let mut login = info.redis_settings().clone();
        if let Some(username) = &settings.username {
            login = login.set_username(username);
        }
        if let Some(password) = &settings.password {
            login = login.set_password(password);
        }
        if login.username().is_some() && login.password().is_none() {
            return Err(SettingError::new("password", "is needed with a user name"));
        }
        let place = match &sentinels {
            None => format!("redis at {}", info.addr()),
            Some(Sentinels { addresses, master }) => {
                let addresses: Vec<String> = addresses.iter().map(written).collect();
                format!("redis behind the sentinels {} ({master})", addresses.join(", "))
            }
        };
        Ok(Self {
            info: info.set_redis_settings(login).set_tcp_settings(wire()),
            sentinels,
            settings: settings.clone(),
            place,
        })
    }

    /// Where it is, for people: `redis at localhost:6379`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// A connection. Whoever uses it says how long an answer may take. Sentinels are asked each time.
    pub async fn connect(&self) -> Result<MultiplexedConnection, Trouble> {
        let client = match &self.sentinels {
            None => self.client().await?,
            Some(sentinels) => self.master(sentinels).await?,
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(UNDER_WAY);
        Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
    }

    async fn client(&self) -> Result<Client, Trouble> {
        match self.certificates().await? {
            None => Ok(Client::open(self.info.clone())?),
            Some(certificates) => Ok(Client::build_with_tls(self.info.clone(), certificates)?),
        }
    }

    async fn master(&self, sentinels: &Sentinels) -> Result<Client, Trouble> {
        let login = self.info.redis_settings();
        let (addresses, name) = (sentinels.addresses.clone(), &sentinels.master);
        let mut builder = SentinelClientBuilder::new(addresses, name, SentinelServerType::Master)?
            .set_client_to_redis_db(login.db())
            .set_client_to_redis_tcp_settings(wire())
            .set_client_to_sentinel_tcp_settings(wire());
        if let Some(username) = login.username() {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = login.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(password) = &self.settings.sentinel_password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if let Some(certificates) = self.certificates().await? {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        Ok(builder.build()?.async_get_client().await?)
    }

    /// What to trust, where the connection is one with TLS.
    async fn certificates(&self) -> Result<Option<TlsCertificates>, Trouble> {
        if !matches!(self.info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Ok(None);
        }
        // An error means that the program has chosen already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut root_cert = None;
        if let Some(path) = self.settings.ca.clone() {
            let failed = format!("cannot read ca, {}", path.display());
            let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
            let read = read.unwrap_or_else(|gone| Err(std::io::Error::other(gone)));
            root_cert = Some(read.map_err(|error| Trouble::away(format!("{failed}: {error}")))?);
        }
        Ok(Some(TlsCertificates {
            client_tls: None,
            root_cert,
        }))
    }

    /// A sentence without a password: a server that does not know a command repeats its arguments, and the login is one
    /// of them.
    pub fn masked(&self, sentence: &str) -> String {
        let passwords = [
            self.info.redis_settings().password(),
            self.settings.sentinel_password.as_deref(),
        ];
        let passwords = passwords.into_iter().flatten().filter(|password| !password.is_empty());
        passwords.fold(sentence.trim_end().to_owned(), |sentence, password| {
            sentence.replace(password, "***")
        })
    }
}

/// Nothing waits for more to send, and a peer that is gone is noticed.
fn wire() -> TcpSettings {
    TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))
        .set_user_timeout(UNCONFIRMED)
}

fn read(url: &str) -> Option<ConnectionInfo> {
    let known: Result<_, RedisError> = url.into_connection_info();
    known.ok()
}

/// `user:password@host:port,host/master/database`: the driver reads each host with the login, as if it were the server.
fn sentinels(scheme: &str, rest: &str) -> Option<(ConnectionInfo, Sentinels)> {
    if !["redis", "rediss"].contains(&scheme) {
        return None;
    }
    let (login, rest) = match rest.rsplit_once('@') {
        Some((login, rest)) => (format!("{login}@"), rest),
        None => (String::new(), rest),
    };
    let mut parts = rest.split('/');
    let (hosts, master, database) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    if master.is_empty() || parts.next().is_some() {
        return None;
    }
    let infos = hosts.split(',').map(|host| {
        let has_port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let port = if has_port { "" } else { ":26379" };
        read(&format!("{scheme}://{login}{host}{port}/{database}")).filter(|_| !host.is_empty())
    });
    let infos: Vec<ConnectionInfo> = infos.collect::<Option<_>>()?;
    let addresses = infos.iter().map(|info| info.addr().clone()).collect();
    let master = master.to_owned();
    Some((infos.into_iter().next()?, Sentinels { addresses, master }))
}

/// As it is written in a URL.
fn written(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } if host.contains(':') => {
            format!("[{host}]:{port}")
        }
        address => address.to_string(),
    }
}

const URL: &str = "must be redis://host:port/database, rediss://… for TLS, redis+unix:///path?db=0, or \
                   redis+sentinel://host:port,host:port/master/database (rediss+sentinel://…); a user name and a \
                   password stand before the host as user:password@, their special characters written as %40 for @, or \
                   in the keys username and password";
