//! Sentinels that name another master.

use std::fs;
use std::process::Command;
use std::time::Duration;

use turted_core::ledger::{Ledger, LedgerError, NodeId};
use turted_core::testkit::soon;
use turted_engine_redis::{RedisLedger, Settings};
use turted_services::redis::{Client, Redis, Reply};
use turted_services::{Process, Scratch, free_port, until_it_listens};

use crate::support::{LOG, Node};

struct Sentinel {
    port: u16,
    _process: Process,
    _folder: Scratch,
}

impl Sentinel {
    fn start(master: u16) -> Self {
        let (folder, port) = (Scratch::new(), free_port());
        let at = folder.path().to_string_lossy().into_owned();
        let config = folder.path().join("sentinel.conf");
        let lines = format!(
            "bind 127.0.0.1\nport {port}\ndir {at}\nsentinel monitor main 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n"
        );
        fs::write(&config, lines).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(config).arg("--sentinel");
        let mut process = Process::start(command, folder.path(), "redis-server");
        until_it_listens(&mut process, port);
        Self {
            port,
            _process: process,
            _folder: folder,
        }
    }

    /// What it knows about the master.
    fn knows(&self, name: &str) -> String {
        let mut client = Client::over(std::net::TcpStream::connect(("127.0.0.1", self.port)).unwrap());
        let told = client.ask(&["SENTINEL", "MASTER", "main"]);
        let told: Vec<String> = told.list().iter().map(Reply::text).collect();
        let at = told.iter().position(|word| word == name).unwrap();
        told[at + 1].clone()
    }
}

/// How many entries a server has; nothing while it changes its role, which ends its connections.
fn length(redis: &Redis) -> Option<usize> {
    let wire = std::net::TcpStream::connect(("127.0.0.1", redis.port)).ok()?;
    let mut client = Client::over(wire);
    client.say(&["XLEN", LOG]).ok()?;
    match client.answer().ok()? {
        Reply::Number(length) => usize::try_from(length).ok(),
        _ => None,
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    soon(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_master_begins_an_epoch_and_nothing_is_lost_that_it_has() {
    let mut master = Redis::start();
    let replica = Redis::with(&format!("replicaof 127.0.0.1 {}", master.port));
    let sentinels = [(); 3].map(|()| Sentinel::start(master.port));
    until("three sentinels and a replica", || {
        sentinels
            .iter()
            .all(|one| one.knows("num-other-sentinels") == "2" && one.knows("num-slaves") == "1")
    })
    .await;
    let hosts = sentinels
        .each_ref()
        .map(|one| format!("127.0.0.1:{}", one.port))
        .join(",");
    let ledger =
        |name: &str| RedisLedger::new(Settings::new(format!("redis+sentinel://{hosts}/{name}"), "shop")).unwrap();
    let (stranger, me) = (ledger("other"), NodeId::parse("one").unwrap());
    let LedgerError::Away(sentence) = stranger.open(&me).await.unwrap_err() else {
        panic!("it may come");
    };
    assert!(sentence.contains("has no master"), "{sentence}");

    let mut one = Node::begin(ledger("main"), "one").await;
    let mut two = Node::begin(ledger("main"), "two").await;
    one.say("1").await;
    two.say("2").await;
    assert_eq!(one.heard().await, ["turn", "1", "2"]);
    until("the replica has it", || length(&replica) == Some(3)).await;
    master.kill();
    assert!(matches!(one.try_say("3").await, Err(LedgerError::Away(_))));
    one.open().await;
    two.open().await;
    assert_eq!(one.heard().await, ["closed at 3", "turn"]);
    assert_eq!(two.heard().await, ["turn", "1", "2", "closed at 3", "turn"]);
    one.tickets = 0;
    one.say("3").await;
    assert_eq!(two.heard().await, ["3"]);
    // The old one comes back, and becomes a replica of the new one.
    master.start_again();
    until("the old master follows", || length(&master) == Some(5)).await;
    two.say("4").await;
    assert_eq!(one.heard().await, ["3", "4"]);
}
