//! Brokers that go away in the middle of the work. What was not acknowledged comes again, and the connector says why it
//! failed.

use std::time::{Duration, Instant};

use lapin::options::QueueDeleteOptions;
use turted_core::testkit::{Recorder, Run, soon, start};
use turted_core::{ConnectorError, ConnectorState};
use turted_services::rabbitmq::Broker;

use crate::support::{Backend, connector, connector_of, count, json, numbers, shared, until_count};

async fn begun(broker: &Broker, recorder: &Recorder, query: &str) -> Run {
    let settings = json!({"queue": "loss", "envelope": numbers()});
    let url = format!("{}?heartbeat=1{query}", broker.url());
    let mut run = start(connector_of(&url, settings), recorder);
    run.running().await;
    run
}

async fn why(run: Run) -> String {
    match run.ended().await {
        Err(ConnectorError::Retry(why)) => why,
        other => panic!("it ended with {other:?}"),
    }
}

fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_may_stop_be_killed_freeze_and_run_low_on_memory() {
    let mut broker = blocking(Broker::start);
    let recorder = Recorder::default();

    // It stops in good order, with a message whose receipt is awaited.
    let run = begun(&broker, &recorder, "").await;
    Backend::of(&broker).await.send("loss", "1").await;
    recorder.has(1).await;
    until_count(&broker, "loss", "messages", 0).await;
    recorder.hold();
    Backend::of(&broker).await.send("loss", "2").await;
    recorder.has(2).await;
    blocking(|| broker.stop());
    recorder.release();
    let stopped = why(run).await;
    assert!(stopped.starts_with("lost queue \"loss\": "), "{stopped}");

    // What had a receipt, but no acknowledgement, comes again; then it is killed.
    blocking(|| broker.start_again());
    let run = begun(&broker, &recorder, "").await;
    recorder.has(3).await;
    assert_eq!(recorder.payloads(), ["1", "2", "2"]);
    until_count(&broker, "loss", "messages", 0).await;
    blocking(|| broker.kill());
    let killed = why(run).await;
    assert!(killed.starts_with("lost queue \"loss\": "), "{killed}");

    // It freezes: the connection stays open, but nobody is there.
    blocking(|| broker.start_again());
    let run = begun(&broker, &recorder, "").await;
    broker.freeze(true);
    let begun_at = Instant::now();
    let frozen = why(run).await;
    assert!(begun_at.elapsed() < Duration::from_secs(10), "{:?}", begun_at.elapsed());
    assert_eq!(frozen, "lost queue \"loss\": the broker fell silent");
    broker.freeze(false);

    // Low on memory it stops those who publish; who only consumes is not blocked.
    let run = begun(&broker, &recorder, "").await;
    let backend = Backend::of(&broker).await;
    recorder.hold();
    for number in 3..=5 {
        backend.send("loss", &number.to_string()).await;
    }
    blocking(|| broker.ctl(&["set_vm_memory_high_watermark", "0"]));
    recorder.release();
    recorder.has(6).await;
    assert_eq!(run.report.current(), ConnectorState::Running);
    until_count(&broker, "loss", "messages", 0).await;
    assert_eq!(run.stop().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stands_still_is_noticed_within_ten_seconds() {
    let broker = blocking(Broker::start);
    let settings = json!({"queue": "still", "envelope": numbers()});
    let mut run = start(connector_of(&broker.url(), settings), &Recorder::default());
    run.running().await;
    broker.freeze(true);
    let begun_at = Instant::now();
    let still = why(run).await;
    assert!(begun_at.elapsed() < Duration::from_secs(10), "{:?}", begun_at.elapsed());
    assert_eq!(still, "lost queue \"still\": the broker fell silent");
    broker.freeze(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_is_missed_and_declared_again() {
    let backend = Backend::of(shared()).await;
    let recorder = Recorder::default();
    let settings = json!({"queue": "deleted", "envelope": numbers()});
    let mut run = start(connector(settings.clone()), &recorder);
    run.running().await;
    let options = QueueDeleteOptions::default();
    backend.channel.queue_delete("deleted".into(), options).await.unwrap();
    let missed = why(run).await;
    assert!(
        missed.starts_with("lost queue \"deleted\": the broker cancelled the consumer"),
        "{missed}"
    );
    let mut run = start(connector(settings), &recorder);
    run.running().await;
    backend.send("deleted", "1").await;
    recorder.has(1).await;
    assert_eq!(run.stop().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_connection_says_who_closed_it() {
    let settings = json!({"queue": "closed", "envelope": numbers()});
    let mut run = start(connector(settings), &Recorder::default());
    run.running().await;
    let rows = blocking(|| shared().ctl(&["list_connections", "pid", "client_properties"]));
    let row = rows
        .lines()
        .find(|row| row.contains("turted testkit") && row.contains("connection_name"));
    // Several stories use that name: close the one that consumes this queue.
    assert!(row.is_some(), "{rows}");
    let consumers = blocking(|| shared().ctl(&["list_consumers", "queue_name", "channel_pid"]));
    let channel = consumers
        .lines()
        .find_map(|row| row.strip_prefix("closed\t"))
        .unwrap()
        .trim()
        .to_owned();
    let channels = blocking(|| shared().ctl(&["list_channels", "pid", "connection"]));
    let connection = channels
        .lines()
        .find_map(|row| row.strip_prefix(&format!("{channel}\t")))
        .unwrap();
    blocking(|| shared().ctl(&["close_connection", connection.trim(), "to make room"]));
    let closed = why(run).await;
    assert!(closed.contains("CONNECTION_FORCED - to make room"), "{closed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_is_killed_leaves_its_messages_to_the_next() {
    let backend = Backend::of(shared()).await;
    let recorder = Recorder::default();
    let settings = json!({"queue": "killed", "prefetch": 10, "envelope": numbers()});
    let mut run = start(connector(settings.clone()), &recorder);
    run.running().await;
    recorder.hold();
    for number in 1..=20 {
        backend.send("killed", &number.to_string()).await;
    }
    recorder.has(1).await;
    run.kill();
    let returned = async {
        while count(shared(), "killed", "messages_ready") != Some(20) {
            tokio::task::yield_now().await;
        }
    };
    soon("the broker noticing", returned).await;
    let recorder = Recorder::default();
    let mut run = start(connector(settings), &recorder);
    run.running().await;
    recorder.has(20).await;
    assert_eq!(run.stop().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_its_receipt_when_the_server_stops_does_not_come_again() {
    // The goodbye overtook the acknowledgement now and then.
    let backend = Backend::of(shared()).await;
    let settings = json!({"queue": "stopped", "prefetch": 1, "envelope": numbers()});
    for number in 1..=100 {
        let recorder = Recorder::default();
        let mut run = start(connector(settings.clone()), &recorder);
        run.running().await;
        backend.send("stopped", &number.to_string()).await;
        recorder.has(1).await;
        assert_eq!(run.stop().await, Ok(()));
        assert_eq!(recorder.payloads(), [number.to_string()]);
    }
}
