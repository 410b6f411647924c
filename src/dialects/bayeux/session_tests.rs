//! What a session says to requests, and what it forgets with a wire.
//!
//! In: batches. Out: words, and how long a connect may be held. What it says on its socket is in the golden
//! conversations.

use std::sync::Arc;

use turted_core::{Conversation, Ending, Reaction, Welcome};

use super::session::Session;
use super::{Way, message, terms};

fn session() -> Session {
    let mut session = Session::new(Arc::new(terms()));
    let welcome = Welcome {
        connection: "c".into(),
        resume: "T".into(),
        window: 120,
        ping: 25,
    };
    session.welcome(&welcome, &mut Vec::new());
    session
}

/// What a session says to a batch that came this way.
fn said(session: &mut Session, way: Way, batch: &str) -> Vec<String> {
    let mut out = Vec::new();
    session.receive(&way.mark(batch), &mut out);
    out.into_iter()
        .map(|reaction| match reaction {
            Reaction::Send(text) => String::from_utf8_lossy(&text).into_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

const SHAKE: &str = r#"[{"channel":"/meta/handshake"}]"#;
const CONNECT: &str = r#"{"channel":"/meta/connect","clientId":"T","id":1}"#;
const OTHER: &str = r#"{"channel":"/service/x","clientId":"T","id":2}"#;

#[test]
fn a_request_is_told_how_long_its_connect_may_be_held_and_the_rest_is_answered() {
    let mut session = session();
    let mut ask = |batch: &str| said(&mut session, Way::Request, batch);
    assert!(ask(SHAKE)[0].contains("\"clientId\":\"T\""));
    assert_eq!(ask(&format!("[{CONNECT}]")), ["0;[]"], "the first is answered at once");
    assert_eq!(ask(&format!("[{CONNECT}]")), ["30000;[]"]);
    let hurry = CONNECT.replace('}', r#","advice":{"timeout":20}}"#);
    assert_eq!(ask(&format!("[{hurry}]")), ["20;[]"]);
    let both = ask(&format!("[{CONNECT},{OTHER}]"));
    assert!(
        both[0].starts_with("0;[{\"id\":2,\"channel\":\"/service/x\",\"successful\":false"),
        "{both:?}"
    );
    assert_eq!(ask("[]"), ["[]"], "a request has an answer in any case");
}

#[test]
fn a_connect_that_waits_on_a_socket_is_forgotten_when_another_wire_comes() {
    for way in [Way::NewSocket, Way::Request] {
        let mut session = session();
        said(&mut session, Way::Request, SHAKE);
        said(&mut session, Way::NewSocket, &format!("[{CONNECT}]"));
        assert_eq!(said(&mut session, Way::Socket, &format!("[{CONNECT}]")), ["Wake(30s)"]);
        said(&mut session, way, "[]");
        let mut out = Vec::new();
        session.wake(&mut out);
        session.farewell(Ending::GoingAway, &mut out);
        assert_eq!(out, [], "its id is nobody's any more");
    }
}

#[test]
fn nothing_is_marked_by_a_client() {
    for mark in ['\u{1}', '\u{2}'] {
        let batch = format!("{mark}[]");
        assert!(message::batch(&batch, &terms().limits).is_err(), "no door lets it in");
        assert_eq!(Way::unmarked(batch), "");
    }
}
