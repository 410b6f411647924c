//! What every shared log promises.

use turted_core::testkit::every_ledger;
use turted_services::redis::Redis;

use crate::support::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_what_every_shared_log_promises() {
    every_ledger(async || Shop(Redis::start())).await;
}
