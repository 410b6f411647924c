//! Why a connector cannot begin: each reason says what to mend, and none of them names a password.

use std::time::{Duration, Instant};

use turted_core::testkit::{Recorder, start};
use turted_core::{ConnectorError, ConnectorState};

use crate::support::{Backend, Value, connector_of, json, shared};

/// Why it ends; it never said that it runs.
async fn why(url: &str, settings: Value) -> String {
    let run = start(connector_of(url, settings), &Recorder::default());
    let report = run.report.clone();
    let Err(ConnectorError::Retry(why)) = run.ended().await else {
        panic!("it did not fail, or for ever");
    };
    assert_eq!(report.current(), ConnectorState::Starting);
    assert!(!why.contains("secret") && !why.contains("guest"), "{why}");
    why
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_without_naming_it() {
    let why = why(&shared().url_for("turted", "secret"), json!({"queue": "q"})).await;
    assert!(why.starts_with("cannot connect to the broker at 127.0.0.1:"), "{why}");
    assert!(why.contains("ACCESS_REFUSED - Login was refused"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_virtual_host_is_named() {
    let url = shared().url().replace("%2f", "nowhere");
    let why = why(&url, json!({"queue": "q"})).await;
    assert!(why.contains("vhost nowhere not found"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_broker_and_an_unknown_host_are_named() {
    let port = turted_services::free_port();
    let absent = why(&format!("amqp://turted:secret@127.0.0.1:{port}"), json!({"queue": "q"})).await;
    assert!(
        absent.contains(&format!("the broker at 127.0.0.1:{port}: Connection refused")),
        "{absent}"
    );
    let unknown = why("amqp://turted:secret@broker.invalid", json!({"queue": "q"})).await;
    assert!(
        unknown.starts_with("cannot connect to the broker at broker.invalid:5672: "),
        "{unknown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_not_as_wanted_is_named() {
    Backend::of(shared()).await.declare("as.it.is").await;
    let queue = json!({"name": "as.it.is", "type": "quorum"});
    let other = why(&shared().url(), json!({ "queue": queue })).await;
    assert!(
        other.starts_with("cannot declare queue \"as.it.is\": the broker says \"PRECONDITION_FAILED"),
        "{other}"
    );
    let absent = why(&shared().url(), json!({"queue": {"name": "absent", "passive": true}})).await;
    assert!(
        absent.starts_with("cannot find queue \"absent\": the broker says \"NOT_FOUND"),
        "{absent}"
    );
    let settings = json!({"queue": "unbound", "exchange": "nowhere", "bindings": ["#"]});
    let unbound = why(&shared().url(), settings).await;
    assert!(
        unbound.starts_with("cannot bind queue \"unbound\" to exchange \"nowhere\": the broker says"),
        "{unbound}"
    );
    let settings = json!({"queue": "typed", "exchange": {"name": "amq.topic", "type": "direct"}, "bindings": ["#"]});
    let typed = why(&shared().url(), settings).await;
    assert!(
        typed.starts_with("cannot declare exchange \"amq.topic\": the broker says"),
        "{typed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_declare_is_told_so() {
    let ctl = |arguments: &[&str]| tokio::task::block_in_place(|| shared().ctl(arguments));
    ctl(&["add_user", "reader", "secret"]);
    ctl(&["set_permissions", "reader", "", "", ".*"]);
    let url = shared().url_for("reader", "secret");
    let why = why(&url, json!({"queue": "forbidden"})).await;
    assert!(why.contains("ACCESS_REFUSED") && why.contains("'forbidden'"), "{why}");
}

/// A peer that accepts and says nothing: the driver would wait for ever, on a thread of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_peer_is_given_up_in_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("amqp://turted:secret@127.0.0.1:{port}/?connection_timeout=200");
    let begun = Instant::now();
    let why = why(&url, json!({"queue": "q"})).await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(
        why,
        format!("the broker at 127.0.0.1:{port} did not answer within 200ms")
    );
}
