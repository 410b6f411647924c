//! Queues that are there only while somebody needs them, at a real broker.

use futures_util::future::BoxFuture;
use lapin::BasicProperties;
use lapin::options::{ExchangeDeclareOptions, ExchangeDeleteOptions};
use lapin::types::FieldTable;
use turted_core::testkit::{Recorder, Run, soon, start};
use turted_core::{ChannelName, ConnectorConfig, ConnectorContext, ConnectorError, Dispatch, Limits, PushConnector};
use turted_rabbitmq::{RabbitmqConfig, RabbitmqConnector};
use turted_services::rabbitmq::Broker;

use crate::support::{Backend, Value, connector, connector_of, json, shared};

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text, &Limits::default()).unwrap()
}

fn rackhd() -> RabbitmqConnector {
    connector(json!({"on_demand": "rackhd"}))
}

/// A connector that is started again when it fails, as the server does.
struct Again(RabbitmqConnector);

impl PushConnector for Again {
    fn run(&mut self, cx: ConnectorContext) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move {
            while self.0.run(cx.clone()).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            Ok(())
        })
    }
}

/// Somebody is in these channels from here on, and the broker knows it.
async fn need(run: &Run, names: &[&str]) {
    run.occupancy.change(names.iter().map(|text| (name(text), true)));
    for text in names {
        if let Some(settling) = run.occupancy.unsettled(&name(text)) {
            soon("settling", settling.wait()).await;
        }
    }
}

fn release(run: &Run, names: &[&str]) {
    run.occupancy.change(names.iter().map(|text| (name(text), false)));
}

/// The queues of a broker that begin with this, without what makes each the only one; sorted.
fn queues(broker: &Broker, head: &str) -> Vec<String> {
    let rows =
        tokio::task::block_in_place(|| broker.ctl(&["list_queues", "--no-table-headers", "name", "auto_delete"]));
    let rows = rows
        .lines()
        .filter_map(|row| row.strip_prefix("turted:")?.split_once('\t'));
    let ours = rows.filter(|(queue, auto_delete)| queue.starts_with(head) && auto_delete.trim() == "true");
    let mut ours: Vec<String> = ours
        .filter_map(|(queue, _)| Some(queue.rsplit_once(':')?.0.to_owned()))
        .collect();
    ours.sort();
    ours
}

async fn until_queues(broker: &Broker, head: &str, wanted: &[&str]) {
    let wait = async {
        while queues(broker, head) != wanted {
            tokio::task::yield_now().await;
        }
    };
    soon(&format!("the queues being {wanted:?}"), wait).await;
}

fn show(dispatch: &Dispatch) -> String {
    let to = serde_json::to_string(&dispatch.targets).unwrap();
    format!("{} {to} {}", dispatch.event, dispatch.payload.as_str())
}

