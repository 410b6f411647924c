//! Way in: backends push events over HTTP.
//!
//! In: the section `[connectors.<name>]` with `type = "rest"`. Out: a door below a path of the server's own
//! port, which turns requests into dispatches and answers with receipts.
//! Refuses to know: sockets, TLS, origins and time-outs, which the server sees to before a request gets here.

mod answer;
mod credentials;
mod door;
mod inline;
mod path;
mod realizehit;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use turted_core::{
    ConnectorConfig, ConnectorContext, ConnectorError, ConnectorState, Endpoint, EventName, Limits, PushConnector,
    SettingError,
};

use crate::door::RestDoor;
use crate::realizehit::RealizeHitDoor;

/// The settings of a section with `type = "rest"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RestConfig {
    /// Every path that begins with this takes pushes; with `answers = "realizehit"` only the path itself. Begins and
    /// ends with a slash; with `answers = "php"` or `"realizehit"` it need not end with one. Default `/push/`.
    pub path: String,
    /// Whose words backends expect: `turted`, `php` or `realizehit`. Default `turted`.
    pub answers: Answers,
    /// Also takes the older inline form, `GET <path><urlencoded JSON>`. It carries its password in the URL, where
    /// proxies log it. Default false.
    pub ape: bool,
    /// For `realizehit`: the name of the event that a push becomes. Default `MESSAGE`.
    pub event: Option<String>,
    /// For `realizehit`: the name of a connector with `type = "redis"`. What is pushed is published there, and nothing
    /// is dispatched: clients hear it when that connector does, and those of other nodes hear it as well. Default none.
    pub through: Option<String>,
}

/// Whose words backends expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answers {
    /// `OK`, and 401 for wrong credentials, as the Node.js server of TURTED.
    Turted,
    /// `ok`, and 403 `FORBIDDEN` for wrong credentials, as the PHP server.
    Php,
    /// A pattern and a payload, and the sentences of realizehit's API.
    RealizeHit,
}

impl Default for RestConfig {
    fn default() -> Self {
        Self {
            path: "/push/".into(),
            answers: Answers::Turted,
            event: None,
            through: None,
            ape: false,
        }
    }
}

impl ConnectorConfig for RestConfig {
    const TYPE: &'static str = "rest";
    type Connector = RestConnector;

    fn build(self) -> Result<RestConnector, SettingError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
        let is_closed = self.path.ends_with('/') || self.answers != Answers::Turted;
        let slashes = self.path.starts_with('/') && is_closed && !self.path.contains("//");
        if !slashes || !self.path.bytes().all(plain) {
            let message = format!(
                "{:?} must begin and end with a slash and hold letters, digits and - _ . ~ between single slashes, \
                 e.g. \"/push/\"",
                self.path
            );
            return Err(SettingError::new("path", message));
        }
        let is_realizehit = self.answers == Answers::RealizeHit;
        for (key, is_there) in [("event", self.event.is_some()), ("through", self.through.is_some())] {
            if is_there && !is_realizehit {
                return Err(SettingError::new(key, "is for answers = \"realizehit\""));
            }
        }
        if self.ape && is_realizehit {
            return Err(SettingError::new("ape", "is not for answers = \"realizehit\""));
        }
        let event = self.event.as_deref().unwrap_or("MESSAGE");
        let event = EventName::parse(event, &Limits::default())
            .map_err(|error| SettingError::new("event", format!("the event name {error}")))?;
        Ok(RestConnector { config: self, event })
    }
}

/// Takes pushes from backends at its [`Endpoint`]; there is nothing for it to do in between.
#[derive(Debug)]
pub struct RestConnector {
    config: RestConfig,
    event: EventName,
}

impl PushConnector for RestConnector {
    fn endpoint(&self, cx: &ConnectorContext) -> Option<Endpoint> {
        let door = RestDoor::new(&self.config, cx);
        let is_exact = self.config.answers == Answers::RealizeHit;
        Some(Endpoint {
            prefix: self.config.path.clone(),
            is_exact,
            max_body: cx.limits.push_bytes,
            allow_methods: door::methods(self.config.ape),
            allow_headers: "content-type, authorization",
            door: match is_exact {
                true => Arc::new(RealizeHitDoor {
                    door,
                    event: self.event.clone(),
                    through: self.config.through.clone(),
                    relays: cx.relays.clone(),
                }),
                false => Arc::new(door),
            },
        })
    }

    fn through(&self) -> Option<&str> {
        self.config.through.as_deref()
    }

    fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move {
            cx.report.state(ConnectorState::Running);
            cx.shutdown.wait().await;
            Ok(())
        })
    }
}
