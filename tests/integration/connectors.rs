//! The life of connectors, seen from outside: a failure is the affair of one of them, and everybody can see its state.
//!
//! In: connectors that do as they are told. Out: events, `/health/ready`, `/metrics`, and what the supervisor reports.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use turted::config::Sources;
use turted_core::envelope::Refusal;
use turted_core::{
    ChannelName, ConnectorContext, ConnectorError, ConnectorState, Dispatch, EventName, Payload, PushConnector, Report,
    Target,
};

use crate::harness::embedded::Embedded;
use crate::harness::{Value, json, payloads, until_state, within};

/// The connector that README and ARCHITECTURE point to; its `main` is for those who run it.
#[allow(dead_code, reason = "the test calls its start, not its main")]
#[path = "../../examples/clock.rs"]
mod clock;

/// What a failing connector says; a stranger must not hear it.
const SECRET: &str = "the broker at broker.example is gone";

enum Order {
    Ready,
    Event(u64),
    Refuse(&'static str),
    Fail,
    GiveUp,
    Panic,
}

/// Does as it is told, and shows what the supervisor says of it.
struct Puppet {
    orders: Receiver<Order>,
    report: Arc<Mutex<Option<Report>>>,
}

/// The other end of its strings.
struct Strings {
    orders: Sender<Order>,
    report: Arc<Mutex<Option<Report>>>,
}

fn puppet() -> (Puppet, Strings) {
    let (sender, orders) = channel(16);
    let report = Arc::default();
    let strings = Strings {
        orders: sender,
        report: Arc::clone(&report),
    };
    (Puppet { orders, report }, strings)
}

impl PushConnector for Puppet {
    fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>> {
        *self.report.lock().unwrap() = Some(cx.report.clone());
        Box::pin(async move {
            loop {
                let order = tokio::select! {
                    () = cx.shutdown.wait() => return Ok(()),
                    order = self.orders.recv() => order,
                };
                match order {
                    None => return Ok(()),
                    Some(Order::Ready) => cx.report.state(ConnectorState::Running),
                    Some(Order::Event(number)) => {
                        let event = EventName::parse("E", &cx.limits).unwrap();
                        let channel = ChannelName::parse(&cx.name, &cx.limits).unwrap();
                        let payload = Payload::parse(number.to_string().into(), &cx.limits).unwrap();
                        let dispatch = Dispatch::new(event, vec![Target::Channel(channel)], payload);
                        cx.offer(dispatch).await.unwrap();
                        cx.report.accepted();
                    }
                    Some(Order::Refuse(code)) => cx.refuse(&Refusal::new(code, "because it was told to")),
                    Some(Order::Fail) => return Err(ConnectorError::new(SECRET)),
                    Some(Order::GiveUp) => return Err(ConnectorError::Fatal(SECRET.into())),
                    Some(Order::Panic) => panic!("it was told to panic"),
                }
            }
        })
    }
}

impl Strings {
    fn pull(&self, orders: impl IntoIterator<Item = Order>) {
        for order in orders {
            // One that has given up takes no more orders; the story then sees that nothing came of them.
            let _ = self.orders.try_send(order);
        }
    }

