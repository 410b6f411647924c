//! A house with one door: a list in place of the Dispatcher, and a guard who knows two words.
//!
//! In: a request. Out: its answer as one line, `<status> <content type>[ <header>: <value>] | <body>`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use http::{Request, Response};
use serde_json::json;
use turted_core::Report;
use turted_core::endpoint::Refusals;
use turted_core::may::Pattern;
use turted_core::shutdown::Trigger;
use turted_core::{
    Authenticator, ConnectorConfig, ConnectorContext, Dispatch, Door, Endpoint, Epoch, Identity, Inbox, Intake, Limits,
    PushConnector, PushError, Receipt, Refusal, Scope, Shutdown, Visitor,
};
use turted_rest::{Answers, RestConfig};

/// Good in `auth` and in `params`.
pub const PASSWORD: &str = "sesame";
/// Good in the header.
pub const BEARER: &str = "mellon";
/// Good in both, for a backend that may tell `shop.**` and the user `adam`.
pub const SHOP: &str = "opensesame";
/// Good nowhere. None of the four may ever be part of an answer.
pub const WRONG: &str = "swordfish";

/// Takes everything, unless told to fail.
#[derive(Default)]
pub struct List {
    taken: Mutex<Vec<Dispatch>>,
    fates: Mutex<VecDeque<Option<PushError>>>,
}

impl List {
    /// Whether nothing was dispatched.
    pub fn is_empty(&self) -> bool {
        self.taken.lock().unwrap().is_empty()
    }
}

impl Intake for List {
    fn accept(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<Receipt, PushError>> {
        if let Some(error) = self.fates.lock().unwrap().pop_front().flatten() {
            return ready(Err(error)).boxed();
        }
        let mut taken = self.taken.lock().unwrap();
        taken.push(dispatch);
        let id = Epoch::new("k3f9").id(41 + taken.len() as u64);
        ready(Ok(Receipt::new(id, 17))).boxed()
    }
}

/// Knows [`PASSWORD`] and [`BEARER`], and counts how often it was asked.
#[derive(Default)]
pub struct Guard(AtomicUsize);

impl Authenticator for Guard {
    fn verify<'a>(&'a self, visitor: &'a Visitor<'a>) -> BoxFuture<'a, Result<Option<Identity>, Refusal>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let is_shop = match visitor.bearer() {
            Some(bearer) => bearer == SHOP,
            None => *visitor.data == json!({ "password": SHOP }),
        };
        let good = match visitor.bearer() {
            Some(bearer) => bearer == BEARER,
            None => *visitor.data == json!({ "password": PASSWORD }),
        };
        let scope = is_shop.then(|| {
            Arc::new(Scope {
                name: "the backend shop".into(),
                channels: vec![Pattern::parse("shop.**").unwrap()],
                users: vec![Pattern::parse("adam").unwrap()],
                ..Scope::default()
            })
        });
        let answer = (good || is_shop).then(|| {
            Some(Identity {
                scope,
                ..Identity::default()
            })
        });
        ready(answer.ok_or(Refusal::denied("it is another word"))).boxed()
    }
}

/// A connector with everything around it.
pub struct House {
    /// What it told the server about its door.
    pub endpoint: Endpoint,
    /// Its counters and its state.
    pub report: Report,
    list: Arc<List>,
    guard: Arc<Guard>,
    warning: Mutex<Option<String>>,
    refused: Mutex<Vec<String>>,
}

/// A context around the given rooms, and the trigger of its shutdown.
pub fn context(list: &Arc<List>, guard: &Arc<Guard>) -> (ConnectorContext, Trigger) {
    let (trigger, shutdown) = Shutdown::new();
    let cx = ConnectorContext {
        name: "rest".into(),
        inbox: Inbox::new(list.clone()),
        backends: guard.clone(),
        limits: Limits::default(),
        shutdown,
        report: Report::default(),
        occupancy: turted_core::Occupancy::default(),
        relays: turted_core::Relays::default(),
    };
    (cx, trigger)
}

impl House {
    /// With the default settings.
    pub fn new() -> Self {
        Self::with(RestConfig::default())
    }

    /// With the older inline form.
    pub fn with_ape() -> Self {
        Self::with(RestConfig {
            ape: true,
            ..RestConfig::default()
        })
    }

    /// As backends of the PHP server know it.
    pub fn of_php() -> Self {
        Self::with(RestConfig {
            path: "/sse".into(),
            answers: Answers::Php,
            ..RestConfig::default()
        })
    }

