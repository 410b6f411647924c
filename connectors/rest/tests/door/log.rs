//! Stories about what the log says of pushes that are refused or doubtful.

use std::sync::{Mutex, Once};

use turted_core::endpoint::Peer;

use crate::support::{BEARER, House, PASSWORD, WRONG, post};

static WARNED: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Ear;

impl ::log::Log for Ear {
    fn enabled(&self, meta: &::log::Metadata<'_>) -> bool {
        meta.level() <= ::log::Level::Warn
    }

    fn log(&self, record: &::log::Record<'_>) {
        if self.enabled(record.metadata()) {
            WARNED.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Asks from an address that no other story has, and gives what was said of it.
fn said(house: &House, address: &str, requests: &[http::Request<bytes::Bytes>]) -> Vec<String> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        ::log::set_logger(&Ear).unwrap();
        ::log::set_max_level(::log::LevelFilter::Warn);
    });
    for request in requests {
        let mut request = request.clone();
        request
            .extensions_mut()
            .insert(Peer(format!("{address}:1").parse().unwrap()));
        house.ask(request);
    }
    let warned = WARNED.lock().unwrap();
    for secret in [PASSWORD, BEARER, WRONG] {
        assert!(
            warned.iter().all(|line| !line.contains(secret)),
            "a credential is in the log (CWE-532)"
        );
    }
    warned.iter().filter(|line| line.contains(address)).cloned().collect()
}

// The server counts a refusal and writes its line; a second line of the connector's own, about the same push, said
// nothing more.
#[test]
fn a_refused_push_is_left_to_the_server_to_tell_with_the_key_that_decides() {
    let house = House::new();
    let wrong = post("/push/", &[("authorization", "Bearer swordfish")], "{}");
    let malformed = post("/push/", &[("authorization", "Bearer mellon")], "{");
    let mut told = Vec::new();
    for request in [wrong.clone(), malformed, wrong] {
        let own = said(&house, "192.0.2.1", &[request]);
        assert!(own.is_empty(), "{own:?}");
        told.extend(house.refused());
    }
    let denied = "connector rest: the token in Authorization: Bearer was not accepted; see [auth.backends], which says who \
                  may push";
    assert_eq!(
        told,
        [
            denied,
            "connector rest: the body is not JSON: EOF while parsing an object at line 1 column 1; docs/connectors.md says \
             how a push is written",
            denied
        ]
    );
    assert!(
        told.iter()
            .all(|line| [PASSWORD, BEARER, WRONG].iter().all(|secret| !line.contains(secret)))
    );
    assert_eq!(
        house.report.refusals(),
        [("denied", 2), ("not_json", 1)].into(),
        "each is counted"
    );
    house.ask_too_large(post("/push/", &[], ""));
    assert_eq!(said(&house, "192.0.2.1", &[]), [""; 0], "the server has told it");
    assert_eq!(house.report.refusals()["too_large"], 1);
}

#[test]
fn a_push_that_is_probably_not_meant_so_is_said_once() {
    let house = House::new();
    let doubtful = post(
        "/push/",
        &[],
        r#"{"target":{"users":"a"},"auth":{"password":"sesame"}}"#,
    );
    let said = said(&house, "192.0.2.2", &[doubtful.clone(), doubtful]);
    assert!(
        matches!(&said[..], [one] if one.contains("did you mean targets?")),
        "{said:?}"
    );
    assert_eq!(house.report.doubts(), [("unknown_member", 2)].into());
}
