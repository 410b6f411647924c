//! Whether all connectors fit together, and into this server.
//!
//! In: connectors that are built and have not run, and the configuration. Out: problems, each at the key that has to
//! change. It touches nothing: `turted check` finds here what `turted serve` would refuse.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use turted_core::{
    ConnectorContext, Dispatch, Endpoint, Inbox, Intake, PushConnector, PushError, Receipt, Report, SettingError,
    Shutdown,
};

use super::authenticators::{Means, of_backends};
use crate::config::{Config, Observe, Problem};
use crate::pages::api;
use crate::pages::files::CLIENT;

/// The section of a connector, and what is wrong there.
pub type Misfit = (Arc<str>, SettingError);

/// Every connector that is in the way of another one, or of the server.
pub fn misfits(config: &Config, connectors: &[(Arc<str>, Box<dyn PushConnector>)]) -> Vec<Misfit> {
    let mut found = Vec::new();
    let listen = format!("address {}", config.server.listen);
    let mut claimed = vec![(listen, "server.listen".to_owned())];
    let mut doors: Vec<(Endpoint, Arc<str>)> = Vec::new();
    for (name, connector) in connectors {
        for claim in connector.claims() {
            if let Some((what, other)) = claimed.iter().find(|(what, _)| *what == claim.what) {
                let why =
                    format!("{what} is used by {other} as well, and only one may; choose another, or leave one out");
                found.push((Arc::clone(name), SettingError::new(claim.key, why)));
            }
            claimed.push((claim.what, format!("connectors.{name}")));
        }
        if let Some(through) = connector.through() {
            let relay = connectors.iter().find(|(other, _)| **other == *through);
            let why = match relay.map(|(_, other)| other.relay().is_some()) {
                Some(true) => None,
                Some(false) => Some("is a connector through which nothing can be published"),
                None => Some("is no connector"),
            };
            found.extend(why.map(|why| {
                let why = format!("{through} {why}; name one of type \"redis\"");
                (Arc::clone(name), SettingError::new("through", why))
            }));
        }
        let Some(door) = connector.endpoint(&nowhere(config, name)) else {
            continue;
        };
        if config
            .connectors
            .get(&**name)
            .is_some_and(|section| !section.start_after.is_zero())
        {
            let why = "is for connectors that take messages out of something; a door is open as long as the server is";
            found.push((Arc::clone(name), SettingError::new("start_after", why)));
        }
        let at = &door.prefix;
        let why = match doors.iter().find(|(other, _)| door.meets(other)) {
            Some((other, of)) => Some(format!(
                "{at} is at, above or below {}, the path of connectors.{of}; choose another one",
                other.prefix
            )),
            None => hidden(&config.observe, config.auth.has_api(), &door)
                .map(|path| format!("{at} would hide {path}; choose another one")),
        };
        found.extend(why.map(|why| (Arc::clone(name), SettingError::new("path", why))));
        doors.push((door, Arc::clone(name)));
    }
    found
}

/// Every entrance of clients that would hide the door of a connector, or what the server itself has.
pub fn hiding(config: &Config, connectors: &[(Arc<str>, Box<dyn PushConnector>)]) -> Vec<Problem> {
    let doors = connectors.iter().filter_map(|(name, connector)| {
        let door = connector.endpoint(&nowhere(config, name))?;
        Some((door.prefix, door.is_exact, format!("the path of connectors.{name}")))
    });
    let own = HEALTH
        .iter()
        .chain(&CLIENT)
        .chain(config.auth.has_api().then_some(&api::PATH))
        .map(|path| ((*path).to_owned(), false, "the server's own".to_owned()));
    let there: Vec<(String, bool, String)> = doors.chain(own).collect();
    let enabled = config.clients.values().filter(|client| client.section.is_enabled);
    let mut problems = Vec::new();
    for client in enabled {
        let path = client.path.clone().unwrap_or_default();
        let (below, kind) = (format!("{path}/"), client.section.kind.as_str());
        if path == "/" {
            // It takes what nobody else wants.
            continue;
        }
        // Events and pushes of the PHP dialect share a path: by GET and by POST.
        let shares = |door: &str| kind == "php" && door.trim_end_matches('/') == path;
        let clash = there.iter().find(|(door, is_exact, _)| {
            let whole = format!("{}/", door.trim_end_matches('/'));
            let is_below = !is_exact && below.starts_with(&whole);
            !shares(door) && (whole.starts_with(&below) || is_below)
        });
        if let Some((door, _, whose)) = clash {
            let why = format!("{path} is at, above or below {door}, {whose}; choose another one");
            problems.push(client.section.problem("path", why));
        }
    }
    problems
}

/// What monitors ask for, always.
const HEALTH: [&str; 2] = ["/health/live", "/health/ready"];

/// What the server itself has below the path of a door, if anything.
fn hidden(observe: &Observe, has_api: bool, door: &Endpoint) -> Option<&'static str> {
    let own = [
        (true, HEALTH[0]),
        (true, HEALTH[1]),
        (observe.metrics, Observe::METRICS),
        (observe.stream, Observe::STREAM),
        (has_api, api::PATH),
    ];
    let mut there = own.into_iter().filter(|(on, _)| *on).map(|(_, path)| path);
    there.find(|path| door.takes(path))
}

/// A context for a connector that is only asked where its door would be.
fn nowhere(config: &Config, name: &Arc<str>) -> ConnectorContext {
    let limits = config.limits.core();
    ConnectorContext {
        name: Arc::clone(name),
        inbox: Inbox::new(Arc::new(Closed)),
        backends: of_backends(&config.auth.backends, &Means::new(config, None)),
        limits,
        // Its trigger is gone, which is the same as having been fired.
        shutdown: Shutdown::new().1,
        report: Report::default(),
        occupancy: turted_core::Occupancy::default(),
        relays: turted_core::Relays::default(),
    }
}

/// Takes nothing.
struct Closed;

impl Intake for Closed {
    fn accept(&self, _: Dispatch) -> BoxFuture<'_, Result<Receipt, PushError>> {
        Box::pin(async { Err(PushError::ShuttingDown) })
    }
}
