//! How much one may have.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mongodb::bson::{Document, doc};
use serde_json::json;
use tokio::task::block_in_place;
use turted_core::Failure;
use turted_services::ferretdb::Ferret;

use crate::support::Bench;

fn many(count: i32) -> Vec<Document> {
    (0..count)
        .map(|number| doc! { "_id": number, "name": format!("n{number}") })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_so_many_documents_and_so_many_bytes() {
    let settings = json!({"collections": "rackhd", "limit": 10, "bytes": 2000});
    let bench = Bench::with(block_in_place(Ferret::start), settings);
    bench.put("nodes", many(30)).await;
    assert_eq!(bench.names("nodes", json!({})).await.len(), 10);
    assert_eq!(bench.names("nodes", json!({"limit": 1_000_000})).await.len(), 10);
    assert_eq!(bench.names("nodes", json!({"limit": 3})).await.len(), 3);
    // The rest is there for who asks for it.
    assert_eq!(
        bench.names("nodes", json!({"sort": "id", "skip": 28})).await,
        ["n28", "n29"]
    );
    let long = |id| doc! { "_id": id, "name": "x".repeat(800) };
    bench.put("skus", vec![long(1), long(2), long(3)]).await;
    assert_eq!(bench.names("skus", json!({})).await.len(), 2);
    bench.put("logs", vec![doc! { "name": "x".repeat(3000) }]).await;
    assert_eq!(bench.names("logs", json!({})).await.len(), 0);
    let refused = bench.ask("logs", "get", json!({})).await;
    assert!(matches!(refused, Err(Failure::Refused(why)) if why.contains("longer")));
    // What is left out is not what makes it long.
    assert_eq!(
        bench.ask("logs", "get", json!({"select": ["level"]})).await.unwrap()["name"],
        json!(null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_ask_at_once_and_each_is_answered_or_told_to_come_back() {
    let settings = json!({"collections": "rackhd", "at_once": 2});
    let bench = Bench::with(block_in_place(Ferret::start), settings);
    bench.put("nodes", many(50)).await;
    let asked = (0..200).map(|_| bench.ask("nodes", "query", json!({"name": {"contains": "n1"}})));
    let (mut answered, mut refused) = (0, 0);
    for answer in join_all(asked).await {
        match answer {
            Ok(found) => {
                assert_eq!(found.as_array().unwrap().len(), 11);
                answered += 1;
            }
            Err(Failure::Unavailable { after }) => {
                assert!(after <= Duration::from_secs(1));
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(
        answered >= 34,
        "two at once and 32 that wait, but {answered} were answered and {refused} not"
    );
    assert_eq!(bench.names("nodes", json!({"id": 1})).await, ["n1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_takes_no_longer_than_it_may_and_whoever_goes_takes_it_along() {
    let settings = json!({"collections": "rackhd", "timeout": "1s", "at_once": 1});
    let bench = Bench::with(block_in_place(Ferret::start), settings);
    bench.put("nodes", many(1)).await;
    assert_eq!(bench.names("nodes", json!({})).await, ["n0"]);
    bench.ferret.freeze(true);
    let begun = Instant::now();
    let late = bench.ask("nodes", "query", json!({})).await;
    assert!(matches!(late, Err(Failure::Unavailable { .. })), "{late:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    // Dropped while they wait: their turn is free again.
    for _ in 0..100 {
        let asked = bench.ask("nodes", "query", json!({}));
        assert!(tokio::time::timeout(Duration::from_millis(1), asked).await.is_err());
    }
    bench.ferret.freeze(false);
    super::loss::until_answered(&bench).await;
}
