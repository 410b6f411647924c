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

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use turted_core::{
    ConnectorConfig, ConnectorContext, ConnectorError, ConnectorState, Endpoint, PushConnector, SettingError,
};

use crate::door::RestDoor;

/// The settings of a section with `type = "rest"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RestConfig {
    /// Every path that begins with this takes pushes. Begins and ends with a slash; with `answers = "php"` it need not
    /// end with one. Default `/push/`.
    pub path: String,
    /// Whose words backends expect: `turted` or `php`. Default `turted`.
    pub answers: Answers,
    /// Also takes the older inline form, `GET <path><urlencoded JSON>`. It carries its password in the URL, where
    /// proxies log it. Default false.
    pub ape: bool,
}

/// Whose words backends expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answers {
    /// `OK`, and 401 for wrong credentials, as the Node.js server of TURTED.
    Turted,
    /// `ok`, and 403 `FORBIDDEN` for wrong credentials, as the PHP server.
    Php,
}

impl Default for RestConfig {
    fn default() -> Self {
        Self {
            path: "/push/".into(),
            answers: Answers::Turted,
            ape: false,
        }
    }
}

impl ConnectorConfig for RestConfig {
    const TYPE: &'static str = "rest";
    type Connector = RestConnector;

    fn build(self) -> Result<RestConnector, SettingError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
        let is_closed = self.path.ends_with('/') || self.answers == Answers::Php;
        let slashes = self.path.starts_with('/') && is_closed && !self.path.contains("//");
        if !slashes || !self.path.bytes().all(plain) {
            let message = format!(
                "{:?} must begin and end with a slash and hold letters, digits and - _ . ~ between single slashes, \
                 e.g. \"/push/\"",
                self.path
            );
            return Err(SettingError::new("path", message));
        }
        Ok(RestConnector { config: self })
    }
}

/// Takes pushes from backends at its [`Endpoint`]; there is nothing for it to do in between.
#[derive(Debug)]
pub struct RestConnector {
    config: RestConfig,
}

impl PushConnector for RestConnector {
    fn endpoint(&self, cx: &ConnectorContext) -> Option<Endpoint> {
        Some(Endpoint {
            prefix: self.config.path.clone(),
            max_body: cx.limits.push_bytes,
            allow_methods: door::methods(self.config.ape),
            allow_headers: "content-type, authorization",
            door: Arc::new(RestDoor::new(&self.config, cx)),
        })
    }

    fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move {
            cx.report.state(ConnectorState::Running);
            cx.shutdown.wait().await;
            Ok(())
        })
    }
}
