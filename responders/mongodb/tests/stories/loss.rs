//! The database goes, and comes back.

use std::time::{Duration, Instant};

use mongodb::bson::doc;
use serde_json::json;
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};
use turted_core::Failure;
use turted_services::ferretdb::Ferret;

use crate::support::{Bench, Ear, LONG};

/// Asks as a client does that was told to come back.
pub async fn until_answered(bench: &Bench) {
    let asks = async {
        while let Err(failure) = bench.ask("nodes", "query", json!({})).await {
            let Failure::Unavailable { after } = failure else {
                panic!("{failure:?}");
            };
            sleep(after).await;
        }
    };
    timeout(LONG, asks).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_is_unavailable_at_once_and_answers_when_it_is_back() {
    let mut bench = Bench::rackhd();
    bench.put("nodes", vec![doc! { "_id": 1, "name": "n" }]).await;
    assert_eq!(bench.names("nodes", json!({})).await, ["n"]);
    for _ in 0..2 {
        block_in_place(|| bench.ferret.kill());
        let begun = Instant::now();
        let gone = bench.ask("nodes", "query", json!({})).await;
        assert!(matches!(gone, Err(Failure::Unavailable { .. })), "{gone:?}");
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "less than timeouts of the driver"
        );
        // Nobody waits for what was not there a moment ago.
        let begun = Instant::now();
        let mut at_once = 0;
        while begun.elapsed() < Duration::from_millis(500) {
            let gone = bench.ask("nodes", "query", json!({})).await;
            assert!(matches!(gone, Err(Failure::Unavailable { after }) if after <= Duration::from_secs(1)));
            at_once += 1;
        }
        assert!(at_once > 10, "only {at_once} in half a second");
        block_in_place(|| bench.ferret.start_again());
        until_answered(&bench).await;
        assert_eq!(bench.names("nodes", json!({})).await, ["n"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_there_yet_is_found_when_it_comes() {
    let mut bench = Bench::with(Ferret::absent(None), json!({"collections": "rackhd"}));
    let gone = bench.ask("nodes", "query", json!({})).await;
    assert!(matches!(gone, Err(Failure::Unavailable { .. })), "{gone:?}");
    block_in_place(|| bench.ferret.start_again());
    until_answered(&bench).await;
}

/// FerretDB never says in time that a login was good, as far as this driver knows; so only bad ones can be told of.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_fails_is_unavailable_and_the_password_is_in_no_line_of_the_log() {
    let ear = Ear::open();
    let ferret = block_in_place(|| Ferret::guarded("adam", "right-one"));
    let url = ferret.url("pxe").replace("right-one", "wrong-one");
    let bench = Bench::of(ferret, &url);
    let refused = bench.ask("nodes", "query", json!({})).await;
    assert!(matches!(refused, Err(Failure::Unavailable { .. })), "{refused:?}");
    let heard = ear.heard();
    assert!(heard.contains("refuses the user name or the password"), "{heard}");
    assert!(!heard.contains("wrong-one"), "{heard}");
}