    /// What the supervisor says, once it says something that `is_wanted`.
    async fn state(&self, is_wanted: impl FnMut(&ConnectorState) -> bool) -> turted_core::report::Status {
        let report = self.report.lock().unwrap().clone().expect("it was run");
        within("the state of a connector", report.until(is_wanted)).await
    }
}

/// A server with two puppets, `steady` and `shaky`, both ready.
async fn theatre() -> (Embedded, Strings, Strings) {
    theatre_with("").await
}

/// The same with one more setting.
async fn theatre_with(setting: &str) -> (Embedded, Strings, Strings) {
    let mut sets = vec!["server.listen=127.0.0.1:0".to_owned(), "server.workers=1".to_owned()];
    sets.extend((!setting.is_empty()).then(|| setting.to_owned()));
    let ((steady, left), (shaky, right)) = (puppet(), puppet());
    let server = Embedded::start(|| {
        let sources = Sources {
            sets,
            ..Sources::default()
        };
        let config = turted::Server::load(&sources).unwrap();
        let builder = turted::Server::builder().config(config);
        let builder = builder.connector("steady", steady).connector("shaky", shaky);
        builder.build().unwrap().start().unwrap()
    });
    for (name, strings) in [("steady", &left), ("shaky", &right)] {
        strings.pull([Order::Ready]);
        until_state(&server.address, name, "running").await;
    }
    (server, left, right)
}

/// Gives the connector before it the time to run too early, while the server asks for a door.
struct Look(Arc<Mutex<Option<Report>>>);

impl PushConnector for Look {
    fn endpoint(&self, _: &ConnectorContext) -> Option<turted_core::Endpoint> {
        let begun = std::time::Instant::now();
        while self.0.lock().unwrap().is_none() && begun.elapsed() < std::time::Duration::from_millis(300) {
            std::thread::yield_now();
        }
        None
    }

    fn run(&mut self, _: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_listen_has_run_no_connector() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (puppet, strings) = puppet();
    let refused = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let sources = Sources {
                sets: vec![format!("server.listen={address}"), "server.workers=1".into()],
                ..Sources::default()
            };
            let config = turted::Server::load(&sources).unwrap();
            let look = Look(Arc::clone(&strings.report));
            let builder = turted::Server::builder().config(config);
            let builder = builder.connector("early", puppet).connector("look", look);
            let error = builder.build().unwrap().start().err().expect("the port is taken");
            assert!(error.to_string().contains(&address.to_string()), "{error}");
            // It is let go, which proves that nobody will run it.
            within("the end of the connector", strings.orders.closed()).await;
            assert!(strings.report.lock().unwrap().is_none(), "it was run");
        });
    });
    tokio::task::spawn_blocking(|| refused.join()).await.unwrap().unwrap();
}

