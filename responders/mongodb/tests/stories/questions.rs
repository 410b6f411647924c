//! What is asked, and what is answered.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, doc};
use serde_json::{Value, json};
use turted_core::Failure;

use crate::support::Bench;

const ID: &str = "56173df732776c64852f8c91";
const OTHER: &str = "56173df732776c64852f8c92";

fn id(text: &str) -> ObjectId {
    ObjectId::parse_str(text).unwrap()
}

async fn nodes() -> Bench {
    let bench = Bench::rackhd();
    let time = |text: &str| DateTime::parse_rfc3339_str(text).unwrap();
    bench
        .put(
            "nodes",
            vec![
                doc! { "_id": id(ID), "name": "Alpha", "type": "compute", "size": 1, "tags": ["red", "blue"],
                "createdAt": time("2016-01-01T00:00:00Z"), "sku": "s-1", "deep": { "er": [{ "x": 1 }] } },
                doc! { "_id": id(OTHER), "name": "beta.1", "type": "switch", "size": 2.5, "tags": [],
                "createdAt": time("2016-02-01T12:30:00.120Z"), "sku": id(ID), "deep": { "er": null } },
                doc! { "_id": "plain", "name": "Gam%ma (a+)+$", "type": "Compute", "size": 4_294_967_296_i64,
                "createdAt": time("2016-03-01T00:00:00Z"), "sku": null },
                doc! { "_id": 7, "name": "delta\nline", "type": "pdu", "size": 3 },
            ],
        )
        .await;
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_criteria_finds_what_it_means() {
    let bench = nodes().await;
    for (criteria, expected) in [
        (json!(null), &["Alpha", "beta.1", "Gam%ma (a+)+$", "delta\nline"][..]),
        (json!({}), &["Alpha", "beta.1", "Gam%ma (a+)+$", "delta\nline"]),
        // Ids, as texts, whether they are ObjectIds or not.
        (json!({"id": ID}), &["Alpha"]),
        (json!(ID), &["Alpha"]),
        (json!({"id": "plain"}), &["Gam%ma (a+)+$"]),
        (json!(7), &["delta\nline"]),
        (json!([ID, "plain"]), &["Alpha", "Gam%ma (a+)+$"]),
        (json!({"id": {"!": [ID, 7]}}), &["beta.1", "Gam%ma (a+)+$"]),
        (json!({"id": null}), &[]),
        (json!({"sku": ID}), &["beta.1"]),
        (json!({"sku": "s-1"}), &["Alpha"]),
        // Equality, of texts whatever their case.
        (json!({"name": "ALPHA"}), &["Alpha"]),
        (json!({"type": "compute"}), &["Alpha", "Gam%ma (a+)+$"]),
        (json!({"name": "beta%"}), &["beta.1"]),
        (json!({"name": "beta_1"}), &[]),
        (json!({"name": "delta%line"}), &["delta\nline"]),
        (json!({"size": 1}), &["Alpha"]),
        (json!({"size": 2.5}), &["beta.1"]),
        (json!({"size": 4_294_967_296_u64}), &["Gam%ma (a+)+$"]),
        (json!({"tags": "red"}), &["Alpha"]),
        (json!({"deep.er.0.x": 1}), &["Alpha"]),
        (json!({"sku": null}), &["Gam%ma (a+)+$", "delta\nline"]),
        // One of several, exactly.
        (
            json!({"type": ["switch", "pdu", "COMPUTE"]}),
            &["beta.1", "delta\nline"],
        ),
        (json!({"type": []}), &[]),
        // Modifiers.
        (
            json!({"type": {"!": "compute"}}),
            &["beta.1", "Gam%ma (a+)+$", "delta\nline"],
        ),
        (json!({"type": {"!": ["compute", "pdu"]}}), &["beta.1", "Gam%ma (a+)+$"]),
        (json!({"size": {"<": 2.5}}), &["Alpha"]),
        (json!({"size": {"<=": 2.5}}), &["Alpha", "beta.1"]),
        (json!({"size": {">": 2.5, "<": 1000}}), &["delta\nline"]),
        (
            json!({"size": {"greaterThanOrEqual": 3}}),
            &["Gam%ma (a+)+$", "delta\nline"],
        ),
        (json!({"size": {"!": {">": 2}}}), &["Alpha"]),
        (json!({"name": {"like": "%A"}}), &["Alpha"]),
        (json!({"name": {"like": "b%1"}}), &["beta.1"]),
        (json!({"name": {"contains": "(a+)+$"}}), &["Gam%ma (a+)+$"]),
        (json!({"name": {"contains": "%"}}), &["Gam%ma (a+)+$"]),
        (
            json!({"name": {"contains": "A"}}),
            &["Alpha", "beta.1", "Gam%ma (a+)+$", "delta\nline"],
        ),
        (json!({"name": {"startsWith": "al"}}), &["Alpha"]),
        (json!({"name": {"endsWith": ".1"}}), &["beta.1"]),
        (json!({"name": {"!": {"contains": "l"}}}), &["beta.1", "Gam%ma (a+)+$"]),
        (json!({"like": {"name": "%lpha"}}), &["Alpha"]),
        // Times.
        (json!({"createdAt": {">": "2016-01-31"}}), &["beta.1", "Gam%ma (a+)+$"]),
        (json!({"createdAt": "2016-02-01T12:30:00.120Z"}), &["beta.1"]),
        (json!({"createdAt": {"<": "2016-02-01T13:30:00.120+01:00"}}), &["Alpha"]),
        // Either.
        (
            json!({"or": [{"name": "alpha"}, {"size": {">": 3}}]}),
            &["Alpha", "Gam%ma (a+)+$"],
        ),
        (json!({"or": [{"name": "alpha"}, {"name": []}], "size": 1}), &["Alpha"]),
        (json!([{"name": "alpha"}, {"id": 7}]), &["Alpha", "delta\nline"]),
        (json!({"or": []}), &[]),
    ] {
        let mut found = bench.names("nodes", criteria.clone()).await;
        let mut expected: Vec<&str> = expected.to_vec();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{criteria}");
    }
    // In an order.
    for (criteria, expected) in [
        (json!({"sort": "size", "limit": 2}), &["Alpha", "beta.1"][..]),
        (
            json!({"sort": "size desc", "limit": 2}),
            &["Gam%ma (a+)+$", "delta\nline"],
        ),
        (
            json!({"sort": {"size": -1}, "skip": 1, "limit": "2"}),
            &["delta\nline", "beta.1"],
        ),
        (
            json!({"where": {"size": {">": 1}}, "sort": {"size": "ASC"}, "skip": 2}),
            &["Gam%ma (a+)+$"],
        ),
        (json!({"where": null, "sort": "size", "skip": 9}), &[]),
        // As strings are ordered, and then by the second.
        (
            json!({"where": {"size": {"<": 3}}, "sort": {"missing": 1, "name": -1}}),
            &["beta.1", "Alpha"],
        ),
    ] {
        assert_eq!(bench.names("nodes", criteria.clone()).await, expected, "{criteria}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_come_as_clients_of_rackhd_know_them() {
    let bench = nodes().await;
    let alpha = json!({
        "id": ID, "name": "Alpha", "type": "compute", "size": 1, "tags": ["red", "blue"],
        "createdAt": "2016-01-01T00:00:00.000Z", "sku": "s-1", "deep": {"er": [{"x": 1}]},
    });
    assert_eq!(bench.ask("nodes", "query", json!({"id": ID})).await, Ok(json!([alpha])));
    assert_eq!(bench.ask("nodes", "get", json!({"name": "alpha"})).await, Ok(alpha));
    assert_eq!(
        bench.ask("nodes", "get", json!({"name": "none"})).await,
        Ok(Value::Null)
    );
    assert_eq!(bench.ask("nodes", "get", json!({"name": []})).await, Ok(Value::Null));
    let first = bench
        .ask("nodes", "get", json!({"sort": "size desc", "limit": 3}))
        .await;
    assert_eq!(first.unwrap()["id"], "plain");
    let some = bench
        .ask("nodes", "query", json!({"where": {"id": ID}, "select": ["name"]}))
        .await;
    assert_eq!(some, Ok(json!([{"id": ID, "name": "Alpha"}])));
    let all = bench
        .call("nodes", r#"{"handler":"all","params":{"name":"none"}}"#)
        .await
        .unwrap();
    let all: Value = serde_json::from_str(all.as_str()).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 4, "all is all, whatever comes with it");
    assert_eq!(
        bench.ask("skus", "query", json!({})).await,
        Ok(json!([])),
        "no collection yet"
    );

    // Each resource has its collection, and what it keeps back.
    bench
        .put(
            "graphdefinitions",
            vec![doc! { "friendlyName": "g", "createdAt": DateTime::now() }],
        )
        .await;
    assert_eq!(
        bench.ask("graphDefs", "query", json!({})).await,
        Ok(json!([{"friendlyName": "g"}]))
    );
    let bytes = Binary {
        subtype: BinarySubtype::Generic,
        bytes: vec![1, 2, 255],
    };
    let secrets = doc! {
        "host": "h", "password": "s3cret", "Community": "s3cret", "productKey": "s3cret",
        "list": [{ "rootPassword": 1 }],
    };
    bench
        .put(
            "workitems",
            vec![doc! { "_id": "w", "name": "poll", "config": secrets, "raw": bytes }],
        )
        .await;
    assert_eq!(
        bench.ask("pollers", "query", json!({"config.host": "h"})).await,
        Ok(json!([{"id": "w", "name": "poll", "config": {"host": "h", "list": [{}]}, "raw": "AQL/"}]))
    );
    // CWE-203: nor does it tell by what it finds.
    for criteria in [
        json!({"config.password": "s3cret"}),
        json!({"config.password": {"startsWith": "s"}}),
        json!({"sort": "config.Community"}),
    ] {
        let refused = bench.ask("pollers", "query", criteria.clone()).await;
        assert!(matches!(refused, Err(Failure::Refused(_))), "{criteria}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_criteria_are_refused_with_a_word_and_the_next_question_is_answered() {
    let bench = nodes().await;
    for criteria in [
        json!({"$where": "while (true) {}"}),
        json!({"name": {"$regex": "^(a+)+$"}}),
        json!({"name": {"!": {"$gt": ""}}}),
        json!({"$or": [{}]}),
        json!({"__proto__": {"x": 1}}),
        json!({"constructor.__proto__.x": 1}),
        json!({"name": {"within": 1}}),
        json!({"name": "%a%a%a%a%a%a%a%a"}),
        json!({"groupBy": ["name"], "sum": ["size"]}),
    ] {
        let refused = bench.ask("nodes", "query", criteria.clone()).await;
        assert!(
            matches!(refused, Err(Failure::Refused(why)) if !why.is_empty()),
            "{criteria}"
        );
    }
    for params in ["7", "{}", r#"{"handler":"drop"}"#, r#"{"handler":7}"#, "null"] {
        assert!(
            matches!(bench.call("nodes", params).await, Err(Failure::Refused(_))),
            "{params}"
        );
    }
    assert_eq!(bench.names("nodes", json!({"id": ID})).await, ["Alpha"]);
}
