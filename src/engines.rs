//! What can keep the order of several nodes: one list.
//!
//! In: `[cluster]`. Out: a shared log that is not connected yet, or the keys that are wrong. This is the only file that
//! names an engine; another one costs a line in `KINDS`.

use std::sync::Arc;

use turted_core::SettingError;
use turted_core::ledger::Ledger;

use crate::config::{Cluster, Config};

type Build = fn(&Cluster, &Config) -> Result<Arc<dyn Ledger>, SettingError>;

/// Value of `engine`, and how such a section becomes a shared log.
const KINDS: &[(&str, Build)] = &[
    #[cfg(feature = "engine-redis")]
    ("redis", redis),
];

/// Builds the shared log of a configuration; `None` for a server that is alone.
///
/// # Errors
/// What is wrong with a key of `[cluster]`, and what is allowed.
pub fn build(config: &Config) -> Result<Option<Arc<dyn Ledger>>, SettingError> {
    let Some(cluster) = &config.cluster else {
        return Ok(None);
    };
    if config.history.count == 0 || config.history.age.is_zero() {
        let why = "cannot be shared while [history] is off: every node has to remember what it has read";
        return Err(SettingError::new("", why));
    }
    match KINDS.iter().find(|(kind, _)| *kind == cluster.engine) {
        Some((_, build)) => build(cluster, config).map(Some),
        None => {
            let known: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
            let why = match known.as_slice() {
                [] => "must name an engine, and this turted was built without any".to_owned(),
                known => format!("must be one of {}", known.join(", ")),
            };
            Err(SettingError::new("engine", why))
        }
    }
}

#[cfg(feature = "engine-redis")]
fn redis(cluster: &Cluster, config: &Config) -> Result<Arc<dyn Ledger>, SettingError> {
    let text = |secret: &Option<crate::config::Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    let settings = turted_engine_redis::Settings {
        username: cluster.username.clone(),
        password: text(&cluster.password),
        sentinel_password: text(&cluster.sentinel_password),
        ca: cluster.ca.clone(),
        count: config.history.count as u64,
        age: config.history.age,
        secret: text(&cluster.secret),
        durable: cluster.durable,
        limits: config.limits.core(),
        ..turted_engine_redis::Settings::new(cluster.url.expose(), &*cluster.realm)
    };
    Ok(Arc::new(turted_engine_redis::RedisLedger::new(settings)?))
}