fn attempts(state: &ConnectorState) -> u32 {
    match state {
        ConnectorState::Retrying { attempts, .. } => *attempts,
        _ => 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_of_the_examples_ticks() {
    let server = Embedded::start(|| clock::start().unwrap());
    let mut client = server.member(&["clock"]).await;
    let ticks = client.events(2).await;
    assert_eq!(ticks[0]["data"]["event"], "TICK", "{}", ticks[0]);
    let seconds = payloads(&ticks);
    assert_eq!(seconds[0].as_u64().unwrap() + 1, seconds[1].as_u64().unwrap());
    let clock = until_state(&server.address, "clock", "running").await;
    assert!(clock["events"].as_u64().unwrap() >= 2, "{clock}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_followed_by_another_attempt_and_disturbs_nobody_else() {
    let (server, steady, shaky) = theatre().await;
    let mut client = server.member(&["steady", "shaky"]).await;
    let begun = steady.state(|_| true).await.since;
    shaky.pull([Order::Event(1), Order::Panic]);
    let status = shaky.state(|state| attempts(state) == 1).await;
    assert_eq!(status.last_error.as_deref(), Some("it panicked: it was told to panic"));
    steady.pull([Order::Event(2)]);
    assert_eq!(payloads(&client.events(2).await), [json!(1), json!(2)]);
    shaky.pull([Order::Ready, Order::Event(3)]);
    assert_eq!(
        payloads(&client.events(1).await),
        [json!(3)],
        "what was not begun is not lost"
    );
    let status = shaky.state(|state| *state == ConnectorState::Running).await;
    assert!(status.last_error.is_some(), "the last error stays visible");
    assert_eq!(
        steady.state(|_| true).await.since,
        begun,
        "the neighbour ran all the time"
    );
    // An event is counted when its receipt is there, which its client does not wait for.
    let counted = async { while until_state(&server.address, "shaky", "running").await["events"] != 2 {} };
    within("both events to be counted", counted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_in_a_row_are_retrying_since_the_first() {
    let (server, _steady, shaky) = theatre().await;
    shaky.pull([Order::Fail]);
    let first = shaky.state(|state| attempts(state) == 1).await;
    shaky.pull([Order::Fail, Order::Panic]);
    let third = shaky.state(|state| attempts(state) == 3).await;
    assert_eq!(third.since, first.since);
    let shown = until_state(&server.address, "shaky", "retrying").await;
    let since = humantime::format_rfc3339_seconds(first.since).to_string();
    assert_eq!(shown["since"], since.as_str());
    shaky.pull([Order::Ready]);
    let since = shaky.state(|state| *state == ConnectorState::Running).await.since;
    assert!(since > first.since);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_tries_again_is_said_and_may_keep_clients_away() {
    for (setting, status) in [("", 200), ("observe.ready_while_degraded=false", 503)] {
        let (server, _steady, shaky) = theatre_with(setting).await;
        let health = server.get("/health/ready").await;
        assert_eq!((health.status, health.value()["status"].as_str()), (200, Some("ready")));
        // Three at once: the last pause is long enough to be looked at.
        shaky.pull([Order::Fail, Order::Fail, Order::Fail]);
        shaky.state(|state| attempts(state) == 3).await;
        let health = server.get("/health/ready").await;
        assert_eq!(
            (health.status, health.value()["status"].as_str()),
            (status, Some("degraded"))
        );
        shaky.pull([Order::Ready]);
        until_state(&server.address, "shaky", "running").await;
        assert_eq!(server.get("/health/ready").await.value()["status"], "ready");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_can_mend_is_not_tried_again() {
    let (server, steady, shaky) = theatre().await;
    shaky.pull([Order::GiveUp, Order::Ready, Order::Event(1)]);
    let failed = until_state(&server.address, "shaky", "failed").await;
    assert_eq!(failed["events"], 0, "{failed}");
    let mut client = server.member(&["steady"]).await;
    steady.pull([Order::Event(2)]);
    assert_eq!(payloads(&client.events(1).await), [json!(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_states_and_numbers_and_nobody_the_reasons() {
    let (server, steady, shaky) = theatre().await;
    steady.pull([
        Order::Event(1),
        Order::Refuse("not_json"),
        Order::Refuse("not_json"),
        Order::Refuse("no_target"),
    ]);
    shaky.pull([Order::GiveUp]);
    until_state(&server.address, "shaky", "failed").await;
    let counted = async {
        while until_state(&server.address, "steady", "running").await["refused"] != 3 {
            tokio::task::yield_now().await;
        }
    };
    within("three refusals", counted).await;
    let health = server.get("/health/ready").await;
    assert_eq!(health.value()["status"], "degraded");
    let (health, metrics) = (server.get("/health/ready").await, server.get("/metrics").await);
    assert_eq!(
        health.status, 200,
        "a connector that failed is no reason to send clients elsewhere"
    );
    let steady: Value = health.value()["connectors"]["steady"].clone();
    assert_eq!(
        (&steady["events"], &steady["refused"]),
        (&json!(1), &json!(3)),
        "{steady}"
    );
    let text = metrics.text();
    for line in [
        "turted_connector_state{connector=\"steady\",state=\"running\"} 1",
        "turted_connector_state{connector=\"steady\",state=\"failed\"} 0",
        "turted_connector_state{connector=\"shaky\",state=\"failed\"} 1",
        "turted_connector_state{connector=\"shaky\",state=\"running\"} 0",
        "turted_connector_state{connector=\"shaky\",state=\"retrying\"} 0",
        "turted_connector_events_total{connector=\"steady\"} 1",
        "turted_connector_events_total{connector=\"shaky\"} 0",
        "turted_connector_refused_total{connector=\"steady\",reason=\"not_json\"} 2",
        "turted_connector_refused_total{connector=\"steady\",reason=\"no_target\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line} in\n{text}");
    }
    assert!(!health.text().contains("broker.example") && !text.contains("broker.example"));
}
