//! The doors of the connector `rest`.
//!
//! In: `<method> <path>` on a line, the value of `Authorization` on a line, a body. Out: a panic when an answer has a
//! strange status, or when somebody without credentials dispatches something.

use std::str::from_utf8;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use http::Request;
use turted_core::{
    Authenticator, ConnectorConfig, ConnectorContext, Dispatch, Epoch, Identity, Inbox, Intake, Limits, PushConnector,
    PushError, Receipt, Refusal, Report, Shutdown, Visitor,
};
use turted_rest::{Answers, RestConfig};

use crate::push::allowed;

/// Lets in who says the word.
#[derive(Default)]
pub(crate) struct Guard(AtomicBool);

impl Authenticator for Guard {
    fn verify<'a>(&'a self, visitor: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>> {
        let said = visitor.bearer().or_else(|| visitor.data.get("password")?.as_str());
        let is_good = said == Some("sesame");
        self.0.fetch_or(is_good, Ordering::Relaxed);
        let answer = is_good.then(|| Some(Identity::default()));
        ready(answer.ok_or(Refusal::denied("it is another word"))).boxed()
    }
}

/// Takes everything that the guard let in.
struct List(Arc<Guard>);

impl Intake for List {
    fn accept(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<Receipt, PushError>> {
        assert!(self.0.0.load(Ordering::Relaxed), "dispatched without credentials");
        allowed(&dispatch, &Limits::default());
        let (id, recipients) = (Epoch::new("k3f9").id(1), 1);
        ready(Ok(Receipt::new(id, recipients))).boxed()
    }
}

/// A request at `/push/`, which takes the older inline form as well, or at `/sse`, which answers as the PHP server.
pub fn rest(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let (Some(start), Some(credentials), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let Some((method, path)) = from_utf8(start).ok().and_then(|start| start.split_once(' ')) else {
        return;
    };
    let asked = Request::builder().method(method).uri(path);
    let asked = match credentials {
        b"" => asked,
        credentials => asked.header("authorization", credentials),
    };
    let Ok(asked) = asked.body(Bytes::copy_from_slice(body)) else {
        return;
    };
    let config = match asked.uri().path() {
        path if path.starts_with("/push/") => RestConfig {
            ape: true,
            ..RestConfig::default()
        },
        path if path.starts_with("/sse") => RestConfig {
            path: "/sse".into(),
            answers: Answers::Php,
            ..RestConfig::default()
        },
        "/" => RestConfig {
            path: "/".into(),
            answers: Answers::RealizeHit,
            ..RestConfig::default()
        },
        _ => return,
    };
    let guard = Arc::new(Guard::default());
    let cx = ConnectorContext {
        name: "rest".into(),
        inbox: Inbox::new(Arc::new(List(guard.clone()))),
        backends: guard,
        limits: Limits::default(),
        shutdown: Shutdown::new().1,
        report: Report::default(),
        occupancy: turted_core::Occupancy::default(),
        relays: turted_core::Relays::default(),
    };
    let endpoint = config.build().expect("good settings").endpoint(&cx).expect("a door");
    let answer = endpoint.door.answer(asked).now_or_never().expect("nothing to wait for");
    let status = answer.status().as_u16();
    assert!([200, 400, 401, 403, 404, 405, 500].contains(&status), "{status}");
    assert!(from_utf8(answer.body()).is_ok());
    assert!(answer.body().len() <= 1024 + 256 * data.len());
}
