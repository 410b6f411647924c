//! The section, and an address that is taken.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use turted_core::testkit::{Recorder, start};
use turted_core::{ConnectorConfig, ConnectorError, PushConnector};
use turted_tcp::TcpConfig;

use crate::support::{built, free};

#[test]
fn a_section_needs_an_address_and_has_defaults() {
    assert_eq!(TcpConfig::TYPE, "tcp");
    let config: TcpConfig = serde_json::from_value(json!({"address": "[::1]:7118"})).unwrap();
    assert_eq!(
        (config.max_line, config.connections, config.answers),
        (65_536, 100, false)
    );
    assert_eq!((config.first_line.as_secs(), config.idle.as_secs()), (10, 3600));
    assert_eq!(config.build().unwrap().listens(), Some("[::1]:7118".parse().unwrap()));
    assert_eq!(built(json!({})).unwrap_err(), "missing field `address`");
}

#[test]
fn impossible_values_are_refused_by_their_key() {
    let refused = |key: &str, value: Value| {
        let mut section = json!({"address": "127.0.0.1:1"});
        section[key] = value;
        built(section).unwrap_err()
    };
    assert_eq!(
        refused("max_line", json!(0)),
        "max_line: must be between 1 byte and 1 GiB"
    );
    assert_eq!(
        refused("connections", json!(0)),
        "connections: must be from 1 to 100000"
    );
    assert_eq!(refused("first_line", json!("0s")), "first_line: must be at least 100ms");
    assert_eq!(refused("idle", json!("99ms")), "idle: must be at least 100ms");
    assert_eq!(
        refused("envelope", json!({"event": "{pear}", "broadcast": true})),
        "envelope.event: names {pear}, which this source does not have; it has {peer}, {body}, {json}, {json.…}"
    );
}

#[tokio::test]
async fn an_address_that_is_taken_may_be_free_later() {
    let address = free(Ipv4Addr::LOCALHOST);
    let _taken = std::net::TcpListener::bind(address).unwrap();
    let run = start(
        built(json!({"address": address.to_string()})).unwrap(),
        &Recorder::default(),
    );
    let Err(ConnectorError::Retry(why)) = run.ended().await else {
        panic!("it does not try again");
    };
    assert!(why.starts_with(&format!("cannot listen on {address}: ")), "{why}");
}
