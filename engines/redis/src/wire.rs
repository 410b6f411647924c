//! One connection, with what it is connected to.
//!
//! In: a server. Out: a connection whose server can do what is needed, its fence, and scripts that run on it. It does
//! not know what they do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value, cmd, pipe};

use crate::locked;
use crate::scripts::{Script, TEXTS};
use crate::server::Server;
use crate::trouble::{CLUSTER, Trouble};

/// The oldest server that will do.
const OLDEST: u32 = 7;

/// A connection. Cheap to clone.
#[derive(Clone)]
pub struct Wire {
    redis: MultiplexedConnection,
    /// Which life of which server it is.
    fence: Arc<str>,
    digests: Arc<[String]>,
    number: u64,
}

impl Wire {
    /// A new one.
    pub async fn connect(server: &Server) -> Result<Self, Trouble> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut redis = server.connect().await?;
        let info: String = cmd("INFO").query_async(&mut redis).await?;
        let fence = fence(&info)?.into();
        let mut load = pipe();
        for text in TEXTS {
            load.cmd("SCRIPT").arg("LOAD").arg(text);
        }
        let digests: Vec<String> = load.query_async(&mut redis).await?;
        Ok(Self {
            redis,
            fence,
            digests: digests.into(),
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// Runs a script; the fence goes before its arguments.
    pub async fn run(&mut self, script: Script, keys: &[&str], arguments: &[&[u8]]) -> Result<Value, Trouble> {
        let command = |name: &str, which: &str| {
            let mut command = cmd(name);
            command
                .arg(which)
                .arg(keys.len())
                .arg(keys)
                .arg(&*self.fence)
                .arg(arguments);
            command
        };
        let digest = self.digests.get(script.index()).map_or("", String::as_str);
        let ran = command("EVALSHA", digest).query_async(&mut self.redis).await;
        match ran {
            // Somebody flushed the scripts.
            Err(error) if error.code() == Some("NOSCRIPT") => {
                Ok(command("EVAL", script.text()).query_async(&mut self.redis).await?)
            }
            ran => Ok(ran?),
        }
    }

    /// How many of these keys there are, for each.
    pub async fn count(&mut self, keys: &[String]) -> Result<Vec<u32>, Trouble> {
        let mut commands = pipe();
        for key in keys {
            commands.cmd("EXISTS").arg(key);
        }
        Ok(commands.query_async(&mut self.redis).await?)
    }

    /// The answer to a command.
    pub async fn ask(&mut self, command: &Cmd) -> Result<Value, Trouble> {
        Ok(command.query_async(&mut self.redis).await?)
    }
}

/// Room for one connection.
#[derive(Default)]
pub struct Slot {
    wire: Mutex<Option<Wire>>,
    /// How often it was cleared: what was connected before is not put back.
    cleared: AtomicU64,
    connecting: tokio::sync::Mutex<()>,
}

impl Slot {
    /// The connection, which is made if there is none. Whoever waits for it gets it in the order of asking.
    pub async fn get(&self, server: &Server) -> Result<Wire, Trouble> {
        let _turn = self.connecting.lock().await;
        if let Some(wire) = self.now() {
            return Ok(wire);
        }
        let before = self.cleared();
        let wire = Wire::connect(server).await?;
        self.put(wire.clone(), before);
        Ok(wire)
    }

    /// The connection, for nobody else until it is put back.
    pub fn take(&self) -> Option<Wire> {
        locked(&self.wire).take()
    }

    /// Puts one back, unless the room was cleared since.
    pub fn put(&self, wire: Wire, before: u64) {
        let mut room = locked(&self.wire);
        if self.cleared() == before {
            *room = Some(wire);
        }
    }

    /// How often it was cleared.
    pub fn cleared(&self) -> u64 {
        self.cleared.load(Ordering::Acquire)
    }

    /// The next call connects anew.
    pub fn clear(&self) {
        let mut room = locked(&self.wire);
        self.cleared.fetch_add(1, Ordering::AcqRel);
        *room = None;
    }

    /// The next call connects anew, unless that was done.
    pub fn lose(&self, lost: &Wire) {
        let mut wire = locked(&self.wire);
        wire.take_if(|wire| wire.number == lost.number);
    }

    fn now(&self) -> Option<Wire> {
        locked(&self.wire).clone()
    }
}

/// Reads what a server says about itself.
fn fence(info: &str) -> Result<String, Trouble> {
    let about = |name: &str| {
        let mut lines = info.lines();
        lines
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    };
    let version = about("redis_version").unwrap_or("unknown");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match about("redis_mode") {
        Some("cluster") => return Err(Trouble::fatal(CLUSTER)),
        Some("sentinel") => {
            return Err(Trouble::fatal(
                "is a sentinel: name it with redis+sentinel://host:port/master",
            ));
        }
        _ => {}
    }
    if major.is_some_and(|major| major < OLDEST) {
        return Err(Trouble::fatal(format!(
            "is of version {version}, and {OLDEST}.0 or newer is needed"
        )));
    }
    if about("role") != Some("master") {
        return Err(Trouble::away("is a replica, which takes no writes"));
    }
    match (about("run_id"), about("master_replid")) {
        (Some(run), Some(replication)) => Ok(format!("{run}:{replication}")),
        _ => Err(Trouble::away(
            "does not say which server it is (INFO without run_id or master_replid)",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turted_core::ledger::LedgerError;

    fn told(info: &str) -> Result<String, LedgerError> {
        fence(info).map_err(|trouble| match trouble {
            Trouble::Told(error) => error,
            Trouble::Redis(error) => panic!("{error}"),
        })
    }

    #[test]
    fn a_server_is_known_by_its_process_and_by_what_it_replicates() {
        let info = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:aa\r\n# Replication\r\n\
                    role:master\r\nmaster_replid:bb\r\n";
        assert_eq!(told(info).as_deref(), Ok("aa:bb"));
        assert!(matches!(
            told(&info.replace("role:master", "role:slave")),
            Err(LedgerError::Away(_))
        ));
        assert!(matches!(told(""), Err(LedgerError::Away(_))));
        for (old, new) in [
            ("7.0.15", "6.2.14"),
            ("standalone", "cluster"),
            ("standalone", "sentinel"),
        ] {
            assert!(
                matches!(told(&info.replace(old, new)), Err(LedgerError::Fatal(_))),
                "{new}"
            );
        }
    }
}