fn of(kind: &str) -> BasicProperties {
    // Two watches hear the same message: it is told to both, whatever its id is.
    BasicProperties::default()
        .with_content_type(kind.into())
        .with_message_id("always".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rackhd_publishes_is_heard_from_when_it_is_needed_until_it_is_not() {
    let broker = tokio::task::block_in_place(Broker::start);
    let recorder = Recorder::default();
    let mut run = start(connector_of(&broker.url(), json!({"on_demand": "rackhd"})), &recorder);
    run.running().await;
    let mut own = start(
        connector_of(&broker.url(), json!({"on_demand": "rackhd"})),
        &Recorder::default(),
    );
    own.running().await;
    until_queues(&broker, "", &[]).await;
    need(
        &run,
        &[
            "nodes",
            "pollers",
            "mq:on.waterline:#",
            "mq:on.events:a.*",
            "mq:amq.topic:#",
            "chat",
        ],
    )
    .await;
    need(&own, &["nodes"]).await;
    let all = [
        "on.events:a.*",
        "on.waterline:#",
        "on.waterline:nodes.#",
        "on.waterline:nodes.#",
        "on.waterline:workitems.#",
    ];
    until_queues(&broker, "", &all).await;
    own.stop().await.unwrap();
    release(&run, &["mq:on.waterline:#"]);
    until_queues(
        &broker,
        "",
        &["on.events:a.*", "on.waterline:nodes.#", "on.waterline:workitems.#"],
    )
    .await;
    let backend = Backend::of(&broker).await;
    let events = [
        (
            "on.waterline",
            "nodes.created.n1",
            r#"{"event":"created","record":{"x": 1.0,"é":"\u00e9"}}"#,
        ),
        ("on.waterline", "nodes.updated.n.1", r#"{"record":{}}"#),
        ("on.waterline", "workitems.destroyed.w", r#"{"event":"destroyed"}"#),
        ("on.waterline", "skus.created.s", r#"{"record":{}}"#),
        ("on.events", "a.b", r#"{"a":[1,"x"]}"#),
        ("on.events", "a.b.c", "0"),
    ];
    for (exchange, key, body) in events {
        backend.publish(exchange, key, body, of("application/json")).await;
    }
    backend.publish("on.events", "a.plain", "pl", of("text/plain")).await;
    // They come through a queue each.
    let mut heard: Vec<String> = recorder.has(5).await.iter().map(show).collect();
    heard.sort();
    assert_eq!(
        heard,
        [
            r#"a.b [{"channel":"mq:on.events:a.*"}] {"a":[1,"x"]}"#,
            r#"a.plain [{"channel":"mq:on.events:a.*"}] {"contentType":"text/plain","data":{"data":[112,108],"type":"Buffer"}}"#,
            r#"created [{"channel":"nodes"}] {"id":"n1","record":{"x": 1.0,"é":"\u00e9"}}"#,
            r#"destroyed [{"channel":"pollers"}] {"id":"w"}"#,
            r#"updated [{"channel":"nodes"}] {"id":"n.1","record":{}}"#,
        ]
    );
    // What cannot be read is refused, and the rest goes on.
    backend
        .publish("on.waterline", "nodes.updated.n1", "{no", of("application/json"))
        .await;
    backend
        .publish(
            "on.waterline",
            "nodes.updated.n1",
            r#"{"record":1}"#,
            of("application/json"),
        )
        .await;
    assert_eq!(recorder.has(6).await[5].payload.as_str(), r#"{"id":"n1","record":1}"#);
    assert_eq!(run.report.refusals().get("not_json"), Some(&1));
    run.stop().await.unwrap();
    until_queues(&broker, "", &[]).await;
    let exchanges = tokio::task::block_in_place(|| {
        broker.ctl(&[
            "list_exchanges",
            "--no-table-headers",
            "name",
            "type",
            "durable",
            "auto_delete",
        ])
    });
    for made in ["on.waterline\ttopic\ttrue\tfalse", "on.events\ttopic\ttrue\tfalse"] {
        assert!(exchanges.contains(made), "{exchanges}");
    }
    assert!(!exchanges.contains("on.dhcp"), "nobody wanted it: {exchanges}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_watches_hear_is_told_to_both_and_whoever_comes_again_hears_nothing_old() {
    let recorder = Recorder::default();
    let mut run = start(rackhd(), &recorder);
    run.running().await;
    let backend = Backend::of(shared()).await;
    need(&run, &["mq:on.test:both.#", "mq:on.test:both.*"]).await;
    backend.publish("on.test", "both.x", "1", of("application/json")).await;
    let mut heard: Vec<String> = recorder.has(2).await.iter().map(show).collect();
    heard.sort();
    assert_eq!(
        heard,
        [
            r##"both.x [{"channel":"mq:on.test:both.#"}] 1"##,
            r#"both.x [{"channel":"mq:on.test:both.*"}] 1"#
        ]
    );
    let done = async {
        while run.report.counts().0 < 2 {
            tokio::task::yield_now().await;
        }
    };
    soon("both having their receipts", done).await;
    // The first is under way, the second waits behind it while everybody goes and one comes back.
    recorder.hold();
    release(&run, &["mq:on.test:both.*"]);
    until_queues(shared(), "on.test:both.", &["on.test:both.#"]).await;
    backend.publish("on.test", "both.x", "2", of("application/json")).await;
    backend.publish("on.test", "both.x", "3", of("application/json")).await;
    recorder.has(3).await;
    release(&run, &["mq:on.test:both.#"]);
    until_queues(shared(), "on.test:both.", &[]).await;
    need(&run, &["mq:on.test:both.#"]).await;
    recorder.release();
    backend.publish("on.test", "both.x", "4", of("application/json")).await;
    assert_eq!(recorder.has(4).await[3].payload.as_str(), "4");
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_the_broker_what_is_needed_is_heard_again_and_nobody_waits_meanwhile() {
    let mut broker = tokio::task::block_in_place(Broker::start);
    let recorder = Recorder::default();
    let mut run = start(
        Again(connector_of(&broker.url(), json!({"on_demand": "rackhd"}))),
        &recorder,
    );
    run.running().await;
    need(&run, &["nodes", "skus"]).await;
    tokio::task::block_in_place(|| broker.kill());
    release(&run, &["skus"]);
    run.occupancy.change([(name("files"), true)]);
    if let Some(settling) = run.occupancy.unsettled(&name("files")) {
        soon("nobody is there to wait for", settling.wait()).await;
    }
    tokio::task::block_in_place(|| broker.start_again());
    until_queues(&broker, "", &["on.waterline:files.#", "on.waterline:nodes.#"]).await;
    need(&run, &["nodes", "files"]).await;
    let backend = Backend::of(&broker).await;
    backend
        .publish(
            "on.waterline",
            "files.created.f",
            r#"{"record":1}"#,
            of("application/json"),
        )
        .await;
    recorder.has(1).await;
    backend
        .publish(
            "on.waterline",
            "nodes.created.n",
            r#"{"record":2}"#,
            of("application/json"),
        )
        .await;
    recorder.has(2).await;
    assert_eq!(
        recorder.payloads(),
        [r#"{"id":"f","record":1}"#, r#"{"id":"n","record":2}"#]
    );
    run.stop().await.unwrap();
}

fn rule(exchange: Value) -> Value {
    json!({
        "channel": "x/{key}", "exchange": exchange, "key": "{key}", "event": "E", "payload": ["{channel}", "{content}"],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_refuses_or_loses_is_tried_again_and_the_others_go_on() {
    let backend = Backend::of(shared()).await;
    let recorder = Recorder::default();
    let there = json!({"channel": "there", "exchange": "amq.topic", "key": "there"});
    let settings = json!({"on_demand": [there, rule("late".into())]});
    let mut run = start(connector(settings), &recorder);
    run.running().await;
    // Nobody waits for an exchange that is not there.
    need(&run, &["x/1", "there", "x/2"]).await;
    backend.publish("amq.topic", "there", "0", of("text/plain")).await;
    recorder.has(1).await;
    until_queues(shared(), "late:", &[]).await;
    let declare = || async {
        let (kind, options) = (lapin::ExchangeKind::Direct, ExchangeDeclareOptions::default());
        let declared = backend
            .channel
            .exchange_declare("late".into(), kind, options, FieldTable::default());
        declared.await.unwrap();
    };
    declare().await;
    until_queues(shared(), "late:", &["late:1", "late:2"]).await;
    let said = |number: usize, body: &'static str| {
        let (backend, recorder) = (&backend, &recorder);
        async move {
            // A queue is there a moment before it is bound.
            let before = recorder.dispatches().len();
            let heard = async {
                while recorder.dispatches().len() == before {
                    backend
                        .publish("late", &number.to_string(), body, of("text/json"))
                        .await;
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            };
            soon("hearing it", heard).await;
            let last = recorder.dispatches().pop().unwrap();
            assert_eq!(
                show(&last),
                format!(r#"E [{{"channel":"x/{number}"}}] ["x/{number}",{body}]"#)
            );
        }
    };
    said(1, "1").await;
    said(2, "2").await;
    // Somebody deletes one queue, takes the binding of the other, and then the exchange itself.
    let of_key = |key: usize| {
        let rows = tokio::task::block_in_place(|| shared().ctl(&["list_queues", "--no-table-headers", "name"]));
        let head = format!("turted:late:{key}:");
        rows.lines()
            .find(|row| row.starts_with(&head))
            .unwrap()
            .trim()
            .to_owned()
    };
    let (first, second) = (of_key(1), of_key(2));
    let unbound =
        backend
            .channel
            .queue_unbind(second.as_str().into(), "late".into(), "2".into(), FieldTable::default());
    // It is another connection's alone: only an operator may.
    assert!(unbound.await.is_err());
    let row = tokio::task::block_in_place(|| shared().ctl(&["delete_queue", &first]));
    assert!(!row.contains("rror"), "{row}");
    let backend = Backend::of(shared()).await;
    let again = async {
        while queues(shared(), "late:") != ["late:1", "late:2"] || of_key(1) == first {
            tokio::task::yield_now().await;
        }
    };
    soon("the queue being made again", again).await;
    backend
        .channel
        .exchange_delete("late".into(), ExchangeDeleteOptions::default())
        .await
        .unwrap();
    let (kind, options) = (lapin::ExchangeKind::Direct, ExchangeDeclareOptions::default());
    backend
        .channel
        .exchange_declare("late".into(), kind, options, FieldTable::default())
        .await
        .unwrap();
    let before = recorder.dispatches().len();
    let heard = async {
        while recorder.dispatches().len() == before {
            backend.publish("late", "2", "3", of("text/json")).await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    soon("being bound again", heard).await;
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_queues_are_there_and_each_that_goes_makes_room() {
    let recorder = Recorder::default();
    let settings = json!({"queues": 2, "on_demand": [rule(json!({"name": "few", "type": "topic"}))]});
    let mut run = start(connector(settings), &recorder);
    run.running().await;
    need(&run, &["x/1"]).await;
    need(&run, &["x/2", "x/3", "x/4"]).await;
    assert_eq!(queues(shared(), "few:").len(), 2);
    release(&run, &["x/1", "x/2", "x/3"]);
    until_queues(shared(), "few:", &["few:4"]).await;
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_server_takes_nothing_and_nothing_is_lost() {
    let recorder = Recorder::default();
    let settings = json!({"prefetch": 2, "on_demand": [rule(json!({"name": "busy", "type": "topic"}))]});
    let mut run = start(connector(settings), &recorder);
    run.running().await;
    need(&run, &["x/a"]).await;
    let backend = Backend::of(shared()).await;
    recorder.overload(3);
    for number in 0..50 {
        backend
            .publish("busy", "a", &number.to_string(), of("application/json"))
            .await;
    }
    recorder.has(50).await;
    let numbers: Vec<String> = (0..50).map(|number| format!(r#"["x/a",{number}]"#)).collect();
    assert_eq!(recorder.payloads(), numbers);
    run.stop().await.unwrap();
}

#[test]
fn a_section_has_a_queue_or_hears_on_demand() {
    for (settings, said) in [
        (json!({}), "needs queue or on_demand: what to hear"),
        (
            json!({"queue": "q", "on_demand": "rackhd"}),
            "on_demand: stands beside queue; a section has one of them",
        ),
        (json!({"queue": "q", "queues": 5}), "queues: is for on_demand"),
        (
            json!({"on_demand": "rackhd", "queues": 0}),
            "queues: must be from 1 to 100000",
        ),
        (
            json!({"on_demand": "rackhd", "envelope": "turted"}),
            "envelope: is for a queue",
        ),
        (
            json!({"on_demand": "rackhd", "exchange": "x"}),
            "exchange: is for a queue",
        ),
        (
            json!({"on_demand": "rackhd", "bindings": ["x"]}),
            "bindings: is for a queue",
        ),
        (
            json!({"on_demand": "rackhd", "consumer_tag": "x"}),
            "consumer_tag: is for a queue",
        ),
    ] {
        let mut settings = settings;
        settings["url"] = "amqp://localhost".into();
        let config: RabbitmqConfig = serde_json::from_value(settings.clone()).unwrap();
        let mistake = config.build().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(mistake.contains(said), "{settings}: {mistake}");
    }
    let settings = json!({"url": "amqp://localhost", "on_demand": "rackhd"});
    let on_demand = serde_json::from_value::<RabbitmqConfig>(settings)
        .unwrap()
        .build()
        .unwrap();
    assert!(on_demand.watches() && on_demand.claims().is_empty());
    let settings = json!({"url": "amqp://localhost", "queue": "q"});
    let queue = serde_json::from_value::<RabbitmqConfig>(settings)
        .unwrap()
        .build()
        .unwrap();
    assert!(!queue.watches() && queue.claims().len() == 1);
}