    /// As realizehit's backends know it.
    pub fn of_realizehit() -> Self {
        Self::with(RestConfig {
            path: "/".into(),
            answers: Answers::RealizeHit,
            ..RestConfig::default()
        })
    }

    fn with(config: RestConfig) -> Self {
        let (list, guard) = (Arc::default(), Arc::default());
        let (cx, _trigger) = context(&list, &guard);
        let endpoint = config.build().unwrap().endpoint(&cx).unwrap();
        let report = cx.report;
        Self {
            endpoint,
            report,
            list,
            guard,
            warning: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// What the last answer warned of, beside its words.
    pub fn warning(&self) -> Option<String> {
        self.warning.lock().unwrap().clone()
    }

    /// What the last answer left to the server to count and to tell.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap().clone()
    }

    /// The next dispatches meet these fates; `None` is a receipt.
    pub fn fates(self, fates: impl IntoIterator<Item = Option<PushError>>) -> Self {
        *self.list.fates.lock().unwrap() = fates.into_iter().collect();
        self
    }

    /// Asks the door.
    pub fn ask(&self, request: Request<Bytes>) -> String {
        let response = self.door().answer(request).now_or_never().unwrap();
        let warning = response.headers().get("turted-warning");
        *self.warning.lock().unwrap() = warning.map(|value| value.to_str().unwrap().to_owned());
        let Refusals(refused) = response.extensions().get().cloned().unwrap_or(Refusals(Vec::new()));
        *self.refused.lock().unwrap() = refused.iter().map(ToString::to_string).collect();
        line(&response)
    }

    /// Asks the door with a body that was too large.
    pub fn ask_too_large(&self, request: Request<Bytes>) -> String {
        line(&self.door().too_large(&request.into_parts().0))
    }

    /// `POST` to `/push/` in the words of the original.
    pub fn post(&self, body: &str) -> String {
        self.ask(post("/push/", &[], body))
    }

    /// `POST` to `/push/` from a program that asks for JSON and proves itself in the header.
    pub fn post_json(&self, body: &str) -> String {
        self.ask(post("/push/", &[AS_JSON, ("authorization", "Bearer mellon")], body))
    }

    fn door(&self) -> &dyn Door {
        &*self.endpoint.door
    }

    /// What was dispatched, one line each: event, targets, payload.
    pub fn dispatched(&self) -> Vec<String> {
        let show = |d: &Dispatch| {
            let targets = serde_json::to_string(&d.targets).unwrap();
            format!("{} {targets} {}", d.event, d.payload.as_str())
        };
        self.list.taken.lock().unwrap().iter().map(show).collect()
    }

    /// The dispatches themselves.
    pub fn taken(&self) -> Vec<Dispatch> {
        self.list.taken.lock().unwrap().clone()
    }

    /// How often the guard was asked.
    pub fn questions(&self) -> usize {
        self.guard.0.load(Ordering::Relaxed)
    }
}

/// The header of those who want JSON.
pub const AS_JSON: (&str, &str) = ("accept", "application/json");

/// A `POST`.
pub fn post(path: &str, headers: &[(&str, &str)], body: &str) -> Request<Bytes> {
    request("POST", path, headers, body)
}

/// Any request.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Bytes> {
    let start = Request::builder().method(method).uri(path);
    let whole = headers
        .iter()
        .fold(start, |request, (name, value)| request.header(*name, *value));
    whole.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

/// Every answer of every story passes here, and none may repeat a credential (CWE-209).
pub fn line(response: &Response<Bytes>) -> String {
    let mut head = response.status().as_u16().to_string();
    for (name, value) in response.headers() {
        let value = value.to_str().unwrap();
        match name.as_str() {
            "content-type" => head += &format!(" {value}"),
            // The stories about it ask for it; it may repeat a credential as little as the rest.
            "turted-warning" => assert!(
                ![PASSWORD, BEARER, SHOP, WRONG]
                    .iter()
                    .any(|secret| value.contains(secret))
            ),
            name => head += &format!(" {name}: {value}"),
        }
    }
    let whole = format!("{head} | {}", std::str::from_utf8(response.body()).unwrap());
    for secret in [PASSWORD, BEARER, SHOP, WRONG] {
        assert!(!whole.contains(secret), "a credential is part of the answer {whole}");
    }
    whole
}
