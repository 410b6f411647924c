//! What flows in: `[cluster]`. What flows out: where the order is that several nodes share, and as what this one reads
//! and writes it. Refuses to know: how an engine works; what goes with it is said by `engines`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// `[cluster]`: without it the server is alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// What keeps the order. Default `redis`.
    #[serde(default = "redis")]
    pub engine: String,
    /// Where it is: `redis://10.0.0.5`, `rediss://…`, `redis+sentinel://host:26379,host2:26379/master`. It may hold a
    /// password.
    pub url: Secret,
    /// Nodes of one realm share one order: 1 to 32 letters, digits, `-` and `_`.
    pub realm: String,
    /// Whether a push has its receipt only when a replica has it too. Default false.
    #[serde(default)]
    pub durable: bool,
    /// Shared by all nodes: what is not sealed with it is not believed. 16 to 1,024 bytes. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Goes before the one in the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Goes before the one in the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Logs in at the Sentinels. Default: they are asked without a login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel_password: Option<Secret>,
    /// Certificates (PEM) to trust instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

fn redis() -> String {
    "redis".to_owned()
}
