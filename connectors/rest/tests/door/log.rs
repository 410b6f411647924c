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

#[test]
fn a_refused_push_is_said_once_with_its_address_and_the_key_that_decides() {
    let house = House::new();
    let wrong = post("/push/", &[("authorization", "Bearer swordfish")], "{}");
    let malformed = post("/push/", &[("authorization", "Bearer mellon")], "{");
    let requests = [wrong.clone(), malformed, wrong.clone(), wrong];
    let said = said(&house, "192.0.2.1", &requests);
    assert_eq!(
        said,
        [
            "connector rest refused a push from 192.0.2.1: the token in Authorization: Bearer was not accepted; see [auth.backends], which says who may push",
            "connector rest refused a push from 192.0.2.1: the body is not JSON: EOF while parsing an object at line 1 \
             column 1; docs/connectors.md says how a push is written"
        ]
    );
    assert_eq!(
        house.report.refusals(),
        [("denied", 3), ("not_json", 1)].into(),
        "each is counted"
    );
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
