//! Servers that do not do what they are asked for: a sentence, no password, and no reason to give up unless there is
//! one.

use std::time::Duration;

use turted_core::dispatch::Epoch;
use turted_core::ledger::{Ledger, LedgerError, NodeId};
use turted_core::testkit::soon;
use turted_engine_redis::{RedisLedger, Settings};
use turted_services::redis::{Redis, Reply};

use crate::support::{BRIEF, LOG, Node, ledger, settings};

const PASSWORD: &str = "s3cret-and-long";

async fn opening(settings: Settings) -> LedgerError {
    let ledger = RedisLedger::new(settings).unwrap();
    let me = NodeId::parse("one").unwrap();
    soon("an answer", ledger.open(&me)).await.map(drop).unwrap_err()
}

#[track_caller]
fn passes(error: &LedgerError, words: &str) {
    let LedgerError::Away(sentence) = error else {
        panic!("{error:?}");
    };
    assert!(
        sentence.contains(words) && sentence.starts_with("redis at 127.0.0.1:"),
        "{sentence}"
    );
    assert!(!sentence.contains(PASSWORD), "{sentence}");
}

#[track_caller]
fn does_not_pass(error: &LedgerError, words: &str) {
    assert!(
        matches!(error, LedgerError::Fatal(sentence) if sentence.contains(words)),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_or_wants_another_password() {
    let redis = Redis::absent("");
    passes(&opening(settings(&redis)).await, "cannot be reached");
    let redis = Redis::with(&format!("requirepass {PASSWORD}"));
    let mut without = settings(&redis);
    without.url = format!("redis://127.0.0.1:{}", redis.port);
    passes(&opening(without.clone()).await, "wants a password");
    without.password = Some(format!("{PASSWORD}-not"));
    passes(&opening(without).await, "refused the user name or the password");
    Node::begin(ledger(&redis), "one").await;
}

/// The list in the README, and the same without the stream.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_only_do_what_is_needed() {
    let redis = Redis::start();
    let rule = [
        "ACL",
        "SETUSER",
        "turted",
        "on",
        ">s3cret-and-long",
        "~turted:{shop}:*",
        "+@hash",
        "+@stream",
        "+@string",
        "+exists",
        "+del",
        "+unlink",
        "+eval",
        "+evalsha",
        "+script|load",
        "+info",
        "+wait",
    ];
    redis.must(&rule);
    let mut own = settings(&redis);
    own.username = Some("turted".to_owned());
    own.password = Some(PASSWORD.to_owned());
    own.age = Duration::from_secs(1);
    let mut one = Node::begin(RedisLedger::new(own.clone()).unwrap(), "one").await;
    let batch = [one.next("1", Some("key"))];
    assert_eq!(one.append(&batch).await, Ok(vec![None]));
    assert_eq!(one.heard().await, ["turn", "1"]);
    one.ledger.renew(&one.me).await.unwrap();
    redis.must(&["ACL", "SETUSER", "turted", "-xadd"]);
    passes(
        &one.try_say("2").await.unwrap_err(),
        "does not let this user do what an append needs",
    );
    redis.must(&["ACL", "SETUSER", "turted", "-xread"]);
    passes(&one.page(BRIEF).await.unwrap_err(), "does not let this user");
    redis.must(&["ACL", "SETUSER", "turted", "-info"]);
    passes(&opening(own).await, "does not let this user");
    one.ledger.leave(&one.me).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_will_never_do() {
    let evicting = Redis::with("maxmemory-policy allkeys-lfu");
    does_not_pass(&opening(settings(&evicting)).await, "maxmemory-policy allkeys-lfu");
    let cluster = Redis::with("cluster-enabled yes");
    does_not_pass(
        &opening(settings(&cluster)).await,
        "Redis Cluster, which is not supported",
    );
    let hushed = Redis::with("maxmemory-policy allkeys-lfu\nrename-command CONFIG \"\"");
    assert_eq!(opening(settings(&hushed)).await, LedgerError::Turned, "nobody can know");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_do_not_write_just_now() {
    let (redis, other) = (Redis::start(), Redis::start());
    let mut one = Node::begin(ledger(&redis), "one").await;
    one.say("1").await;
    let batch = [one.next("2", None)];
    redis.must(&["CONFIG", "SET", "maxmemory", "1"]);
    passes(&one.append(&batch).await.unwrap_err(), "has no memory left");
    redis.must(&["CONFIG", "SET", "maxmemory", "0"]);
    redis.must(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    passes(&one.append(&batch).await.unwrap_err(), "fewer replicas are connected");
    redis.must(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    assert_eq!(one.append(&batch).await, Ok(vec![None]), "it passed");
    // The connection stays when a master becomes a replica.
    redis.must(&["REPLICAOF", "127.0.0.1", &other.port.to_string()]);
    let error = one.try_say("3").await.unwrap_err();
    passes(&error, "is a replica, which takes no writes");
    passes(&opening(settings(&redis)).await, "is a replica, which takes no writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server() {
    let redis = Redis::with("busy-reply-threshold 50");
    let mut one = Node::begin(ledger(&redis), "one").await;
    one.say("1").await;
    let mut hog = redis.client();
    hog.say(&["EVAL", "while true do end", "0"]).unwrap();
    let is_busy = |reply: Reply| matches!(reply, Reply::Error(why) if why.starts_with("BUSY"));
    soon("a busy server", async {
        while !is_busy(redis.ask(&["PING"])) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let batch = [one.next("2", None)];
    let error = one.append(&batch).await.unwrap_err();
    passes(&error, "is busy with a script of somebody else");
    redis.must(&["SCRIPT", "KILL"]);
    assert_eq!(one.append(&batch).await, Ok(vec![None]));
    assert_eq!(one.heard().await, ["turn", "1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn durable_means_that_a_replica_has_it() {
    let redis = Redis::start();
    let mut durable = settings(&redis);
    durable.durable = true;
    let mut one = Node::begin(RedisLedger::new(durable).unwrap(), "one").await;
    one.heard().await;
    let batch = [one.next("1", None)];
    passes(&one.append(&batch).await.unwrap_err(), "has no replica that confirms");
    let replica = Redis::with(&format!("replicaof 127.0.0.1 {}", redis.port));
    soon("a replica", async {
        while replica.ask(&["XLEN", LOG]) != Reply::Number(2) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // The first replica that a server gets gives it another name for what it replicates, which turns the epoch.
    one.open().await;
    assert_eq!(one.heard().await, ["1", "closed at 2", "turn"]);
    one.tickets = 0;
    one.say("2").await;
    assert_eq!(replica.must(&["XLEN", LOG]), Reply::Number(4), "it has it already");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_made_once() {
    let redis = Redis::start();
    let ledger = ledger(&redis);
    let known = Epoch::new("mine").id(0);
    for next in ["a", "b", "a"] {
        ledger.turn(&Epoch::new(next), &known).await.unwrap();
    }
    let top = ledger.open(&NodeId::parse("one").unwrap()).await.unwrap();
    assert_eq!(top.newest, Epoch::new("a").id(1));
    assert_eq!(top.floor, Epoch::new("a").id(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_trusted_and_one_that_is_not() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut redis = Redis::absent(
        "tls-port {tls_port}\ntls-cert-file {folder}/cert.pem\ntls-key-file {folder}/key.pem\n\
         tls-ca-cert-file {folder}/cert.pem\ntls-auth-clients no",
    );
    let certificate = redis.folder().join("cert.pem");
    std::fs::write(&certificate, own.cert.pem()).unwrap();
    std::fs::write(redis.folder().join("key.pem"), own.signing_key.serialize_pem()).unwrap();
    redis.start_again();
    let mut settings = Settings::new(format!("rediss://localhost:{}", redis.tls_port), "shop");
    let LedgerError::Away(sentence) = opening(settings.clone()).await else {
        panic!("somebody may renew it");
    };
    assert!(
        sentence.contains("cannot be reached") && sentence.contains("ertificate"),
        "{sentence}"
    );
    settings.ca = Some(certificate);
    let mut one = Node::begin(RedisLedger::new(settings).unwrap(), "one").await;
    one.say("1").await;
    assert_eq!(one.heard().await, ["turn", "1"]);
}
